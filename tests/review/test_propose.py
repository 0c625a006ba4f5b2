"""The proposed operating point keeps what it says it keeps, and says when there is too little to go by."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.review.agreement import wilson
from pipeline.review.marks import VERDICTS
from pipeline.review.propose import Judged, marks_needed, propose


def judged(said: dict[float, str]):
    named = {"r": "right", "w": "wrong", "u": "unsure"}
    return [Judged(factor, named[v]) for factor, letters in said.items() for v in letters]


def test_the_lowest_point_that_reaches_it():
    said = judged({3.0: "w" * 5, 9.5: "r" * 3 + "w", 25.0: "r" * 24})
    found = propose(said, 0.75, 0.8)
    assert [point.enter for point in found.points] == [0.75, 0.9, 0.96]
    assert found.points[0].kept.wrong == 6
    assert found.chosen == found.points[1]
    assert (found.chosen.kept.right, found.chosen.kept.wrong) == (27, 1)
    assert wilson(27, 28)[0] >= 0.8 > wilson(27, 33)[0]
    assert propose(said, 0.75, 0.86).chosen == found.points[2]


def test_the_present_point_may_do():
    found = propose(judged({4.0: "r" * 10, 40.0: "r" * 10 + "u"}), 0.75, 0.8)
    assert found.chosen == found.points[0] and found.chosen.enter == 0.75


def test_too_few_to_say():
    found = propose(judged({4.0: "rrw", 40.0: "rrr"}), 0.75, 0.8)
    assert found.chosen is None and found.least_needed == 16
    assert found.nearest is not None
    assert wilson(16, 16)[0] >= 0.8 > wilson(15, 15)[0]
    nothing = propose(judged({4.0: "uu"}), 0.75, 0.8)
    assert (nothing.chosen, nothing.nearest, nothing.needed) == (None, None, None)


def test_what_was_not_seen_in_every_film_is_left_out():
    found = propose(judged({3.5: "rrr", 9.5: "r"}), 0.9, 0.8)  # B = 3.5 lies below .9
    assert found.points[0].kept.marked == 1 and len(found.points) == 1


@pytest.mark.parametrize(
    ("share", "asked", "needed"), [(0.8, 0.8, None), (0.7, 0.8, None), (1.0, 0.8, 16), (1.0, 0.9, 35)]
)
def test_marks_needed(share, asked, needed):
    assert marks_needed(share, asked) == needed


def test_marks_needed_is_enough_and_hardly_more():
    n = marks_needed(0.9, 0.8)
    assert wilson(math.floor(0.9 * n), n)[0] >= 0.8 and wilson(round(0.9 * n * 0.7), round(n * 0.7))[0] < 0.8


factors = st.floats(1.0, 1e4).map(lambda b: round(b, 2))


@settings(max_examples=30)
@given(
    st.lists(st.tuples(factors, st.sampled_from(VERDICTS)), min_size=1, max_size=10),
    st.sampled_from([0.5, 0.75, 0.9]),
)
def test_a_point_keeps_what_it_says(said, present):
    alarms = [Judged(factor, verdict) for factor, verdict in said if factor / (1 + factor) >= present]
    found = propose(alarms, present, 0.6)
    for point in found.points:
        assert present <= point.enter < 1
        kept = [one for one in alarms if one.evidence / (1 + one.evidence) >= point.enter]
        assert point.kept.marked == len(kept)
    enters = [point.enter for point in found.points]
    assert enters == sorted(set(enters))
    assert propose(list(reversed(alarms)), present, 0.6) == found
