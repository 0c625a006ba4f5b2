"""The folder a person opens: whose it is, who writes into it, and each result in it whole or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import TypeAdapter

from pipeline.engine.disk import require_free_space
from pipeline.engine.files import (
    PART,
    copy_private,
    file_digest,
    make_private,
    private_folder,
    read_state,
    sweep_parts,
    write_state,
)
from pipeline.engine.lock import is_lock, only_writer
from pipeline.engine.sources import has_memory
from pipeline.engine.store import Store, is_artifact
from pipeline.graph import STAGE_NAMES, WRITES
from pipeline.plan import ARTIFACTS, CORRECTIONS, DIGESTS, WORK, UsageError
from pipeline.run_record import RUN_FILE, read_run

PUBLISHED, LOCK, ERRORS = "published.json", "lock", "errors"  # in WORK
OURS_IN_WORK = frozenset({ARTIFACTS, DIGESTS, PUBLISHED, LOCK, ERRORS, CORRECTIONS})
NAMES = TypeAdapter(list[str])


@dataclass(frozen=True, slots=True)
class Made:
    """A file of an artifact and the digest of the bytes that were written into it."""

    path: Path
    digest: str


def require_ours(folder: Path, video: Path, stages: Iterable[str]) -> None:
    """Refuse a folder in which the results of ``stages`` would come into somebody's way.

    A folder that is not there or empty will do, and one with files of other names, which stay untouched.

    Raises:
        UsageError: it is the home folder or above it, the folder of the video, no folder at all; or something
            lies in it that no run of ours made and that has a name of ours.
    """
    try:
        _require_own(folder, video)
        present = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        has_own_work = WORK not in present or owns_work(folder)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    patterns = {RUN_FILE, *(pattern for stage in stages for pattern in WRITES.get(stage, ()))}
    ours = published(folder)
    for name in present:
        if _matches(name, patterns) and (name not in ours or (folder / name).is_dir()):
            raise _not_ours(folder / name)
    if not has_own_work:
        raise UsageError(f"{folder / WORK} is not a folder of ours; choose another --out")


def owns_work(folder: Path) -> bool:
    """Whether the work folder that lies in ``folder`` may be written into, swept and erased.

    Names prove nothing: a record of ours or an artifact has to be in it, or nothing that could be lost.

    Raises:
        OSError: it cannot be looked at.
    """
    work = folder / WORK
    return (
        _holds_nothing(work)
        or read_run(folder) is not None
        or RUN_FILE in (read_state(work / PUBLISHED, NAMES) or ())
        or has_memory(work / DIGESTS)
        or any(is_artifact(path) for name in STAGE_NAMES for path in (work / ARTIFACTS / name).glob("*"))
    )


def _holds_nothing(work: Path) -> bool:
    """Whether there is no more than what a run leaves that was killed before it kept anything."""
    return all(
        (path.name == LOCK and is_lock(path))
        or (path.name == ARTIFACTS and _holds_empty_stages(path))
        or (PART.fullmatch(path.name) and path.name.startswith(f".{DIGESTS}.") and path.is_file())
        for path in work.iterdir()
    )


def _holds_empty_stages(artifacts: Path) -> bool:
    return _is_folder(artifacts) and all(
        path.name in STAGE_NAMES and _is_folder(path) and not any(path.iterdir())
        for path in artifacts.iterdir()
    )


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def another_writes(process: str, folder: Path) -> str:
    """The sentence for somebody who has to wait for another run."""
    return f"another run (process {process}) writes into {folder}; waiting for it to end"


@contextmanager
def claimed(folder: Path, waiting: Callable[[str], None]) -> Iterator[bool]:
    """Make the output folder, private to its owner, and be the only run that writes into it within the block.

    ``waiting`` is called with one sentence when another run has to end first. What killed runs left
    half-written is removed. Yields whether the folder is new.

    Raises:
        UsageError: it cannot be written.
    """
    is_new, work = not folder.exists(), folder / WORK
    entered = False

    def wait(process: str) -> None:
        waiting(another_writes(process, folder))

    try:
        with only_writer(work / LOCK, wait) as is_alone:
            make_private(work)
            private_folder(work / ARTIFACTS)
            if is_alone:
                sweep_parts(folder)
                sweep_parts(work)
                Store(work / ARTIFACTS).sweep_scratch(STAGE_NAMES)
            _forget_errors(work / ERRORS)
            tempfile.TemporaryFile(dir=folder).close()  # whether it can be written is said before the work
            entered = True
            yield is_new
    except OSError as error:
        if entered:
            raise
        raise _cannot_write(folder, error) from None


def _forget_errors(errors: Path) -> None:
    with contextlib.suppress(OSError):
        for name in STAGE_NAMES:
            (errors / f"{name}.txt").unlink(missing_ok=True)
        errors.rmdir()


def withdraw_unused(folder: Path) -> None:
    """Remove a new output folder in which no stage was finished; what others put there meanwhile stays."""
    if any((folder / WORK / ARTIFACTS).glob("*/*")):
        return
    shutil.rmtree(folder / WORK, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def publish(
    folder: Path,
    made: Mapping[str, Made],
    replaceable: Callable[[str], Collection[str] | None] = lambda name: None,
) -> tuple[Path, ...]:
    """Copy files into the output folder under their names; returns their paths there.

    A file that lies there with the same bytes is left alone, one that was edited or damaged is replaced. A
    result of an earlier run that is not among them is removed, so that everything in the folder belongs
    together; its artifact stays in the store. Where ``replaceable`` gives digests for a name, a file there
    with another digest stays (:func:`spared` names it).

    Raises:
        UsageError: a file of the same name lies there that no run of ours made, or a copy came out damaged.
        OSError: the disk cannot keep it.
    """
    previous, record = published(folder), folder / WORK / PUBLISHED
    for name in sorted(set(made) - previous):
        if (folder / name).exists():
            raise _not_ours(folder / name)

    def may_go(name: str) -> bool:
        digests = replaceable(name)
        return digests is None or not (folder / name).is_file() or file_digest(folder / name) in digests

    # Said before it is done, so that a run killed in between still knows its own files.
    write_state(record, sorted(previous | {*made, RUN_FILE}))
    for name in previous - {*made, RUN_FILE}:
        if may_go(name):
            (folder / name).unlink(missing_ok=True)
    outdated = {name: file for name, file in made.items() if not _is_whole(folder / name, file)}
    require_free_space(folder, _peak_bytes(folder, outdated))
    for name, file in outdated.items():
        if may_go(name):
            _copy(file, folder / name)
    guarded = (name for name in previous if replaceable(name) is not None)
    write_state(record, sorted({*made, *spared(folder, made, guarded), RUN_FILE}))
    return tuple(folder / name for name in made)


def spared(folder: Path, made: Mapping[str, Made], names: Iterable[str]) -> tuple[str, ...]:
    """Those of ``names`` under which something else lies than was made."""
    present = (name for name in sorted(names) if (folder / name).is_file())
    return tuple(name for name in present if name not in made or not _is_whole(folder / name, made[name]))


def _is_whole(target: Path, file: Made) -> bool:
    return target.is_file() and not target.is_symlink() and file_digest(target) == file.digest


def _peak_bytes(folder: Path, made: Mapping[str, Made]) -> int:
    """How much more the disk holds at most while these files take the place of those in ``folder``."""
    grown = peak = 0
    for name, file in made.items():
        grown += file.path.stat().st_size
        peak = max(peak, grown)
        grown -= (folder / name).lstat().st_size if (folder / name).is_file() else 0
    return peak


def _copy(file: Made, target: Path) -> None:
    copy_private(file.path, target)
    if file_digest(target) != file.digest:
        target.unlink()
        raise UsageError(f"{target} came out damaged; run the same command again, it is made anew")


def published(folder: Path) -> frozenset[str]:
    """Names of the results that runs of ours left in ``folder``, by two records: one may be damaged."""
    names = set(read_state(folder / WORK / PUBLISHED, NAMES) or ())
    if (record := read_run(folder)) is not None:
        names |= {*record.files, RUN_FILE}
    patterns = {RUN_FILE, *(pattern for stage in WRITES.values() for pattern in stage)}
    return frozenset(name for name in names if _matches(name, patterns))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return Path(name).name == name and any(fnmatchcase(name, pattern) for pattern in patterns)


def _require_own(folder: Path, video: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; choose another --out")
    where = _real(folder)
    home = _real(Path(os.environ.get("HOME", os.sep)))
    if where in (home, *home.parents, Path(where.anchor)):
        raise UsageError(
            f"{folder} is not for results alone; give --out a folder of their own, as {folder / 'results'}"
        )
    if where in (_real(video.parent), _real(video).parent):
        raise UsageError(
            f"{folder} holds the video itself; give --out a folder of its own, as {folder / video.stem}"
        )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # unlike Path.resolve it stands a circle of links


def _not_ours(path: Path) -> UsageError:
    return UsageError(f"{path} is not a result of ours; move it, or choose another --out")


def _cannot_write(folder: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot write into {folder} ({error.strerror}); choose another folder with --out")
