"""Vectors of tokens and of neighbouring pairs from the training texts alone: a truncated SVD of positive PMI.

Levy, Goldberg & Dagan 2015, "Improving distributional similarity with lessons learned from word embeddings":
context counts smoothed by the power 0.75, the singular values' root on the left vectors.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pipeline.text.featurise import pair_hashes, token_hashes

Hashes = npt.NDArray[np.uint32]
SMOOTHING = 0.75


def pair_vocabulary(texts: Sequence[Sequence[str]], min_texts: int) -> Hashes:
    """Sorted hashes of pairs in at least ``min_texts`` texts."""
    each = [np.zeros(0, dtype=np.uint32), *(np.unique(pair_hashes(words)) for words in texts)]
    hashes, counts = np.unique(np.concatenate(each), return_counts=True)
    return np.asarray(hashes[counts >= min_texts], dtype=np.uint32)


def vectors(
    texts: Sequence[Sequence[str]], tokens: Hashes, pairs: Hashes, *, dimensions: int, window: int, seed: int
) -> npt.NDArray[np.float32]:
    """Rows for ``tokens``, then for ``pairs``, shape ``(n, dimensions)``, of unit variance.

    Args:
        texts: tokens of every text.
        tokens: sorted hashes of the tokens that get a vector.
        pairs: sorted hashes of the pairs that get one; may be empty.
        dimensions: as many, or fewer where the texts hold fewer contexts (the rest is zero).
        window: how many tokens away a context may begin.
        seed: of the randomised SVD.
    """
    from sklearn.utils.extmath import randomized_svd
    from threadpoolctl import threadpool_limits

    counts = _together(texts, tokens, pairs, window)
    total = np.asarray(counts.sum(axis=1)).ravel()
    common = np.flatnonzero(total >= min(20 * window, total.max()))
    table = counts[:, common].tocoo()
    share = total[common] ** SMOOTHING
    information = np.log(table.data / (total[table.row] * (share / share.sum())[table.col]))
    kept = information > 0
    ppmi = sparse.csr_matrix((information[kept], (table.row[kept], table.col[kept])), shape=table.shape)
    size = min(dimensions, *ppmi.shape)
    with threadpool_limits(1):  # several threads would sum in another order, and the bytes would differ
        left, singular, _ = randomized_svd(ppmi, size, n_iter=2, random_state=seed)
    found = np.zeros((ppmi.shape[0], dimensions), dtype=np.float32)
    found[:, :size] = left * np.sqrt(singular)
    return np.asarray(found / max(float(found[total > 0].std()), 1e-9), dtype=np.float32)


def _together(
    texts: Sequence[Sequence[str]], tokens: Hashes, pairs: Hashes, window: int
) -> sparse.csr_matrix:
    """How often units stand within ``window`` of each other in a text; a pair's own tokens do not count."""
    size = len(tokens) + len(pairs)
    gap = [-1] * (window + 1)
    singles: list[npt.NDArray[np.int64]] = []
    doubles: list[npt.NDArray[np.int64]] = []
    for words in texts:
        singles += [_rows(tokens, token_hashes(words)), np.array(gap)]
        both = _rows(pairs, pair_hashes(words))
        doubles += [
            np.where(both < 0, -1, both + len(tokens)),
            np.array([*gap, -1][: len(gap) + bool(words)]),
        ]
    one, two = np.concatenate(singles), np.concatenate(doubles)
    counts = sparse.csr_matrix((size, size), dtype=np.float32)
    for distance in range(1, window + 1):
        counts = counts + _beside(one, one, distance, size)
        if len(pairs):
            counts = counts + _beside(one, two, distance, size)
        if len(pairs) and distance > 1:
            counts = counts + _beside(two, one, distance, size) + _beside(two, two, distance, size)
    return (counts + counts.T).tocsr()


def _beside(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], distance: int, size: int
) -> sparse.csr_matrix:
    first, second = left[:-distance], right[distance:]
    known = (first >= 0) & (second >= 0)
    ones = np.ones(int(known.sum()), dtype=np.float32)
    return sparse.coo_matrix((ones, (first[known], second[known])), shape=(size, size)).tocsr()


def _rows(table: Hashes, wanted: Hashes) -> npt.NDArray[np.int64]:
    """Places in ``table``, -1 where there is none."""
    if len(table) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    places = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    return np.where(table[places] == wanted, places, -1)
