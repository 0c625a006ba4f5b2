"""What every writer reads off an analysis, so that sheet, film and page say the same."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.labels import top
from pipeline.types import ALARMS, Analysis, Conflict, Fused, Moment, Observation, Span, Status
from pipeline.writers.columns import FUSED, Display, display

Shown = Mapping[str, str]  # per modality, the person it shows
NOBODY: Shown = MappingProxyType({})
SEPARATOR = " · "  # between the parts of a headline
NO_FUSED = "unknown"  # no modality had anything to say


@dataclass(frozen=True, slots=True)
class Verdict:
    """An emotion with its probability, or a status with none."""

    key: str
    confidence: float | None


Stretches = Sequence[tuple[Span, Verdict]]


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of a timeline: a verdict per moment."""

    display: Display
    stretches: Stretches


def verdict(moment: Moment, modality: str, requested: Sequence[str]) -> Verdict:
    """What one modality says about a moment."""
    reading = moment.by_modality.get(modality)
    if reading is None:
        return Verdict(Status.FAILED if modality in requested else Status.NOT_REQUESTED, None)
    return Verdict(*top(reading.scores)) if reading.scores else Verdict(str(reading.status), None)


def fused_verdict(fused: Fused) -> Verdict:
    """What the modalities say together about a moment."""
    return Verdict(*top(fused.scores)) if fused.scores else Verdict(NO_FUSED, None)


def observed(observation: Observation) -> Verdict:
    """What one sampled frame, window or utterance says."""
    scores = observation.scores
    return Verdict(*top(scores)) if scores else Verdict(str(observation.status), None)


def lanes(analysis: Analysis) -> tuple[Lane, ...]:
    """One lane per modality in the analysis's own order, then the fused one."""
    per_modality = [
        Lane(display(m), tuple((x.span, verdict(x, m, analysis.modalities)) for x in analysis.moments))
        for m in analysis.modalities
    ]
    return (*per_modality, Lane(FUSED, tuple((x.span, fused_verdict(x)) for x in analysis.fused)))


def covered_us(moment: Moment, modality: str) -> float:
    """How much of a moment the reading of a modality rests on."""
    reading = moment.by_modality.get(modality)
    return reading.coverage * moment.span.duration_us if reading and reading.scores else 0.0


def as_covered(analysis: Analysis) -> Iterator[tuple[Lane, tuple[tuple[Verdict, int, int], ...]]]:
    """Per lane what it says of each moment, and the microseconds of it that were read and that were not.

    The fused lane counts as read what the most read of its channels was.
    """
    channels = [[m] for m in analysis.modalities] + [list(analysis.modalities)]
    for lane, channel in zip(lanes(analysis), channels, strict=True):
        rows = []
        for moment, (span, said) in zip(analysis.moments, lane.stretches, strict=True):
            read = round(max((covered_us(moment, m) for m in channel), default=0.0))
            rows.append((said, read, span.duration_us - read))
        yield lane, tuple(rows)


def thinned(stretches: Stretches, duration_us: int, columns: int, always: bool = False) -> Stretches:
    """Stretches for a picture of so many columns; as they are when there is room for them.

    Otherwise, and ``always`` when asked, a column shows what fills most of it, and neighbours of one colour
    are joined without their confidence.
    """
    if len(stretches) <= columns // 6 and not always:
        return stretches
    column_us = max(1, duration_us // columns)
    longest: dict[int, dict[str, int]] = {}
    for span, said in stretches:
        for column in range(span.start_us // column_us, -(-span.end_us // column_us)):
            inside = Span(column * column_us, (column + 1) * column_us).overlap_us(span)
            keys = longest.setdefault(column, {})
            keys[said.key] = keys.get(said.key, 0) + inside
    joined: list[tuple[Span, Verdict]] = []
    for column, keys in sorted(longest.items()):
        key = max(keys, key=lambda k: (keys[k], k))
        start_us = column * column_us
        end_us = min(start_us + column_us, max(duration_us, start_us))
        if joined and joined[-1][1].key == key and joined[-1][0].end_us == start_us:
            start_us = joined.pop()[0].start_us
        joined.append((Span(start_us, end_us), Verdict(key, None)))
    return tuple(joined)


def ranked(conflicts: Iterable[Conflict]) -> tuple[Conflict, ...]:
    """Strongest evidence first, then strength, then confidence; masking, no conflict, after all others."""

    def place(c: Conflict) -> tuple[bool, float, float, float, Span, tuple[str, ...]]:
        return (c.kind not in ALARMS, -c.evidence, -c.strength, -c.confidence, c.span, c.modalities)

    return tuple(sorted(conflicts, key=place))


def headline(conflict: Conflict, shown: Shown = NOBODY) -> str:
    """A conflict in one line: kind, who says what, reading. ``shown`` comes from :func:`persons.naming`."""
    parts = (conflict.kind, who_says_what(conflict, shown), hypothesis(conflict))
    return SEPARATOR.join(part for part in parts if part)


def who_says_what(conflict: Conflict, shown: Shown = NOBODY) -> str:
    """Who says what."""
    return ", ".join(f"{who(m, shown)} {conflict.emotions.get(m, '?')}" for m in conflict.modalities)


def who(modality: str, shown: Shown = NOBODY) -> str:
    """A channel with the person it shows, where one is named: ``face (P1)``."""
    noun = display(modality).noun
    return f"{noun} ({one_line(shown[modality])})" if modality in shown else noun


def hypothesis(conflict: Conflict) -> str:
    """The reading, worded as the guess it is."""
    label = one_line(conflict.label)
    hedged = label.lower().startswith(("maybe", "perhaps", "possibl", "may "))
    return f"maybe {label}" if label and not hedged else label


EXACT = 1e-9  # a share this near to nothing or to all is it: sums of floats
WITHOUT_OVERRIDES = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])  # embeddings and isolates
NO_TEXT = frozenset("\ufffe\uffff")  # no characters: XML cannot hold them, ffmpeg drops the whole caption


def one_line(text: str) -> str:
    """Text without line breaks, control characters, what is no character, and runs of white space.

    Nor has it overrides of the direction of writing, which show one word as another.
    """
    told = text.translate(WITHOUT_OVERRIDES)
    kept = (" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in NO_TEXT else c for c in told)
    return " ".join("".join(kept).split())


def percent(share: float) -> str:
    """``42%``; what only rounding would make nothing or all is ``<1%`` or ``>99%``."""
    rounded = f"{share:.0%}"
    if rounded == "0%" and share > EXACT:
        return "<1%"
    return ">99%" if rounded == "100%" and share < 1 - EXACT else rounded


def time_code(time_us: int) -> str:
    """``M:SS.t`` as a player shows it, ``H:MM:SS.t`` from one hour on; tenths are cut, not rounded."""
    tenths = max(0, time_us) // 100_000
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{minutes:02d}:{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{seconds}" if hours else seconds.removeprefix("0")
