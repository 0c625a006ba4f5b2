"""How often raters say right, and how far they agree. Pure; the statistics are their libraries'."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING

from pipeline.review.marks import VERDICTS, Marks, Verdict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Table = npt.NDArray[np.int64]

DRAWS = 1000
LEAST_EVENTS = 20  # from fewer, resampled events say little of how far the figure can be trusted
LEAST_DEFINED = 0.95  # of the draws; a figure that often cannot be worked out has no honest interval

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Precision:
    """Share of right among right and wrong; ``least`` and ``most``: were every unsure one wrong, or right."""

    right: int
    wrong: int
    unsure: int

    @property
    def marked(self) -> int:
        return self.right + self.wrong + self.unsure

    @property
    def decided(self) -> int:
        return self.right + self.wrong

    @property
    def value(self) -> float | None:
        return self.right / self.decided if self.decided else None

    @property
    def interval(self) -> Interval | None:
        return wilson(self.right, self.decided) if self.decided else None

    @property
    def least(self) -> float | None:
        return self.right / self.marked if self.marked else None

    @property
    def most(self) -> float | None:
        return (self.right + self.unsure) / self.marked if self.marked else None


def wilson(right: int, n: int) -> Interval:
    """95 % score interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22; method 3 of Newcombe 1998)."""
    from scipy.stats import binomtest

    found = binomtest(right, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(found.low), float(found.high)


def precision(verdicts: Iterable[Verdict]) -> Precision:
    """Count verdicts."""
    return precision_of(Counter(verdicts))


def precision_of(counts: Counter[Verdict]) -> Precision:
    """From how often each verdict was given."""
    return Precision(*(counts[verdict] for verdict in VERDICTS))


@dataclass(frozen=True, slots=True)
class Agreement:
    """A coefficient among ``raters`` over ``n`` events; None with the reason in ``undefined``.

    ``same`` is the share of events (of pairs of marks on one event) with the same verdict.
    """

    raters: tuple[str, ...]
    n: int
    same: float | None
    value: float | None
    interval: Interval | None
    undefined: str = ""


def kappas(marks: Marks, raters: Sequence[str]) -> tuple[Agreement, ...]:
    """Cohen's kappa (1960) of every two raters, over the events that both marked."""
    return tuple(_kappa(marks, pair) for pair in combinations(raters, 2))


def _kappa(marks: Marks, pair: tuple[str, str]) -> Agreement:
    from sklearn.metrics import cohen_kappa_score

    one, other = pair
    both = [(given[one], given[other]) for given in marks.values() if one in given and other in given]
    if not both:
        return Agreement(pair, 0, None, None, None, "no event was marked by both")
    same = sum(a == b for a, b in both) / len(both)
    if len({verdict for said in both for verdict in said}) == 1:
        return Agreement(pair, len(both), same, None, None, f"both said {both[0][0]} throughout")
    cells = Counter(both)
    first, second = zip(*sorted(cells), strict=True)

    @cache
    def value(counts: tuple[int, ...]) -> float | None:
        used = {v for a, b, n in zip(first, second, counts, strict=True) if n for v in (a, b)}
        if len(used) == 1:
            return None
        return float(cohen_kappa_score(first, second, labels=VERDICTS, sample_weight=counts))

    seen = tuple(cells[cell] for cell in sorted(cells))
    shares = [count / len(both) for count in seen]
    interval = _interval(lambda draw: value(tuple(draw.multinomial(len(both), shares).tolist())), len(both))
    return Agreement(pair, len(both), same, value(seen), interval)


def alpha(marks: Marks, raters: Sequence[str]) -> Agreement:
    """Krippendorff's nominal alpha (2004, Content Analysis, ch. 11), over events that two or more marked."""
    import numpy as np

    shared = [tuple(given.values()) for given in marks.values() if len(given) > 1]
    names = tuple(raters)
    if len(names) < 2:
        return Agreement(names, 0, None, None, None, "it takes two raters")
    if not shared:
        return Agreement(names, 0, None, None, None, "no event was marked by two raters")
    counts = np.array([[verdicts.count(v) for v in VERDICTS] for verdicts in shared], np.int64)
    pairs = [a == b for verdicts in shared for a, b in combinations(verdicts, 2)]
    same = sum(pairs) / len(pairs)
    if np.count_nonzero(counts.sum(axis=0)) == 1:
        return Agreement(names, len(shared), same, None, None, f"all said {shared[0][0]} throughout")
    interval = _interval(lambda draw: _alpha(draw.choice(counts, len(counts))), len(counts))
    return Agreement(names, len(shared), same, _alpha(counts), interval)


def _alpha(counts: "Table") -> float | None:
    """Of counts (events, verdicts); None where one verdict is all there is."""
    import krippendorff
    import numpy as np

    if np.count_nonzero(counts.sum(axis=0)) < 2:
        return None
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def _interval(value: "Callable[[np.random.Generator], float | None]", n: int) -> Interval | None:
    """95 % of values over events drawn anew (Zapf et al. 2016, BMC Med. Res. Methodol. 16:93)."""
    import numpy as np

    if n < LEAST_EVENTS:
        return None
    draw = np.random.default_rng(0)
    drawn = [found for _ in range(DRAWS) if (found := value(draw)) is not None]
    if len(drawn) < LEAST_DEFINED * DRAWS:
        return None
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)
