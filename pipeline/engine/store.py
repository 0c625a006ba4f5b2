"""Artifacts on disk, addressed by the digest of everything that made them.

A commit is: write to a scratch folder, fsync, one rename. A reader therefore sees a whole artifact or none,
also after ``kill -9`` or a power cut.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
SCRATCH_PREFIX = ".tmp-"
DISCARDED_SUFFIX = ".gone"
SCRATCH_LIFE_S = 24 * 3600

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


def file_digest(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def json_digest(value: Any) -> str:
    """Hex SHA-256 of a JSON value, independent of key order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


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


class Store:
    """One folder of artifacts. Safe for several processes: the first to rename wins."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, stage: str, recipe: Mapping[str, Any]) -> Artifact | None:
        """The artifact of this recipe, or None when it is absent or damaged (a file missing or resized)."""
        path = self._path(stage, recipe)
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            intact = all((path / name).stat().st_size == size for name, size in manifest["sizes"].items())
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, KeyError):
            return None
        if not intact:
            return None
        return Artifact(path, manifest["digest"], manifest["seconds"], manifest["peak_memory_mb"])

    def why_not(self, stage: str, recipe: Mapping[str, Any]) -> str:
        """Why :meth:`find` would not give this recipe: what differs from the newest artifact of the stage."""
        made = sorted((self.root / stage).glob(f"*/{MANIFEST}"), key=_age_s)
        if not made:
            return "it has not been run yet"
        try:
            before = json.loads(made[0].read_text(encoding="utf-8"))["recipe"]
        except (json.JSONDecodeError, KeyError):
            return "its last artifact is damaged"
        now = json.loads(json.dumps(recipe))
        if before == now:
            return "its last artifact is damaged"
        return "changed: " + ", ".join(_differences(before, now))

    def verify(self, stage: str, recipe: Mapping[str, Any]) -> bool:
        """Whether the artifact's bytes are those that were written (reads every file)."""
        found = self.find(stage, recipe)
        if found is None:
            return False
        manifest = json.loads((found.path / MANIFEST).read_text(encoding="utf-8"))
        return all(file_digest(found.path / name) == digest for name, digest in manifest["files"].items())

    @contextmanager
    def writing(
        self, stage: str, recipe: Mapping[str, Any], measures: Mapping[str, float], *, replace: bool = False
    ) -> Iterator[Path]:
        """Yield a scratch folder; it becomes the artifact only if the block succeeds.

        ``measures`` (seconds, peak_memory_mb) is read after the block and kept beside the digest; it is not
        part of it. ``replace`` puts the new artifact in the place of an intact old one.
        """
        final = self._path(stage, recipe)
        final.parent.mkdir(parents=True, exist_ok=True)
        with _making_scratch:
            scratch = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=final.parent))
            _open_scratch.add(scratch)
        try:
            yield scratch
            self._seal(scratch, recipe, measures)
            if final.exists() and (replace or self.find(stage, recipe) is None):
                shutil.rmtree(final)
            try:
                scratch.rename(final)
            except OSError:
                if self.find(stage, recipe) is None:  # else another process made the same bytes first
                    raise
            _sync(final.parent)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            _open_scratch.discard(scratch)

    def sweep(self, keep: set[Path], most_per_stage: int) -> None:
        """Delete the oldest artifacts of each stage beyond ``most_per_stage``, never one in ``keep``.

        Scratch folders that a killed run left behind go once they are a day old.
        """
        for stage in self.root.iterdir() if self.root.is_dir() else ():
            folders = [f for f in stage.iterdir() if f.is_dir()] if stage.is_dir() else []
            finished = sorted((f for f in folders if not f.name.startswith(SCRATCH_PREFIX)), key=_age_s)
            stale = [f for f in folders if f.name.startswith(SCRATCH_PREFIX) and _age_s(f) > SCRATCH_LIFE_S]
            for folder in (*finished[most_per_stage:], *stale):
                if folder not in keep:
                    shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def _seal(scratch: Path, recipe: Mapping[str, Any], measures: Mapping[str, float]) -> None:
        files = sorted(path for path in scratch.rglob("*") if path.is_file())
        digests = {str(path.relative_to(scratch)): file_digest(path) for path in files}
        manifest = {
            "digest": json_digest(digests),
            "sizes": {str(path.relative_to(scratch)): path.stat().st_size for path in files},
            "files": digests,
            "recipe": dict(recipe),
            "seconds": measures.get("seconds"),
            "peak_memory_mb": measures.get("peak_memory_mb"),
        }
        (scratch / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
        for path in (*files, scratch / MANIFEST):
            _sync(path)
        _sync(scratch)

    def _path(self, stage: str, recipe: Mapping[str, Any]) -> Path:
        return self.root / stage / json_digest(recipe)[:16]


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    named = [name for name in ("version",) if before.get(name) != now.get(name)]
    for part in ("settings", "inputs"):
        old, new = before.get(part) or {}, now.get(part) or {}
        named += [f"{part} {key}" for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return named


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder for fsync
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
