"""The lanes of the film: what each channel said sample by sample, so that they tell what a badge tells."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from pipeline.labels import EMOTIONS
from pipeline.overlap import Overlaps
from pipeline.types import Analysis, Observation, Span, Status
from pipeline.writers.facts import Lane, Stretches, Verdict, lanes, observed, thinned

LEAST_QUALITY = 1e-6  # a poor sample still counts where there is no other


def sampled_lanes(analysis: Analysis, columns: int) -> tuple[Lane, ...]:
    """The lanes of the timeline; those of channels with samples finer than the moments drawn from these.

    ``columns`` is how many blocks have room in a lane: what fills most of one fills it.
    """
    finest = (*(_samples(analysis, m) for m in analysis.modalities), ())  # together, there are no samples
    return tuple(
        replace(lane, stretches=thinned(fine, analysis.media.duration_us, columns, always=True))
        if len(fine) > len(analysis.moments)
        else lane
        for lane, fine in zip(lanes(analysis), finest, strict=True)
    )


def _samples(analysis: Analysis, modality: str) -> Stretches:
    """Per moment what the samples say that it is read from, and where there are none."""
    seen = sorted(analysis.observations.get(modality, ()), key=lambda o: o.span)
    if len(seen) <= len(analysis.moments):
        return ()
    overlaps = Overlaps(o.span for o in seen)
    found: list[tuple[Span, Verdict]] = []
    for moment in analysis.moments:
        reading = moment.by_modality.get(modality)
        subject = None if reading is None else reading.subject
        during = (seen[i] for i in overlaps.during(moment.span))
        inside = [o for o in during if subject in (None, o.subject)]
        found += _pieces(moment.span, inside)
    return tuple(found)


def _pieces(span: Span, inside: Sequence[Observation]) -> Iterator[tuple[Span, Verdict]]:
    """Tiles of a span; where samples overlap, as windows of sound do, what they say on average."""
    edges = {span.start_us, span.end_us}
    for one in inside:
        edges |= {max(span.start_us, one.span.start_us), min(span.end_us, one.span.end_us)}
    present: list[Observation] = []
    coming = list(reversed(inside))
    for start_us, end_us in pairwise(sorted(edges)):
        while coming and coming[-1].span.start_us <= start_us:
            present.append(coming.pop())
        present = [one for one in present if one.span.end_us > start_us]
        yield Span(start_us, end_us), _together(present)


def _together(present: Sequence[Observation]) -> Verdict:
    said = [(one.scores.probabilities, one.quality) for one in present if one.scores is not None]
    if not present:
        return Verdict(Status.NOT_OBSERVED, None)
    if len(said) < 2:
        return observed(next((one for one in present if one.scores is not None), present[0]))
    weights = [max(quality, LEAST_QUALITY) for _, quality in said]
    mean = np.average([probabilities for probabilities, _ in said], axis=0, weights=weights)
    return Verdict(EMOTIONS[int(mean.argmax())], None)
