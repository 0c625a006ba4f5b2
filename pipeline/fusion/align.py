"""One timeline for all modalities: moments that tile the film, each with what every modality says in it."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from pipeline.labels import EMOTIONS
from pipeline.overlap import Overlaps
from pipeline.records import DOUBTFUL_KEY
from pipeline.types import Moment, Observation, Reading, Scores, Span, Status, Utterance

LEAST_SHARE = 0.1  # of a stretch: the last syllable of a sentence does not speak for the pause after it
ENOUGH_US = 500_000


def tile(duration_us: int, spans: Sequence[Span], gap_us: int) -> list[tuple[Span, int | None]]:
    """Cut ``[0, duration_us)`` into stretches: one per span, gaps in pieces of at most ``gap_us``.

    A span that overlaps the one before starts where that one ends; what lies outside the film is cut off.
    Returns each stretch with the index of its span, None for a gap. Stretches tile the film: no hole, no
    overlap, and every span with a part of its own inside the film has exactly one stretch.
    """
    tiles: list[tuple[Span, int | None]] = []
    at = 0
    for index in sorted(range(len(spans)), key=lambda i: (spans[i], i)):
        start = min(max(spans[index].start_us, at), duration_us)
        end = min(spans[index].end_us, duration_us)
        if end <= start:
            continue
        tiles += [(piece, None) for piece in _pieces(at, start, gap_us)]
        tiles.append((Span(start, end), index))
        at = end
    tiles += [(piece, None) for piece in _pieces(at, duration_us, gap_us)]
    return tiles


def _pieces(start_us: int, end_us: int, most_us: int) -> list[Span]:
    """Equal pieces, none longer than ``most_us``; nothing for an empty stretch."""
    length = end_us - start_us
    if length <= 0:
        return []
    count = -(-length // most_us)
    edges = [start_us + length * i // count for i in range(count + 1)]
    return [Span(a, b) for a, b in pairwise(edges)]


def summarise(span: Span, observations: Sequence[Observation]) -> Reading:
    """What one modality says over ``span``: the mean of its scores, weighted by overlap and quality.

    With several subjects (persons) the one seen most, by overlap times quality, speaks for the modality. When
    scores cover next to nothing of the span (``LEAST_SHARE`` of it, or ``ENOUGH_US``), the status that covers
    most of the rest is returned, ``not_observed`` for none.
    """
    overlaps = [(o, o.span.overlap_us(span)) for o in observations]
    inside = [(o, us) for o, us in overlaps if us > 0]
    spoken = [(o, us) for o, us in inside if o.status is Status.OK]
    enough_us = min(LEAST_SHARE * span.duration_us, ENOUGH_US)
    rest = [(o, us) for o, us in inside if o.status is not Status.OK]
    if not spoken or (rest and _covered_us([o.span for o, _ in spoken], span) < enough_us):
        by_status: dict[Status, int] = defaultdict(int)
        for observation, us in rest:
            by_status[observation.status] += us
        if not by_status:
            return Reading(Status.NOT_OBSERVED)
        return Reading(max(by_status, key=lambda s: (by_status[s], s)))
    share: dict[str | None, float] = defaultdict(float)
    for observation, us in spoken:
        share[observation.subject] += us * max(observation.quality, 1e-6)
    subject = max(share, key=lambda s: (share[s], str(s)))
    own = [(o, us) for o, us in spoken if o.subject == subject]
    return Reading(
        status=Status.OK,
        scores=_mean_scores(own),
        quality=sum(o.quality * us for o, us in own) / sum(us for _, us in own),
        coverage=_covered_us([o.span for o, _ in own], span) / span.duration_us,
        subject=subject,
        samples=len(own),
        doubtful=any(DOUBTFUL_KEY in o.evidence for o, _ in own),
    )


def _mean_scores(weighted: Sequence[tuple[Observation, int]]) -> Scores:
    total = [0.0] * len(EMOTIONS)
    unmapped = mass = 0.0
    for observation, us in weighted:
        assert observation.scores is not None
        weight = us * max(observation.quality, 1e-6)
        mass += weight
        unmapped += weight * observation.scores.unmapped
        for i, probability in enumerate(observation.scores.probabilities):
            total[i] += weight * probability
    return Scores(tuple(t / mass for t in total), unmapped / mass)


def _covered_us(spans: Sequence[Span], within: Span) -> int:
    """Length of the union of ``spans`` inside ``within``."""
    covered, at = 0, within.start_us
    for span in sorted(spans):
        start, end = max(span.start_us, at), min(span.end_us, within.end_us)
        if end > start:
            covered += end - start
            at = end
    return covered


def align(
    duration_us: int,
    utterances: Sequence[Utterance],
    observations: Mapping[str, Sequence[Observation]],
    gap_us: int,
) -> list[Moment]:
    """Moments that tile the film: one per utterance, and the gaps between.

    ``observations`` maps a modality to what it saw, in time order; an empty sequence means that it failed.
    """
    readings = _Readings(observations)
    return [
        Moment(span, None if index is None else utterances[index], readings.over(span))
        for span, index in tile(duration_us, [u.span for u in utterances], gap_us)
    ]


def finer(
    moments: Sequence[Moment],
    observations: Mapping[str, Sequence[Observation]],
    most_us: int,
    cuts_us: Sequence[int] = (),
) -> list[Moment]:
    """The same film in stretches of at most ``most_us``, none across a cut; each inside one moment.

    Conflicts inside a long utterance show at this grain; words speak for all of their utterance.
    """
    readings, result, cuts = _Readings(observations), [], sorted(cuts_us)
    for moment in moments:
        start, end = moment.span.start_us, moment.span.end_us
        edges = [start, *cuts[bisect_right(cuts, start) : bisect_left(cuts, end)], end]
        pieces = (piece for a, b in pairwise(edges) for piece in _pieces(a, b, most_us))
        result += [Moment(span, moment.utterance, readings.over(span)) for span in pieces]
    return result


class _Readings:
    """What every modality says over any span."""

    def __init__(self, observations: Mapping[str, Sequence[Observation]]) -> None:
        self._by_modality = {modality: _Timed(own) if own else None for modality, own in observations.items()}

    def over(self, span: Span) -> dict[str, Reading]:
        return {
            modality: Reading(Status.FAILED) if timed is None else summarise(span, timed.during(span))
            for modality, timed in self._by_modality.items()
        }


class _Timed:
    """Observations in order of time, and which of them lie in a span."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        self._all = sorted(observations, key=lambda o: o.span)
        self._overlaps = Overlaps(o.span for o in self._all)

    def during(self, span: Span) -> list[Observation]:
        return [self._all[i] for i in self._overlaps.during(span)]
