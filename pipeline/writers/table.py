"""The spreadsheets: one row per moment, per conflict, per sampled frame or window.

UTF-8 with BOM (Excel shows Chinese), ``\\n`` line ends, every cell formatted here, so equal analyses are
equal bytes. A text cell that a spreadsheet would run as a formula (it starts with ``= + - @``) gets a leading
apostrophe where the sheet is written; rows hold the text as it was said.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.engine.stage import Progress
from pipeline.labels import EMOTIONS
from pipeline.overlap import Overlaps, speakers_during
from pipeline.records import ANALYSIS_FILE, BOX_KEY, SPEECH_SHARE_KEY, read_record
from pipeline.spreadsheet import guarded
from pipeline.types import Analysis, Conflict, Fused, Moment, Observation, Scores, Turn
from pipeline.writers.columns import (
    BEST_FRAME,
    CONFLICTS,
    CONTENT,
    END,
    EVIDENCE,
    INTEGRATED,
    NOT_COMPARED,
    PERSON,
    READ_TOGETHER,
    RULE,
    SPEAKER,
    START,
    VANISHES_IF,
    WORDS,
    Display,
    display,
    in_column_order,
    kind_of,
    probability_column,
    without_column,
)
from pipeline.writers.evidence import because, not_compared_cell, rule, state, vanishing
from pipeline.writers.facts import (
    Shown,
    Verdict,
    fused_verdict,
    hypothesis,
    observed,
    one_line,
    ranked,
    time_code,
    verdict,
)
from pipeline.writers.persons import naming

Row = dict[str, str]

MIN_SPOKEN_US = 250_000  # a turn that reaches a little into a pause is nobody speaking there


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``tables``: every spreadsheet of one analysis."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    found = tables(analysis)
    for done, (name, (columns, rows)) in enumerate(found.items(), start=1):
        write_sheet(out / name, columns, rows)
        progress(done / len(found))


def tables(analysis: Analysis) -> dict[str, tuple[Sequence[str], Iterator[Row]]]:
    """File name to column names and rows, which are made as they are taken."""
    found: dict[str, tuple[Sequence[str], Iterator[Row]]] = {
        INTEGRATED: (integrated_columns(analysis.modalities), integrated_rows(analysis)),
        CONFLICTS: (conflict_columns(analysis.modalities), conflict_rows(analysis)),
    }
    for modality in analysis.modalities:
        shown = display(modality)
        if shown.table:
            seen = analysis.observations.get(modality, ())
            found[shown.table] = (sample_columns(shown), map(partial(_sample_row, shown=shown), seen))
    return found


def integrated_columns(modalities: Sequence[str]) -> list[str]:
    """Column names of ``integrated.csv``; the first nine never move."""
    prefixes = [display(m).prefix for m in in_column_order(modalities)]
    return [
        START,
        END,
        CONTENT,
        *(f"{p}_{part}" for p in prefixes for part in ("Emotion", "Confidence")),
        "Fused_Emotion",
        "Fused_Confidence",
        *(f"{p}_Weight" for p in prefixes),
        *(f"Conflict_{part}" for part in ("Kind", "Strength", "Confidence", "Reading", "Why", "Ranks")),
        SPEAKER,
        *(f"{p}_{part}" for p in prefixes for part in ("Coverage", "Status")),
        PERSON,
        NOT_COMPARED,
    ]


def integrated_rows(analysis: Analysis) -> Iterator[Row]:
    """One row per moment; a row shows the strongest of its conflicts and the ranks of all of them."""
    shown, order = naming(analysis), ranked(analysis.conflicts)
    cells = [_conflict_cells(conflict, shown(conflict)) for conflict in order]
    conflicts, abstentions, turns = (
        Overlaps(one.span for one in spanned) for spanned in (order, analysis.abstentions, analysis.turns)
    )
    for moment, fused in zip(analysis.moments, analysis.fused, strict=True):
        row = _moment_row(moment, fused, analysis.modalities)
        if during := conflicts.during(moment.span):
            row |= {f"Conflict_{name}": cell for name, cell in cells[during[0]].items()}
            row["Conflict_Ranks"] = " ".join(str(place + 1) for place in during)
        left_out = (analysis.abstentions[i] for i in abstentions.during(moment.span))
        row[SPEAKER] = speaker_cell(moment, [analysis.turns[i] for i in turns.during(moment.span)])
        yield row | {NOT_COMPARED: not_compared_cell(left_out, moment.span)}


def speaker_cell(moment: Moment, turns: Sequence[Turn]) -> str:
    """Who says the words of a row, as ``transcript.csv`` has it.

    In a row without words everyone who speaks, whoever speaks most first.
    """
    if moment.utterance:
        return one_line(moment.utterance.speaker or "")
    return " ".join(speakers_during(moment.span, turns, MIN_SPOKEN_US))


def _moment_row(moment: Moment, fused: Fused, requested: Sequence[str]) -> Row:
    row = {
        START: seconds(moment.span.start_us),
        END: seconds(moment.span.end_us),
        CONTENT: one_line(moment.utterance.text) if moment.utterance else "",
        **_verdict_cells("Fused", fused_verdict(fused)),
    }
    persons = []
    for modality in in_column_order(requested):
        prefix = display(modality).prefix
        said = verdict(moment, modality, requested)
        reading = moment.by_modality.get(modality)
        row |= _verdict_cells(prefix, said)
        row[f"{prefix}_Weight"] = share(fused.weights.get(modality))
        row[f"{prefix}_Coverage"] = share(reading.coverage if reading else None)
        row[f"{prefix}_Status"] = str(reading.status) if reading else said.key
        if reading and reading.subject:
            persons.append(reading.subject)
    row[PERSON] = one_line(" ".join(dict.fromkeys(persons)))
    return row


def conflict_columns(modalities: Sequence[str]) -> list[str]:
    """Column names of ``conflicts.csv``; new ones come last, so that a column keeps its letter."""
    shown = [display(m) for m in in_column_order(modalities)]
    said = ["Modalities", "Kind", "Strength", "Confidence", "Reading"]
    return [
        *("Rank", START, END, "Time_Code", *said, *(f"{one.prefix}_Emotion" for one in shown), "Why"),
        *(EVIDENCE, BEST_FRAME, WORDS, *map(probability_column, shown)),
        *(READ_TOGETHER, *map(without_column, shown), RULE, VANISHES_IF),
    ]


def conflict_rows(analysis: Analysis) -> Iterator[Row]:
    """One row per conflict, strongest evidence first; a modality that takes no part has an empty cell."""
    shown = naming(analysis)
    for rank, conflict in enumerate(ranked(analysis.conflicts), start=1):
        yield {
            "Rank": str(rank),
            START: seconds(conflict.span.start_us),
            END: seconds(conflict.span.end_us),
            "Time_Code": time_code(conflict.span.start_us),
            "Modalities": " ".join(display(m).prefix for m in conflict.modalities),
            **_conflict_cells(conflict, shown(conflict)),
            **{f"{display(m).prefix}_Emotion": emotion for m, emotion in conflict.emotions.items()},
            **_evidence_cells(conflict),
        }


def _conflict_cells(conflict: Conflict, shown: Shown) -> Row:
    return {
        "Kind": conflict.kind,
        "Strength": share(conflict.strength),
        "Confidence": share(conflict.confidence),
        "Reading": one_line(hypothesis(conflict)),
        "Why": one_line(because(conflict, shown)),
    }


def _evidence_cells(conflict: Conflict) -> Row:
    return {
        EVIDENCE: f"{conflict.evidence:.2f}",
        BEST_FRAME: "" if conflict.best_us is None else time_code(conflict.best_us),
        WORDS: one_line(conflict.words),
        **{probability_column(display(m)): share(p) for m, p in conflict.probabilities.items()},
        READ_TOGETHER: state(conflict.fused),
        **{without_column(display(m)): state(read) for m, read in conflict.without.items()},
        RULE: one_line(rule(conflict)),
        VANISHES_IF: one_line(vanishing(conflict)),
    }


def sample_columns(shown: Display) -> list[str]:
    """Column names of a modality's samples: ``Smoothed_`` is what was used, ``Raw_`` what the model said."""
    evidence = [column for key in shown.evidence for column in _EVIDENCE.get(key, (key.capitalize(),))]
    return [
        START,
        END,
        PERSON,
        "Status",
        "Emotion",
        "Confidence",
        "Quality",
        *evidence,
        *(f"{kind}_{name}" for kind in ("Smoothed", "Raw") for name in (*EMOTIONS, "unmapped")),
    ]


_EVIDENCE = {BOX_KEY: ("Box_X", "Box_Y", "Box_Width", "Box_Height"), SPEECH_SHARE_KEY: ("Speech_Share",)}


def _sample_row(observation: Observation, shown: Display) -> Row:
    row = {
        START: milliseconds(observation.span.start_us),
        END: milliseconds(observation.span.end_us),
        PERSON: one_line(observation.subject or ""),
        "Status": str(observation.status),
        "Quality": share(observation.quality),
        **{key.removeprefix("_"): cell for key, cell in _verdict_cells("", observed(observation)).items()},
        **_score_cells("Smoothed", observation.scores),
        **_score_cells("Raw", observation.raw or observation.scores),
    }
    for key in shown.evidence:
        value = observation.evidence.get(key)
        values = value if isinstance(value, list | tuple) else (value,) * (value is not None)
        row |= {column: _plain(float(v)) for column, v in zip(_EVIDENCE[key], values, strict=False)}
    return row


def _verdict_cells(prefix: str, said: Verdict) -> Row:
    return {f"{prefix}_Emotion": said.key, f"{prefix}_Confidence": share(said.confidence)}


def _score_cells(kind: str, scores: Scores | None) -> Row:
    if scores is None:
        return {}
    values = zip((*EMOTIONS, "unmapped"), (*scores.probabilities, scores.unmapped), strict=True)
    return {f"{kind}_{name}": share(value) for name, value in values}


def seconds(time_us: int) -> str:
    """Seconds with 2 decimals, half up in integers: one boundary gives one text, so rows still tile."""
    hundredths = (time_us + 5_000) // 10_000
    return f"{'-' * (hundredths < 0)}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"


def milliseconds(time_us: int) -> str:
    """Seconds with 3 decimals, half up: single frames stay apart."""
    thousandths = (time_us + 500) // 1_000
    return f"{'-' * (thousandths < 0)}{abs(thousandths) // 1000}.{abs(thousandths) % 1000:03d}"


def share(value: float | None) -> str:
    """A number in [0, 1] with 4 decimals; nothing for nothing."""
    return "" if value is None else f"{value:.4f}"


def _plain(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def text_cell(text: str) -> str:
    """One line that no spreadsheet runs as a formula."""
    return guarded(one_line(text))


def write_sheet(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """A table as a spreadsheet opens it, text made harmless; cells that a row lacks are empty."""
    texts = [column for column in columns if kind_of(column) == "text"]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        pen = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
        pen.writeheader()
        for row in rows:
            pen.writerow(row | {column: guarded(row[column]) for column in texts if column in row})
