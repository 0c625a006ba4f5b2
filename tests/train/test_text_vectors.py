"""Vectors of tokens and pairs: alike for what stands alike, the same bytes however many threads there are."""

import numpy as np
import pytest
import sklearn.utils.extmath
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.text.featurise import token_hashes
from pipeline.train.text_net import token_vocabulary
from pipeline.train.text_tables import Tables
from pipeline.train.text_vectors import pair_vocabulary, vectors

TEXTS = [["so", "good", "a", "day"], ["so", "bad", "a", "night"], ["what", "a", "good", "night"]]


def row(table: np.ndarray, hashes: np.ndarray) -> int:
    return int(np.searchsorted(table, hashes[0]))


def test_tokens_that_stand_alike_get_like_vectors() -> None:
    fill = ["aa", "bb", "cc", "dd", "ee", "ff"]
    texts = [[fill[i % 6], "we", word, "the", "cake"] for i, word in enumerate(["like", "love"] * 30)]
    texts += [["stones", "are", fill[i % 6], "grey", "rocks"] for i in range(60)]
    known = token_vocabulary(texts, 1)
    nothing = np.zeros(0, dtype=np.uint32)
    found = vectors(texts, known, nothing, dimensions=4, window=3, seed=0)
    like, love, rocks = (found[row(known, token_hashes([word]))] for word in ("like", "love", "rocks"))
    assert like @ love / np.linalg.norm(like) / np.linalg.norm(love) > 0.95
    assert abs(like @ rocks) < 0.5 * abs(like @ love)


def test_more_dimensions_than_contexts_are_left_at_zero() -> None:
    tables = Tables(token_vocabulary(TEXTS, 1), pair_vocabulary(TEXTS, 1))
    found = vectors(TEXTS, tables.tokens, tables.pairs, dimensions=500, window=3, seed=0)
    assert found.shape == (len(tables.tokens) + len(tables.pairs), 500)
    assert np.isfinite(found).all()
    assert not found[:, -1].any()


def test_one_thread_of_linear_algebra_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = sklearn.utils.extmath.randomized_svd, []

    def watched(table: object, size: int, **how: int) -> object:
        seen.extend(one["num_threads"] for one in threadpool_info())
        return real(table, size, **how)

    monkeypatch.setattr(sklearn.utils.extmath, "randomized_svd", watched)
    with threadpool_limits(2):
        vectors(TEXTS, token_vocabulary(TEXTS, 1), np.zeros(0, np.uint32), dimensions=2, window=2, seed=0)
    assert set(seen) == {1}
