"""The lanes of the film: what each channel said sample by sample, so that they tell what a badge tells."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.types import Analysis, Observation, Span, Status
from pipeline.writers.facts import Lane, Stretches, Verdict, lanes, observed, thinned


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
    """Per moment the samples of whom the moment is read from, and that nothing was observed between them."""
    seen = sorted(analysis.observations.get(modality, ()), key=lambda o: o.span)
    if len(seen) <= len(analysis.moments):
        return ()
    longest_us = max(o.span.duration_us for o in seen)
    found: list[tuple[Span, Verdict]] = []
    for moment in analysis.moments:
        reading = moment.by_modality.get(modality)
        subject = None if reading is None else reading.subject
        inside = [o for o in _during(moment.span, seen, longest_us) if subject in (None, o.subject)]
        found += _with_gaps(moment.span, inside)
    return tuple(found)


def _during(span: Span, seen: Sequence[Observation], longest_us: int) -> Iterator[Observation]:
    first = bisect_left(seen, span.start_us - longest_us, key=lambda o: o.span.start_us)
    end = bisect_left(seen, span.end_us, key=lambda o: o.span.start_us)
    return (o for o in seen[first:end] if o.span.overlap_us(span))


def _with_gaps(span: Span, inside: Sequence[Observation]) -> Iterator[tuple[Span, Verdict]]:
    reach_us = span.start_us
    for one in inside:
        start_us, end_us = max(span.start_us, one.span.start_us), min(span.end_us, one.span.end_us)
        if start_us > reach_us:
            yield Span(reach_us, start_us), Verdict(Status.NOT_OBSERVED, None)
        yield Span(start_us, end_us), observed(one)
        reach_us = max(reach_us, end_us)
    if reach_us < span.end_us:
        yield Span(reach_us, span.end_us), Verdict(Status.NOT_OBSERVED, None)
