"""How much of the film a modality could read, and why not the rest."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from pipeline.types import Analysis, Reading, Status
from pipeline.writers.columns import display
from pipeline.writers.facts import covered_us, percent, verdict
from pipeline.writers.palette import is_emotion

OTHERS = "another person"  # was in the picture, and the one who was read was not


@dataclass(frozen=True, slots=True)
class Coverage:
    """Share of the film read, and what was there instead, as text; together they are the whole film."""

    name: str
    read: str
    gaps: str


def coverage_of(analysis: Analysis, modality: str) -> Coverage:
    """By length of the rows, each counting as far as it was covered."""
    total = max(1, sum(m.span.duration_us for m in analysis.moments))
    read, gaps = read_and_gaps(analysis, modality)
    longest_first = sorted(gaps.items(), key=lambda one: (-one[1], one[0]))
    reasons = (f"{key.replace('_', ' ')} {percent(us / total)}" for key, us in longest_first)
    return Coverage(display(modality).noun, percent(read / total), ", ".join(reasons))


def read_and_gaps(analysis: Analysis, modality: str) -> tuple[float, Mapping[str, float]]:
    """Microseconds read, and those that were not by why."""
    absent, others = _instead(analysis, modality)
    read = 0.0
    gaps: dict[str, float] = {}
    for i, moment in enumerate(analysis.moments):
        said = verdict(moment, modality, analysis.modalities)
        covered = covered_us(moment, modality) if is_emotion(said.key) else 0.0
        read += covered
        left = moment.span.duration_us - covered
        rest = OTHERS if i in others else str(Status.NOT_OBSERVED)
        why = _shared_out(left, absent[i], rest) if is_emotion(said.key) else {said.key: left}
        for key, us in why.items():
            gaps[key] = gaps.get(key, 0.0) + us
    return read, {key: us for key, us in gaps.items() if us >= 1}


def _shared_out(left_us: float, absent: Mapping[str, int], rest: str) -> Mapping[str, float]:
    """What was not read of a row, by what its samples say instead."""
    told = sum(absent.values())
    scale = min(1.0, left_us / told) if told else 0.0
    return {**{key: us * scale for key, us in absent.items()}, rest: left_us - told * scale}


def _instead(analysis: Analysis, modality: str) -> tuple[Sequence[Mapping[str, int]], Set[int]]:
    """Per moment, microseconds of samples without scores by why; and moments with other persons."""
    starts = [moment.span.start_us for moment in analysis.moments]
    absent: list[dict[str, int]] = [{} for _ in starts]
    others = set()
    for o in analysis.observations.get(modality, ()):
        for i in range(max(0, bisect_right(starts, o.span.start_us) - 1), bisect_left(starts, o.span.end_us)):
            if o.scores is None:
                us = o.span.overlap_us(analysis.moments[i].span)
                absent[i][str(o.status)] = absent[i].get(str(o.status), 0) + us
            elif o.subject != _subject(analysis.moments[i].by_modality.get(modality)):
                others.add(i)
    return absent, others


def _subject(reading: Reading | None) -> str | None:
    return None if reading is None else reading.subject
