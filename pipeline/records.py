"""Nouns to JSON and back, checked on the way in.

A file of records is JSON lines: one noun a line, keys in field order, so equal records are equal bytes.
"""

from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from pydantic import TypeAdapter, ValidationError

from pipeline import analysis_file
from pipeline.types import Analysis

T = TypeVar("T")

# Files that more than one room reads or writes.
MEDIA_FILE = "media.json"
ANALYSIS_FILE = "analysis.json"
TRANSCRIPT_FILE = "transcript.json"
SPEECH_FILE = "speech.jsonl"
OBSERVATIONS_FILE = "observations.jsonl"
TURNS_FILE = "turns.jsonl"  # who speaks when: a ``Turn`` a line
CUTS_FILE = "cuts.npy"  # int64 µs: times of the first sampled frame after each cut
CARD_FILE = "card.json"  # the ModelCard of the back-end that made the observations
WARNINGS_FILE = "warnings.txt"  # one sentence a line, for the person who runs it
LOSSES_FILE = "losses.txt"  # one sentence a line: what of the input was lost or could not be read

# Keys of an observation's evidence that more than one room reads or writes.
BOX_KEY = "box"  # of the face: [x, y, width, height] in display pixels
FRAME_TIME_KEY = "time_us"  # time stamp of the frame it was read from
MOUTH_MOTION_KEY = "mouth_motion"  # how much the mouth changed, >= 0
JAW_OPEN_KEY = "jaw_open"  # the blendshape of that name, 0 to 1
LIP_GAP_KEY = "lip_gap"  # opening between the lips over the width between the eyes' outer corners, >= 0
SPEECH_SHARE_KEY = "speech_share"  # how much of it is speech, 0 to 1
DOUBTFUL_KEY = "doubtful"  # why what it was read from may be invented


def write_record(path: Path, record: object) -> None:
    """Write one noun as a JSON file."""
    if isinstance(record, Analysis):
        analysis_file.write(path, record)
        return
    path.write_bytes(TypeAdapter(type(record)).dump_json(record, indent=1) + b"\n")


def read_record(path: Path, noun: type[T]) -> T:
    """Read one noun; raises ``pydantic.ValidationError`` when the file does not hold one.

    Who reads an :class:`Analysis` while another reader still holds it is given the same: an hour of film is
    100 MB, and half a dozen writers read it side by side.
    """
    if noun is not Analysis:
        return _read(path, noun)
    with _reading:
        stat = path.stat()
        key = (path.resolve(), stat.st_ino, stat.st_size, stat.st_mtime_ns)
        shared: T | None = _held.get(key)
        if shared is None:
            shared = _held[key] = _read_analysis(path)
        return shared


_held: WeakValueDictionary[tuple[Path, int, int, int], Any] = WeakValueDictionary()
_reading = Lock()


def _read_analysis(path: Path) -> Any:
    """Item by item; a file of another layout, or one with a mistake that is to be named, whole."""
    try:
        return analysis_file.read(path)
    except (analysis_file.OtherLayoutError, ValidationError):
        return _read(path, Analysis)


def _read(path: Path, noun: type[T]) -> T:
    record: T = TypeAdapter(noun).validate_json(path.read_bytes())
    return record


def write_sentences(path: Path, sentences: Iterable[str]) -> None:
    """Write ``WARNINGS_FILE`` or ``LOSSES_FILE``, a sentence a line; no file where there is none to write."""
    if text := "".join(f"{sentence}\n" for sentence in sentences if sentence):
        path.write_text(text, encoding="utf-8")


def write_records(path: Path, noun: type[T], records: Iterable[T]) -> None:
    """Write nouns of one kind as JSON lines."""
    adapter = TypeAdapter(noun)
    with path.open("wb") as lines:
        for record in records:
            lines.write(adapter.dump_json(record) + b"\n")


def read_records(path: Path, noun: type[T]) -> tuple[T, ...]:
    """Read JSON lines written by :func:`write_records`."""
    adapter = TypeAdapter(noun)
    with path.open("rb") as lines:
        return tuple(adapter.validate_json(line) for line in lines)
