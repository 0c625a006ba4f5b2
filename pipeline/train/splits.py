"""Which examples a model learns from, is chosen on, and is asked about: pure functions over arrays.

Nobody is on two sides of a group split. A group of "" is unknown and stands for itself.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.train.examples import DataError

Integers = npt.NDArray[np.int64]
Groups = npt.NDArray[np.str_]
# Of so many random partings of the groups, the one is taken whose classes come nearest to the share.
CANDIDATES = 64


@dataclass(frozen=True)
class Split:
    """Rows of each part, ascending; ``dev`` and ``test`` may be empty."""

    train: Integers
    dev: Integers
    test: Integers


def check_shares(dev_share: float, test_share: float, k: int = 0) -> None:
    """``k`` folds, 0 for one split; with folds the share of test is theirs.

    Raises:
        DataError: one of train, dev and test would be left empty.
    """
    if k and k < 2:
        raise DataError(f"--folds {k} is no number of folds; give 2 or more, or 0 for one split")
    if dev_share <= 0 or (not k and test_share <= 0):
        raise DataError("--dev-share and --test-share must be above 0: they choose and test the model")
    if dev_share + (1 / k if k else test_share) >= 1:
        other = f"a fold of {k}" if k else "--test-share"
        raise DataError(f"--dev-share and {other} leave nothing to train on; keep their sum below 1")


def group_split(truth: Integers, groups: Groups, shares: tuple[float, float], seed: int) -> Split:
    """Group-disjoint parts; ``shares`` are those of dev and test in all examples.

    Raises:
        DataError: there are too few groups.
    """
    own = _own(groups)
    there, parts = len(np.unique(own)), 1 + sum(share > 0 for share in shares)
    if there < parts:
        raise DataError(
            f"{there} groups cannot be parted into {parts} sides; use more data or a random split"
        )

    def take(rows: Integers, share: float, draw: int, left: int) -> Integers:
        return rows[_group_part(truth[rows], own[rows], share, draw, left)]

    return _parted(len(truth), shares, seed, take)


def random_split(truth: Integers, shares: tuple[float, float], seed: int) -> Split:
    """Parts with like shares of each class, whoever is in them; ``shares`` are those of dev and test."""

    def take(rows: Integers, share: float, draw: int, left: int) -> Integers:
        return rows[_random_part(truth[rows], share, draw)]

    return _parted(len(truth), shares, seed, take)


def folds(truth: Integers, groups: Groups, k: int, seed: int, dev_share: float = 0.1) -> tuple[Split, ...]:
    """``k`` splits whose test parts tile the examples, group-disjoint where groups are known.

    ``dev_share`` is of all examples and taken from what is not in test.

    Raises:
        DataError: there are too few groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    own = _own(groups)
    there = len(np.unique(own))
    most = int(np.bincount(truth).max())
    if there < k + (dev_share > 0) or most < k:
        raise DataError(f"{min(there, most)} groups are too few for {k} folds; use fewer folds or more data")
    partings = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # a class with fewer members than folds is parted all the same
        warnings.simplefilter("ignore", UserWarning)
        parted = list(partings.split(truth, truth, own))
    result = []
    for number, (rest, test) in enumerate(parted):
        inner = group_split(truth[rest], own[rest], (dev_share * len(truth) / len(rest), 0.0), seed + number)
        result.append(Split(rest[inner.train], rest[inner.dev], test))
    return tuple(result)


def leaking_groups(split: Split, groups: Groups) -> int:
    """Number of known groups that occur on more than one side."""
    train, dev, test = (set(groups[rows].tolist()) - {""} for rows in (split.train, split.dev, split.test))
    return len((train & dev) | (train & test) | (dev & test))


def _own(groups: Groups) -> Groups:
    """Groups with a name of its own for each example whose group is unknown."""
    alone = np.char.add("\n", np.arange(len(groups)).astype(np.str_))
    return np.where(groups == "", alone, groups)


def _parted(
    count: int,
    shares: tuple[float, float],
    seed: int,
    take: Callable[[Integers, float, int, int], Integers],
) -> Split:
    """``take(rows, share, seed, groups to leave)`` picks one part out of rows: first test, then dev."""
    dev_share, test_share = shares
    rows = np.arange(count, dtype=np.int64)
    test = take(rows, test_share, seed, 1 + (dev_share > 0)) if test_share else rows[:0]
    rest = np.setdiff1d(rows, test)
    dev = take(rest, dev_share / (1 - test_share), seed + 1, 1) if dev_share else rows[:0]
    return Split(np.setdiff1d(rest, dev), dev, test)


def _group_part(truth: Integers, groups: Groups, share: float, seed: int, left: int) -> Integers:
    """Positions of whole groups that hold about ``share`` of every class; ``left`` groups stay at least."""
    from sklearn.model_selection import GroupShuffleSplit

    names = len(np.unique(groups))
    size = max(1, min(round(share * names), names - left))
    wanted = share * np.bincount(truth)
    drawn = GroupShuffleSplit(CANDIDATES, test_size=size, random_state=seed).split(truth, truth, groups)
    distances = [
        (float(np.abs(np.bincount(truth[part], minlength=len(wanted)) - wanted).sum()), part)
        for _, part in drawn
    ]
    best = min(distances, key=lambda one: one[0])[1]
    return np.sort(best).astype(np.int64)


def _random_part(truth: Integers, share: float, seed: int) -> Integers:
    """Positions of ``share`` of the examples, and within one of it of every class."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(truth))
    # Sorted by class and picked at even steps: every class gives its share.
    by_class = order[np.argsort(truth[order], kind="stable")]
    size = max(1, min(round(share * len(truth)), len(truth) - 1))
    start = draw.uniform(0, len(truth) / size)
    places = np.floor(start + np.arange(size) * len(truth) / size).astype(np.int64)
    return np.sort(by_class[np.minimum(places, len(truth) - 1)])
