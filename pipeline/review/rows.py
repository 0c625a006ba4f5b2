"""A sheet as it comes back from a spreadsheet: other separators, encodings and columns, the same meaning."""

import csv
import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.review.events import ReviewError
from pipeline.writers.facts import one_line

EVENT, VERDICT, NOTE, RATER = "Event", "Verdict", "Note", "Rater"
SEPARATORS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Row:
    """``number`` is the row a spreadsheet shows; the header is row 1. ``verdict`` is in lower case."""

    number: int
    event: str
    verdict: str
    note: str
    rater: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """``readable`` is false where letters beyond ASCII may be garbled: the file is not in Unicode."""

    path: Path
    rows: tuple[Row, ...]
    readable: bool = True


def read_sheet(path: Path) -> Sheet:
    """Read what a human filled in; rows without an event are passed over.

    Raises:
        ReviewError: there is no such file, it is no sheet, or a column is missing or doubled.
    """
    try:
        text, readable = _decoded(path.read_bytes())
    except OSError as error:
        raise ReviewError(f"cannot read {path} ({error.strerror}); check the path") from None
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) == len("sep=,"):  # a line Excel swallows
        text = rest
    try:
        records = _records(text)
    except csv.Error as error:
        raise ReviewError(f"{path} cannot be read as CSV ({error}); save it again as CSV UTF-8") from None
    header = next((i for i, cells in enumerate(records) if any(cells)), None)
    places = {} if header is None else _places(records[header], path)
    if header is None or not {EVENT, VERDICT} <= set(places):
        raise ReviewError(
            f"{path} has no columns {EVENT} and {VERDICT}; give the CSV that `emotion-pipeline review` wrote"
        )
    found = []
    for number, cells in enumerate(records[header + 1 :], start=header + 2):
        values = {name: cells[place] if place < len(cells) else "" for name, place in places.items()}
        row = Row(
            number,
            _plain(values[EVENT]),
            _plain(values[VERDICT]).casefold(),
            one_line(values.get(NOTE, "")),
            _plain(values.get(RATER, "")),
        )
        found += [row] if row.event or row.verdict else []
    return Sheet(path, tuple(found), readable)


def _decoded(content: bytes) -> tuple[str, bool]:
    """Excel writes UTF-8 with a BOM, UTF-16 with one ("Unicode text"), or the code page of its machine."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace"), True
    try:
        return content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), False


def _records(text: str) -> list[list[str]]:
    """Cells, separated by whatever splits the first line into most of them."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=first.count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def _places(header: Sequence[str], path: Path) -> dict[str, int]:
    wanted = {name.casefold(): name for name in (EVENT, VERDICT, NOTE, RATER)}
    places: dict[str, int] = {}
    for place, cell in enumerate(header):
        name = wanted.get(_plain(cell).casefold())
        if name in places:
            raise ReviewError(f"{path} has two columns {name}; leave one of them")
        if name is not None:
            places[name] = place
    return places


def _plain(cell: str) -> str:
    """Without what cannot be seen: white space around, control characters, a BOM, wide forms of letters."""
    return one_line(
        "".join(c for c in unicodedata.normalize("NFKC", cell) if unicodedata.category(c) != "Cf")
    )
