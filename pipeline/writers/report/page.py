"""What the report says, worked out before any markup: plain values the template only has to place."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.labels import EMOTIONS
from pipeline.types import US_PER_S, Analysis, Conflict, ModelCard
from pipeline.writers.columns import display
from pipeline.writers.evidence import (
    bayes_factor,
    expected_by_chance,
    factor_of,
    of_film,
    reliability,
    scale,
)
from pipeline.writers.facts import (
    Verdict,
    fused_verdict,
    hypothesis,
    lanes,
    one_line,
    ranked,
    time_code,
    verdict,
)
from pipeline.writers.palette import CONFLICT, LETTERS, is_emotion
from pipeline.writers.report.card import Card, card
from pipeline.writers.report.chip import Block, Chip, block, chip, seek, times


@dataclass(frozen=True, slots=True)
class Strip:
    """One lane of the timeline."""

    name: str
    blocks: tuple[Block, ...]


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
class Skipped:
    """What was not held against anything, why and for how long."""

    names: str
    reason: str
    lasts: str
    share: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model that was used, and whether anyone measured how far to trust it."""

    name: str
    card: ModelCard
    reliability: str


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    summary: tuple[str, ...]
    has_film: bool
    names: tuple[str, ...]
    strips: tuple[Strip, ...]
    cards: tuple[Card, ...]
    lines: tuple[Line, ...]
    scale: str
    trust: tuple[tuple[str, str], ...]
    coverage: tuple[Coverage, ...]
    skipped: tuple[Skipped, ...]
    legend: tuple[tuple[str, Chip], ...]
    models: tuple[Model, ...]
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
                lane.display.noun,
                tuple(block(s, v, lane.display.noun, analysis.media) for s, v in lane.stretches),
            )
            for lane in lanes(analysis)
        ),
        cards=tuple(card(rank, conflict, analysis.media) for rank, conflict in enumerate(order, start=1)),
        lines=_lines(analysis, order),
        scale=scale(),
        trust=_trust(analysis),
        coverage=coverage,
        skipped=_skipped(analysis),
        legend=tuple((LETTERS[e], chip(Verdict(e, None))) for e in EMOTIONS),
        models=tuple(
            Model(display(m).noun, used, reliability(used) if m in analysis.modalities else "")
            for m, used in analysis.models.items()
        ),
        warnings=tuple(one_line(warning) for warning in analysis.warnings),
        duration_s=f"{analysis.media.duration_us / US_PER_S:.3f}",
        conflict_colour=CONFLICT,
    )


def summary(analysis: Analysis, coverage: Sequence[Coverage]) -> tuple[str, ...]:
    """Sentences to read aloud: what was measured, in numbers, and how far it can be trusted."""
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
    expected = expected_by_chance(analysis)
    if expected is not None:
        caution = (
            ", no fewer than were found: when they happen tells nothing"
            if expected >= len(counted) > 0
            else ""
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


def _trust(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """The count of alarms beside what chance would give, and how strict it was counted."""
    alarms = sum(c.kind != "masking" for c in analysis.conflicts)
    expected, rate = expected_by_chance(analysis), analysis.false_alarms_per_minute
    by_chance = (
        "too little material to tell"
        if expected is None
        else f"about {expected:.1f} in this video ({rate:.2f} a minute)"
    )
    return (
        ("conflicts found", f"{alarms} (and {len(analysis.conflicts) - alarms} of masking, not counted)"),
        ("expected by chance", by_chance),
        ("counted from", _operating_point(analysis)),
    )


def _operating_point(analysis: Analysis) -> str:
    used, asked = analysis.operating_point, analysis.operating_point_asked
    said = f"Bayes factor {bayes_factor(factor_of(used))}"
    if used <= asked:
        return f"{said}, as set"
    return f"{said}, raised from {bayes_factor(factor_of(asked))} to keep the alarms by chance down"


def _skipped(analysis: Analysis) -> tuple[Skipped, ...]:
    whole = max(1, analysis.media.duration_us)
    return tuple(
        Skipped(
            " with ".join(one.nouns),
            one.explained,
            f"{one.time_us / US_PER_S:.1f} s",
            f"{one.time_us / whole:.0%}",
        )
        for one in of_film(analysis)
    )


def _lines(analysis: Analysis, order: Sequence[Conflict]) -> tuple[Line, ...]:
    return tuple(
        Line(
            time=times(moment.span),
            seek=seek(moment.span.start_us),
            content=moment.utterance.text if moment.utterance else "",
            chips=(
                *(chip(verdict(moment, m, analysis.modalities)) for m in analysis.modalities),
                chip(fused_verdict(fused)),
            ),
            ranks=tuple(r for r, c in enumerate(order, start=1) if c.span.overlap_us(moment.span)),
        )
        for moment, fused in zip(analysis.moments, analysis.fused, strict=True)
    )
