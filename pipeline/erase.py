"""Removes what we left in an output folder: whatever shows faces, or all of it; nothing that is not ours."""

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.engine.files import write_state
from pipeline.engine.store import SCRATCH_PREFIX
from pipeline.graph import PICTURING, WRITES
from pipeline.plan import ARTIFACTS, CORRECTIONS, WORK, UsageError
from pipeline.publish import LOCK, OURS_IN_WORK, owns_work, published
from pipeline.run_record import RUN_FILE, read_run

PICTURES = tuple(pattern for stage in PICTURING for pattern in WRITES.get(stage, ()))


@dataclass(frozen=True, slots=True)
class Erasure:
    """What would go from ``folder``: results by name, and our part of the work folder; ``kept`` names stay.

    ``files`` and ``size_bytes`` count the files that would go, those in ``work`` too.
    """

    folder: Path
    names: tuple[str, ...]
    work: tuple[Path, ...]
    kept: tuple[str, ...]
    files: int
    size_bytes: int


def survey(folder: Path, everything: bool) -> Erasure:
    """Say what an erasure of ``folder`` would remove, and touch nothing.

    Without ``everything``: the cache, which holds face crops, and the results that show the picture; what a
    person corrected stays with the words.

    Raises:
        UsageError: the folder is not there, not ours, or cannot be read.
    """
    try:
        present = sorted(path.name for path in folder.iterdir())
        work = folder / WORK
        inside = [] if work.is_symlink() or not work.is_dir() else sorted(work.iterdir())
        is_ours = bool(inside) and owns_work(folder)
    except OSError as error:
        raise UsageError(f"cannot look into {folder} ({error.strerror}); name a folder of results") from None
    cache = tuple(
        path
        for path in inside
        if is_ours and path.name in OURS_IN_WORK and (everything or not _holds_corrections(path))
    )
    if not cache and read_run(folder) is None:
        raise UsageError(f"{folder} is not a folder of results of ours; name one, as outputs/vlog")
    ours = published(folder) & {name for name in present if _is_file(folder / name)}
    names = tuple(sorted(name for name in ours if everything or _shows_picture(name)))
    left = {WORK} if len(cache) == len(inside) else set()
    kept = tuple(name for name in present if name not in {*names, *left})
    files = [*(folder / name for name in names), *(f for path in cache for f in _files(path))]
    files = [path for path in files if path != work / LOCK]
    return Erasure(folder, names, cache, kept, len(files), sum(f.lstat().st_size for f in files))


def erase(erasure: Erasure) -> None:
    """Remove it. Folders of ours that are empty then go too.

    Raises:
        UsageError: something cannot be removed; what could be is gone.
    """
    folder = erasure.folder
    try:
        for name in erasure.names:
            (folder / name).unlink(missing_ok=True)
        _note(folder, erasure.names)
        for path in erasure.work:
            _remove(path)
        for emptied in (folder / WORK, folder):
            if emptied.is_dir() and not emptied.is_symlink() and not any(emptied.iterdir()):
                emptied.rmdir()
    except OSError as error:
        raise UsageError(
            f"cannot remove {error.filename or folder} ({error.strerror}); mend that and run it again"
        ) from None


def drop_pictures(artifacts: Path) -> None:
    """Remove every artifact that holds a picture of somebody, of earlier runs too.

    Raises:
        UsageError: something cannot be removed.
    """
    try:
        for stage in PICTURING:
            for path in sorted((artifacts / stage).glob("*")):
                if not path.name.startswith(SCRATCH_PREFIX):  # goes with the stage that writes into it
                    _remove(path)
    except OSError as error:
        raise UsageError(
            f"cannot remove {error.filename} ({error.strerror}); faces are still in it"
        ) from None


def artifacts_of(folder: Path) -> Path:
    """Where the artifacts of an output folder lie."""
    return folder / WORK / ARTIFACTS


def _holds_corrections(path: Path) -> bool:
    """Whether a part of the work folder keeps a transcript that a person corrected."""
    if path.name != CORRECTIONS:
        return False
    from pipeline.corrections import FILES, kept_file

    return any(one.is_file() for one in (kept_file(path), *(path / name for name in FILES)))


def _shows_picture(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in PICTURES)


def _is_file(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _files(path: Path) -> Iterable[Path]:
    if _is_file(path):
        yield path
        return
    for root, folders, names in os.walk(path):
        links = (name for name in folders if Path(root, name).is_symlink())
        yield from (Path(root, name) for name in (*names, *links))


def _remove(path: Path) -> None:
    if _is_file(path):
        path.unlink()
    else:
        shutil.rmtree(path)


def _note(folder: Path, names: Iterable[str]) -> None:
    """Take the names out of ``run.json``, by which a later run knows its own files."""
    if read_run(folder) is None:
        return
    record = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    record["files"] = [name for name in record["files"] if name not in set(names)]
    write_state(folder / RUN_FILE, record)
