"""Artifacts on disk, addressed by the digest of everything that made them.

A commit is: write to a scratch folder, fsync, one rename. A reader therefore sees a whole artifact or none,
also after ``kill -9`` or a power cut. Before an artifact of an earlier run is used its bytes are held against
the digests written down when it was made.
"""

import contextlib
import errno
import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipeline.engine.files import (
    file_digest,
    json_digest,
    make_private,
    private_folder,
    read_state,
    sync,
    write_state,
)

MANIFEST = "manifest.json"
SCRATCH_PREFIX = ".tmp-"
KEY_LENGTH = 16
KEY = re.compile(f"[0-9a-f]{{{KEY_LENGTH}}}")
DISCARDED_SUFFIX = ".gone"

# Scratch folders this process is writing to: the one thing to clean up when it must end at once.
_open_scratch: set[Path] = set()
# Held while a scratch folder is made, and for good by a process that is about to end.
_making_scratch = threading.Lock()


def discard_open_scratch() -> None:
    """Remove what unfinished stages of this process have written; for a process that is about to end.

    No scratch folder can be made after this: a stage that wants one waits for the end. Those there are
    renamed before they are removed: a stage that goes on writing could put a file into one meanwhile.
    """
    _making_scratch.acquire(timeout=1.0)
    for scratch in tuple(_open_scratch):
        gone = scratch.with_name(f"{scratch.name}{DISCARDED_SUFFIX}")
        with contextlib.suppress(OSError):
            scratch.rename(gone)
        for folder in (scratch, gone):
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A folder (or a source file) and the digest of the bytes it holds.

    The digest is of the content, so an identical rerun does not disturb what follows. ``made_in_s`` is how
    long the stage took when it ran; None for a source.
    """

    path: Path
    digest: str
    made_in_s: float | None = None
    peak_memory_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is written down beside an artifact's files; ``files`` maps their names to their digests."""

    digest: str
    files: dict[str, str]
    recipe: dict[str, Any]
    seconds: float | None
    peak_memory_mb: float | None


MANIFESTS = TypeAdapter(Manifest)


class StoreClosedError(RuntimeError):
    """Raised when something was to become an artifact after :meth:`Store.close`."""


class Store:
    """One folder of artifacts. Safe for several processes: the first to rename wins."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._intact: set[Path] = set()  # held against their digests, or made, by this store
        self._committing = threading.Lock()
        self._is_closed = False

    def find(self, stage: str, recipe: Mapping[str, Any]) -> Artifact | None:
        """The artifact of this recipe; None when it is absent or not what was written (see :meth:`holds`).

        Every file is read, once in the life of this store.
        """
        path = self._path(stage, recipe)
        manifest = read_state(path / MANIFEST, MANIFESTS)
        if manifest is None or not (path in self._intact or _is_intact(path, manifest, recipe)):
            return None
        self._intact.add(path)
        return Artifact(path, manifest.digest, manifest.seconds, manifest.peak_memory_mb)

    def holds(self, stage: str, recipe: Mapping[str, Any]) -> bool:
        """Whether something lies where this recipe's artifact belongs: damaged, if :meth:`find` refuses."""
        return self._path(stage, recipe).exists()

    def why_not(self, stage: str, recipe: Mapping[str, Any]) -> str:
        """Why :meth:`find` would not give this recipe: what differs from the newest artifact of the stage."""
        if self.holds(stage, recipe):
            return "its artifact is damaged"
        made = sorted((self.root / stage).glob(f"*/{MANIFEST}"), key=_age_s)
        if not made:
            return "it has not been run yet"
        before = read_state(made[0], MANIFESTS)
        if before is None:
            return "its last artifact is damaged"
        return "changed: " + ", ".join(_differences(before.recipe, json.loads(json.dumps(recipe))))

    @contextmanager
    def writing(
        self, stage: str, recipe: Mapping[str, Any], measures: Mapping[str, float], *, replace: bool = False
    ) -> Iterator[Path]:
        """Yield a scratch folder; it becomes the artifact only if the block succeeds.

        ``measures`` (seconds, peak_memory_mb) is read after the block and kept beside the digest; it is not
        part of it. ``replace`` puts the new artifact in the place of an intact old one. The folder that holds
        the store has to be there: one that vanished is not made anew.

        Raises:
            StoreClosedError: the store was closed meanwhile; nothing is kept.
        """
        final = self._path(stage, recipe)
        private_folder(self.root)
        private_folder(final.parent)
        with _making_scratch:
            scratch = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=final.parent))
            _open_scratch.add(scratch)
        make_private(scratch)
        try:
            yield scratch
            _seal(scratch, recipe, measures)
            if self.holds(stage, recipe) and (replace or self.find(stage, recipe) is None):
                _remove(final)
            try:
                self._commit(scratch, final)
            except OSError:
                if self.find(stage, recipe) is None:  # else another process made the same bytes first
                    raise
            self._intact.add(final)
            sync(final.parent)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            _open_scratch.discard(scratch)

    def sweep(self, keep: set[Path], most_per_stage: int, stages: Collection[str]) -> None:
        """Delete the oldest artifacts of these stages beyond ``most_per_stage``, never one in ``keep``."""
        for stage in self._folders(stages):
            finished = [f for f in stage.iterdir() if KEY.fullmatch(f.name) and f.is_dir()]
            for folder in sorted(finished, key=_age_s)[most_per_stage:]:
                if folder not in keep:
                    shutil.rmtree(folder, ignore_errors=True)

    def sweep_scratch(self, stages: Collection[str]) -> None:
        """Delete what killed runs of these stages left half-made; call it as the store's only writer."""
        for stage in self._folders(stages):
            for folder in stage.glob(f"{SCRATCH_PREFIX}*"):
                if folder not in _open_scratch:
                    shutil.rmtree(folder, ignore_errors=True)

    def _commit(self, scratch: Path, final: Path) -> None:
        with self._committing:
            if self._is_closed:
                raise StoreClosedError(f"{final} is not kept: the run was ended")
            scratch.rename(final)

    def close(self) -> None:
        """Let nothing become an artifact of this store from now on; one that is about to is waited for."""
        with self._committing:
            self._is_closed = True

    def _folders(self, stages: Collection[str]) -> list[Path]:
        """Nothing behind a link: what is swept has to be ours."""
        if self.root.is_symlink() or not self.root.is_dir():
            return []
        folders = (self.root / name for name in stages)
        return [f for f in folders if f.is_dir() and not f.is_symlink()]

    def _path(self, stage: str, recipe: Mapping[str, Any]) -> Path:
        return self.root / stage / json_digest(recipe)[:KEY_LENGTH]


def is_artifact(path: Path) -> bool:
    """Whether a folder has a manifest that a store wrote for that very folder; its files are not read."""
    manifest = read_state(path / MANIFEST, MANIFESTS)
    return (
        manifest is not None
        and manifest.digest == json_digest(manifest.files)
        and manifest.recipe.get("stage") == path.parent.name
        and json_digest(manifest.recipe)[:KEY_LENGTH] == path.name
    )


def artifact_files(path: Path) -> Mapping[str, str]:
    """Name to digest of the files of an artifact that :meth:`Store.find` gave.

    Raises:
        FileNotFoundError: its manifest has vanished or was damaged since.
    """
    manifest = read_state(path / MANIFEST, MANIFESTS)
    if manifest is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path / MANIFEST))
    return manifest.files


def _is_intact(path: Path, manifest: Manifest, recipe: Mapping[str, Any]) -> bool:
    """Whether the artifact is of this recipe and its files, no more and no fewer, are those written down."""
    if manifest.recipe != json.loads(json.dumps(recipe)) or manifest.digest != json_digest(manifest.files):
        return False
    try:
        return _digests(path) == manifest.files
    except OSError:
        return False


def _digests(folder: Path) -> dict[str, str]:
    """Name to digest of every file below ``folder`` but its manifest."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {str(path.relative_to(folder)): file_digest(path) for path in files}


def _seal(scratch: Path, recipe: Mapping[str, Any], measures: Mapping[str, float]) -> None:
    digests = _digests(scratch)
    manifest = Manifest(
        digest=json_digest(digests),
        files=digests,
        recipe=dict(recipe),
        seconds=measures.get("seconds"),
        peak_memory_mb=measures.get("peak_memory_mb"),
    )
    for path in scratch.rglob("*"):
        make_private(path)
        if path.is_file():
            sync(path)
    write_state(scratch / MANIFEST, asdict(manifest))
    sync(scratch)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    named = [name for name in ("version",) if before.get(name) != now.get(name)]
    for part in ("settings", "inputs"):
        old, new = before.get(part) or {}, now.get(part) or {}
        named += [f"{part} {key}" for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return named


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime
