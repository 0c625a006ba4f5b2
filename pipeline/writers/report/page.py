"""What the report says, worked out before any markup: plain values the template only has to place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.labels import EMOTIONS
from pipeline.types import US_PER_S, Analysis, Conflict, ModelCard, Span
from pipeline.writers.columns import display
from pipeline.writers.facts import (
    Verdict,
    because,
    fused_verdict,
    hypothesis,
    lanes,
    one_line,
    ranked,
    time_code,
    verdict,
)
from pipeline.writers.palette import ABSENT, CONFLICT, LETTERS, MARKS, colour, ink, is_emotion

KINDS: Mapping[str, str] = {
    "polarity": "one pleasant, one unpleasant",
    "blend": "different emotions of the same sign",
    "masking": "one neutral, one strong: information, not counted as a conflict",
}


@dataclass(frozen=True, slots=True)
class Chip:
    """A verdict as a coloured word."""

    text: str
    share: str
    fill: str
    ink: str
    known: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of the timeline, in thousandths of the film."""

    left: str
    width: str
    seek: str
    title: str
    chip: Chip


@dataclass(frozen=True, slots=True)
class Strip:
    """One lane of the timeline."""

    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """A conflict to look at."""

    rank: int
    kind: str
    mark: str
    explained: str
    time: str
    seek: str
    said: tuple[tuple[str, Chip], ...]
    reading: str
    why: str
    strength: str
    confidence: str
    block: Block


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the moment table; the same row as in ``integrated.csv``."""

    time: str
    seek: str
    content: str
    chips: tuple[Chip, ...]
    ranks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the film a modality could read, and why not the rest."""

    name: str
    read: str
    gaps: str


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    summary: tuple[str, ...]
    has_film: bool
    names: tuple[str, ...]
    strips: tuple[Strip, ...]
    cards: tuple[Card, ...]
    lines: tuple[Line, ...]
    coverage: tuple[Coverage, ...]
    legend: tuple[tuple[str, Chip], ...]
    models: tuple[tuple[str, ModelCard], ...]
    warnings: tuple[str, ...]
    duration_s: str
    conflict_colour: str


def page(analysis: Analysis) -> Page:
    """Everything the template shows."""
    order = ranked(analysis.conflicts)
    coverage = tuple(_coverage(analysis, modality) for modality in analysis.modalities)
    return Page(
        title=one_line(analysis.name),
        summary=summary(analysis, coverage),
        has_film=analysis.media.has_video,
        names=tuple(lane.display.noun for lane in lanes(analysis)),
        strips=tuple(
            Strip(
                lane.display.noun, tuple(_block(s, v, lane.display.noun, analysis) for s, v in lane.stretches)
            )
            for lane in lanes(analysis)
        ),
        cards=tuple(_card(rank, conflict, analysis) for rank, conflict in enumerate(order, start=1)),
        lines=_lines(analysis, order),
        coverage=coverage,
        legend=tuple((LETTERS[e], _chip(Verdict(e, None))) for e in EMOTIONS),
        models=tuple((display(m).noun, card) for m, card in analysis.models.items()),
        warnings=tuple(one_line(warning) for warning in analysis.warnings),
        duration_s=f"{analysis.media.duration_us / US_PER_S:.3f}",
        conflict_colour=CONFLICT,
    )


def summary(analysis: Analysis, coverage: Sequence[Coverage]) -> tuple[str, ...]:
    """Sentences to read aloud: what was measured, in numbers, and how far it can be trusted."""
    minutes = analysis.media.duration_us / US_PER_S / 60
    read = ", ".join(f"{c.name} {c.read}" for c in coverage) or "nothing"
    lasts = time_code(analysis.media.duration_us)
    sentences = [f"The video lasts {lasts}. An emotion could be read in this share of it: {read}."]
    order = ranked(analysis.conflicts)
    counted = [c for c in order if c.kind != "masking"]
    if not counted:
        sentences.append("No moment was found where they contradict each other.")
    else:
        first = counted[0]
        said = " and ".join(f"{display(m).noun} {first.emotions.get(m, '?')}" for m in first.modalities)
        guess = f", {hypothesis(first)}" if first.label else ""
        when = time_code(first.span.start_us)
        many, at = f"{len(counted)} moments were", f"; the strongest at {when}"
        if len(counted) == 1:
            many, at = "One moment was", f", at {when}"
        where = f"{many} found where they contradict each other{at}"
        sentences.append(f"{where}: {said}{guess}.")
    if masked := len(order) - len(counted):
        sentences.append(f"In {masked} more, one stayed neutral while another showed a strong emotion.")
    if analysis.false_alarms_per_minute is not None:
        expected = analysis.false_alarms_per_minute * minutes
        caution = (
            ", no fewer than were found: chance alone explains them" if expected >= len(counted) > 0 else ""
        )
        sentences.append(
            "If what they show had nothing to do with each other in time,"
            f" about {expected:.1f} such moments would be expected here by chance{caution}."
        )
    return tuple(sentences)


def _coverage(analysis: Analysis, modality: str) -> Coverage:
    total = max(1, sum(m.span.duration_us for m in analysis.moments))
    read = 0.0
    gaps: dict[str, int] = {}
    for moment in analysis.moments:
        reading = moment.by_modality.get(modality)
        said = verdict(moment, modality, analysis.modalities)
        if reading and is_emotion(said.key):
            read += reading.coverage * moment.span.duration_us
        else:
            gaps[said.key] = gaps.get(said.key, 0) + moment.span.duration_us
    reasons = (f"{key.replace('_', ' ')} {us / total:.0%}" for key, us in sorted(gaps.items()))
    return Coverage(display(modality).noun, f"{read / total:.0%}", ", ".join(reasons))


def _lines(analysis: Analysis, order: Sequence[Conflict]) -> tuple[Line, ...]:
    return tuple(
        Line(
            time=f"{time_code(moment.span.start_us)}–{time_code(moment.span.end_us)}",
            seek=_seconds(moment.span.start_us),
            content=moment.utterance.text if moment.utterance else "",
            chips=(
                *(_chip(verdict(moment, m, analysis.modalities)) for m in analysis.modalities),
                _chip(fused_verdict(fused)),
            ),
            ranks=tuple(r for r, c in enumerate(order, start=1) if c.span.overlap_us(moment.span)),
        )
        for moment, fused in zip(analysis.moments, analysis.fused, strict=True)
    )


def _card(rank: int, conflict: Conflict, analysis: Analysis) -> Card:
    said = Verdict(conflict.kind, None)
    block = _block(conflict.span, said, f"{rank}", analysis)
    return Card(
        rank=rank,
        kind=conflict.kind,
        mark=MARKS[conflict.kind],
        explained=KINDS[conflict.kind],
        time=f"{time_code(conflict.span.start_us)}–{time_code(conflict.span.end_us)}",
        seek=_seconds(conflict.span.start_us),
        said=tuple(
            (display(m).noun, _chip(Verdict(conflict.emotions.get(m, "?"), None)))
            for m in conflict.modalities
        ),
        reading=hypothesis(conflict),
        why=because(conflict),
        strength=f"{conflict.strength:.2f}",
        confidence=f"{conflict.confidence:.2f}",
        block=block,
    )


def _block(span: Span, said: Verdict, name: str, analysis: Analysis) -> Block:
    whole = max(1, analysis.media.duration_us)
    chip = _chip(said)
    times = f"{time_code(span.start_us)}–{time_code(span.end_us)}"
    return Block(
        left=f"{1000 * span.start_us / whole:.2f}",
        width=f"{1000 * span.duration_us / whole:.2f}",
        seek=_seconds(span.start_us),
        title=" ".join(part for part in (times, name, chip.text, chip.share) if part),
        chip=chip,
    )


def _chip(said: Verdict) -> Chip:
    share = "" if said.confidence is None else f"{said.confidence:.0%}"
    known = is_emotion(said.key)
    fill = colour(said.key) if known else ABSENT
    return Chip(said.key.replace("_", " "), share, fill, ink(fill), known)


def _seconds(time_us: int) -> str:
    return f"{time_us / US_PER_S:.3f}"
