"""The linear part of the compact text model: logistic regressions over hashed n-grams, pruned, in int8."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from pipeline.labels import EMOTIONS
from pipeline.text.featurise import ngram_features

Words = Sequence[Sequence[str]]
Grams = tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]  # hashes and values of one text


@dataclass(frozen=True, slots=True)
class LinearSettings:
    """How strongly to regularise, balance and prune.

    Per register ``c``, the inverse regularisation, and ``balance``: 0 leaves class sizes as they are, 1 makes
    all classes weigh the same. ``gate_c`` regularises the gate, ``gate_shift`` is added to its log-odds:
    above 0 a text is sooner taken for spoken. ``keep`` n-grams remain, those with the largest weight times
    the root of their frequency; n-grams in fewer than ``min_texts`` texts are dropped at once.
    Weights are rounded to ``levels`` steps either side of zero: fewer compress better.
    """

    c: tuple[float, ...]
    balance: tuple[float, ...]
    gate_c: float
    gate_shift: float
    keep: int
    min_texts: int = 2
    levels: int = 127


@dataclass(frozen=True, slots=True)
class LinearPart:
    """``weights`` (m, c) float64 over the sorted ``hashes`` (m,), ``bias`` (c,)."""

    hashes: npt.NDArray[np.uint32]
    weights: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]

    def quantised(self, levels: int = 127) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
        """Symmetric int8 per column, and the columns' scales."""
        scale = np.maximum(np.abs(self.weights).max(axis=0), 1e-9) / levels
        return np.round(self.weights / scale).astype(np.int8), scale.astype(np.float32)

    def logits(self, matrix: sparse.csr_matrix) -> npt.NDArray[np.float64]:
        return np.asarray(matrix @ self.weights + self.bias, dtype=np.float64)


def featurise(texts: Words, language: str) -> list[Grams]:
    """N-grams of every text."""
    return [ngram_features(list(words), language) for words in texts]


def vocabulary(
    features: Sequence[Grams], min_texts: int
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Sorted hashes that occur in at least ``min_texts`` texts, and in how many."""
    hashes, counts = np.unique(np.concatenate([one[0] for one in features]), return_counts=True)
    kept = counts >= min_texts
    return hashes[kept], counts[kept]


def matrix(
    features: Sequence[Grams],
    hashes: npt.NDArray[np.uint32],
) -> sparse.csr_matrix:
    """Texts in rows, shape ``(n, m)``."""
    lengths = [len(one[0]) for one in features]
    wanted = np.concatenate([one[0] for one in features])
    values = np.concatenate([one[1] for one in features]).astype(np.float64)
    rows = np.repeat(np.arange(len(features)), lengths)
    places = np.minimum(np.searchsorted(hashes, wanted), len(hashes) - 1)
    found = hashes[places] == wanted
    shape = (len(features), len(hashes))
    return sparse.csr_matrix((values[found], (rows[found], places[found])), shape=shape)


def fit_experts(
    features: Sequence[Grams],
    labels: npt.NDArray[np.int64],
    register: npt.NDArray[np.int64],
    settings: LinearSettings,
) -> LinearPart:
    """One regression per register on its own rows, and one that tells the registers apart (last column).

    Args:
        features: n-grams of every text.
        labels: emotions, shape ``(n,)``.
        register: 0 or 1, shape ``(n,)``.
        settings: how strongly to regularise, balance and prune.
    """
    hashes, frequency = vocabulary(features, settings.min_texts)
    idf = np.log((1 + len(features)) / (1 + frequency)) + 1
    table = (matrix(features, hashes) @ sparse.diags(idf)).tocsr()
    blocks, biases = [], []
    for expert, strength in enumerate(settings.c):
        rows = np.flatnonzero(register == expert)
        weights, bias = _regression(table[rows], labels[rows], strength, settings.balance[expert])
        blocks.append(weights)
        biases.append(bias)
    weights, bias = _gate(table, register, settings.gate_c)
    everything = np.hstack([*blocks, weights]) * idf[:, None]
    worth = np.abs(everything).max(axis=1) * np.sqrt(frequency)
    chosen = np.sort(np.argsort(-worth, kind="stable")[: settings.keep])
    return LinearPart(
        hashes[chosen], everything[chosen], np.concatenate([*biases, bias + settings.gate_shift])
    )


def _regression(
    table: sparse.csr_matrix, labels: npt.NDArray[np.int64], c: float, balance: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weights (m, k) and bias (k,); an emotion without examples gets a bias that rules it out."""
    seen = np.flatnonzero(np.asarray(table.getnnz(axis=0)))
    counts = np.bincount(labels, minlength=len(EMOTIONS))
    importance = ((len(labels) / np.maximum(counts, 1)) ** balance)[labels]
    model = _logistic(c).fit(table[:, seen], labels, sample_weight=importance / importance.mean())
    weights = np.zeros((table.shape[1], len(EMOTIONS)))
    weights[np.ix_(seen, model.classes_)] = model.coef_.T
    bias = np.full(len(EMOTIONS), model.intercept_.min() - 8.0)
    bias[model.classes_] = model.intercept_
    return weights, bias


def _gate(
    table: sparse.csr_matrix, register: npt.NDArray[np.int64], c: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    counts = np.bincount(register)
    importance = (len(register) / counts)[register]
    model = _logistic(c).fit(table, register, sample_weight=importance / importance.mean())
    return model.coef_.T, model.intercept_


def _logistic(c: float) -> LogisticRegression:
    return LogisticRegression(C=c, max_iter=60, tol=1e-3)
