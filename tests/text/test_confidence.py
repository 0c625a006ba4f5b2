"""The expected fraction of right words."""

import pytest

from pipeline.text.confidence import confidence, word_confidence
from pipeline.types import Word
from tests.text.requests import span


def words(*probabilities: float | None) -> list[Word]:
    return [Word(span(i, i + 1), "so", p) for i, p in enumerate(probabilities)]


def test_surer_words_are_more_often_right() -> None:
    values = [word_confidence(p, 1.0, 0.1) for p in (0.05, 0.3, 0.6, 0.9, 0.99)]
    assert values == sorted(values) and values[0] < 0.5 < values[-1] < 1


def test_a_line_is_as_sure_as_its_words_and_longer_ones_count_more() -> None:
    low, high = confidence(words(0.2, 0.2), 0.0), confidence(words(0.98, 0.98), 0.0)
    mixed = confidence(words(0.2, 0.98), 0.0)
    assert low is not None and high is not None and mixed is not None
    assert low < mixed < high
    long = [Word(span(0, 1), "一二三四五", 0.98), Word(span(1, 2), "六", 0.2)]
    assert (confidence(long, 0.0) or 0) > mixed


def test_words_that_nobody_recognised_have_none() -> None:
    assert confidence(words(None), 0.0) is None
    assert confidence([], 0.0) is None


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_certainty_stays_finite(probability: float) -> None:
    assert 0 < word_confidence(probability, 0.0, 0.0) < 1
