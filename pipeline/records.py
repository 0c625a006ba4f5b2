"""Nouns to JSON and back, checked on the way in.

A file of records is JSON lines: one noun a line, keys in field order, so equal records are equal bytes.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


@cache
def _adapter(noun: Any) -> TypeAdapter[Any]:
    return TypeAdapter(noun)


def write_record(path: Path, record: object) -> None:
    """Write one noun as a JSON file."""
    path.write_bytes(_adapter(type(record)).dump_json(record, indent=1) + b"\n")


def read_record(path: Path, noun: type[T]) -> T:
    """Read one noun; raises ``pydantic.ValidationError`` when the file does not hold one."""
    record: T = _adapter(noun).validate_json(path.read_bytes())
    return record


def write_records(path: Path, noun: type[T], records: Iterable[T]) -> None:
    """Write nouns of one kind as JSON lines."""
    adapter = _adapter(noun)
    with path.open("wb") as lines:
        for record in records:
            lines.write(adapter.dump_json(record) + b"\n")


def read_records(path: Path, noun: type[T]) -> tuple[T, ...]:
    """Read JSON lines written by :func:`write_records`."""
    adapter = _adapter(noun)
    with path.open("rb") as lines:
        return tuple(adapter.validate_json(line) for line in lines)
