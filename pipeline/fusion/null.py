"""How many alarms chance alone would give, and the operating point that keeps them under a rate. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.fusion.belief import Prior
from pipeline.fusion.channels import Channels
from pipeline.fusion.conflict import Candidates, Compared, Limits, Timeline, compare, events_among
from pipeline.types import ALARMS, US_PER_S

Floats = npt.NDArray[np.float64]

MOST_SHIFTS = 24
LEAST_STRETCHES = 4  # fewer are too little to shuffle
BISECTIONS = 10
STRICTEST = 0.99  # an operating point above this would find nothing


def shuffled(timeline: Timeline, channels: Channels, likelihoods: Floats, prior: Prior) -> Iterator[Compared]:
    """The film as it would be if its channels had nothing to do with one another in time, many times.

    Each channel in turn is shifted circularly against the others, by up to ``MOST_SHIFTS`` amounts
    (circular-shift null, as for time series in neuroscience), among the stretches in which it speaks: where
    it is silent stays as it is. A channel with fewer than ``LEAST_STRETCHES`` of them is not shifted.
    """
    return (compare(timeline, *one, prior) for one in _shifts(channels, likelihoods))


def _shifts(channels: Channels, likelihoods: Floats) -> Iterator[tuple[Channels, Floats]]:
    for channel in range(len(channels.names)):
        own = [place for place, pair in enumerate(channels.pairs) if channel in pair]
        rows = np.flatnonzero(channels.speaks[:, channel])
        if len(rows) < LEAST_STRETCHES or not channels.comparable[:, own].any():
            continue
        count = min(MOST_SHIFTS, len(rows) - 1)
        for by in (1 + i * (len(rows) - 1) // count for i in range(count)):
            yield moved(channels, likelihoods, channel, rows, np.roll(rows, by))


def moved(
    channels: Channels,
    likelihoods: Floats,
    channel: int,
    to: npt.NDArray[np.int64],
    source: npt.NDArray[np.int64],
) -> tuple[Channels, Floats]:
    """The same film with what ``channel`` says in the stretches ``source`` said in the stretches ``to``."""
    probabilities, quality = channels.probabilities.copy(), channels.quality.copy()
    subject, evidence = channels.subject.copy(), likelihoods.copy()
    for array in (probabilities, quality, subject, evidence):
        array[to, channel] = array[source, channel]
    return replace(channels, probabilities=probabilities, quality=quality, subject=subject), evidence


def alarms(film: Candidates, limits: Limits) -> int:
    """How many events count as alarms."""
    return sum(event.kind in ALARMS for event in events_among(film, limits))


def chance_rate_per_minute(nulls: Sequence[Candidates], limits: Limits) -> float | None:
    """Alarms a minute expected by chance, the mean over ``nulls``; None: there was too little to shuffle."""
    if not nulls:
        return None
    minutes = sum(span.duration_us for span in nulls[0].timeline.spans) / US_PER_S / 60
    return sum(alarms(null, limits) for null in nulls) / len(nulls) / minutes


def operating_point(nulls: Sequence[Candidates], limits: Limits, most_per_minute: float | None) -> Limits:
    """``limits``, entered later where that is needed to expect at most so many alarms a minute by chance.

    Found by bisection, at most ``STRICTEST``; the rate there may still be above the one asked for.
    """
    if most_per_minute is None or not nulls:
        return limits

    def expected(enter: float) -> float:
        return chance_rate_per_minute(nulls, replace(limits, enter=enter)) or 0.0

    low, high = limits.enter, max(limits.enter, STRICTEST)
    if expected(low) <= most_per_minute:
        return limits
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) > most_per_minute else (low, middle)
    return replace(limits, enter=high)
