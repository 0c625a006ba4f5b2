"""A conflict as the page shows it: who says what, how much speaks for it, what would undo it."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.types import Conflict, MediaInfo, State
from pipeline.writers.evidence import bayes_factor, grade, rule, vanishing
from pipeline.writers.facts import Shown, Verdict, headline, hypothesis, one_line, percent, time_code, who
from pipeline.writers.palette import MARKS
from pipeline.writers.report.chip import Block, Chip, block, chip, seek, times
from pipeline.writers.report.spread import Bars, Spreads
from pipeline.writers.report.told import AS_MEASURED
from pipeline.writers.stills import still_us

KINDS: Mapping[str, str] = {
    "polarity": "one pleasant, one unpleasant",
    "blend": "different emotions of the same sign",
    "masking": "one neutral, the other not: information, not counted as a conflict",
}
LEAD_IN_US = 1_000_000  # a face is understood by how it got there


@dataclass(frozen=True, slots=True)
class Card:
    """A conflict to look at. ``seek`` is where it begins; ``lead_seek`` and ``best_seek`` come shortly before
    that and before where it is plainest. ``still`` is a picture as a data URI, or empty.
    """

    rank: int
    kind: str
    mark: str
    explained: str
    time: str
    seek: str
    lead_seek: str
    best: str
    best_seek: str
    said: tuple[tuple[str, Chip], ...]
    bars: tuple[Bars, ...]
    reading: str
    rule: str
    words: str
    language: str
    strength: str
    evidence: str
    chance: str
    prior: str
    together: Chip | None
    without: tuple[tuple[str, Chip], ...]
    vanishes: str
    block: Block
    still: str
    still_told: str


def card(
    rank: int,
    conflict: Conflict,
    media: MediaInfo,
    spreads: Spreads,
    shown: Shown,
    *,
    language: str = "",
    still: str = "",
) -> Card:
    """Everything the template shows of one conflict.

    ``shown`` comes from :func:`persons.naming`; ``language`` is the one spoken, empty when there are several.
    """
    best_us = conflict.best_us
    spread = (spreads.over(conflict.span, m) for m in conflict.modalities)
    return Card(
        rank=rank,
        kind=conflict.kind,
        mark=MARKS[conflict.kind],
        explained=KINDS[conflict.kind],
        time=times(conflict.span),
        seek=seek(conflict.span.start_us),
        lead_seek=seek(max(0, conflict.span.start_us - LEAD_IN_US)),
        best="" if best_us is None else time_code(best_us),
        best_seek="" if best_us is None else seek(max(0, best_us - LEAD_IN_US)),
        said=tuple(
            (who(m, shown), chip(Verdict(conflict.emotions.get(m, "?"), conflict.probabilities.get(m))))
            for m in conflict.modalities
        ),
        bars=tuple(bars for bars in spread if bars is not None),
        reading=hypothesis(conflict),
        rule=rule(conflict),
        words=one_line(conflict.words),
        language=language,
        strength=f"{conflict.strength:.2f}",
        evidence=f"Bayes factor {bayes_factor(conflict.evidence)}: {grade(conflict.evidence)} evidence",
        chance=f"{percent(conflict.confidence)}, {AS_MEASURED}",
        prior="" if conflict.prior is None else percent(conflict.prior),
        together=None if conflict.fused is None else _state(conflict.fused),
        without=tuple((who(m, shown), _state(read)) for m, read in conflict.without.items()),
        vanishes=vanishing(conflict),
        block=block(conflict.span, Verdict(conflict.kind, None), f"{rank}", media),
        still=still,
        still_told=f"Frame at {time_code(still_us(conflict))}: {headline(conflict, shown)}",
    )


def _state(read: State) -> Chip:
    return chip(Verdict(read.emotion, read.probability))
