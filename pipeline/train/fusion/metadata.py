"""Facts about the speaker or the place in a dialogue as one more input, ignored where absent."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.train.examples import DataError

MOST_CATEGORIES = 50

Rows = Sequence[Mapping[str, str]]


def learn_encoding(rows: Rows, columns: Sequence[str]) -> dict[str, Any]:
    """How each column becomes numbers: a column of numbers by mean and scale, another by its categories.

    Raises:
        DataError: a column has too many categories to learn from.
    """
    return {column: _learned([row[column].strip() for row in rows], column) for column in columns}


def _learned(values: Sequence[str], column: str) -> dict[str, Any]:
    there = [value for value in values if value]
    numbers = [number for value in there if (number := _number(value)) is not None]
    if there and len(numbers) == len(there):
        return {"mean": float(np.mean(numbers)), "scale": float(np.std(numbers)) or 1.0}
    categories = sorted(set(there))
    if len(categories) > MOST_CATEGORIES:
        raise DataError(
            f"the metadata column {column!r} has {len(categories)} categories, more than {MOST_CATEGORIES}; "
            "group them or leave the column out"
        )
    return {"categories": categories}


def encode(rows: Rows, encoding: Mapping[str, Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The columns as numbers (n, d), and in which rows anything is known (n,).

    A missing column, an empty cell and a category not seen in training are zeros: they say nothing.
    """
    parts = [_encoded([row.get(column, "").strip() for row in rows], how) for column, how in encoding.items()]
    values = np.concatenate(parts, axis=1) if parts else np.zeros((len(rows), 0))
    return values, np.asarray((values != 0).any(axis=1))


def _encoded(values: Sequence[str], how: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    if "categories" in how:
        return np.array([[float(value == one) for one in how["categories"]] for value in values]).reshape(
            len(values), -1
        )
    numbers = [_number(value) for value in values]
    scaled = [
        (0.0, 0.0) if number is None else ((number - how["mean"]) / how["scale"], 1.0) for number in numbers
    ]
    return np.array(scaled).reshape(len(values), 2)


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
