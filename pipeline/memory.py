"""Memory that was freed, given back to the system."""

import ctypes
from functools import cache
from typing import Any


def give_back() -> None:
    """Let go of freed memory that the allocator keeps for later, where it can (glibc).

    What one stage needed would otherwise stand beside what the next one needs: what models took in one thread
    is not used again for the tables that another writes.
    """
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library
        return None
