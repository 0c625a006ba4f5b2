"""Which of many spans overlap a stretch of time, without looking through all of them."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.types import Span, Turn


@dataclass(slots=True)
class _Alike:
    """Spans whose lengths have as many binary digits, in order of their starts."""

    starts_us: list[int] = field(default_factory=list)
    ends_us: list[int] = field(default_factory=list)
    indexes: list[int] = field(default_factory=list)


class Overlaps:
    """Built once over spans in any order; each question then costs about what its answer holds.

    Spans are kept by the magnitude of their length: one that overlaps a stretch starts less than its own
    length before it, so that one span as long as the film does not make every question look through all.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        self._alike: dict[int, _Alike] = {}
        for start_us, end_us, index in sorted((s.start_us, s.end_us, i) for i, s in enumerate(spans)):
            if end_us > start_us:
                alike = self._alike.setdefault((end_us - start_us).bit_length(), _Alike())
                alike.starts_us.append(start_us)
                alike.ends_us.append(end_us)
                alike.indexes.append(index)

    def during(self, within: Span) -> list[int]:
        """Indexes of the spans that share some time with ``within``, ascending."""
        if not within.duration_us:
            return []
        shared: list[int] = []
        for digits, alike in self._alike.items():
            first = bisect_left(alike.starts_us, within.start_us + 1 - (1 << digits))
            last = bisect_left(alike.starts_us, within.end_us, lo=first)
            shared += [alike.indexes[i] for i in range(first, last) if alike.ends_us[i] > within.start_us]
        return sorted(shared)


def speakers_during(span: Span, turns: Iterable[Turn]) -> tuple[str, ...]:
    """Who speaks in ``span``, whoever speaks most first; of two alike, whoever starts first."""
    spoken_us: dict[str, int] = {}
    for turn in turns:
        if common_us := turn.span.overlap_us(span):
            spoken_us[turn.speaker] = spoken_us.get(turn.speaker, 0) + common_us
    return tuple(sorted(spoken_us, key=lambda name: -spoken_us[name]))
