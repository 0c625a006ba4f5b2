"""How each channel's seven probabilities lay over a stretch: the small bars of a card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.labels import EMOTIONS
from pipeline.overlap import Overlaps
from pipeline.types import Analysis, Moment, Scores, Span
from pipeline.writers.columns import display
from pipeline.writers.facts import percent
from pipeline.writers.palette import LETTERS

LEAST_QUALITY = 1e-6  # a poor sample still counts where there is no other


@dataclass(frozen=True, slots=True)
class Bar:
    """One probability; ``share`` is in per cent of the bar's full length."""

    emotion: str
    letter: str
    share: str
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A channel's distribution; ``told`` is the same in words, most probable first."""

    name: str
    bars: tuple[Bar, ...]
    told: str


@dataclass(frozen=True)
class Samples:
    """Scores in time, all (n,); ``weights`` in [0, 1], ``rows`` (n, 7) the probabilities."""

    spans: Sequence[Span]
    scores: Sequence[Scores]
    weights: Sequence[float]
    subjects: Sequence[str | None]

    @cached_property
    def overlaps(self) -> Overlaps:
        return Overlaps(self.spans)

    @cached_property
    def rows(self) -> NDArray[np.float64]:
        return np.array([one.probabilities for one in self.scores], float).reshape(-1, len(EMOTIONS))

    def subjects_in(self, span: Span) -> frozenset[str | None]:
        """Who is shown inside ``span``, or nobody in particular (None)."""
        return frozenset(self.subjects[i] for i in self.overlaps.during(span))

    def mean(self, span: Span, shown: frozenset[str | None]) -> NDArray[np.float64] | None:
        """Mean (7,) by overlap and quality of what ``shown`` subjects say inside ``span``."""
        own = [i for i in self.overlaps.during(span) if self.subjects[i] in shown]
        if not own:
            return None
        overlap_us = np.array([self.spans[i].overlap_us(span) for i in own])
        weights = overlap_us * np.array([max(self.weights[i], LEAST_QUALITY) for i in own])
        return np.asarray(np.average(self.rows[own], axis=0, weights=weights))


def samples(analysis: Analysis, modality: str) -> Samples:
    """What a modality said, sample by sample."""
    said = [(o, o.scores) for o in analysis.observations.get(modality, ()) if o.scores is not None]
    return Samples(
        [o.span for o, _ in said],
        [scores for _, scores in said],
        [o.quality for o, _ in said],
        [o.subject for o, _ in said],
    )


def summed_up(moments: Sequence[Moment], modality: str) -> Samples:
    """The same moment by moment, for a modality that left no samples."""
    read = [(m.span, m.by_modality[modality]) for m in moments if modality in m.by_modality]
    said = [(span, one, one.scores) for span, one in read if one.scores is not None]
    return Samples(
        [span for span, _, _ in said],
        [scores for _, _, scores in said],
        [one.quality for _, one, _ in said],
        [one.subject for _, one, _ in said],
    )


@dataclass(frozen=True, slots=True)
class Spreads:
    """Per modality what it said sample by sample, and summed up over each moment."""

    finest: Mapping[str, Samples]
    coarsest: Mapping[str, Samples]

    def over(self, span: Span, modality: str) -> Bars | None:
        """The bars of one channel; None where it said nothing. Of several persons, the one who was read."""
        if modality not in self.coarsest:
            return None
        moments = self.coarsest[modality]
        shown = moments.subjects_in(span)
        mean = self.finest[modality].mean(span, shown)
        mean = moments.mean(span, shown) if mean is None else mean
        return None if mean is None else _bars(display(modality).noun, mean)


def spreads(analysis: Analysis) -> Spreads:
    """Collected once per page."""
    return Spreads(
        {m: samples(analysis, m) for m in analysis.modalities},
        {m: summed_up(analysis.moments, m) for m in analysis.modalities},
    )


def _bars(name: str, mean: NDArray[np.float64]) -> Bars:
    shares = dict(zip(EMOTIONS, (float(p) for p in mean), strict=True))
    told = ", ".join(f"{e} {percent(p)}" for e, p in sorted(shares.items(), key=lambda one: -one[1]))
    bars = tuple(Bar(e, LETTERS[e], f"{100 * p:.1f}", percent(p)) for e, p in shares.items())
    return Bars(name, bars, told)
