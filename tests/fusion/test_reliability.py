import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fusion.reliability import ANSWER_POWER, CONFUSION_POWER, LEAST_RATIO, likelihood, unmeasured
from pipeline.labels import EMOTIONS
from pipeline.types import Reliability
from tests.fusion.conftest import distributions, few, peaked, reliabilities

EVEN = tuple([1 / 7] * 7)
COUNT = len(EMOTIONS)
qualities = st.floats(0, 1)


def explains(probabilities, reliability=None, quality=1.0) -> np.ndarray:
    return likelihood(np.asarray(probabilities)[None], reliability, np.array([quality]))[0]


def confused(rows) -> Reliability:
    return Reliability(tuple(tuple(map(float, row)) for row in rows), EVEN, 100, "made")


@few
@given(distributions(), reliabilities(), qualities)
def test_whatever_is_answered_the_evidence_is_finite_and_bounded(p, reliability, quality):
    found = explains(p, reliability, quality)
    assert np.isfinite(found).all()
    assert found.max() <= 1
    assert found.min() >= LEAST_RATIO ** (ANSWER_POWER + CONFUSION_POWER) * (1 - 1e-9)


@few
@given(distributions())
def test_without_measured_reliability_the_best_state_has_one(p):
    assert explains(p).max() == 1


@few
@given(distributions(), reliabilities())
def test_at_quality_0_every_state_explains_the_answer_alike(p, reliability):
    assert (explains(p, reliability, 0.0) == 1).all()


@few
@given(distributions(), reliabilities(), qualities, qualities)
def test_less_quality_says_less(p, reliability, one, other):
    less, more = sorted((one, other))
    assert (explains(p, reliability, less) >= explains(p, reliability, more)).all()


@few
@given(reliabilities())
def test_mass_outside_the_seven_speaks_for_no_state(reliability):
    assert (explains(np.zeros(COUNT), reliability) == 1).all()


@few
@given(st.sampled_from(EMOTIONS), st.floats(0.3, 1), st.floats(0, 0.9), st.floats(0, 0.09))
def test_more_unmapped_mass_says_less(emotion, p, unmapped, more):
    whole = np.array(peaked(emotion, p).probabilities)
    says, says_less = explains(whole * (1 - unmapped)), explains(whole * (1 - unmapped - more))
    assert (says_less >= says - 1e-12).all()


def test_an_answer_no_different_from_the_usual_one_says_nothing():
    usual = (0.05, 0.05, 0.05, 0.25, 0.1, 0.1, 0.4)
    blind = Reliability(tuple([usual] * 7), usual, 100, "made")
    assert explains(usual, blind) == pytest.approx(np.ones(COUNT))
    assert explains(EVEN) == pytest.approx(np.ones(COUNT))


def test_an_answer_above_the_usual_speaks_for_its_state_though_another_is_more_probable():
    """A model that says neutral all the time says something when it does so less."""
    usual = (0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.88)
    one = Reliability(tuple([usual] * 7), usual, 100, "made")
    assert EMOTIONS[int(explains((0.01, 0.01, 0.01, 0.01, 0.35, 0.01, 0.6), one).argmax())] == "sad"


def test_what_a_model_confuses_it_cannot_tell_apart():
    sad, fear, happy = (EMOTIONS.index(e) for e in ("sad", "fear", "happy"))
    rates = np.full((COUNT, COUNT), 0.02) + 0.86 * np.eye(COUNT)
    clear = explains(peaked("sad").probabilities, confused(rates))
    rates[fear] = rates[sad]  # what is fear it calls sad as often as what is sad
    mixed = explains(peaked("sad").probabilities, confused(rates))
    assert mixed[fear] / mixed[sad] > 1.5 * clear[fear] / clear[sad]
    assert mixed[happy] / mixed[sad] == pytest.approx(clear[happy] / clear[sad], rel=0.2)


def test_the_two_factors():
    """(p/m)^¾ · (Σ C p/c)^¼, the best state 1, as docs/CONFLICTS.md says."""
    rng = np.random.default_rng(0)
    confusion = rng.dirichlet(np.ones(COUNT) * 2, COUNT)
    usual, p = rng.dirichlet(np.ones(COUNT) * 5), rng.dirichlet(np.ones(COUNT) * 5)
    ours = Reliability(tuple(map(tuple, confusion.tolist())), tuple(usual.tolist()), 100, "made")
    first = p / usual
    second = np.array(
        [sum(row[j] * p[j] / confusion[:, j].mean() for j in range(COUNT)) for row in confusion]
    )
    expected = (first / first.max()) ** 0.75 * (second / second.max()) ** 0.25
    assert explains(p, ours) == pytest.approx(expected)
    assert explains(p, ours, 0.3) == pytest.approx(expected**0.3)


def test_confusions_that_do_not_depend_on_the_truth_add_nothing():
    blind = confused([EVEN] * COUNT)
    p = peaked("sad", 0.6).probabilities
    assert explains(p, blind) == pytest.approx(explains(p))


@few
@given(distributions(), reliabilities(), st.permutations(range(COUNT)))
def test_the_order_of_the_labels_does_not_matter(p, reliability, order):
    reordered = None
    if reliability is not None:
        confusion = np.asarray(reliability.confusion)[np.ix_(order, order)]
        answers = np.asarray(reliability.answers)[order]
        reordered = Reliability(tuple(map(tuple, confusion.tolist())), tuple(answers.tolist()), 100, "made")
    assert explains(p[order], reordered) == pytest.approx(explains(p, reliability)[order])


@few
@given(st.lists(distributions(), min_size=1, max_size=5), reliabilities())
def test_stretches_are_read_one_by_one(rows, reliability):
    together = likelihood(np.array(rows), reliability, np.ones(len(rows)))
    assert together == pytest.approx(np.array([explains(row, reliability) for row in rows]))


def test_a_state_a_model_cannot_answer_is_neither_supported_nor_ruled_out():
    angry, disgust, sad = (EMOTIONS.index(e) for e in ("angry", "disgust", "sad"))
    six = unmeasured(set(EMOTIONS) - {"disgust"})
    p = np.array([0.9 if e == "angry" else 0.0 if e == "disgust" else 0.02 for e in EMOTIONS])
    found = explains(p, six)
    assert found[angry] == 1 and found[sad] < found[disgust] < 1
    ratios = p[angry] * 6, p[sad] * 6
    assert found[disgust] == pytest.approx((1 / ratios[0]) ** ANSWER_POWER)
    assert found[sad] == pytest.approx((ratios[1] / ratios[0]) ** ANSWER_POWER)
    assert explains(six.answers, six) == pytest.approx(np.ones(COUNT))


@few
@given(distributions())
def test_a_model_that_can_answer_all_and_was_never_measured_is_as_one_without_a_card(p):
    assert explains(p, unmeasured(EMOTIONS)) == pytest.approx(explains(p))


def test_answers_that_a_card_says_are_never_given_are_no_trouble():
    never = Reliability(
        tuple([(0.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.0)] * 7), (0.0, *[0.2] * 5, 0.0), 9**9, "made"
    )
    for emotion in EMOTIONS:
        found = explains(peaked(emotion, 1.0).probabilities, never)
        assert np.isfinite(found).all() and found.max() <= 1
