"""What every channel says in each of many stretches of film, as arrays, and why one is not asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from pipeline.fusion.kinds import uncertainties
from pipeline.fusion.reliability import likelihood
from pipeline.labels import EMOTIONS
from pipeline.overlap import Overlaps
from pipeline.types import Abstention, Moment, Reading, Reliability, Span

Floats = npt.NDArray[np.float64]

LEAST_COVERAGE = 0.2  # a modality seen for less of a stretch than this abstains
LEAST_QUALITY = 0.1
MOST_UNCERTAINTY = 0.97  # a distribution this even, or mostly outside the seven, names no emotion
LEAST_US = 500_000  # a shorter stretch is too brief for any channel
NO_SUBJECT = -1

TOO_BRIEF = "too_brief"
SEEN_TOO_LITTLE = "seen_too_little"
LOW_QUALITY = "low_quality"
UNDECIDED = "undecided"
DOUBTFUL = "doubtful_transcript"
NOT_SPEAKING = "not_speaking"


@dataclass(frozen=True, slots=True)
class Apart:
    """A stretch in which ``modality``, showing ``subject``, and ``other`` do not come from one person."""

    span: Span
    modality: str
    subject: str | None
    other: str


@dataclass(frozen=True)
class Channels:
    """n stretches, m channels. ``pairs`` are the pairs of channels; ``comparable`` (n, pairs) says where both
    speak and the one may be held against the other.

    ``probabilities`` (n, m, 7) and ``quality`` (n, m) in [0, 1], quality times coverage, are 0 where a
    channel does not speak; ``speaks`` (n, m); ``subject`` (n, m): which person a channel shows,
    ``NO_SUBJECT`` for none.
    """

    names: tuple[str, ...]
    probabilities: Floats
    quality: Floats
    speaks: npt.NDArray[np.bool_]
    subject: npt.NDArray[np.int64]
    comparable: npt.NDArray[np.bool_]

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        return tuple(combinations(range(len(self.names)), 2))

    def likelihoods(self, reliabilities: Mapping[str, Reliability | None]) -> Floats:
        """Evidence of every channel for every state, (n, m, 7); 1 where it does not speak."""
        columns = [
            likelihood(self.probabilities[:, place], reliabilities.get(name), self.quality[:, place])
            for place, name in enumerate(self.names)
        ]
        return np.stack(columns, axis=1) if columns else np.ones(self.probabilities.shape)


def reason_not_to_ask(reading: Reading, span: Span) -> str:
    """Why a reading of ``span`` is not held against others; the empty string when it is good enough."""
    if reading.scores is None:
        return str(reading.status)
    if span.duration_us < LEAST_US:
        return TOO_BRIEF
    if reading.doubtful:
        return DOUBTFUL
    if reading.coverage < LEAST_COVERAGE:
        return SEEN_TOO_LITTLE
    if reading.quality < LEAST_QUALITY:
        return LOW_QUALITY
    uncertainty = uncertainties(np.asarray(reading.scores.probabilities))
    return UNDECIDED if uncertainty >= MOST_UNCERTAINTY else ""


def channels_of(moments: Sequence[Moment], apart: Sequence[Apart] = ()) -> Channels:
    """Readings as arrays.

    Args:
        moments: stretches of film, all with the same modalities.
        apart: stretches in which two modalities are known not to come from one person.
    """
    names = tuple(moments[0].by_modality) if moments else ()
    shape = (len(moments), len(names))
    probabilities = np.zeros((*shape, len(EMOTIONS)))
    quality, speaks = np.zeros(shape), np.zeros(shape, np.bool_)
    subject = np.full(shape, NO_SUBJECT)
    persons: dict[str, int] = {}
    for row, moment in enumerate(moments):
        for column, name in enumerate(names):
            reading = moment.by_modality[name]
            if reason_not_to_ask(reading, moment.span) or reading.scores is None:
                continue
            probabilities[row, column] = reading.scores.probabilities
            quality[row, column] = reading.quality * reading.coverage
            speaks[row, column] = True
            if reading.subject is not None:
                subject[row, column] = persons.setdefault(reading.subject, len(persons))
    pairs = list(combinations(range(len(names)), 2))
    comparable = np.array([speaks[:, a] & speaks[:, b] for a, b in pairs], np.bool_)
    comparable = comparable.reshape(len(pairs), len(moments)).T.copy()
    for row, _, place in _apart_rows(moments, names, pairs, apart):
        comparable[row, place] = False
    return Channels(names, probabilities, quality, speaks, subject, comparable)


def _apart_rows(
    moments: Sequence[Moment],
    names: Sequence[str],
    pairs: Sequence[tuple[int, int]],
    apart: Sequence[Apart],
) -> list[tuple[int, Span, int]]:
    """Row, stretch and pair where ``apart`` fills at least half of a moment in which both speak."""
    found = []
    overlaps = Overlaps(one.span for one in apart)
    for row, moment in enumerate(moments):
        during = [apart[i] for i in overlaps.during(moment.span)]
        for place, (a, b) in enumerate(pairs):
            inside = [
                moment.span.overlap_us(one.span)
                for one in during
                if {one.modality, one.other} == {names[a], names[b]}
                and moment.by_modality[one.modality].subject == one.subject
            ]
            both = (moment.by_modality[names[a]], moment.by_modality[names[b]])
            fills = 2 * sum(inside) >= moment.span.duration_us
            if fills and not any(reason_not_to_ask(one, moment.span) for one in both):
                found.append((row, moment.span, place))
    return found


def abstentions(moments: Sequence[Moment], apart: Sequence[Apart] = ()) -> tuple[Abstention, ...]:
    """Where a channel was not asked, and where a pair was not compared; like neighbours are joined."""
    names = tuple(moments[0].by_modality) if moments else ()
    pairs = list(combinations(range(len(names)), 2))
    found = [
        Abstention(moment.span, (name,), reason)
        for moment in moments
        for name in names
        if (reason := reason_not_to_ask(moment.by_modality[name], moment.span))
    ]
    for _, span, place in _apart_rows(moments, names, pairs, apart):
        found.append(Abstention(span, tuple(names[i] for i in pairs[place]), NOT_SPEAKING))
    joined: dict[tuple[tuple[str, ...], str], list[Span]] = {}
    for one in sorted(found, key=lambda a: (a.modalities, a.reason, a.span)):
        spans = joined.setdefault((one.modalities, one.reason), [])
        if spans and spans[-1].end_us == one.span.start_us:
            spans[-1] = Span(spans[-1].start_us, one.span.end_us)
        else:
            spans.append(one.span)
    result = [Abstention(span, who, why) for (who, why), spans in joined.items() for span in spans]
    return tuple(sorted(result, key=lambda a: (a.span, a.modalities, a.reason)))
