"""The parts of the benchmarks of words that need neither clips nor weights."""

import numpy as np
import pytest

from benchmarks.words.active_speaker import Face, by_second
from benchmarks.words.landmarks import Answer, differences
from pipeline.fusion.speaking import Seen
from pipeline.types import US_PER_S, Span


def test_answers_are_held_against_the_nearest_of_ours():
    points = np.random.default_rng(0).random((478, 2)) * 100
    points[:2] = (0, 0), (100, 100)  # a face 100 px wide
    theirs = Answer(points, np.zeros(52))
    shapes = np.zeros(52)
    shapes[3] = 0.02
    ours = [Answer(points + 300, np.ones(52)), Answer(points + np.array([3, 4]), shapes)]
    assert list(differences([theirs], ours)) == [pytest.approx((0.05, 0.05, 0.02))]
    assert list(differences([theirs], ours[:1])) == [(float("inf"),) * 3]
    assert list(differences([theirs], [])) == [(float("inf"),) * 3]


def test_verdicts_of_a_second_are_what_is_said_in_most_of_it():
    def seen(tenths, evidence, probability):
        span = Span(tenths * US_PER_S // 10, (tenths + 2) * US_PER_S // 10)
        return Seen(span, "eyes", "P1", evidence, False, probability, 0.0)

    own = [seen(at, 3.0, 0.9) for at in (0, 2, 4)] + [seen(at, 0.0, 0.5) for at in (6, 8, 10, 12, 14, 16)]
    quiet = [Span(1_200_000, 2_000_000)]
    assert list(by_second(own, quiet)) == [(0, "speaking"), (1, "not_speaking")]
    assert list(by_second(own, [])) == [(0, "speaking"), (1, "unknown")]


def test_what_is_true_of_a_second():
    assert Face(0, {None: "speaking"}).at(7) == "speaking"
    assert Face(0, {3: "speaking"}).at(3) == "speaking" and Face(0, {3: "speaking"}).at(4) is None
