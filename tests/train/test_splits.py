"""Splits keep groups apart, classes even, and repeat themselves."""

import numpy as np
import pytest

from pipeline.train.examples import DataError
from pipeline.train.splits import Split, check_shares, folds, group_split, leaking_groups, random_split

DRAW = np.random.default_rng(5)
TRUTH = DRAW.integers(0, 7, 400)
GROUPS = np.array([f"s{n}" for n in DRAW.integers(0, 20, 400)])


def rows(split):
    return np.concatenate([split.train, split.dev, split.test])


def shares(split):
    return len(split.dev) / 400, len(split.test) / 400


def same(one, other):
    return all(np.array_equal(getattr(one, part), getattr(other, part)) for part in ("train", "dev", "test"))


def test_a_group_split_keeps_groups_and_classes():
    split = group_split(TRUTH, GROUPS, (0.15, 0.25), seed=1)
    assert sorted(rows(split)) == list(range(400))
    assert leaking_groups(split, GROUPS) == 0
    assert shares(split) == pytest.approx((0.15, 0.25), abs=0.04)
    assert (np.bincount(TRUTH[split.test], minlength=7) > 6).all()
    assert same(split, group_split(TRUTH, GROUPS, (0.15, 0.25), seed=1))
    assert not same(split, group_split(TRUTH, GROUPS, (0.15, 0.25), seed=2))


def test_a_random_split_is_even_and_leaks():
    split = random_split(TRUTH, (0.1, 0.2), seed=1)
    assert sorted(rows(split)) == list(range(400))
    assert shares(split) == (0.1, 0.2)
    wanted = 0.2 * np.bincount(TRUTH)
    assert np.abs(np.bincount(TRUTH[split.test]) - wanted).max() <= 1.01
    assert leaking_groups(split, GROUPS) == 20
    assert same(split, random_split(TRUTH, (0.1, 0.2), seed=1))


def test_a_deliberate_leak_is_counted():
    clean = group_split(TRUTH, GROUPS, (0.1, 0.2), seed=3)
    leaky = Split(clean.train, clean.dev, np.append(clean.test, clean.train[0]))
    assert (leaking_groups(clean, GROUPS), leaking_groups(leaky, GROUPS)) == (0, 1)


def test_folds_tile_the_examples():
    parts = folds(TRUTH, GROUPS, 5, seed=1)
    assert sorted(np.concatenate([one.test for one in parts])) == list(range(400))
    for one in parts:
        assert sorted(rows(one)) == list(range(400))
        assert leaking_groups(one, GROUPS) == 0
        assert len(one.dev) / 400 == pytest.approx(0.1, abs=0.04)


def test_a_class_rarer_than_folds_is_parted():
    truth = np.where(np.arange(400) < 2, 6, TRUTH % 6)
    assert len(folds(truth, GROUPS, 5, seed=1)) == 5


def test_unknown_groups_stand_for_themselves():
    unknown = np.full(400, "")
    split = group_split(TRUTH, unknown, (0.1, 0.2), seed=1)
    assert shares(split) == pytest.approx((0.1, 0.2), abs=0.01)
    assert leaking_groups(split, unknown) == 0
    assert len(folds(TRUTH, unknown, 4, seed=1)) == 4


@pytest.mark.parametrize("split", [group_split, random_split])
def test_no_test_part(split):
    given = (TRUTH, GROUPS) if split is group_split else (TRUTH,)
    done = split(*given, (0.2, 0.0), 1)
    assert len(done.test) == 0
    assert len(done.dev) == pytest.approx(80, abs=12)


def test_as_few_groups_as_there_are_sides():
    groups = np.array(["a", "b", "c"] * 4)
    split = group_split(np.arange(12) % 2, groups, (0.1, 0.6), seed=1)
    assert [len(part) for part in (split.train, split.dev, split.test)] == [4, 4, 4]
    with pytest.raises(DataError, match="cannot be parted into 3"):
        group_split(np.arange(8) % 2, np.array(["a", "b"] * 4), (0.1, 0.2), seed=1)
    with pytest.raises(DataError, match="too few for 3 folds"):
        folds(np.arange(12) % 2, groups, 3, seed=1)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ((0.1, 0.0), "--test-share must be above 0"),
        ((0.0, 0.2), "--dev-share and"),
        ((0.9, 0.9), "nothing to train on"),
        ((0.1, 0.2, 1), "--folds 1"),
        ((0.1, 0.2, -1), "--folds -1"),
        ((0.0, 0.2, 5), "--dev-share and"),
        ((0.5, 0.2, 2), "a fold of 2 leave nothing"),
    ],
)
def test_no_side_may_be_empty(shares, said):
    with pytest.raises(DataError, match=said):
        check_shares(*shares)
    check_shares(0.1, 0.0, 5)
    check_shares(0.1, 0.85)
