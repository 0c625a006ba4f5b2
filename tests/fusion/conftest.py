"""Small builders for the fusion tests."""

from pipeline.labels import EMOTIONS
from pipeline.types import US_PER_S, Moment, Observation, Reading, Scores, Span, Status


def peaked(emotion: str, p: float = 0.8) -> Scores:
    """``p`` on one emotion, the rest spread evenly."""
    rest = (1 - p) / (len(EMOTIONS) - 1)
    return Scores(tuple(p if e == emotion else rest for e in EMOTIONS))


def reading(emotion: str | None, p: float = 0.8, quality: float = 1.0, coverage: float = 1.0) -> Reading:
    if emotion is None:
        return Reading(Status.SILENCE)
    return Reading(Status.OK, peaked(emotion, p), quality, coverage, samples=1)


def moments(rows: list[dict[str, str | None]], length_s: float = 2.0) -> list[Moment]:
    """One moment per row of modality to emotion (None: nothing seen)."""
    step = round(length_s * US_PER_S)
    return [
        Moment(Span(i * step, (i + 1) * step), None, {m: reading(e) for m, e in row.items()})
        for i, row in enumerate(rows)
    ]


def seen(start_s: float, end_s: float, emotion: str | None = "happy", **changes) -> Observation:
    span = Span(round(start_s * US_PER_S), round(end_s * US_PER_S))
    if emotion is None:
        return Observation("face", span, Status.NO_FACE)
    return Observation("face", span, Status.OK, peaked(emotion), **{"quality": 1.0, **changes})
