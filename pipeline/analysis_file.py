"""``analysis.json`` written and read item by item: the 60 MB of an hour of film never lie in memory as text.

The bytes are those of the whole record with an indent of one space. The file of another layout, or a damaged
one, is left to who reads it whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter

from pipeline.types import Analysis, Observation

T = TypeVar("T")

CHUNK = 1 << 20
BY_MODALITY = "observations"


class OtherLayoutError(ValueError):
    """The file does not lie as :func:`write` leaves it."""


@cache
def _hints() -> Mapping[str, Any]:
    return get_type_hints(Analysis)


@cache
def _nouns() -> Mapping[str, Any]:
    """The fields that hold many of one noun."""
    return {name: get_args(_hints()[name])[0] for name in ("moments", "fused", "conflicts", "abstentions")}


def write(path: Path, analysis: Analysis) -> None:
    """Write an analysis."""
    with path.open("wb") as file:
        for place, field in enumerate(fields(Analysis)):
            file.write(b"%s\n %s: " % (b"," if place else b"{", _json(field.name)))
            value = getattr(analysis, field.name)
            if field.name == BY_MODALITY and value:
                for at, (modality, own) in enumerate(value.items()):
                    file.write(b"%s\n  %s: " % (b"," if at else b"{", _json(modality)))
                    _write_items(file, own, Observation, 2)
                file.write(b"\n }")
            elif field.name in _nouns():
                _write_items(file, value, _nouns()[field.name], 1)
            else:
                file.write(_indented(TypeAdapter(_hints()[field.name]).dump_json(value, indent=1), 1))
        file.write(b"\n}\n")


def _write_items(file: BinaryIO, items: Iterable[Any], noun: Any, depth: int) -> None:
    adapter, line, empty = TypeAdapter(noun), b"\n" + b" " * depth, True
    for item in items:
        file.write(
            (b"[" if empty else b",") + line + b" " + _indented(adapter.dump_json(item, indent=1), depth + 1)
        )
        empty = False
    file.write(b"[]" if empty else line + b"]")


def _indented(text: bytes, depth: int) -> bytes:
    """JSON deeper inside: no string in it holds a line break."""
    return text.replace(b"\n", b"\n" + b" " * depth)


def _json(text: str) -> bytes:
    return TypeAdapter(str).dump_json(text)


def read(path: Path) -> Analysis:
    """Read an analysis. Raises OtherLayoutError; ``pydantic.ValidationError`` for what is no analysis."""
    many: dict[str, object] = {}
    rest: list[bytes] = []
    with path.open("rb") as file:
        text = _Text(file)
        text.expect(b"{")
        while True:
            text.expect(b"\n ")
            key = text.until(b": ")[:-2]
            name = key.strip(b'"').decode()
            if name == BY_MODALITY and text.starts(b"{\n"):
                many[name] = _read_by_modality(text)
                rest.append(key + b": {}")
            elif name in _nouns():
                many[name] = _read_items(text, _nouns()[name], 1)
                rest.append(key + b": []")
            else:
                rest.append(key + b": " + text.value())
            if not text.starts(b","):
                break
            text.expect(b",")
        text.expect(b"\n}\n")
        if text.more():
            raise OtherLayoutError(path)
    head: Analysis = TypeAdapter(Analysis).validate_json(b"{" + b",".join(rest) + b"}")
    return replace(head, **many)  # type: ignore[arg-type]


def _read_by_modality(text: "_Text") -> dict[str, tuple[Observation, ...]]:
    read_: dict[str, tuple[Observation, ...]] = {}
    text.expect(b"{")
    while True:
        text.expect(b"\n  ")
        modality: str = TypeAdapter(str).validate_json(text.until(b": ")[:-2])
        read_[modality] = _read_items(text, Observation, 2)
        if not text.starts(b","):
            text.expect(b"\n }")
            return read_
        text.expect(b",")


def _read_items(text: "_Text", noun: type[T], depth: int) -> tuple[T, ...]:
    if text.starts(b"[]"):
        text.expect(b"[]")
        return ()
    return tuple(_items(text, TypeAdapter(noun), b"\n" + b" " * (depth + 1)))


def _items(text: "_Text", adapter: TypeAdapter[T], line: bytes) -> Iterator[T]:
    text.expect(b"[")
    while True:
        text.expect(line)
        yield adapter.validate_json(text.until(line + b"}"))
        if not text.starts(b","):
            text.expect(line[:-1] + b"]")
            return
        text.expect(b",")


class _Text:
    """A file read on and on in chunks."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._held, self._at = b"", 0

    def more(self) -> bool:
        """Hold another chunk; whether there was one."""
        chunk = self._file.read(CHUNK)
        self._held, self._at = self._held[self._at :] + chunk, 0
        return bool(chunk)

    def starts(self, text: bytes) -> bool:
        """Whether this comes next."""
        while len(self._held) - self._at < len(text) and self.more():
            pass
        return self._held.startswith(text, self._at)

    def expect(self, text: bytes) -> None:
        """Pass over this."""
        if not self.starts(text):
            raise OtherLayoutError(text)
        self._at += len(text)

    def until(self, end: bytes) -> bytes:
        """What comes up to the next ``end``, and that."""
        since = 0
        while (found := self._held.find(end, self._at + since)) < 0:
            since = max(0, len(self._held) - self._at - len(end) + 1)
            if not self.more():
                raise OtherLayoutError(end)
        begin, self._at = self._at, found + len(end)
        return self._held[begin : self._at]

    def value(self) -> bytes:
        """A value of the outermost object, without the comma after it."""
        for opens, closes in ((b"{\n", b"\n }"), (b"[\n", b"\n ]")):
            if self.starts(opens):
                return self.until(closes)
        line = self.until(b"\n")[:-1].removesuffix(b",")
        self._at -= 1 if self._held[self._at - 2 : self._at - 1] != b"," else 2
        return line
