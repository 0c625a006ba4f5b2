"""Where two modalities disagree: how strongly, for how long, and how often that would happen by chance.

Neutral against an emotion is not a conflict: it is reported apart, as ``masking``. Scores are those of
docs/CONFLICTS.md; this page holds pure functions over moments only.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import get_args

from pipeline.fusion.fuse import uncertainty
from pipeline.labels import EMOTIONS, NEUTRAL, VALENCE, top, valence
from pipeline.types import US_PER_S, Conflict, ConflictKind, Moment, Reading, Scores, Span

KINDS: tuple[ConflictKind, ...] = get_args(ConflictKind)
ALARMS: tuple[ConflictKind, ...] = ("polarity", "blend")  # masking is information, not an alarm
VALENCE_RANGE = max(VALENCE.values()) - min(VALENCE.values())
LEAST_COVERAGE = 0.2  # a modality seen for less of a moment than this abstains
LEAST_QUALITY = 0.1
MOST_SHIFTS = 24


Emotions = tuple[tuple[str, str], ...]  # (modality, emotion), as many as take part


@dataclass(frozen=True, slots=True)
class Limits:
    """When an event begins, ends, counts and merges; strengths in [0, 1], times in microseconds."""

    enter: float
    leave: float
    min_duration_us: int
    merge_gap_us: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What two modalities have against each other in one moment."""

    kind: ConflictKind
    emotions: Emotions
    strength: float
    confidence: float


def jensen_shannon(a: Sequence[float], b: Sequence[float]) -> float:
    """Jensen-Shannon divergence in bits, in [0, 1] (Lin 1991, IEEE Trans. Inf. Theory 37)."""
    middle = [(x + y) / 2 for x, y in zip(a, b, strict=True)]

    def against_middle(p: Sequence[float]) -> float:
        return sum(x * math.log2(x / m) for x, m in zip(p, middle, strict=True) if x > 0)

    return min(1.0, max(0.0, (against_middle(a) + against_middle(b)) / 2))


def feeling(scores: Scores) -> list[float]:
    """Probabilities of the emotions other than neutral, in label order."""
    return [p for e, p in zip(EMOTIONS, scores.probabilities, strict=True) if e != NEUTRAL]


def mass_by_sign(scores: Scores) -> tuple[float, float]:
    """Probability of a positive and of a negative emotion."""
    pairs = list(zip(EMOTIONS, scores.probabilities, strict=True))
    return sum(p for e, p in pairs if VALENCE[e] > 0), sum(p for e, p in pairs if VALENCE[e] < 0)


def _sureness(a: Scores, b: Scores) -> float:
    return (1.0 - uncertainty(a)) * (1.0 - uncertainty(b))


def polarity(a: Scores, b: Scores) -> tuple[float, float]:
    """Strength and confidence of opposite valence; (0, 0) when either side is mostly neutral.

    Strength is the square root of |V_a - V_b| / range x (1-u_a)(1-u_b): the root changes no ranking and
    spreads the scale. Confidence is the probability that both signs are as claimed, the models being
    calibrated and independent.
    """
    v_a, v_b = valence(a), valence(b)
    if v_a * v_b >= 0 or NEUTRAL in (top(a)[0], top(b)[0]):
        return 0.0, 0.0
    (positive_a, negative_a), (positive_b, negative_b) = mass_by_sign(a), mass_by_sign(b)
    both = positive_a * negative_b if v_a > 0 else negative_a * positive_b
    return math.sqrt(abs(v_a - v_b) / VALENCE_RANGE * _sureness(a, b)), both


def blend(a: Scores, b: Scores) -> tuple[float, float]:
    """Strength and confidence of two different emotions that do not differ in sign."""
    top_a, top_b = top(a)[0], top(b)[0]
    if NEUTRAL in (top_a, top_b) or top_a == top_b or VALENCE[top_a] * VALENCE[top_b] < 0:
        return 0.0, 0.0
    feel_a, feel_b = feeling(a), feeling(b)
    mass_a, mass_b = sum(feel_a), sum(feel_b)
    divergence = jensen_shannon([p / mass_a for p in feel_a], [p / mass_b for p in feel_b])
    different = mass_a * mass_b - sum(x * y for x, y in zip(feel_a, feel_b, strict=True))
    return math.sqrt(divergence * min(mass_a, mass_b) * _sureness(a, b)), max(0.0, different)


def masking(a: Scores, b: Scores) -> tuple[float, float]:
    """Strength and confidence of one neutral and one felt channel."""
    top_a, top_b = top(a)[0], top(b)[0]
    if (top_a == NEUTRAL) == (top_b == NEUTRAL):
        return 0.0, 0.0
    calm, felt = (a, b) if top_a == NEUTRAL else (b, a)
    both = calm.probabilities[EMOTIONS.index(NEUTRAL)] * sum(feeling(felt))
    return math.sqrt(both * _sureness(a, b)), both


MEASURES = {"polarity": polarity, "blend": blend, "masking": masking}


def speaks(reading: Reading) -> bool:
    """Whether a reading is good enough to be held against another."""
    seen = reading.coverage >= LEAST_COVERAGE and reading.quality >= LEAST_QUALITY
    return reading.scores is not None and seen


def evidence(moment: Moment) -> list[Evidence]:
    """Every pair of modalities that disagree in this moment, in the order of ``KINDS``, then of strength."""
    able = {m: r.scores for m, r in moment.by_modality.items() if speaks(r) and r.scores is not None}
    found = []
    for (one, a), (other, b) in combinations(able.items(), 2):
        trust = math.sqrt(moment.by_modality[one].quality * moment.by_modality[other].quality)
        for kind in KINDS:
            strength, confidence = MEASURES[kind](a, b)
            if strength > 0:
                emotions = ((one, top(a)[0]), (other, top(b)[0]))
                found.append(Evidence(kind, emotions, strength, confidence * trust))
    return sorted(found, key=lambda e: (KINDS.index(e.kind), -e.strength, e.emotions))


@dataclass(frozen=True, slots=True)
class Event:
    """Consecutive moments with the same conflict; ``strength`` is the greatest, ``confidence`` the mean."""

    span: Span
    kind: ConflictKind
    emotions: Emotions
    strength: float
    confidence: float
    moments: tuple[int, ...]


def events(moments: Sequence[Moment], limits: Limits) -> list[Event]:
    """Conflicts over time by hysteresis: entered at ``enter``, held to ``leave``, merged over short gaps.

    Events shorter than ``min_duration_us`` are dropped. One event is one kind with one emotion per modality.
    Where several pairs show the same kind at the same time, the strongest names the event and a modality
    that agrees with it joins; what is left of a weaker pair outside it stays an event of its own.
    """
    series: dict[tuple[ConflictKind, Emotions], dict[int, Evidence]] = {}
    for index, moment in enumerate(moments):
        for item in evidence(moment):
            series.setdefault((item.kind, item.emotions), {})[index] = item

    def event_of(kind: ConflictKind, emotions: Emotions, run: Sequence[int]) -> Event:
        return _event(kind, emotions, run, series[kind, emotions], moments)

    candidates = [
        event_of(kind, emotions, run)
        for (kind, emotions), items in series.items()
        for run in _merged(_runs(items, limits), moments, limits.merge_gap_us)
    ]
    kept: list[Event] = []
    for event in sorted(candidates, key=lambda e: (KINDS.index(e.kind), -e.strength, e.span, e.emotions)):
        rivals = [k for k in kept if k.kind == event.kind and set(k.moments) & set(event.moments)]
        taken = {index for rival in rivals for index in rival.moments}
        for rival in rivals:
            kept[kept.index(rival)] = _joined(rival, event)
        items = series[event.kind, event.emotions]
        free = {index: items[index] for index in event.moments if index not in taken}
        for run in _merged(_runs(free, limits), moments, limits.merge_gap_us) if rivals else [event.moments]:
            kept.append(event_of(event.kind, event.emotions, run))
    long_enough = [event for event in kept if event.span.duration_us >= limits.min_duration_us]
    return sorted(long_enough, key=lambda e: (e.span, KINDS.index(e.kind), e.emotions))


def _joined(held: Event, other: Event) -> Event:
    """``held`` with the modalities of ``other`` that agree with it, when ``other`` lasts throughout."""
    together = dict(other.emotions) | dict(held.emotions)
    agree = all(together[modality] == emotion for modality, emotion in other.emotions)
    if not (agree and set(held.moments) <= set(other.moments)):
        return held
    return replace(held, emotions=tuple(sorted(together.items())))


def _runs(items: Mapping[int, Evidence], limits: Limits) -> list[list[int]]:
    """Consecutive indices at or above ``leave`` that reach ``enter`` somewhere."""
    runs: list[list[int]] = []
    for index in sorted(i for i, item in items.items() if item.strength >= limits.leave):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [run for run in runs if any(items[i].strength >= limits.enter for i in run)]


def _merged(runs: Sequence[list[int]], moments: Sequence[Moment], gap_us: int) -> list[list[int]]:
    merged: list[list[int]] = []
    for run in runs:
        near = merged and moments[run[0]].span.start_us - moments[merged[-1][-1]].span.end_us <= gap_us
        if near:
            merged[-1] += run
        else:
            merged.append(list(run))
    return merged


def _event(
    kind: ConflictKind,
    emotions: Emotions,
    run: Sequence[int],
    items: Mapping[int, Evidence],
    moments: Sequence[Moment],
) -> Event:
    length = sum(moments[i].span.duration_us for i in run)
    return Event(
        span=Span(moments[run[0]].span.start_us, moments[run[-1]].span.end_us),
        kind=kind,
        emotions=emotions,
        strength=max(items[i].strength for i in run),
        confidence=sum(items[i].confidence * moments[i].span.duration_us for i in run) / length,
        moments=tuple(run),
    )


def chance_rate_per_minute(moments: Sequence[Moment], limits: Limits) -> float | None:
    """Alarms a minute expected when the modalities have nothing to do with each other in time.

    Each modality in turn is shifted circularly against the others, over up to ``MOST_SHIFTS`` shifts, and the
    alarms are counted (a circular-shift null, as for time series in neuroscience). None when there are fewer
    than four moments or less than two modalities with scores: too little to shuffle.
    """
    modalities = sorted({m for x in moments for m, r in x.by_modality.items() if r.scores is not None})
    minutes = sum(m.span.duration_us for m in moments) / US_PER_S / 60
    if len(moments) < 4 or len(modalities) < 2 or minutes <= 0:
        return None
    count = min(MOST_SHIFTS, len(moments) - 1)
    shifts = [1 + i * (len(moments) - 1) // count for i in range(count)]
    alarms = [
        sum(event.kind in ALARMS for event in events(_shifted(moments, modality, by), limits))
        for modality in modalities
        for by in shifts
    ]
    return sum(alarms) / len(alarms) / minutes


def _shifted(moments: Sequence[Moment], modality: str, by: int) -> list[Moment]:
    """The same moments with one modality's readings moved ``by`` places, round the end."""
    readings = [m.by_modality[modality] for m in moments]
    moved = readings[-by:] + readings[:-by]
    return [
        replace(m, by_modality={**m.by_modality, modality: r}) for m, r in zip(moments, moved, strict=True)
    ]


def as_conflict(event: Event, label: str, moments: Sequence[Moment]) -> Conflict:
    """The event as the writers show it, with its evidence in words."""
    inside = [moments[i] for i in event.moments]
    lines = next((m.utterance.text for m in inside if m.utterance is not None), None)
    claims = []
    for modality, emotion in event.emotions:
        column = EMOTIONS.index(emotion)
        readings = [m.by_modality[modality] for m in inside if m.by_modality[modality].scores is not None]
        mean = sum(r.scores.probabilities[column] for r in readings if r.scores) / max(1, len(readings))
        claims.append(f"{modality} {emotion} {mean:.0%}")
    said = f' while saying "{lines}"' if lines else ""
    return Conflict(
        span=event.span,
        kind=event.kind,
        modalities=tuple(modality for modality, _ in event.emotions),
        strength=round(event.strength, 4),
        confidence=round(event.confidence, 4),
        label=label,
        why=", ".join(claims) + said,
        emotions=dict(event.emotions),
    )
