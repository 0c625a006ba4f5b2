"""Where two modalities disagree: which kind, how much speaks for it, from when to when. Pure.

What is said here in code is said in words in docs/CONFLICTS.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.fusion.belief import ALIKE, KINDS, Prior, bayes_factors, kinds_of, pair_states
from pipeline.fusion.channels import NO_SUBJECT, Channels
from pipeline.fusion.kinds import shown_kinds, strengths
from pipeline.labels import EMOTIONS
from pipeline.types import ConflictKind, Span

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

Emotions = tuple[tuple[str, str], ...]  # (modality, emotion), as many as take part


@dataclass(frozen=True, slots=True)
class Limits:
    """When an event begins, ends, counts and merges; times in microseconds.

    ``enter`` and ``leave`` are evidence as a probability at even odds, B / (1 + B), in [0, 1].
    """

    enter: float
    leave: float
    min_duration_us: int
    merge_gap_us: int


@dataclass(frozen=True)
class Disagreements:
    """What each pair of channels has against one another, all (stretches, pairs).

    ``kind`` is that of the emotions the channels show (``ALIKE`` where they agree or are not compared, else
    1 + place in ``KINDS``); ``evidence`` B / (1 + B) of that kind, ``confidence`` its posterior.
    """

    kind: Integers
    strength: Floats
    evidence: Floats
    confidence: Floats


def disagreements(channels: Channels, likelihoods: Floats, prior: Prior) -> Disagreements:
    """Hold every pair of channels against one another in every stretch, the others bearing witness."""
    shape = channels.comparable.shape
    found = Disagreements(np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape), np.zeros(shape))
    for place in range(len(channels.pairs)):
        columns = _pair(channels, likelihoods, place, prior)
        for array, column in zip(
            (found.kind, found.strength, found.evidence, found.confidence), columns, strict=True
        ):
            array[:, place] = column
    return found


def witnessed(
    channels: Channels, likelihoods: Floats, place: int, rows: Sequence[int] | slice = slice(None)
) -> Floats:
    """Likelihoods (n, channels, 7) without those that are not the same person's as the pair at ``place``.

    The face of someone who listens tells nothing about whether the speaker's voice and words agree. ``rows``
    are the n stretches asked for, by default all.
    """
    heard = likelihoods[rows].copy()
    pair = channels.pairs[place]
    for third in set(range(len(channels.names))) - set(pair):
        shared = [channels.pairs.index((min(third, c), max(third, c))) for c in pair]
        heard[~channels.comparable[rows][:, shared].all(axis=1), third] = 1.0
    return heard


def _pair(
    channels: Channels, likelihoods: Floats, place: int, prior: Prior
) -> tuple[Integers, Floats, Floats, Floats]:
    one, other = channels.pairs[place]
    a, b = channels.probabilities[:, one], channels.probabilities[:, other]
    kind = np.where(channels.comparable[:, place], shown_kinds(a, b), ALIKE)
    posterior = kinds_of(pair_states(witnessed(channels, likelihoods, place), one, other, prior))
    factors = bayes_factors(posterior, prior)
    rows, shown = np.arange(len(kind)), np.maximum(kind - 1, 0)
    there = kind != ALIKE
    return (
        kind,
        np.where(there, strengths(a, b)[rows, shown], 0.0),
        np.where(there, (factors / (1 + factors))[rows, shown], 0.0),
        np.where(there, posterior[rows, 1 + shown], 0.0),
    )


@dataclass(frozen=True, slots=True)
class Item:
    """What one pair of channels has against one another in one stretch."""

    strength: float
    evidence: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Event:
    """Consecutive stretches with the same conflict.

    ``strength`` and ``evidence`` are the greatest, ``confidence`` the mean over time; ``moments`` are the
    places of the stretches.
    """

    span: Span
    kind: ConflictKind
    emotions: Emotions
    strength: float
    evidence: float
    confidence: float
    moments: tuple[int, ...]


@dataclass(frozen=True)
class Timeline:
    """The stretches that ``channels`` are about: their spans, and before which of them the picture is cut."""

    spans: tuple[Span, ...]
    cut: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Compared:
    """A film whose channels were held against one another."""

    timeline: Timeline
    channels: Channels
    found: Disagreements


def compare(timeline: Timeline, channels: Channels, likelihoods: Floats, prior: Prior) -> Compared:
    """See :func:`disagreements`."""
    return Compared(timeline, channels, disagreements(channels, likelihoods, prior))


Series = Mapping[tuple[ConflictKind, Emotions], tuple[Mapping[int, Item], frozenset[int]]]


@dataclass(frozen=True)
class Candidates:
    """All that events of a film can be made of: what its pairs of channels show in which stretches.

    ``series`` has it by kind and emotions, each with the stretches that begin after a break.
    """

    timeline: Timeline
    series: Series


def candidates(film: Compared, limits: Limits) -> Candidates:
    """What may become an event at these limits, or at ones that only begin later: little of most films."""
    within_reach = {}
    for key, (items, broken) in _all_series(film).items():
        if held := {i: items[i] for run in _runs(items, limits, broken) for i in run}:
            within_reach[key] = held, broken
    return Candidates(film.timeline, within_reach)


def events(film: Compared, limits: Limits) -> list[Event]:
    """Conflicts over time: see :func:`events_among`."""
    return events_among(candidates(film, limits), limits)


def events_among(film: Candidates, limits: Limits) -> list[Event]:
    """Conflicts over time by hysteresis: entered at ``enter``, held to ``leave``, merged over short gaps.

    Events shorter than ``min_duration_us`` are dropped. One event is one kind with one emotion per modality,
    and lies between two cuts with the same persons. Where several pairs show the same kind at the same time,
    the one with most evidence names the event and a modality that agrees with it joins; what is left of a
    weaker pair outside it stays an event of its own.
    """
    found = [
        event
        for key, (items, broken) in film.series.items()
        for event in _events_of(key, items, broken, film.timeline.spans, limits)
    ]
    kept: list[Event] = []
    holders: dict[tuple[ConflictKind, int], int] = {}  # which of those kept has a stretch, by kind
    for event in sorted(found, key=_plainest_first):
        rivals = {holders[event.kind, i] for i in event.moments if (event.kind, i) in holders}
        for rival in rivals:
            kept[rival] = _joined(kept[rival], event)
        key = event.kind, event.emotions
        items, broken = film.series[key]
        free = {i: items[i] for i in event.moments if (event.kind, i) not in holders}
        left = [event] if not rivals else _events_of(key, free, broken, film.timeline.spans, limits)
        for at, one in enumerate(left, start=len(kept)):
            holders |= {(one.kind, i): at for i in one.moments}
        kept += left
    long_enough = [event for event in kept if event.span.duration_us >= limits.min_duration_us]
    return sorted(long_enough, key=lambda e: (e.span, KINDS.index(e.kind), e.emotions))


def _plainest_first(event: Event) -> tuple[int, float, Span, Emotions]:
    """Evidence is rounded so that the order of the channels does not decide between equals."""
    return KINDS.index(event.kind), -round(event.evidence, 9), event.span, event.emotions


def _all_series(film: Compared) -> Series:
    """What each pair of channels shows over time, by kind and emotions, and where that is broken."""
    channels, found = film.channels, film.found
    tops = channels.probabilities.argmax(axis=2)
    series: dict[tuple[ConflictKind, Emotions], tuple[dict[int, Item], frozenset[int]]] = {}
    for place, pair in enumerate(channels.pairs):
        broken = _broken(film.timeline, channels, place)
        for row in np.flatnonzero(found.kind[:, place] != ALIKE).tolist():
            emotions = tuple(sorted((channels.names[c], EMOTIONS[tops[row, c]]) for c in pair))
            items, _ = series.setdefault((KINDS[found.kind[row, place] - 1], emotions), ({}, broken))
            items[row] = Item(
                float(found.strength[row, place]),
                float(found.evidence[row, place]),
                float(found.confidence[row, place]),
            )
    return series


def _broken(timeline: Timeline, channels: Channels, place: int) -> frozenset[int]:
    """Stretches that begin after a cut, or with another person in one of the two channels than last seen."""
    changed = set(timeline.cut)
    for channel in channels.pairs[place]:
        subject = channels.subject[:, channel]
        shown = np.flatnonzero(subject != NO_SUBJECT)
        changed.update(shown[1:][np.diff(subject[shown]) != 0].tolist())
    return frozenset(changed)


def _joined(held: Event, other: Event) -> Event:
    """``held`` with the modalities of ``other`` that agree with it, when ``other`` lasts throughout."""
    together = dict(other.emotions) | dict(held.emotions)
    agree = all(together[modality] == emotion for modality, emotion in other.emotions)
    lasts_throughout = len(held.moments) <= len(other.moments) and set(held.moments) <= set(other.moments)
    if not (agree and lasts_throughout):
        return held
    return replace(held, emotions=tuple(sorted(together.items())))


def _runs(items: Mapping[int, Item], limits: Limits, broken: frozenset[int]) -> list[list[int]]:
    """Consecutive places at or above ``leave`` that reach ``enter`` somewhere."""
    runs: list[list[int]] = []
    for index in sorted(i for i, item in items.items() if item.evidence >= limits.leave):
        if runs and runs[-1][-1] == index - 1 and index not in broken:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [run for run in runs if any(items[i].evidence >= limits.enter for i in run)]


def _merged(
    runs: Sequence[list[int]], spans: Sequence[Span], gap_us: int, broken: frozenset[int]
) -> list[list[int]]:
    merged: list[list[int]] = []
    for run in runs:
        if merged and _bridged(merged[-1][-1], run[0], spans, gap_us, broken):
            merged[-1] += run
        else:
            merged.append(list(run))
    return merged


def _bridged(last: int, first: int, spans: Sequence[Span], gap_us: int, broken: frozenset[int]) -> bool:
    within = spans[first].start_us - spans[last].end_us <= gap_us
    return within and not any(index in broken for index in range(last + 1, first + 1))


def _events_of(
    key: tuple[ConflictKind, Emotions],
    items: Mapping[int, Item],
    broken: frozenset[int],
    spans: Sequence[Span],
    limits: Limits,
) -> list[Event]:
    """The events of one kind and its emotions; stretches bridged by merging count for the span alone."""
    runs = _merged(_runs(items, limits, broken), spans, limits.merge_gap_us, broken)
    return [
        Event(
            span=Span(spans[run[0]].start_us, spans[run[-1]].end_us),
            kind=key[0],
            emotions=key[1],
            strength=max(items[i].strength for i in run),
            evidence=max(items[i].evidence for i in run),
            confidence=sum(items[i].confidence * spans[i].duration_us for i in run)
            / sum(spans[i].duration_us for i in run),
            moments=tuple(run),
        )
        for run in runs
    ]
