"""The evidence for a conflict, and what could not be compared, as a person reads them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from pipeline.labels import EMOTIONS, NEUTRAL
from pipeline.types import US_PER_S, Abstention, Analysis, Conflict, ModelCard, Span, State
from pipeline.writers.columns import display
from pipeline.writers.facts import NOBODY, Shown, one_line, percent, who

# Kass & Raftery (1995), J. Am. Stat. Assoc. 90, section 3.2: Bayes factors from which evidence is called so.
GRADES = ((150.0, "very strong"), (20.0, "strong"), (3.0, "positive"), (1.0, "weak"), (0.0, "against it"))
FELT = set(EMOTIONS) - {NEUTRAL}
FEW, MOST = 0.1, 0.5  # of the alarms: as many expected by chance are worth a word, and a stronger one
MOST_SHOWN = 1000.0  # a greater Bayes factor rests on how models answer at the edges of what was measured

# What the person is told; a reason that is not here is shown as it is, without underscores.
REASONS: Mapping[str, str] = {
    "too_brief": "the stretch is too brief",
    "seen_too_little": "read in too little of the stretch",
    "low_quality": "picture or sound too poor",
    "undecided": "the model names no emotion",
    "doubtful_transcript": "the recognised words may be invented",
    "not_speaking": "this face is not the one that is heard",
}


def because(conflict: Conflict, shown: Shown = NOBODY) -> str:
    """Who says what with what probability, and the words. ``shown`` comes from :func:`persons.naming`."""
    claims = ", ".join(_claim(conflict, modality, shown) for modality in conflict.modalities)
    words = one_line(conflict.words)
    return claims + (f' while saying "{words}"' if words else "")


def _claim(conflict: Conflict, modality: str, shown: Shown) -> str:
    share = conflict.probabilities.get(modality)
    said = f"{who(modality, shown)} {conflict.emotions.get(modality, '?')}"
    return said if share is None else f"{said} {percent(share)}"


def grade(factor: float) -> str:
    """What a Bayes factor is called."""
    return next(name for least, name in GRADES if factor >= least)


def scale() -> str:
    """The names of :func:`grade` in one line, from 1 on."""
    named = [(least, name) for least, name in reversed(GRADES) if least >= 1]
    parts = [f"{a:.0f}–{b:.0f} {name}" for (a, name), (b, _) in pairwise(named)]
    return ", ".join([*parts, f"above {named[-1][0]:.0f} {named[-1][1]}"])


def bayes_factor(factor: float) -> str:
    """A Bayes factor to two digits."""
    if factor >= MOST_SHOWN:
        return f"over {MOST_SHOWN:.0f}"
    return f"{factor:.1f}" if factor < 9.95 else f"{float(f'{factor:.2g}'):.0f}"


def factor_of(operating_point: float) -> float:
    """The Bayes factor B of an operating point B / (1 + B)."""
    return operating_point / max(1e-9, 1.0 - operating_point)


def state(read: State | None) -> str:
    """An emotion and its probability; nothing for nothing."""
    return "" if read is None else f"{read.emotion} {read.probability:.2f}"


def rule(conflict: Conflict) -> str:
    """The rule that named the reading: who must show what."""
    parts = (f"{display(who).noun}: {_any_of(what)}" for who, what in conflict.rule.items())
    return one_line(" + ".join(parts))


def _any_of(emotions: Sequence[str]) -> str:
    return "any emotion" if set(emotions) == FELT else " or ".join(emotions)


def vanishing(conflict: Conflict) -> str:
    """What would have to be so for the conflict not to be flagged, as the rest of a sentence with "if"."""
    if not conflict.vanishes:
        return "more than one of them were doubted"
    return " or ".join(
        f"{display(modality).noun} counted {f'at most {percent(share)} as much' if share else 'for nothing'}"
        for modality, share in conflict.vanishes.items()
    )


def reliability(card: ModelCard) -> str:
    """Whether a model's answers were held against labelled data, and what follows."""
    measured = card.reliability
    if measured is None:
        return "not measured: its evidence is discounted"
    recalls = [row[i] for i, row in enumerate(measured.confusion)]
    right = percent(sum(recalls) / len(recalls))
    examples = f"{measured.n:,} examples of {one_line(measured.data)}"
    return (
        f"right in {right}, the mean over the seven emotions, on {examples} (by guessing: {percent(1 / 7)})"
    )


@dataclass(frozen=True, slots=True)
class NotCompared:
    """A channel or pair of channels that for one reason was not compared, altogether."""

    modalities: tuple[str, ...]
    reason: str
    time_us: int

    @property
    def nouns(self) -> tuple[str, ...]:
        return tuple(display(modality).noun for modality in self.modalities)

    @property
    def explained(self) -> str:
        return REASONS.get(self.reason, self.reason.replace("_", " "))


def not_compared(abstentions: Iterable[Abstention], within: Span) -> tuple[NotCompared, ...]:
    """Per channel or pair and reason, how long it was not compared inside ``within``; longest first."""
    total: dict[tuple[tuple[str, ...], str], int] = {}
    for one in abstentions:
        key = (one.modalities, one.reason)
        total[key] = total.get(key, 0) + one.span.overlap_us(within)
    found = (NotCompared(modalities, reason, us) for (modalities, reason), us in total.items() if us)
    return tuple(sorted(found, key=lambda n: (-n.time_us, n.modalities, n.reason)))


def not_compared_cell(abstentions: Iterable[Abstention], within: Span) -> str:
    """The same in one cell; a reason that does not hold throughout comes with its share."""
    said = []
    for one in not_compared(abstentions, within):
        share = percent(one.time_us / within.duration_us)
        said.append(f"{'+'.join(one.nouns)}: {one.reason}" + ("" if share == "100%" else f" {share}"))
    return "; ".join(said)


def of_film(analysis: Analysis) -> tuple[NotCompared, ...]:
    """What was not compared in the whole film."""
    return not_compared(analysis.abstentions, Span(0, analysis.media.duration_us))


def compared_us(analysis: Analysis) -> int:
    """How long at least two channels could be held against each other."""
    if not analysis.moments:
        return 0
    pairs = [frozenset(pair) for pair in combinations(analysis.modalities, 2)]
    edges: dict[int, list[tuple[frozenset[str], int]]] = {}
    for one in analysis.abstentions:
        for at_us, step in ((one.span.start_us, 1), (one.span.end_us, -1)):
            edges.setdefault(at_us, []).append((frozenset(one.modalities), step))
    left_out: dict[frozenset[str], int] = {}
    total, since_us, comparable = 0, 0, bool(pairs)
    for at_us in sorted({*edges, analysis.media.duration_us}):
        total += (at_us - since_us) * comparable
        since_us = at_us
        for who_is_out, step in edges.get(at_us, ()):
            left_out[who_is_out] = left_out.get(who_is_out, 0) + step
        out = [names for names, count in left_out.items() if count]
        comparable = any(not any(names <= pair for names in out) for pair in pairs)
    return total


def expected_by_chance(analysis: Analysis) -> float | None:
    """Alarms in the whole film if its channels had nothing to do with each other in time."""
    rate = analysis.false_alarms_per_minute
    return None if rate is None else rate * analysis.media.duration_us / US_PER_S / 60


def about(expected: float) -> str:
    """A number of moments expected by chance."""
    return f"about {expected:.1f}" if expected >= 0.05 else "fewer than 0.1"


def caution(found: int, expected: float) -> str:
    """How many of the alarms found may be chance, as the end of a sentence; nothing where that is few.

    Expected by found is the share of false ones among them (Benjamini & Hochberg, 1995).
    """
    if not found or expected < FEW * found:
        return ""
    if found == 1:
        return "so it may be chance" if expected < MOST else "so it may well be chance"
    many = "all" if expected >= found else "most" if expected >= MOST * found else "some"
    return f"so {many} of them may be chance"


def nothing_found(analysis: Analysis) -> str:
    """That there was nothing to find, or that nothing could be looked at, and why."""
    compared = compared_us(analysis)
    if compared:
        share = percent(compared / max(1, analysis.media.duration_us))
        found = "No moment was found where they contradict each other"
        return f"{found}; two of them or more could be compared in {share} of the film."
    if len(analysis.modalities) < 2:
        return "Nothing could be compared, because there are not two channels to compare."
    reasons = "; ".join(f"{' with '.join(one.nouns)}: {one.explained}" for one in of_film(analysis))
    return f"Nothing could be compared, because {reasons or 'nothing was read'}."
