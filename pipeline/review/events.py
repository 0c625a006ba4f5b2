"""The events of an analysis as they are put before raters, under names that last. Pure."""

import hashlib
import re
from dataclasses import dataclass

from pipeline.types import Analysis, Conflict, ConflictKind, Span
from pipeline.writers.facts import Shown, hypothesis, one_line, ranked, who_says_what
from pipeline.writers.persons import naming

SHA_CHARACTERS = 12
_ID = re.compile(
    rf"(?P<video>[0-9a-f]{{{SHA_CHARACTERS}}})-(?P<kind>[a-z]+)-(?P<channels>.+?)"
    r"-(?P<start>-?\d+)-(?P<end>-?\d+)-(?P<mark>[0-9a-f]{4})"
)


class ReviewError(ValueError):
    """A sheet or a folder that cannot be used; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Event:
    """One claim for raters to judge. ``shown`` is who says what, ``evidence`` the Bayes factor."""

    id: str
    span: Span
    kind: ConflictKind
    modalities: tuple[str, ...]
    shown: str
    reading: str
    words: str
    evidence: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Named:
    """What the name of an event tells: ``foil`` is a stretch that was put in without an alarm."""

    video: str
    kind: str
    channels: tuple[str, ...]
    span: Span
    foil: bool


def event_id(video: str, kind: str, modalities: tuple[str, ...], span: Span, foil: bool = False) -> str:
    """A name made of what the event is: ``video`` is the SHA-256 of the film; times in ms, half up.

    The last four characters are a check against cells that were cut or edited, and the only thing that tells
    a foil from an alarm, so that a rater cannot see it.
    """
    times = (f"{(time_us + 500) // 1_000}" for time_us in (span.start_us, span.end_us))
    body = "-".join((video[:SHA_CHARACTERS], kind, "+".join(sorted(modalities)), *times))
    return f"{body}-{_check(body, foil)}"


def _check(body: str, foil: bool) -> str:
    return hashlib.sha256(f"{'foil' if foil else 'event'} {body}".encode()).hexdigest()[:4]


def parse_id(text: str) -> Named | None:
    """What a name tells; None: it is none, or was changed."""
    found = _ID.fullmatch(text)
    if found is None:
        return None
    body = text.rpartition("-")[0]
    kinds = [foil for foil in (False, True) if _check(body, foil) == found["mark"]]
    start_us, end_us = int(found["start"]) * 1_000, int(found["end"]) * 1_000
    if not kinds or end_us < start_us:
        return None
    channels = tuple(found["channels"].split("+"))
    return Named(found["video"], found["kind"], channels, Span(start_us, end_us), kinds[0])


def events(analysis: Analysis) -> tuple[Event, ...]:
    """Every conflict of an analysis, masking too, strongest evidence first."""
    shown_in, video = naming(analysis), analysis.media.sha256
    return tuple(event_of(conflict, video, shown_in(conflict)) for conflict in ranked(analysis.conflicts))


def event_of(conflict: Conflict, video: str, shown: Shown, foil: bool = False) -> Event:
    """A conflict in the film with the SHA-256 ``video`` as it is put before raters, its persons named."""
    return Event(
        id=event_id(video, conflict.kind, conflict.modalities, conflict.span, foil),
        span=conflict.span,
        kind=conflict.kind,
        modalities=conflict.modalities,
        shown=one_line(who_says_what(conflict, shown)),
        reading=hypothesis(conflict),
        words=one_line(conflict.words),
        evidence=conflict.evidence,
        confidence=conflict.confidence,
    )
