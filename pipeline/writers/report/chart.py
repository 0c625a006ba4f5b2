"""The timeline as numbers for the script that draws it: what to show when, nothing about how.

Times are integer milliseconds, emotions and statuses places in ``keys``, shares whole per cent; .5 and 99.5
stand for what only rounding would make nothing or all.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.labels import EMOTIONS, VALENCE
from pipeline.types import Analysis, Conflict, Observation, Scores, Span
from pipeline.writers.columns import display
from pipeline.writers.facts import Lane, Shown, headline, lanes, percent
from pipeline.writers.palette import COLOURS, CONFLICT, LETTERS, MARKS, ink
from pipeline.writers.persons import naming

MS_US = 1_000
LEVEL_US = 400_000  # a longer sample is drawn as a level stretch, a shorter one as a point
MOST_POINTS = 40_000  # of one curve; what is more is thinned evenly
BREAK = None  # between samples that do not touch: nothing was read there


def chart(analysis: Analysis, order: Sequence[Conflict]) -> Mapping[str, Any]:
    """Everything the timeline shows; ``order`` are the conflicts by rank."""
    shown = lanes(analysis)
    statuses = sorted({v.key for lane in shown for _, v in lane.stretches} - set(EMOTIONS))
    keys = (*EMOTIONS, *statuses)
    return {
        "duration": _ms(analysis.media.duration_us),
        "keys": [key.replace("_", " ") for key in keys],
        "letters": [LETTERS[e] for e in EMOTIONS],
        "fills": [COLOURS[e] for e in EMOTIONS],
        "inks": [ink(COLOURS[e]) for e in EMOTIONS],
        "conflictFill": CONFLICT,
        "starts": [_ms(m.span.start_us) for m in analysis.moments],
        "ends": [_ms(m.span.end_us) for m in analysis.moments],
        "lanes": [_lane(lane, keys) for lane in shown],
        "conflicts": _conflicts(order, naming(analysis)),
        "curves": [curve for m in analysis.modalities if (curve := _curve(analysis, m)) is not None],
    }


def _lane(lane: Lane, keys: Sequence[str]) -> Mapping[str, Any]:
    place = {key: i for i, key in enumerate(keys)}
    shares = [None if v.confidence is None else _share(v.confidence) for _, v in lane.stretches]
    return {
        "name": lane.display.noun,
        "keys": [place[v.key] for _, v in lane.stretches],
        "shares": shares,
    }


def _conflicts(order: Sequence[Conflict], named: Callable[[Conflict], Shown]) -> list[Mapping[str, Any]]:
    row = stacked([c.span for c in order])
    return [
        {
            "start": _ms(c.span.start_us),
            "end": _ms(c.span.end_us),
            "kind": c.kind,
            "mark": MARKS[c.kind],
            "title": headline(c, named(c)),
            "row": row[i],
        }
        for i, c in enumerate(order)
    ]


def stacked(spans: Sequence[Span], most: int = 3) -> list[int]:
    """A row for each span such that those in one row do not overlap; what has no place goes into the last."""
    ends: list[int] = []
    rows = [0] * len(spans)
    for i in sorted(range(len(spans)), key=lambda i: (spans[i], i)):
        free = (row for row, end_us in enumerate(ends) if end_us <= spans[i].start_us)
        row = next(free, len(ends) if len(ends) < most else most - 1)
        ends[row : row + 1] = [max([spans[i].end_us, *ends[row : row + 1]])]
        rows[i] = row
    return rows


def _curve(analysis: Analysis, modality: str) -> Mapping[str, Any] | None:
    """How pleasant what a channel shows is, over time; of several persons, the one who was read."""
    said = [o for o in analysis.observations.get(modality, ()) if o.scores is not None]
    starts = [m.span.start_us for m in analysis.moments]
    points: list[tuple[int, int | None]] = []
    end_us = None
    for o in sorted(said, key=lambda o: (o.span, str(o.subject))):
        if o.scores is None or not _is_shown(analysis, modality, o, starts):
            continue
        if end_us is not None and o.span.start_us > end_us:
            points.append((_ms(end_us), BREAK))
        points += _level(o.span, round(100 * valence(o.scores)), since_us=end_us or 0)
        end_us = max(end_us or 0, o.span.end_us)
    if not points:
        return None
    points = thinned(points, -(-len(points) // MOST_POINTS))
    at = [t for t, _ in points]
    steps = [b - a for a, b in zip([0, *at[:-1]], at, strict=True)]
    return {"name": display(modality).noun, "steps": steps, "values": [value for _, value in points]}


def thinned(points: Sequence[tuple[int, int | None]], step: int) -> list[tuple[int, int | None]]:
    """One of ``step`` points of each unbroken run, and every break."""
    kept: list[tuple[int, int | None]] = []
    place = 0
    for point in points:
        broken = point[1] is BREAK
        if broken or place % step == 0:
            kept.append(point)
        place = 0 if broken else place + 1
    return kept


def _level(span: Span, value: int, since_us: int) -> list[tuple[int, int | None]]:
    """The points of one sample; none where the sample before reaches over it."""
    start_us = max(span.start_us, since_us)
    if start_us >= span.end_us:
        return []
    if span.end_us - start_us > LEVEL_US:
        return [(_ms(start_us), value), (_ms(span.end_us), value)]
    return [(_ms((start_us + span.end_us) // 2), value)]


def _is_shown(analysis: Analysis, modality: str, seen: Observation, starts: Sequence[int]) -> bool:
    """Whether an observation is of nobody in particular or of the person its moment speaks of."""
    if seen.subject is None:
        return True
    i = bisect_right(starts, (seen.span.start_us + seen.span.end_us) // 2) - 1
    reading = analysis.moments[i].by_modality.get(modality) if i >= 0 else None
    return reading is not None and reading.subject == seen.subject


def _share(share: float) -> float:
    said = percent(share)
    return {"<1%": 0.5, ">99%": 99.5}.get(said) or int(said.removesuffix("%"))


def valence(scores: Scores) -> float:
    """Expected valence in [-1, 1], mass without an emotion counting as 0."""
    return sum(p * VALENCE[e] for e, p in zip(EMOTIONS, scores.probabilities, strict=True))


def _ms(time_us: int) -> int:
    return round(time_us / MS_US)
