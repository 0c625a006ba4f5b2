import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.face.baseline import ENOUGH, LEAST, relative_to_own

SEEDS = st.integers(0, 2**32 - 1)
LABELS = 5


def made(seed, n, persons=3):
    """Distributions (n, LABELS), whose each is and how much it counts."""
    draw = np.random.default_rng(seed)
    rows = draw.dirichlet(np.full(LABELS, 0.5), n)
    return rows, np.array([f"P{draw.integers(persons)}" for _ in range(n)], np.str_), draw.uniform(0, 1, n)


@given(SEEDS, st.integers(0, 60))
def test_rows_stay_distributions(seed, n):
    rows, persons, weights = made(seed, n)
    found = relative_to_own(rows, persons, weights)
    assert found.shape == (n, LABELS)
    assert found.sum(axis=1) == pytest.approx(np.ones(n)) and (found > 0).all()


@given(SEEDS, st.integers(1, 40))
def test_the_order_of_rows_means_nothing_but_their_place(seed, n):
    rows, persons, weights = made(seed, n)
    turned = np.random.default_rng(seed).permutation(n)
    found = relative_to_own(rows, persons, weights)
    assert relative_to_own(rows[turned], persons[turned], weights[turned]) == pytest.approx(found[turned])


@given(SEEDS, st.integers(1, 40))
def test_nobody_elses_rows_matter(seed, n):
    rows, persons, weights = made(seed, n)
    found = relative_to_own(rows, persons, weights)
    for person in np.unique(persons):
        own = persons == person
        assert np.array_equal(relative_to_own(rows[own], persons[own], weights[own]), found[own])


@given(SEEDS, st.integers(1, 40), st.floats(1.0, 50.0))
def test_only_the_ratios_within_a_row_matter(seed, n, factor):
    rows, persons, weights = made(seed, n)
    rows = np.maximum(rows, LEAST)
    scale = np.linspace(1.0, factor, n)[:, None]
    found = relative_to_own(rows, persons, weights)
    assert relative_to_own(rows * scale, persons, weights) == pytest.approx(found)


@given(SEEDS, st.integers(100, 400))
def test_what_is_added_to_all_of_a_persons_answers_is_nearly_gone(seed, n):
    """A constant habit changes what is left by its (ENOUGH / (w + ENOUGH))th power alone."""
    rows = np.random.default_rng(seed).dirichlet(np.full(LABELS, 3.0), n).clip(0.01)
    habit = np.array([20.0, 1, 1, 1, 1])
    whose, weights = np.full(n, "P1"), np.ones(n)
    found = [relative_to_own(one, whose, weights) for one in (rows, rows * habit)]
    left = found[0] * habit ** (ENOUGH / (n + ENOUGH))
    assert found[1] == pytest.approx(left / left.sum(axis=1, keepdims=True))


def test_one_row_is_hardly_changed_and_one_that_counts_for_nothing_not_at_all():
    row = np.array([[0.7, 0.2, 0.05, 0.05]])
    whose = np.array(["P1"])
    assert relative_to_own(row, whose, np.zeros(1)) == pytest.approx(row)
    once = relative_to_own(row, whose, np.ones(1))
    assert once.argmax() == 0 and once == pytest.approx(row, abs=0.06)


def test_half_of_the_mean_is_taken_off_at_enough_rows():
    row = np.array([0.64, 0.16, 0.16, 0.04])
    n = round(ENOUGH)
    roots = np.sqrt(row)
    found = relative_to_own(np.tile(row, (n, 1)), np.full(n, "P1"), np.ones(n))
    assert found == pytest.approx(np.tile(roots / roots.sum(), (n, 1)))


def test_a_person_who_is_always_alike_is_read_as_mixed():
    found = relative_to_own(np.tile([0.9, 0.05, 0.05], (5000, 1)), np.full(5000, "P1"), np.ones(5000))
    assert found == pytest.approx(np.full((5000, 3), 1 / 3), abs=2e-3)


def test_an_impossible_answer_is_no_more_than_an_improbable_one():
    rows = np.array([[1.0, 0.0], [0.5, 0.5]])
    whose, weights = np.array(["P1", "P1"]), np.ones(2)
    assert relative_to_own(rows, whose, weights) == pytest.approx(
        relative_to_own(np.maximum(rows, LEAST), whose, weights)
    )
