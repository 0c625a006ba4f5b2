"""What the page tells in sentences and figures beside its pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.types import ALARMS, US_PER_S, Analysis
from pipeline.writers.columns import display
from pipeline.writers.evidence import bayes_factor, expected_by_chance, factor_of, of_film
from pipeline.writers.facts import hypothesis, ranked, time_code, verdict
from pipeline.writers.palette import is_emotion


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


def summary(analysis: Analysis, coverage: Sequence[Coverage]) -> tuple[str, ...]:
    """Sentences to read aloud: what was measured, in numbers, and how far it can be trusted."""
    read = ", ".join(f"{c.name} {c.read}" for c in coverage) or "nothing"
    lasts = time_code(analysis.media.duration_us)
    sentences = [f"The video lasts {lasts}. An emotion could be read in this share of it: {read}."]
    order = ranked(analysis.conflicts)
    counted = [c for c in order if c.kind in ALARMS]
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


def coverage_of(analysis: Analysis, modality: str) -> Coverage:
    """By length of the rows, each counting as far as it was covered."""
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


def trust(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """The count of alarms beside what chance would give, and how strict it was counted."""
    alarms = sum(c.kind in ALARMS for c in analysis.conflicts)
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


def skipped(analysis: Analysis) -> tuple[Skipped, ...]:
    """What was not compared in the whole film, longest first."""
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
