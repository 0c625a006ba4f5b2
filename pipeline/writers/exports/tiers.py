"""An analysis as annotation tiers: named rows of labelled stretches in milliseconds, none over another.

What ELAN, Praat and Label Studio show: a tier per person and modality, one for what all say together, one for
the words, one for who speaks where voices were told apart, one for the conflicts and one for masking, which
is information and no conflict.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Literal

from pipeline.overlap import Overlaps
from pipeline.types import ALARMS, Analysis, Conflict, Observation, Span, Utterance
from pipeline.writers.columns import FUSED, display
from pipeline.writers.facts import Lane, Shown, Verdict, headline, lanes, observed, one_line, ranked
from pipeline.writers.palette import is_emotion
from pipeline.writers.persons import naming

Content = Literal["emotion", "words", "speaker", "conflict", "masking"]
TRANSCRIPT, SPEAKERS, CONFLICTS, MASKING = "transcript", "speakers", "conflicts", "masking"


@dataclass(frozen=True, slots=True)
class Annotation:
    """``value`` over ``[start_ms, end_ms)``, 1 ms or more; ``score`` is a mean probability."""

    start_ms: int
    end_ms: int
    value: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """Annotations in order of time, none overlapping another. ``source`` is the modality or ``together``."""

    name: str
    content: Content
    source: str
    person: str | None
    annotations: tuple[Annotation, ...]


def tiers(analysis: Analysis) -> tuple[Tier, ...]:
    """Every tier of an analysis, each under a name of its own; the fixed ones are there even when empty."""
    taken: dict[str, int] = {}
    return tuple(
        Tier(_free(name, taken), content, source, person, row)
        for name, content, source, person, found in _rows(analysis)
        for row in without_overlap(found)
    )


_Row = tuple[str, Content, str, str | None, list[Annotation]]


def _rows(analysis: Analysis) -> Iterator[_Row]:
    shown = lanes(analysis)
    for modality, lane in zip(analysis.modalities, shown, strict=False):
        yield from _modality_rows(analysis, modality, lane)
    yield FUSED.noun, "emotion", FUSED.noun, None, _runs(shown[-1].stretches)
    yield TRANSCRIPT, "words", TRANSCRIPT, None, [_spoken(u) for u in analysis.transcript.utterances]
    if speaking := _speaking(analysis):
        yield SPEAKERS, "speaker", SPEAKERS, None, speaking
    order = ranked(analysis.conflicts)
    shown_in = naming(analysis)
    told = [(c.kind in ALARMS, _told(c, shown_in(c))) for c in order]
    yield CONFLICTS, "conflict", CONFLICTS, None, [one for alarm, one in told if alarm]
    yield MASKING, "masking", MASKING, None, [one for alarm, one in told if not alarm]


def _modality_rows(analysis: Analysis, modality: str, lane: Lane) -> Iterator[_Row]:
    """A row per person where samples name them; a modality without samples of its own speaks per moment."""
    shown = display(modality)
    seen = analysis.observations.get(modality, ())
    if shown.table is None or not seen:
        yield shown.noun, "emotion", modality, None, _runs(lane.stretches)
        return
    by_person: dict[str | None, list[Observation]] = {}
    for one in seen:
        if one.subject or one.scores is not None:
            by_person.setdefault(one.subject, []).append(one)
    for person, own in (by_person or {None: []}).items():
        name = f"{one_line(person)} {shown.noun}" if person else shown.noun
        yield name, "emotion", modality, person, _runs([(o.span, observed(o)) for o in own])


def _runs(stretches: Sequence[tuple[Span, Verdict]]) -> list[Annotation]:
    """Stretches that follow on each other with one emotion, as one; what could not be read leaves a gap.

    Where windows overlap, each speaks until the next one begins.
    """
    found = []
    for run in _joined(_cut(stretches)):
        start, end = milliseconds(run[0][0].start_us), milliseconds(run[-1][0].end_us)
        if end > start:
            length = sum(span.duration_us for span, _ in run)
            mean = sum((said.confidence or 0.0) * span.duration_us for span, said in run) / length
            found.append(Annotation(start, end, run[0][1].key, round(mean, 4)))
    return found


def _cut(stretches: Sequence[tuple[Span, Verdict]]) -> list[tuple[Span, Verdict]]:
    ordered = sorted(stretches, key=lambda s: s[0])
    nexts = [span.start_us for span, _ in ordered[1:]]
    ends = [min(span.end_us, after) for (span, _), after in zip(ordered, nexts, strict=False)]
    ends += [span.end_us for span, _ in ordered[-1:]]
    return [(Span(span.start_us, end), said) for (span, said), end in zip(ordered, ends, strict=True)]


def _joined(stretches: Sequence[tuple[Span, Verdict]]) -> list[list[tuple[Span, Verdict]]]:
    runs: list[list[tuple[Span, Verdict]]] = []
    for span, said in stretches:
        if not is_emotion(said.key) or not span.duration_us:
            continue
        before = runs[-1][-1] if runs else None
        if before and (before[0].end_us, before[1].key) == (span.start_us, said.key):
            runs[-1].append((span, said))
        else:
            runs.append([(span, said)])
    return runs


def _spoken(utterance: Utterance) -> Annotation:
    return _annotation(utterance.span, one_line(utterance.text), None)


def _speaking(analysis: Analysis) -> list[Annotation]:
    """Who speaks: of the words as the transcript has it, between them by voice (column ``Speaker``)."""
    utterances = analysis.transcript.utterances
    lines = Overlaps(one.span for one in utterances)
    spoken = [(one.span, one.speaker) for one in utterances if one.speaker]
    for turn in analysis.turns:
        start_us = turn.span.start_us
        for line in sorted(utterances[i].span for i in lines.during(turn.span)):
            if start_us < line.start_us:
                spoken.append((Span(start_us, line.start_us), turn.speaker))
            start_us = max(start_us, line.end_us)
        if start_us < turn.span.end_us:
            spoken.append((Span(start_us, turn.span.end_us), turn.speaker))
    runs: list[tuple[Span, str]] = []
    for span, speaker in sorted(spoken, key=lambda one: one[0]):
        if runs and runs[-1][1] == speaker and runs[-1][0].end_us == span.start_us:
            runs[-1] = (Span(runs[-1][0].start_us, span.end_us), speaker)
        else:
            runs.append((span, speaker))
    return [_annotation(span, one_line(speaker), None) for span, speaker in runs]


def _told(conflict: Conflict, shown: Shown) -> Annotation:
    return _annotation(conflict.span, one_line(headline(conflict, shown)), conflict.confidence)


def _annotation(span: Span, value: str, score: float | None) -> Annotation:
    """Nothing that happened is lost for being shorter than the grain."""
    start = milliseconds(span.start_us)
    return Annotation(start, max(start + 1, milliseconds(span.end_us)), value, score)


def milliseconds(time_us: int) -> int:
    """Half up, and not before the film."""
    return max(0, (time_us + 500) // 1_000)


def without_overlap(annotations: Iterable[Annotation]) -> list[tuple[Annotation, ...]]:
    """As few rows as hold the annotations without overlap, at least one; the first free row takes each."""
    rows: list[list[Annotation]] = [[]]
    free, busy = [0], list[tuple[int, int]]()  # heaps: places of rows; until when and place
    for one in sorted(annotations, key=lambda a: (a.start_ms, a.end_ms)):
        while busy and busy[0][0] <= one.start_ms:
            heappush(free, heappop(busy)[1])
        if not free:
            rows.append([])
        row = heappop(free) if free else len(rows) - 1
        rows[row].append(one)
        heappush(busy, (one.end_ms, row))
    return [tuple(row) for row in rows]


def _free(name: str, taken: dict[str, int]) -> str:
    """The name, with a number from 2 on where it is taken; ``taken`` has each with the number to try next."""
    free = name
    while free in taken:
        number = taken[name]
        free, taken[name] = f"{name} {number}", number + 1
    taken[free] = 2
    return free


def end_ms(analysis: Analysis, shown: Iterable[Tier]) -> int:
    """Where the film, or the last annotation, ends; at least 1."""
    last = (row.annotations[-1].end_ms for row in shown if row.annotations)
    return max(1, milliseconds(analysis.media.duration_us), *last)
