"""Labelled data in: a CSV, a folder per class, or images with a letter code in their names."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.labels import CROSSWALK, EMOTIONS

LABEL_COLUMN = "emotion"
# Columns that name who or what examples have in common; the first one there is taken unless another is named.
GROUP_COLUMNS = ("performer", "speaker", "actor", "subject", "dialogue", "group")
SOURCE_COLUMNS: Mapping[str, str] = {"face": "file", "voice": "file", "text": "text"}
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "face": (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"),
    "voice": (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".mp4", ".mkv", ".webm", ".mov"),
    "text": (".txt",),
}
LETTERS: Mapping[str, str] = {
    "a": "neutral",
    "b": "happy",
    "c": "sad",
    "d": "angry",
    "e": "disgust",
    "f": "fear",
    "g": "surprise",
}
_LETTER = re.compile(r"(?<![a-z])([a-g])(?![a-z])", re.IGNORECASE)
NO_LABEL, SEVERAL_LABELS = "(no label)", "(several labels)"


class DataError(ValueError):
    """Data that cannot be used; the message is one sentence that says what to do next."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled input: a file relative to the set's root, or the text itself; ``group`` "" is unknown."""

    source: str
    emotion: str
    group: str = ""


@dataclass(frozen=True)
class LabelledSet:
    """Examples in reading order; ``unmapped`` counts what was left out, by label outside the seven."""

    modality: str
    root: Path
    examples: tuple[Example, ...]
    unmapped: Mapping[str, int]


def read_examples(
    modality: str,
    data: Path,
    root: Path | None = None,
    label_column: str = LABEL_COLUMN,
    group_column: str | None = None,
) -> LabelledSet:
    """Read a CSV (column ``file``, or ``text``, and the label), or a folder.

    A folder has one sub-folder per class or, for faces, images whose names hold one of ``LETTERS`` between
    other signs than letters (``0201a09.jpg``). ``root`` is where the files of a CSV lie; its own folder.

    Raises:
        DataError: nothing to read, a column is missing, or a label is not in ``labels.CROSSWALK``.
    """
    if data.is_dir():
        if group_column is not None:
            raise DataError(f"{data} is a folder and has no column {group_column!r}; list its files in a CSV")
        where, rows = data, list(_folder_rows(modality, data))
    elif data.is_file():
        where = root or data.parent
        rows = list(_csv_rows(data, SOURCE_COLUMNS[modality], label_column, group_column))
    else:
        raise DataError(f"{data} does not exist; give a CSV file or a folder")
    examples, left_out = [], Counter[str]()
    for source, label, group in rows:
        emotion = _emotion(label)
        if emotion is None:
            left_out[label.strip() or NO_LABEL if "|" not in label else SEVERAL_LABELS] += 1
        else:
            examples.append(Example(source, emotion, group))
    if not examples:
        raise DataError(f"{data} holds no example of {', '.join(EMOTIONS)}; give labelled data")
    return LabelledSet(modality, where, tuple(examples), dict(sorted(left_out.items())))


def truth_of(labelled: LabelledSet) -> npt.NDArray[np.int64]:
    """Index of each example's emotion in ``EMOTIONS``, (n,)."""
    return np.array([EMOTIONS.index(one.emotion) for one in labelled.examples], np.int64)


def groups_of(labelled: LabelledSet) -> npt.NDArray[np.str_]:
    """Group of each example, (n,)."""
    return np.array([one.group for one in labelled.examples], np.str_)


def _emotion(label: str) -> str | None:
    """The canonical emotion of a label; None when it has none, or names several (``joy|surprise``)."""
    names = [part.strip().lower() for part in label.split("|")]
    unknown = [name for name in names if name and name not in CROSSWALK]
    if unknown:
        raise DataError(f"the label {unknown[0]!r} is not known; use one of: {', '.join(CROSSWALK)}")
    return CROSSWALK[names[0]] if len(names) == 1 and names[0] else None


def _csv_rows(
    path: Path, source_column: str, label_column: str, group_column: str | None
) -> Iterator[tuple[str, str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as table:
            reader = csv.DictReader(table)
            columns = list(reader.fieldnames or ())
            wanted = [source_column, label_column] + ([group_column] if group_column else [])
            for column in wanted:
                if column not in columns:
                    raise DataError(f"{path} has no column {column!r}; its columns are {', '.join(columns)}")
            group = group_column or next((one for one in GROUP_COLUMNS if one in columns), None)
            for row in reader:
                yield (
                    row[source_column] or "",
                    row[label_column] or "",
                    (row[group] or "").strip() if group else "",
                )
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{path} is not a CSV in UTF-8; save it as one") from None


def _folder_rows(modality: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Source, label and (unknown) group of the files of one modality, in sorted order."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes and modality != "face":
        raise DataError(f"{folder} has no sub-folder per class; make one for each emotion or give a CSV")
    for name in classes:
        for path in _files(name, modality):
            source = _text_of(path) if modality == "text" else str(path.relative_to(folder))
            yield source, name.name, ""
    if not classes:
        for path in _files(folder, modality):
            letters = _LETTER.findall(path.stem)
            if len(letters) != 1:
                raise DataError(
                    f"{path.name} does not hold one letter code of a to g; put the images in one folder per "
                    "class or list them in a CSV"
                )
            yield path.name, LETTERS[letters[0].lower()], ""


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise DataError(f"{path} is not a text in UTF-8; save it as one") from None


def _files(folder: Path, modality: str) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES[modality])
