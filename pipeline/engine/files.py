"""Files and folders that only their owner can open, written whole or not at all, and read with distrust.

Every small state file (a manifest, a memory of digests, a record of what was published) is read by
:func:`read_state` and written by :func:`write_state`.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
MAX_STATE_BYTES = 1 << 26
PART = re.compile(r"\..+\.\d+-\d+\.part")

T = TypeVar("T")


def file_digest(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def json_digest(value: Any) -> str:
    """Hex SHA-256 of a JSON value, independent of key order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_state(path: Path, kind: TypeAdapter[T]) -> T | None:
    """What a small JSON file holds; None when it is absent or anything is wrong with it.

    Not JSON, another shape than ``kind``, no UTF-8, nested without end, larger than ``MAX_STATE_BYTES``, a
    folder: all the same to the caller, who makes anew what the file would have spared.
    """
    try:
        if path.stat().st_size > MAX_STATE_BYTES:
            return None
        return kind.validate_json(path.read_bytes(), strict=True)
    except (OSError, ValidationError):
        return None


def write_state(path: Path, value: Any) -> None:
    """Write a JSON value so that a reader sees the old file or the new one, also after a power cut."""
    write_private(path, json.dumps(value, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a small text file for its owner only, whole or not at all."""
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8", errors="backslashreplace")


def copy_private(source: Path, target: Path) -> None:
    """Copy a file for its owner only, whole or not at all."""
    with replacing(target) as scratch:
        shutil.copyfile(source, scratch)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an empty private file beside ``path`` that takes its place when the block succeeds."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        scratch.touch(mode=PRIVATE_FILE)
        make_private(scratch)
        yield scratch
        sync(scratch)
        scratch.replace(path)
        sync(path.parent)
    finally:
        scratch.unlink(missing_ok=True)


def make_private(path: Path) -> None:
    """Leave a file or folder of ours to its owner alone, whatever the umask, where the disk can do so."""
    with contextlib.suppress(OSError):  # FAT and some network shares know no owners
        path.chmod(PRIVATE_FOLDER if path.is_dir() else PRIVATE_FILE)


def private_folder(folder: Path, *, parents: bool = False) -> None:
    """Make a folder, and its missing ``parents``, for its owner only; one that is there stays as it is.

    Raises:
        OSError: it cannot be made, or a file has its name.
    """
    if parents and not folder.parent.exists():
        private_folder(folder.parent, parents=True)
    try:
        folder.mkdir(mode=PRIVATE_FOLDER)
    except FileExistsError:
        if not folder.is_dir():
            raise
    else:
        make_private(folder)


def sweep_parts(folder: Path) -> None:
    """Remove what killed processes left half-written in ``folder``; call it as its only writer."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if PART.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the disk keep a file or folder."""
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder for fsync
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
