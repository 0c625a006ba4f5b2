"""Labelled clips and lines of the shared data, as a model is asked about them."""

import csv
from pathlib import Path

from pipeline.labels import CROSSWALK
from pipeline.train.examples import DataError, Example, LabelledSet
from pipeline.train.text_data import SOURCES

IN_FILES = {"dev": ("dev", "val")}  # what a side is called in the files


def clips(data: Path, corpus: str, side: str) -> LabelledSet:
    """A side of one corpus of voices. Raises DataError."""
    folder = data / "voice"
    examples = tuple(
        Example(row["file"], CROSSWALK[row["emotion"]] or "", f"{corpus}/{row['speaker']}")
        for row in _rows(folder / "manifest.csv")
        if row["set"] == corpus and row["split"] == side
    )
    return LabelledSet("voice", folder, examples, {})


def lines(data: Path, name: str, side: str) -> LabelledSet:
    """A side of one set of lines. Raises DataError."""
    source = SOURCES[name]
    text, label = source.columns
    rows = rows_of(data, name, side)
    examples = tuple(Example(source.clean(row[text]), CROSSWALK[row[label]] or "") for row in rows)
    return LabelledSet("text", data, examples, {})


def rows_of(data: Path, name: str, side: str) -> list[dict[str, str]]:
    """The rows of a set of lines that can be asked about: with words, and labelled with one of the seven."""
    source = SOURCES[name]
    text, label = source.columns
    rows = [row for row in _rows(data / source.path) if row["split"] in IN_FILES.get(side, (side,))]
    return [row for row in rows if source.clean(row[text]) and CROSSWALK[row[label]] is not None]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as table:
            return list(csv.DictReader(table))
    except FileNotFoundError:
        raise DataError(f"{path} is not there; give the folder of shared data with --data") from None
