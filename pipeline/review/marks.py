"""From sheets to marks: who said what of which event, checked. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.review.events import Named, ReviewError, parse_id
from pipeline.review.rows import EVENT, RATER, VERDICT, Row, Sheet

Verdict = Literal["right", "wrong", "unsure"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

Marks = Mapping[str, Mapping[str, Verdict]]  # event to rater to verdict, both in order of name


@dataclass(frozen=True, slots=True)
class Marked:
    """All sheets together. ``asked`` is every event of the sheets, marked or not."""

    marks: Marks
    asked: Mapping[str, Named]
    raters: tuple[str, ...]
    notes: Mapping[tuple[str, str], str]  # by event and rater


def gather(sheets: Iterable[Sheet]) -> Marked:
    """Put the sheets of all raters together; a rater is named in the column or by the file.

    Raises:
        ReviewError: an unknown verdict, what is no event, an event that one rater marked twice, no marks.
    """
    said: dict[tuple[str, str], Verdict] = {}  # by event and rater; who write their name ANN and Ann are one
    asked: dict[str, Named] = {}
    notes: dict[tuple[str, str], str] = {}
    names: dict[str, str] = {}
    places: dict[tuple[str, str], str] = {}
    for sheet in sorted(sheets, key=lambda one: str(one.path)):
        if not any(row.verdict for row in sheet.rows):
            raise ReviewError(f"{sheet.path} carries no marks; write right, wrong or unsure under {VERDICT}")
        for row in sheet.rows:
            where = f"{sheet.path}, row {row.number}"
            asked[row.event] = _named(row, where)
            if not row.verdict:
                continue
            shown = row.rater or sheet.path.stem
            who = row.event, shown.casefold()
            if who in places:
                raise ReviewError(
                    f"{where}: {shown} has marked this event already ({places[who]}); leave one of the two "
                    f"rows, or name the raters apart under {RATER}"
                )
            places[who], said[who] = where, _verdict(row, where)
            names[who[1]] = min(shown, names.get(who[1], shown))
            if row.note:
                notes[who] = row.note
    marks: dict[str, dict[str, Verdict]] = {}
    for (event, rater), verdict in sorted(said.items()):
        marks.setdefault(event, {})[names[rater]] = verdict
    shown_notes = {(event, names[rater]): note for (event, rater), note in sorted(notes.items())}
    return Marked(marks, dict(sorted(asked.items())), tuple(names[key] for key in sorted(names)), shown_notes)


def _named(row: Row, where: str) -> Named:
    named = parse_id(row.event)
    if named is None:
        raise ReviewError(
            f"{where}: {row.event!r} is no event of ours; copy the cell under {EVENT} anew from the sheet"
        )
    return named


def _verdict(row: Row, where: str) -> Verdict:
    if row.verdict not in VERDICTS:
        raise ReviewError(f"{where}: {row.verdict!r} is none of {', '.join(VERDICTS)}; correct the cell")
    return row.verdict


def majority(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict most raters gave; unsure when two were given alike often."""
    (first, most), *others = Counter(sorted(verdicts)).most_common()
    return "unsure" if others and others[0][1] == most else first


def of_events(marks: Marks) -> dict[str, Verdict]:
    """One verdict an event."""
    return {event: majority(tuple(given.values())) for event, given in marks.items()}
