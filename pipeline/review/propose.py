"""The operating point that marks speak for: which evidence an event must reach to be flagged. Pure.

Only what the detector flagged was marked. So nothing is known of what it missed, and a point below the one it
was run at cannot be judged.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.review.agreement import Precision, precision_of, wilson
from pipeline.review.marks import Verdict

MOST_DECIMALS = 9
B_ROUNDING = 0.005  # Bayes factors are kept to two decimals
MOST_MARKS = 20_000


@dataclass(frozen=True, slots=True)
class Judged:
    """An alarm with its Bayes factor and what the raters said together."""

    evidence: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Point:
    """What is kept when a conflict begins at evidence ``enter``, B / (1 + B) of its Bayes factor."""

    enter: float
    kept: Precision


@dataclass(frozen=True, slots=True)
class Proposal:
    """``chosen`` is the lowest point at which the precision's lower bound reaches ``asked``.

    Without one, ``nearest`` is the point with the highest lower bound, and ``needed`` how many decided marks
    its precision would take, None where no number does; ``least_needed`` is that if every one were right.
    """

    asked: float
    present: float
    points: tuple[Point, ...]
    chosen: Point | None
    nearest: Point | None
    needed: int | None
    least_needed: int


def propose(judged: Sequence[Judged], present: float, asked: float) -> Proposal:
    """Try ``present`` and every point above it that leaves an event out; events below it are not counted."""
    points = tuple(_points([one for one in judged if _share(one.evidence + B_ROUNDING) >= present], present))
    bounds = {p: p.kept.interval[0] for p in points if p.kept.interval is not None}
    reached = [p for p, bound in bounds.items() if bound >= asked]
    nearest = max(bounds, key=lambda p: bounds[p]) if bounds else None
    share = None if nearest is None else nearest.kept.value
    return Proposal(
        asked=asked,
        present=present,
        points=points,
        chosen=reached[0] if reached else None,
        nearest=nearest,
        needed=None if share is None else marks_needed(share, asked),
        least_needed=marks_needed(1.0, asked) or MOST_MARKS,
    )


def _points(judged: Sequence[Judged], present: float) -> Iterable[Point]:
    by_factor: dict[float, list[Verdict]] = {}
    for one in judged:
        by_factor.setdefault(one.evidence, []).append(one.verdict)
    kept = Counter(one.verdict for one in judged)
    yield Point(present, precision_of(kept))
    for below, lowest in pairwise(sorted(by_factor)):
        kept.subtract(by_factor[below])
        enter = _between(below, lowest)
        if enter is not None:
            yield Point(enter, precision_of(kept))


def _between(below: float, lowest: float) -> float | None:
    """The plainest number at or below the evidence of ``lowest``, and above that of ``below``."""
    floor, ceiling = _share(below + B_ROUNDING), _share(max(0.0, lowest - B_ROUNDING))
    for decimals in range(2, MOST_DECIMALS + 1):
        scale = 10.0**decimals
        enter = math.floor(ceiling * scale) / scale
        if floor < enter < 1:
            return enter
    return None


def _share(factor: float) -> float:
    return factor / (1 + factor)


def marks_needed(share: float, asked: float) -> int | None:
    """How many decided marks lift the lower bound to ``asked`` with ``share`` of them right; None: never."""
    if share <= asked:
        return None
    low, high = 1, MOST_MARKS
    if wilson(round(share * high), high)[0] < asked:
        return None
    while low < high:  # the bound rises with n but for rounding
        middle = (low + high) // 2
        enough = wilson(math.floor(share * middle + 1e-9), middle)[0] >= asked
        low, high = (low, middle) if enough else (middle + 1, high)
    return low
