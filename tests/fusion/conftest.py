"""Small builders for the fusion tests."""

from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from pipeline.config import ConflictSection
from pipeline.fusion.belief import Prior, prior_of
from pipeline.fusion.channels import Apart, channels_of
from pipeline.fusion.conflict import Compared, Limits, Timeline, compare
from pipeline.labels import EMOTIONS
from pipeline.types import US_PER_S, Moment, Observation, Reading, Reliability, Scores, Span, Status

PRIOR = prior_of(0.112)
SECTION = ConflictSection(enter=0.75, leave=0.6)  # little evidence is enough for the films made here
LIMITS = Limits(enter=0.75, leave=0.6, min_duration_us=500_000, merge_gap_us=1_000_000)


def peaked(emotion: str, p: float = 0.8) -> Scores:
    """``p`` on one emotion, the rest spread evenly."""
    rest = (1 - p) / (len(EMOTIONS) - 1)
    return Scores(tuple(p if e == emotion else rest for e in EMOTIONS))


def reading(emotion: str | None, p: float = 0.8, quality: float = 1.0, coverage: float = 1.0) -> Reading:
    if emotion is None:
        return Reading(Status.SILENCE)
    return Reading(Status.OK, peaked(emotion, p), quality, coverage, samples=1)


def scored(probabilities: Sequence[float], quality: float = 1.0, subject: str | None = None) -> Reading:
    """A reading of this very distribution; what is missing to 1 is unmapped."""
    shares = tuple(float(p) for p in probabilities)
    return Reading(Status.OK, Scores(shares, max(0.0, 1 - sum(shares))), quality, 1.0, subject, samples=1)


def moments(rows: list[dict[str, str | None]], length_s: float = 2.0) -> list[Moment]:
    """One moment per row of modality to emotion (None: nothing seen)."""
    return film_of([{m: reading(e) for m, e in row.items()} for row in rows], length_s)


def film_of(rows: Iterable[dict[str, Reading]], length_s: float = 2.0) -> list[Moment]:
    """One moment per row of modality to reading."""
    step = round(length_s * US_PER_S)
    return [Moment(Span(i * step, (i + 1) * step), None, row) for i, row in enumerate(rows)]


def compared(
    film: Sequence[Moment],
    reliabilities: dict[str, Reliability | None] | None = None,
    apart: Sequence[Apart] = (),
    cut: Iterable[int] = (),
    prior: Prior = PRIOR,
) -> Compared:
    """A film whose channels were held against one another; ``cut``: the stretches that begin with one."""
    channels = channels_of(film, apart)
    timeline = Timeline(tuple(one.span for one in film), frozenset(cut))
    return compare(timeline, channels, channels.likelihoods(reliabilities or {}), prior)


def seen(start_s: float, end_s: float, emotion: str | None = "happy", **changes) -> Observation:
    span = Span(round(start_s * US_PER_S), round(end_s * US_PER_S))
    if emotion is None:
        return Observation("face", span, Status.NO_FACE)
    return Observation("face", span, Status.OK, peaked(emotion), **{"quality": 1.0, **changes})


few = settings(max_examples=30)  # for tests whose every example costs milliseconds
shares = st.floats(0, 1, allow_subnormal=False)


@st.composite
def distributions(draw, whole: bool = False) -> np.ndarray:
    """(7,), summing to 1, or when not ``whole`` sometimes to less; one-hot, even and empty ones too."""
    even = np.full(len(EMOTIONS), 1 / len(EMOTIONS))
    kind = draw(st.sampled_from(("any", "any", "any", "one-hot", "even", "empty")))
    if kind == "one-hot":
        return np.eye(len(EMOTIONS))[draw(st.integers(0, len(EMOTIONS) - 1))]
    if kind == "even":
        return even
    if kind == "empty" and not whole:
        return np.zeros(len(EMOTIONS))
    raw = np.array(draw(st.lists(shares, min_size=len(EMOTIONS), max_size=len(EMOTIONS))))
    mapped = 1.0 if whole else draw(st.sampled_from((1.0, 0.7, 0.2)))
    return mapped * (raw / raw.sum() if raw.sum() > 0.01 else even)


@st.composite
def reliabilities(draw) -> Reliability | None:
    """Of any model: always right, never giving some of the answers, or never measured."""
    if draw(st.booleans()):
        return None
    rows = [draw(distributions(whole=True)) for _ in EMOTIONS]
    return Reliability(
        confusion=tuple(tuple(row.tolist()) for row in rows),
        answers=tuple(draw(distributions(whole=True)).tolist()),
        n=100,
        data="made",
    )


@st.composite
def evidence(draw, channels: int) -> np.ndarray:
    """Likelihoods (2, channels, 7) in [0.001, 1], the greatest of each channel 1."""
    size = 2 * channels * len(EMOTIONS)
    powers = draw(st.lists(st.floats(-3, 0), min_size=size, max_size=size))
    raw = 10 ** np.array(powers).reshape(2, channels, len(EMOTIONS))
    return raw / raw.max(axis=2, keepdims=True)
