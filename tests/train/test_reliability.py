import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.labels import EMOTIONS
from pipeline.train.reliability import SMOOTHING, reliability_of

COUNT = len(EMOTIONS)


def answers(places: list[int], sure: float = 0.94) -> np.ndarray:
    rest = (1 - sure) / (COUNT - 1)
    return np.array([[sure if i == place else rest for i in range(COUNT)] for place in places]).reshape(
        -1, COUNT
    )


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60))
def test_confusions_count_what_was_answered_to_each_truth(pairs):
    truth, answered = np.array(pairs, np.int64).T
    found = reliability_of(truth, answers(answered.tolist()), "made")
    for place in range(COUNT):
        own = answered[truth == place]
        counts = np.bincount(own, minlength=COUNT) + SMOOTHING
        assert found.confusion[place] == pytest.approx(counts / counts.sum(), abs=6e-5)
        assert sum(found.confusion[place]) == pytest.approx(1, abs=5e-4)
    assert min(min(row) for row in found.confusion) > 0
    assert found.n == len(pairs) and found.data == "made"


def test_mean_answers_are_a_distribution_over_what_was_said():
    probabilities = answers([3, 3, 6, 4])
    found = reliability_of(np.array([3, 4, 6, 4]), probabilities, "made")
    assert found.answers == pytest.approx(probabilities.mean(axis=0), abs=6e-5)


def test_an_emotion_never_answered_and_mass_outside_the_seven_leave_a_distribution():
    probabilities = np.zeros((5, COUNT))
    probabilities[:, 3], probabilities[:, 4] = 0.5, 0.2  # 30 % on labels outside the seven
    found = reliability_of(np.full(5, 3), probabilities, "made")
    assert sum(found.answers) == pytest.approx(1, abs=5e-4) and min(found.answers) > 0
    assert found.answers[3] / found.answers[4] == pytest.approx(2.5, rel=0.01)
    assert found.confusion[0] == pytest.approx([1 / COUNT] * COUNT, abs=6e-5)  # no example, nothing known


def test_who_the_examples_are_does_not_matter_but_only_how_many():
    rng = np.random.default_rng(0)
    truth, probabilities = rng.integers(0, COUNT, 50), rng.dirichlet(np.ones(COUNT), 50)
    order = rng.permutation(50)
    assert reliability_of(truth[order], probabilities[order], "x") == reliability_of(
        truth, probabilities, "x"
    )


def test_figures_are_plain_and_short_enough_for_a_card():
    found = reliability_of(np.array([0, 1, 2]), answers([0, 1, 6]), "made")
    written = json.loads(json.dumps([found.confusion, found.answers]))
    assert all(figure == round(figure, 4) for row in [*written[0], written[1]] for figure in row)
