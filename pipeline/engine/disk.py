"""What a disk says when it cannot keep what we write, as one sentence."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

MIN_FREE_FILES = 64  # what failed has been cleaned up when the sentence is made, so a few are free again
AGAIN = "run the same command again, finished stages are kept"
FULL = f"the disk is full where {{folder}} lies{{detail}}; make room and {AGAIN}"
SENTENCES = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: f"your quota is used up where {{folder}} lies{{detail}}; make room and {AGAIN}",
    errno.EROFS: f"{{folder}} lies on a file system that is read-only now; mend that and {AGAIN}",
    errno.EFBIG: f"a file in {{folder}} grew past the largest size allowed; raise the limit and {AGAIN}",
    errno.ESTALE: f"{{folder}} is no longer there (stale file handle); {AGAIN}",
}
# What programs and libraries say that hand on a message and no number. Messages hold names of files too: the
# words have to begin a line or follow a colon, and not go on as a name would. The last form is numpy's.
STATED = r"(?:^|: |\] |\bdatabase or )({words})(?=[;:,)]|\.?\s*$|\. )"
MESSAGES = {
    re.compile(STATED.format(words=re.escape(words)), re.MULTILINE): code
    for words, code in [("disk is full", errno.ENOSPC), *((os.strerror(c), c) for c in SENTENCES)]
} | {re.compile(r"^\d+ requested and \d+ written$"): errno.ENOSPC}


class NotEnoughSpaceError(OSError):
    """Raised before a long write for which there is no room; its ``errno`` is that of a full disk."""

    def __init__(self, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(
            errno.ENOSPC,
            f"{needed_bytes / 1e6:,.0f} MB are needed, {free_bytes / 1e6:,.0f} MB are free",
        )


def require_free_space(folder: Path, needed_bytes: int) -> None:
    """Call before a long write into ``folder``.

    Raises:
        NotEnoughSpaceError: fewer than ``needed_bytes`` are free there, as far as it can be known.
        OSError: the folder cannot be looked at.
    """
    total_bytes, _, free_bytes = shutil.disk_usage(folder)
    if total_bytes and free_bytes < needed_bytes:  # some network file systems say 0 to everything
        raise NotEnoughSpaceError(needed_bytes, free_bytes)


def disk_trouble(error: BaseException, folder: Path) -> str | None:
    """The sentence for an error that says that ``folder`` cannot keep what we write; None for any other.

    An error that was caught and raised again in another form is recognised by what caused it, that of a
    program or library by its message.
    """
    for cause in _causes(error):
        number = getattr(cause, "errno", None)
        if number not in SENTENCES:
            number = next((code for words, code in MESSAGES.items() if words.search(str(cause))), None)
        if number is not None:
            return SENTENCES[number].format(folder=folder, detail=_detail(cause, number, folder))
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _detail(error: BaseException, number: int, folder: Path) -> str:
    if isinstance(error, NotEnoughSpaceError):
        return f": {error.strerror}"
    if number == errno.ENOSPC and _lacks_inodes(folder):
        return ": it can hold no more files"
    return ""


def _lacks_inodes(folder: Path) -> bool:
    if not hasattr(os, "statvfs"):
        return False
    state = os.statvfs(folder)
    return state.f_files > 0 and state.f_favail < MIN_FREE_FILES
