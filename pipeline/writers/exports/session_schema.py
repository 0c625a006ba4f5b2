"""The schema of ``session.json``: records, checked on the way in by ``read_record(path, Session)``.

Times are seconds on the clock a player shows. What is not known is null, and ``status`` says why; nothing is
NaN. Channels go by the names that people are shown (face, voice, words, together).
"""

from collections.abc import Mapping
from dataclasses import dataclass

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Model:
    """The model of a channel."""

    channel: str
    id: str
    revision: str
    sha256: str
    licence: str


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What was read, with what. ``channels`` are the names used in the rest of the file."""

    name: str
    sha256: str
    duration_s: float
    has_video: bool
    has_audio: bool
    fps: float | None
    width_px: int | None
    height_px: int | None
    channels: tuple[str, ...]
    emotions: tuple[str, ...]
    persons: tuple[str, ...]
    languages: tuple[str, ...]
    models: tuple[Model, ...]
    schema_version: int
    analysis_schema_version: int
    conflicts_by_chance_per_minute: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """One channel, of one person or of all.

    Of all: from the rows of ``integrated.csv``. Of a person: from that person's samples. ``distribution`` is
    the share, of the time read (``observed_s``), in which each emotion was the most probable one;
    ``unknown_share`` the share of the whole time in which nothing could be read.
    """

    channel: str
    person: str | None
    observed_s: float
    unknown_share: float
    distribution: Mapping[str, float]
    average_confidence: float | None
    dominant_emotion: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """One sampled frame, window, utterance or, of all channels together, moment."""

    channel: str
    person: str | None
    timestamp: float
    end: float
    status: str
    emotion: str | None
    confidence: float | None
    probabilities: Mapping[str, float] | None
    unmapped: float | None
    quality: float | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """An emotion and its probability."""

    emotion: str
    probability: float


@dataclass(frozen=True, slots=True)
class Event:
    """One conflict, as in ``conflicts.csv``, strongest first."""

    rank: int
    timestamp: float
    end: float
    kind: str
    headline: str
    channels: tuple[str, ...]
    emotions: Mapping[str, str]
    probabilities: Mapping[str, float]
    strength: float
    confidence: float
    prior: float | None
    evidence: float
    reading: str
    rule: str
    why: str
    words: str
    best_timestamp: float | None
    read_together: Judgement | None
    without: Mapping[str, Judgement]
    vanishes_if: str


@dataclass(frozen=True, slots=True)
class Details:
    """Everything in order of channel and time, and the conflicts."""

    results: tuple[Result, ...]
    conflicts: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """The whole file."""

    session_info: SessionInfo
    emotion_statistics: tuple[Statistics, ...]
    detailed_results: Details
