"""The sheet a rater fills in: one row per event, nothing in it that tells what to think.

Two things are left out or mixed up on purpose. How sure the detector was is not shown: people who see a
machine's answer drift towards it, which flatters the machine (Berzak, Huang, Barbu, Korhonen & Katz 2016,
"Anchoring and Agreement in Syntactic Annotations", EMNLP; on assessors who are not blind, Hróbjartsson et al.
2012, BMJ 344:e1119). And rows do not come strongest first: the order of items moves judgements too (Beck et
al. 2024, "Order Effects in Annotation Tasks", UncertaiNLP).
"""

import csv
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.review.events import Event, ReviewError, events
from pipeline.review.foils import foils
from pipeline.review.rows import EVENT, NOTE, RATER, VERDICT, Sheet, read_sheet
from pipeline.types import ALARMS, Analysis
from pipeline.writers.columns import END, EVIDENCE, START, WORDS, display
from pipeline.writers.facts import time_code
from pipeline.writers.table import seconds, share, text_cell

SHEET = "review.csv"
SHOWN = ("Video", "Time_Code", START, END, "Kind", "Channels", "Said", WORDS, "Question")
SURENESS = (EVIDENCE, "Confidence")
FILLED_IN = (VERDICT, NOTE, RATER)  # by a human


@dataclass(frozen=True, slots=True)
class Asked:
    """What goes into a sheet besides the alarms."""

    evidence: bool = False
    masking: bool = False
    foils: int = 0


def columns(asked: Asked) -> tuple[str, ...]:
    """Column names; what a human fills in comes last."""
    return (EVENT, *SHOWN, *(SURENESS if asked.evidence else ()), *FILLED_IN)


def rows(analysis: Analysis, asked: Asked) -> list[dict[str, str]]:
    """One row per event of a film, in an order that depends on the film alone."""
    chosen = [event for event in events(analysis) if asked.masking or event.kind in ALARMS]
    chosen += foils(analysis, asked.foils)
    random.Random(f"review {analysis.media.sha256}").shuffle(chosen)
    return [_row(event, analysis.name) for event in chosen]


def _row(event: Event, video: str) -> dict[str, str]:
    return {
        EVENT: event.id,
        "Video": text_cell(video),
        "Time_Code": time_code(event.span.start_us),
        START: seconds(event.span.start_us),
        END: seconds(event.span.end_us),
        "Kind": event.kind,
        "Channels": text_cell(" + ".join(display(m).noun for m in event.modalities)),
        "Said": text_cell(event.shown),
        WORDS: text_cell(event.words),
        "Question": text_cell(question(event)),
        EVIDENCE: f"{event.evidence:.2f}",
        "Confidence": share(event.confidence),
    }


def question(event: Event) -> str:
    """What the rater is to answer: right, wrong or unsure."""
    return "; ".join(part for part in (f"Is it so here: {event.shown}", event.reading) if part) + "?"


def as_csv(analyses: Sequence[Analysis], asked: Asked) -> bytes:
    """The sheet of one film or several, film by film; UTF-8 with BOM."""
    text = io.StringIO()
    pen = csv.DictWriter(text, columns(asked), restval="", extrasaction="ignore", lineterminator="\n")
    pen.writeheader()
    for analysis in analyses:
        pen.writerows(rows(analysis, asked))
    return text.getvalue().encode("utf-8-sig")


def check_free(path: Path) -> None:
    """Refuse to write over somebody's marks, or over a file that is no sheet of ours. Raises ReviewError."""
    if not path.exists():
        return
    try:
        there = read_sheet(path)
    except ReviewError:
        raise ReviewError(f"{path} is not a review sheet; choose another file with --out") from None
    if _filled_in(there):
        raise ReviewError(
            f"{path} carries marks already; move or rename it, or choose another file with --out"
        )


def _filled_in(sheet: Sheet) -> bool:
    return any(row.verdict or row.note or row.rater for row in sheet.rows)


def write(path: Path, content: bytes) -> None:
    """Write a sheet whole or not at all. Raises ReviewError."""
    scratch = path.with_name(f".{path.name}.part")
    try:
        scratch.write_bytes(content)
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise ReviewError(f"cannot write {path} ({error.strerror}); choose another file with --out") from None
