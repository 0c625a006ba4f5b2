"""Everything the command prints goes through here.

Names of files, words of subtitles and answers of models may hold what steers a terminal (escape sequences,
text that runs backwards); it is shown as ``\\uXXXX``, which inside JSON means the same character. What a
narrow encoding lacks is shown likewise, and a terminal that is closed or full costs no result.
"""

import argparse
import contextlib
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TextIO, TypeVar

T = TypeVar("T")

LAYOUT = frozenset("\n\t")
# Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX 9); line and paragraph ends.
STEERING = frozenset("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class UnprintedError(RuntimeError):
    """Standard output took no more; ``reader_left``: because whoever read it went away, as in ``| head``."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or str(error))
        self.reader_left = isinstance(error, BrokenPipeError)


def printable(text: str, encoding: str = "utf-8") -> str:
    """The text with every character that steers a terminal, or that ``encoding`` lacks, as ``\\uXXXX``."""
    shown = "".join(_escaped(c) if c in STEERING or _is_control(c) else c for c in text)
    try:
        shown.encode(encoding)
    except UnicodeEncodeError:
        return "".join(c if _fits(c, encoding) else _escaped(c) for c in shown)
    return shown


def say(text: str, end: str = "\n") -> None:
    """Print on standard output. Raises UnprintedError."""
    try:
        _write(sys.stdout, text + end)
    except OSError as error:
        silence_output()
        raise UnprintedError(error) from error


def say_aside(text: str, end: str = "\n") -> None:
    """Print on standard error, where somebody may look; whether it arrives changes nothing."""
    with contextlib.suppress(OSError, ValueError):
        _write(sys.stderr, text + end)


def open_streams() -> None:
    """Give a process that was started with closed streams ones that lead nowhere.

    Otherwise the first file it opens gets the number of standard output, and takes what libraries print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()


def silence_output() -> None:
    """Let what standard output still holds go nowhere; otherwise Python ends with a code of its own."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def harmless(lines: AbstractContextManager[Callable[[T], None]]) -> Iterator[Callable[[T], None]]:
    """Progress lines whose terminal may go away while they are shown."""

    def show(event: T) -> None:
        with contextlib.suppress(OSError, ValueError):
            inner(event)

    inner = lines.__enter__()
    try:
        yield show
    finally:
        with contextlib.suppress(OSError, ValueError):
            lines.__exit__(None, None, None)


class Parser(argparse.ArgumentParser):
    """A parser whose messages, which repeat the arguments, go the way of everything printed."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if message:
            (say if file is sys.stdout else say_aside)(message, end="")


def _write(stream: TextIO, text: str) -> None:
    stream.write(printable(text, stream.encoding or "ascii"))
    stream.flush()


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs") and char not in LAYOUT


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def _fits(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  for as long as the process lives
