"""From artifacts to the folder a person opens: each file whole or not at all, and nobody else's touched."""

import json
import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

from pipeline.plan import WORK, UsageError

PUBLISHED = "published.json"


def publish(folder: Path, made: Mapping[str, Path]) -> tuple[Path, ...]:
    """Copy files into the output folder under their names; returns their paths there.

    A result of an earlier run that is not among them is removed, so that everything in the folder belongs
    together; its artifact stays in the store.

    Raises:
        UsageError: a file of the same name lies there that no run of ours made.
    """
    previous = _published(folder)
    for name in sorted(set(made) - previous):
        if (folder / name).exists():
            raise UsageError(f"{folder / name} is not a result of ours; move it, or choose another --out")
    # Said before it is done, so that a run killed in between still knows its own files.
    record = folder / WORK / PUBLISHED
    write_atomically(record, json.dumps(sorted(previous | set(made))))
    for name in previous - set(made):
        (folder / name).unlink(missing_ok=True)
    for name, source in made.items():
        _copy(source, folder / name)
    write_atomically(record, json.dumps(sorted(made)))
    return tuple(folder / name for name in made)


def _published(folder: Path) -> set[str]:
    try:
        names: list[str] = json.loads((folder / WORK / PUBLISHED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return {name for name in names if Path(name).name == name}


def _copy(source: Path, target: Path) -> None:
    have, want = (target.stat() if target.is_file() else None), source.stat()
    if have is not None and (have.st_size, have.st_mtime_ns) == (want.st_size, want.st_mtime_ns):
        return
    scratch = _scratch(target)
    try:
        shutil.copy2(source, scratch)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def _scratch(path: Path) -> Path:
    """A name of this process and thread beside ``path``: several runs may publish into one folder."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")


def write_atomically(path: Path, text: str) -> None:
    """Write a small text file so that a reader sees the old one or the new one."""
    scratch = _scratch(path)
    try:
        scratch.write_text(text + "\n", encoding="utf-8")
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
