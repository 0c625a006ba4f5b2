"""Vectors of tokens: the same bytes however many threads the machine would use."""

import numpy as np
import pytest
import sklearn.utils.extmath
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.train.text_net import token_vocabulary
from pipeline.train.text_vectors import vectors

TEXTS = [["so", "good", "a", "day"], ["so", "bad", "a", "night"], ["what", "a", "good", "night"]]


def test_one_thread_of_linear_algebra_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = sklearn.utils.extmath.randomized_svd, []

    def watched(table: object, size: int, **how: int) -> object:
        seen.extend(one["num_threads"] for one in threadpool_info())
        return real(table, size, **how)

    monkeypatch.setattr(sklearn.utils.extmath, "randomized_svd", watched)
    with threadpool_limits(2):
        vectors(TEXTS, token_vocabulary(TEXTS, 1), np.zeros(0, np.uint32), dimensions=2, window=2, seed=0)
    assert set(seen) == {1}
