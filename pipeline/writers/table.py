"""The spreadsheets: one row per moment, per conflict, per sampled frame or window.

UTF-8 with BOM (Excel shows Chinese), ``\\n`` line ends, every cell formatted here, so equal analyses are
equal bytes. A text cell that a spreadsheet would run as a formula (it starts with ``= + - @``) gets a leading
apostrophe where the sheet is written; rows hold the text as it was said.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.engine.stage import Progress
from pipeline.labels import EMOTIONS
from pipeline.records import ANALYSIS_FILE, BOX_KEY, SPEECH_SHARE_KEY, read_record
from pipeline.types import Analysis, Conflict, Fused, Moment, Observation, Scores, Span
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

FORMULA = ("=", "+", "-", "@")
IGNORED = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})  # white space and marks before what a spreadsheet reads


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``tables``: every spreadsheet of one analysis."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    sheets = tables(analysis)
    for done, (name, rows) in enumerate(sheets.items(), start=1):
        write_sheet(out / name, *rows)
        progress(done / len(sheets))


def tables(analysis: Analysis) -> dict[str, tuple[Sequence[str], list[Row]]]:
    """File name to column names and rows."""
    sheets: dict[str, tuple[Sequence[str], list[Row]]] = {
        INTEGRATED: (integrated_columns(analysis.modalities), integrated_rows(analysis)),
        CONFLICTS: (conflict_columns(analysis.modalities), conflict_rows(analysis)),
    }
    for modality in analysis.modalities:
        shown = display(modality)
        if shown.table:
            seen = analysis.observations.get(modality, ())
            sheets[shown.table] = (sample_columns(shown), [_sample_row(o, shown) for o in seen])
    return sheets


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
        *(f"{p}_{part}" for p in prefixes for part in ("Coverage", "Status")),
        PERSON,
        NOT_COMPARED,
    ]


def integrated_rows(analysis: Analysis) -> list[Row]:
    """One row per moment; a row shows the strongest of its conflicts and the ranks of all of them."""
    shown = naming(analysis)
    order = [(c.span, _conflict_cells(c, shown(c))) for c in ranked(analysis.conflicts)]
    pairs = zip(analysis.moments, analysis.fused, strict=True)
    return [
        _moment_row(moment, fused, analysis.modalities, order)
        | {NOT_COMPARED: not_compared_cell(analysis.abstentions, moment.span)}
        for moment, fused in pairs
    ]


def _moment_row(
    moment: Moment, fused: Fused, requested: Sequence[str], order: Sequence[tuple[Span, Row]]
) -> Row:
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
    here = [(rank, cells) for rank, (at, cells) in enumerate(order, start=1) if at.overlap_us(moment.span)]
    if here:
        row |= {f"Conflict_{name}": cell for name, cell in here[0][1].items()}
        row["Conflict_Ranks"] = " ".join(str(rank) for rank, _ in here)
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


def conflict_rows(analysis: Analysis) -> list[Row]:
    """One row per conflict, strongest evidence first; a modality that takes no part has an empty cell."""
    shown = naming(analysis)
    return [
        {
            "Rank": str(rank),
            START: seconds(conflict.span.start_us),
            END: seconds(conflict.span.end_us),
            "Time_Code": time_code(conflict.span.start_us),
            "Modalities": " ".join(display(m).prefix for m in conflict.modalities),
            **_conflict_cells(conflict, shown(conflict)),
            **{f"{display(m).prefix}_Emotion": emotion for m, emotion in conflict.emotions.items()},
            **_evidence_cells(conflict),
        }
        for rank, conflict in enumerate(ranked(analysis.conflicts), start=1)
    ]


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
    return _harmless(one_line(text))


def _harmless(cell: str) -> str:
    first = next((c for c in cell if unicodedata.category(c) not in IGNORED), "")
    # Spreadsheets for Chinese and Japanese take full-width ＝＋－＠ for = + - @; other forms fold likewise.
    formula = unicodedata.normalize("NFKC", first).startswith(FORMULA)
    return f"'{cell}" if formula or cell.startswith(("\t", "\r", "\n")) else cell


def write_sheet(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """A sheet as a spreadsheet opens it, text made harmless; cells that a row lacks are empty."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(columns), dtype=str).fillna("")
    for column in columns:
        if kind_of(column) == "text":
            frame[column] = frame[column].map(_harmless)
    frame.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\n")
