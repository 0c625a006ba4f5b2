"""Files from outside: digested once, remembered, and watched for change while they are in use."""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from pipeline.engine.files import file_digest, json_digest, read_state, write_state
from pipeline.engine.store import Artifact

# (size, modification, change, device, number): `cp -p` can forge the first two, nothing all of them.
Stamp = tuple[int, int, int, int, int]
# By path: the stamp, the digest, and a digest of all three, or a flipped bit would pass for another file.
MEMORY = TypeAdapter(dict[str, tuple[Stamp, str, str]])


class SourceChangedError(RuntimeError):
    """A source is no longer what it was at the start; the message is one sentence."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path} {what} while it was read; run the same command again")


@dataclass(frozen=True, slots=True)
class Source:
    """A file from outside as it was when its digest was taken."""

    path: Path
    digest: str
    stamp: Stamp
    _equal: set[Stamp] = field(default_factory=set, compare=False, repr=False)  # later ones, same digest

    @property
    def artifact(self) -> Artifact:
        return Artifact(self.path, self.digest)

    def check(self) -> None:
        """Raises SourceChangedError when the file holds other bytes, was written to, or is gone.

        A hard link, another mode or another name for a moment change only what follows size and modification
        in the stamp: then the bytes decide.
        """
        try:
            while (now := _stamp(self.path)) != self.stamp and now not in self._equal:
                if now[:2] != self.stamp[:2] or file_digest(self.path) != self.digest:
                    raise SourceChangedError(self.path, "changed")
                self._equal.add(now)  # if it has not changed again since: so once more round
        except OSError:
            raise SourceChangedError(self.path, "went away") from None


def read_source(path: Path, memory: Path | None, *, remember: bool = True) -> Source:
    """The file with its digest; ``memory`` is a small JSON file of digests seen before, None for none.

    Without ``remember`` the memory is read only.

    Raises:
        SourceChangedError: it was written to while it was read.
        OSError: it cannot be read.
    """
    stamp, name = _stamp(path), os.fsencode(path.resolve()).decode("utf-8", "backslashreplace")
    known = (read_state(memory, MEMORY) if memory is not None else None) or {}
    if name in known and known[name] == _remembered(name, stamp, known[name][1]):
        return Source(path, known[name][1], stamp)
    source = Source(path, file_digest(path), stamp)
    source.check()
    if memory is not None and remember:
        with contextlib.suppress(OSError):  # a digest that cannot be remembered is taken again next time
            memory.parent.mkdir(parents=True, exist_ok=True)
            write_state(memory, known | {name: _remembered(name, stamp, source.digest)})
    return source


def has_memory(memory: Path) -> bool:
    """Whether a file is a memory of :func:`read_source` in which at least one digest stands."""
    known = read_state(memory, MEMORY) or {}
    return any(entry == _remembered(name, entry[0], entry[1]) for name, entry in known.items())


def _remembered(name: str, stamp: Stamp, digest: str) -> tuple[Stamp, str, str]:
    return stamp, digest, json_digest([name, stamp, digest])


def _stamp(path: Path) -> Stamp:
    state = path.stat()
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_dev, state.st_ino
