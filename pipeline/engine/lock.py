"""One writer at a time in a folder; the kernel lets go of the lock when the process ends, however it ends."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.engine.files import PRIVATE_FILE, private_folder

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAX_PID_BYTES = 32


@contextmanager
def only_writer(path: Path, waiting: Callable[[str], None]) -> Iterator[bool]:
    """Hold the lock file ``path`` within the block; another process (or thread) that asks for it waits.

    Its folder is made, private to its owner, when it is not there, or not any more after the wait.

    ``waiting`` is called once with the number of the process that holds it ("?" when unknown) before the
    wait, which an interrupt ends. Yields whether nobody else can be in the block: False on systems and file
    systems without such locks.

    Raises:
        OSError: the lock file cannot be made.
    """
    handle = _locked(path, waiting)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def is_lock(path: Path) -> bool:
    """Whether a file holds what :func:`only_writer` writes, the number of a process, or nothing.

    Raises:
        OSError: it cannot be read.
    """
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_PID_BYTES:
        return False
    return re.fullmatch(rb"\d*", path.read_bytes()) is not None


def _locked(path: Path, waiting: Callable[[str], None]) -> int | None:
    while True:
        private_folder(path.parent, parents=True)
        if fcntl is None:
            return None
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting(os.pread(handle, MAX_PID_BYTES, 0).decode("ascii", "replace").strip() or "?")
                fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_at(path, handle):  # else the folder was removed, or made anew, while we waited
                with contextlib.suppress(OSError):  # the number only serves the message
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, str(os.getpid()).encode(), 0)
                return handle
        except OSError:  # a file system without locks
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
