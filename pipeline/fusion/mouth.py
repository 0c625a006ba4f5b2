"""How far a mouth moves as in speech: pure, over observations that show one, whatever their modality.

Evidence are log-odds. That a moving mouth speaks these very words is not claimed: laughter, chewing and a
dubbed speaker move too.
"""

import math
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.overlap import Overlaps
from pipeline.records import BOX_KEY, LIP_GAP_KEY, MOUTH_MOTION_KEY
from pipeline.types import Observation, Span

WINDOW_US = 3_000_000  # speech stands still for closed lips and stressed vowels: seconds are needed
MIN_US = 1_200_000  # of the mouth seen during speech in a window; less is no evidence
MIN_BRIEF_US = 600_000  # the same where the whole stretch of speech is brief
# Two sightings of a mouth are compared that lie about a syllable apart.
PAIR_US, MIN_PAIR_US, MAX_PAIR_US = 200_000, 120_000, 400_000
MAX_CHANGE = 0.15  # of the lips' gap between two sightings; more is a hand or a misread face
# Log-odds of speech, over windows of talking and of silent faces of the given films without the two kept for
# checking: logistic regression, every person counting alike (AUC .98 with the person left out; by the lips
# alone .91, by the picture's change alone .98). `python -m benchmarks.words.active_speaker` prints what
# comes of it.
BOTH = (1.11, 2.41, 10.85)  # of log(change of the lips' gap + .005), of log(motion + .01), and at 0
GAP_ONLY = (2.43, 8.57)
MOTION_ONLY = (2.98, 8.65)
GAP_OFFSET, MOTION_OFFSET = 0.005, 0.01
MAX_EVIDENCE = 3.0
# Lips this close, and this still, all through a window do not speak; the least open of 21 talkers opened
# theirs to .033.
CLOSED_GAP, CLOSED_CHANGE, CLOSED_MOTION = 0.02, 0.008, 0.04
CLOSED_QUANTILE = 0.9
MIN_CLOSED_PX = 64.0  # of a smaller face, lips look closed that are not


@dataclass(frozen=True, slots=True)
class Sight:
    """One subject's mouth in one observation.

    ``gap`` between the lips, its ``change`` since some 200 ms before, ``motion`` of the picture; None where
    not measured. ``is_clear``: large enough for closed lips to be believed.
    """

    span: Span
    gap: float | None
    change: float | None
    motion: float | None
    is_clear: bool = True


@dataclass(frozen=True, slots=True)
class Movement:
    """What a mouth does around one moment: ``evidence`` of speech in log-odds, None where too little is seen.

    ``closed``: the lips stay closed all through the window, which only a silent mouth does.
    """

    span: Span
    evidence: float | None
    closed: bool


def sights(showing: Sequence[Observation]) -> list[Sight]:
    """The mouth of one subject over time; ``showing`` in order of time. Nothing where none shows a mouth."""
    recent: deque[tuple[int, float]] = deque()
    result = []
    for one in showing:
        gap, motion = one.evidence.get(LIP_GAP_KEY), one.evidence.get(MOUTH_MOTION_KEY)
        start_us = one.span.start_us
        while recent and start_us - recent[0][0] > MAX_PAIR_US:
            recent.popleft()
        before = [(abs(start_us - at_us - PAIR_US), at_us, value) for at_us, value in recent]
        before = [pair for pair in before if start_us - pair[1] >= MIN_PAIR_US]
        change = None
        if gap is not None:
            recent.append((start_us, float(gap)))
            change = min(MAX_CHANGE, abs(float(gap) - min(before)[2])) if before else None
        if gap is not None or motion is not None:
            box = one.evidence.get(BOX_KEY)
            result.append(Sight(one.span, gap, change, motion, box is None or min(box[2:]) >= MIN_CLOSED_PX))
    return result


class Stretch:
    """Spans in order of time, one at least, and how much of another one they fill."""

    def __init__(self, parts: Sequence[Span]) -> None:
        self._parts = parts
        self._overlaps = Overlaps(parts)
        self.whole = Span(parts[0].start_us, parts[-1].end_us)
        self.duration_us = sum(part.duration_us for part in parts)

    def shared_us(self, span: Span) -> int:
        """How much of ``span`` the parts fill; they do not overlap."""
        return sum(self._parts[i].overlap_us(span) for i in self._overlaps.during(span))


def movements(seen: Sequence[Sight], stretch: Stretch) -> list[Movement]:
    """How one subject's mouth moves, for every sight of it during ``stretch``; ``seen`` in order of time.

    Each is judged by a window around it, shifted to lie where the subject is seen during the stretch; what
    lies between its parts is not counted.
    """
    start_us, end_us = stretch.whole.start_us, stretch.whole.end_us
    low = bisect_right(seen, start_us, key=lambda one: one.span.end_us)
    high = bisect_left(seen, end_us, key=lambda one: one.span.start_us)
    inside = [
        (one, us) for one in seen[low:high] if (us := stretch.shared_us(one.span)) * 2 > one.span.duration_us
    ]
    if not inside:
        return []
    start_us = max(start_us, inside[0][0].span.start_us)
    end_us = min(end_us, inside[-1][0].span.end_us)
    min_us = max(MIN_BRIEF_US, min(MIN_US, round(0.8 * stretch.duration_us)))
    result = []
    first = past = 0
    for one, _ in inside:
        middle = (one.span.start_us + one.span.end_us) // 2
        from_us = max(start_us, min(middle - WINDOW_US // 2, end_us - WINDOW_US))
        while inside[first][0].span.end_us <= from_us:
            first += 1
        while past < len(inside) and inside[past][0].span.start_us < from_us + WINDOW_US:
            past += 1
        result.append(_judged(one.span, inside[first:past], min_us))
    return result


def _judged(span: Span, window: Sequence[tuple[Sight, int]], min_us: int) -> Movement:
    change = _mean([(one.change, us) for one, us in window if one.change is not None], min_us)
    motion = _quantile([(one.motion, us) for one, us in window if one.motion is not None], min_us, 0.5)
    gap = _quantile([(one.gap, us) for one, us in window if one.gap is not None], min_us, CLOSED_QUANTILE)
    closed = (
        gap is not None
        and change is not None
        and gap < CLOSED_GAP
        and change < CLOSED_CHANGE
        and (motion is None or motion < CLOSED_MOTION)
        and all(one.is_clear for one, _ in window)
    )
    return Movement(span, evidence_of(change, motion), closed)


def evidence_of(change: float | None, motion: float | None) -> float | None:
    """Log-odds that a mouth speaks that moves so much; None without either measure."""
    if change is None and motion is None:
        return None
    by_gap = 0.0 if change is None else math.log(change + GAP_OFFSET)
    by_motion = 0.0 if motion is None else math.log(motion + MOTION_OFFSET)
    if motion is None:
        odds = GAP_ONLY[0] * by_gap + GAP_ONLY[1]
    elif change is None:
        odds = MOTION_ONLY[0] * by_motion + MOTION_ONLY[1]
    else:
        odds = BOTH[0] * by_gap + BOTH[1] * by_motion + BOTH[2]
    return max(-MAX_EVIDENCE, min(MAX_EVIDENCE, odds))


def _mean(weighted: Sequence[tuple[float, int]], min_us: int) -> float | None:
    total_us = sum(us for _, us in weighted)
    return sum(value * us for value, us in weighted) / total_us if total_us >= min_us else None


def _quantile(weighted: Sequence[tuple[float, int]], min_us: int, quantile: float) -> float | None:
    """The value below which that fraction of the time lies."""
    total_us = sum(us for _, us in weighted)
    if total_us < min_us:
        return None
    ordered = sorted(weighted)
    passed = np.cumsum([us for _, us in ordered])
    return float(ordered[int(np.searchsorted(passed, quantile * total_us))][0])
