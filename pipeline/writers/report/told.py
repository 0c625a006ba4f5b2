"""What the page tells in sentences and figures beside its pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.types import ALARMS, US_PER_S, Analysis, Conflict
from pipeline.writers.evidence import (
    about,
    bayes_factor,
    caution,
    expected_by_chance,
    factor_of,
    nothing_found,
    of_film,
)
from pipeline.writers.facts import hypothesis, percent, ranked, time_code, who
from pipeline.writers.persons import naming
from pipeline.writers.report.coverage import Coverage

AS_MEASURED = "if the models are as good as measured"


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was not held against anything, why and for how long."""

    names: str
    reason: str
    lasts: str
    share: str


def summary(analysis: Analysis, coverage: Sequence[Coverage]) -> tuple[str, ...]:
    """Sentences to read aloud: what was found, in numbers, and how far it can be trusted."""
    read = ", ".join(f"{c.name} {c.read}" for c in coverage) or "nothing"
    lasts = time_code(analysis.media.duration_us)
    sentences = [f"The video lasts {lasts}. An emotion could be read in this share of it: {read}."]
    order = ranked(analysis.conflicts)
    counted = [c for c in order if c.kind in ALARMS]
    sentences += _counted(counted, analysis) if counted else [nothing_found(analysis)]
    if masked := len(order) - len(counted):
        moments = "more" if counted else "moment" if masked == 1 else "moments"
        sentences.append(f"In {masked} {moments}, one stayed neutral while another showed an emotion.")
    expected = expected_by_chance(analysis)
    if expected is not None:
        so = caution(len(counted), expected)
        sentences.append(
            "If what they show had nothing to do with each other in time,"
            f" {about(expected)} such moments would be expected here by chance{f', {so}' if so else ''}."
        )
    return tuple(sentences)


def _counted(counted: Sequence[Conflict], analysis: Analysis) -> Iterator[str]:
    first = counted[0]
    shown = naming(analysis)(first)
    said = " and ".join(f"{who(m, shown)} {first.emotions.get(m, '?')}" for m in first.modalities)
    guess = f", {hypothesis(first)}" if first.label else ""
    many, at = f"{len(counted)} moments were", "; the one with the most evidence at"
    if len(counted) == 1:
        many, at = "One moment was", ", at"
    when = time_code(first.span.start_us)
    yield f"{many} found where they may contradict each other{at} {when}: {said}{guess}."
    yield f"The chance that they really do there is {percent(first.confidence)}, {AS_MEASURED}."


def trust(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """The count of alarms beside what chance would give, and how strict it was counted."""
    alarms = sum(c.kind in ALARMS for c in analysis.conflicts)
    expected, rate = expected_by_chance(analysis), analysis.false_alarms_per_minute
    by_chance = (
        "too little material to tell"
        if expected is None
        else f"{about(expected)} in this video ({rate:.2f} a minute)"
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
            percent(one.time_us / whole),
        )
        for one in of_film(analysis)
    )
