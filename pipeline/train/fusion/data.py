"""What a fusion is trained on: scores or features of several inputs about the same examples."""

import csv
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.fusion.learned import METADATA, Bools, Floats, score_features
from pipeline.labels import CROSSWALK, EMOTIONS
from pipeline.train.examples import GROUP_COLUMNS, LABEL_COLUMN, DataError
from pipeline.train.fusion.metadata import encode, learn_encoding

Integers = npt.NDArray[np.int64]
Strings = npt.NDArray[np.str_]

TRAIN, DEV, TEST = "train", "dev", "test"
SIDES: Mapping[str, str] = {
    "train": TRAIN,
    "dev": DEV,
    "val": DEV,
    "valid": DEV,
    "validation": DEV,
    "test": TEST,
}
LABEL, QUALITY, SPLIT = "label", "quality", "split"
FEWEST = 20  # examples; of fewer nothing can be told
MOST_MASS = 1.05  # of seven probabilities, each rounded
TRUST_IN_A_LABEL = 0.9  # the probability that a hard label stands for


@dataclass(frozen=True)
class FusionSet:
    """Examples seen by several inputs.

    ``features`` are (n, d) by name, ``present`` (n,) says where they are, ``truth`` (n,) indexes ``labels``.
    ``groups`` "" is unknown; ``sides`` holds train, dev or test where the data say so, else "". ``encoding``
    is how metadata became numbers; ``of_labels`` are the columns of labels that are inputs.
    """

    features: Mapping[str, Floats]
    present: Mapping[str, Bools]
    truth: Integers
    labels: tuple[str, ...]
    groups: Strings
    sides: Strings
    names: tuple[str, ...] = ()
    encoding: Mapping[str, Any] = field(default_factory=dict)
    of_labels: tuple[str, ...] = ()

    def rows(self, chosen: Integers | Bools) -> "FusionSet":
        """Some of the examples."""
        where = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return replace(
            self,
            features={name: one[where] for name, one in self.features.items()},
            present={name: one[where] for name, one in self.present.items()},
            truth=self.truth[where],
            groups=self.groups[where],
            sides=self.sides[where],
            names=tuple(self.names[row] for row in where) if self.names else (),
        )

    def without(self, names: Sequence[str]) -> "FusionSet":
        """The same examples with some inputs absent throughout.

        Raises:
            DataError: there is no such input.
        """
        for name in names:
            if name not in self.features:
                raise DataError(f"there is no input {name!r}; the data have {', '.join(self.features)}")
        return replace(
            self,
            present={name: one & (name not in names) for name, one in self.present.items()},
        )

    def only(self, names: Sequence[str]) -> "FusionSet":
        """The same examples with these inputs alone."""
        return replace(
            self,
            features={name: self.features[name] for name in names},
            present={name: self.present[name] for name in names},
        )


@dataclass(frozen=True)
class Columns:
    """Which columns of a CSV are what, besides those that tell by their names."""

    label: str = LABEL_COLUMN
    group: str | None = None
    metadata: tuple[str, ...] = ()
    name: str | None = None


def read_fusion(path: Path, columns: Columns, encoding: Mapping[str, Any] | None = None) -> FusionSet:
    """Read a CSV or an ``.npz``; with an ``encoding`` metadata become numbers as when the model was trained.

    A CSV has per input either a probability per emotion (``face_happy``) or one label (``face_label``),
    perhaps a quality from 0 to 1 (``face_quality``). An ``.npz`` has arrays ``<input>_train`` and
    ``<input>_test`` and one-dimensional labels of the same ending.

    Raises:
        DataError: it cannot be read, or a column or label is not known.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; give a CSV or an .npz file")
    if path.suffix.lower() == ".npz":
        return _from_npz(path)
    return _from_csv(path, columns, encoding)


def _from_npz(path: Path) -> FusionSet:
    try:
        with path.open("rb") as whole, np.load(whole, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is no .npz of plain arrays ({type(error).__name__}); export it again"
        ) from None
    ends = [end for end in ("_train", "_test") if any(name.endswith(end) for name in arrays)]
    if ends != ["_train", "_test"]:
        raise DataError(f"{path} needs arrays ending in _train and _test; it has {', '.join(arrays)}")
    kinds = {name.removesuffix("_train"): one.ndim for name, one in arrays.items() if name.endswith("_train")}
    truths = [name for name, ndim in kinds.items() if ndim == 1]
    inputs = [name for name, ndim in kinds.items() if ndim == 2]
    if len(truths) != 1 or not inputs or any(f"{name}_test" not in arrays for name in (*truths, *inputs)):
        raise DataError(
            f"{path} needs one label array (n,) and inputs (n, d), each ending in _train and _test; "
            f"it has {', '.join(arrays)}"
        )
    (truth,) = truths
    both = {name: [arrays[name + end] for end in ends] for name in (*truths, *inputs)}
    counts = [len(one) for one in both[truth]]
    for name in inputs:
        if [len(one) for one in both[name]] != counts or both[name][0].shape[1] != both[name][1].shape[1]:
            raise DataError(
                f"the arrays {name}_train and {name}_test of {path} do not fit {truth}; export them again"
            )
        if any(one.dtype.kind not in "fiub" for one in both[name]):
            raise DataError(f"the arrays {name}_train and {name}_test of {path} hold no numbers; export them")
    told = np.concatenate(both[truth])
    if told.dtype.kind == "f" and not np.array_equal(told, np.round(told)):
        raise DataError(
            f"the labels {truth}_train of {path} are no classes; give whole numbers, one for each class"
        )
    values, where = np.unique(told, return_inverse=True)
    n = sum(counts)
    return FusionSet(
        features={name: np.concatenate(both[name]).astype(np.float64) for name in inputs},
        present={name: np.isfinite(np.concatenate(both[name])).all(axis=1) for name in inputs},
        truth=where.astype(np.int64),
        labels=tuple(f"{truth}={value}" for value in values),
        groups=np.full(n, ""),
        sides=np.repeat([TRAIN, TEST], counts),
        names=tuple(
            f"{side} {place}"
            for side, count in zip((TRAIN, TEST), counts, strict=True)
            for place in range(count)
        ),
    )


def _from_csv(path: Path, columns: Columns, encoding: Mapping[str, Any] | None) -> FusionSet:
    rows, header = _rows(path)
    group = columns.group or next((one for one in GROUP_COLUMNS if one in header), None)
    asked = [columns.label, *columns.metadata] + ([columns.group] if columns.group else [])
    for column in asked:
        if column not in header:
            raise DataError(f"{path} has no column {column!r}; its columns are {', '.join(header)}")
    truths = [_emotion(row[columns.label], columns.label) for row in rows]
    rows = [row for row, truth in zip(rows, truths, strict=True) if truth is not None]
    if not rows:
        raise DataError(f"{path} holds no example of {', '.join(EMOTIONS)}; give labelled data")
    features, present = {}, {}
    for name in _inputs(header, {columns.label, *columns.metadata}):
        features[name], present[name] = _scores(rows, name, header)
        _check_not_the_truth(rows, f"{name}_{LABEL}", columns.label)
    if not features:
        raise DataError(
            f"{path} has no scores; give columns such as face_{EMOTIONS[0]} to face_{EMOTIONS[-1]}, or "
            "face_label"
        )
    if encoding is None:
        encoding = learn_encoding(rows, columns.metadata)
    if encoding:
        features[METADATA], present[METADATA] = encode(rows, encoding)
    sides = [SIDES.get(row.get(SPLIT, "").strip().lower(), "") for row in rows]
    return FusionSet(
        features=features,
        present=present,
        truth=np.array([EMOTIONS.index(one) for one in truths if one is not None], np.int64),
        labels=EMOTIONS,
        groups=np.array([row[group].strip() if group else "" for row in rows], np.str_),
        sides=np.array(sides, np.str_),
        names=tuple(
            row[columns.name] if columns.name else f"row {place}" for place, row in enumerate(rows, 2)
        ),
        encoding=encoding,
        of_labels=tuple(
            column for name in features if name != METADATA and (column := f"{name}_{LABEL}") in header
        ),
    )


def _rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as table:
            reader = csv.DictReader(table)
            rows = [{name: value or "" for name, value in row.items() if name is not None} for row in reader]
            return rows, list(reader.fieldnames or ())
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{path} is not a CSV in UTF-8; save it as one") from None


def _inputs(header: Sequence[str], taken: set[str]) -> list[str]:
    """Names of the inputs whose scores or labels the columns hold, in their order."""
    found = []
    for column in header:
        name, _, what = column.rpartition("_")
        if column not in taken and name and what in (*EMOTIONS, LABEL) and name not in found:
            found.append(name)
    return found


def _scores(rows: Sequence[Mapping[str, str]], name: str, header: Sequence[str]) -> tuple[Floats, Bools]:
    """Log-probabilities and quality of an input (n, 8), and where it is there (n,)."""
    quality = np.array([_share(row.get(f"{name}_{QUALITY}", "") or "1", f"{name}_{QUALITY}") for row in rows])
    columns = [f"{name}_{emotion}" for emotion in EMOTIONS]
    probabilities = np.zeros((len(rows), len(EMOTIONS)))
    if any(column in header for column in columns):
        if lacking := [column for column in columns if column not in header]:
            raise DataError(
                f"the column {lacking[0]!r} is missing beside the other scores of {name!r}; add it"
            )
        here = np.array([any(row[column].strip() for column in columns) for row in rows])
        for place in np.flatnonzero(here).tolist():
            probabilities[place] = [_share(rows[place][column] or "0", column) for column in columns]
            _check_mass(float(probabilities[place].sum()), name)
    else:
        found = [_emotion(row[f"{name}_{LABEL}"], f"{name}_{LABEL}") for row in rows]
        here = np.array([one is not None for one in found])
        rest = (1.0 - TRUST_IN_A_LABEL) / (len(EMOTIONS) - 1)
        for row, emotion in enumerate(found):
            if emotion is not None:
                probabilities[row] = rest
                probabilities[row, EMOTIONS.index(emotion)] = TRUST_IN_A_LABEL
    here &= quality > 0
    return score_features(probabilities, quality), here


def _check_mass(mass: float, name: str) -> None:
    if not 0 < mass <= MOST_MASS:
        raise DataError(
            f"the scores of {name!r} sum to {mass:.3g} in a row; give probabilities, at most 1 together, and "
            "empty cells where there is none"
        )


def _check_not_the_truth(rows: Sequence[Mapping[str, str]], column: str, truth: str) -> None:
    there = [row for row in rows if row.get(column, "").strip()]
    if len(there) >= FEWEST and all(
        _emotion(row[column], column) == _emotion(row[truth], truth) for row in there
    ):
        raise DataError(
            f"the column {column!r} says what {truth!r} says in every row, so it is no input; leave it out"
        )


def _share(text: str, column: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1.000001:
        raise DataError(
            f"{text!r} in column {column!r} is no share from 0 to 1; mend the row or leave it empty"
        )
    return number


def _emotion(label: str, column: str) -> str | None:
    """The canonical emotion of a label; None for none."""
    name = label.strip().lower()
    if name and name not in CROSSWALK:
        raise DataError(
            f"the label {label!r} in column {column!r} is not known; use one of: {', '.join(CROSSWALK)}"
        )
    return CROSSWALK[name] if name else None
