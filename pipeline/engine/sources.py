"""Digests of source files, remembered by size and modification time: a second run reads nothing."""

import json
import os
import tempfile
from pathlib import Path

from pipeline.engine.store import Artifact, file_digest


def source_artifact(path: Path, memory: Path) -> Artifact:
    """The source file with its digest; ``memory`` is a small JSON file of digests seen before.

    Raises:
        OSError: the file cannot be read.
    """
    stat = path.stat()
    seen = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
    try:
        known: dict[str, str] = json.loads(memory.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        known = {}
    if seen not in known:
        known[seen] = file_digest(path)
        memory.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=memory.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(known, stream, indent=1)
            Path(scratch).replace(memory)
        finally:
            Path(scratch).unlink(missing_ok=True)
    return Artifact(path, known[seen])
