"""Several channels of one person: one state they share, from which each may depart.

A shared state s is drawn from a prior; every channel shows s, or with a small probability another state; its
model's answer is evidence about the state the channel shows. Everything asked of a stretch of film follows
from that one model by summation: how the channels read together, whether two of them show different states,
and which one departs. Any number of channels, absent ones having a likelihood of 1 for every state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.labels import EMOTIONS, NEUTRAL, VALENCE
from pipeline.types import ConflictKind

Floats = npt.NDArray[np.float64]
Table = tuple[tuple[float, ...], ...]

ALIKE = 0
KINDS: tuple[ConflictKind, ...] = ("polarity", "blend", "masking")  # worst first


def kind_table() -> npt.NDArray[np.int64]:
    """For each pair of states (7, 7): ``ALIKE``, or 1 + the place of its kind in ``KINDS``."""
    table = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    for i, one in enumerate(EMOTIONS):
        for j, other in enumerate(EMOTIONS):
            if one != other:
                table[i, j] = 1 + KINDS.index(_kind(one, other))
    return table


def _kind(one: str, other: str) -> ConflictKind:
    if NEUTRAL in (one, other):
        return "masking"
    return "polarity" if VALENCE[one] * VALENCE[other] < 0 else "blend"


@dataclass(frozen=True, slots=True)
class Prior:
    """``shared`` (7,): probability of each shared state; ``departs`` (7, 7): P(shown | shared state)."""

    shared: tuple[float, ...]
    departs: Table


def prior_of(apart: float, shared: Sequence[float] | None = None) -> Prior:
    """Prior in which a channel departs with probability ``apart``, to every kind alike.

    Where kinds are as rare as people's labels have them, a prior that knows it ranks no better, and its
    posteriors fit better; where they are not it does worse in both: ``benchmarks.conflict.choice``.

    Args:
        apart: in (0, 1); at .112 three channels are alike 70 % of the time.
        shared: probability of each shared state; even when None.
    """
    kinds = kind_table()
    away = np.zeros(kinds.shape)
    for place in range(1, 1 + len(KINDS)):
        cells = (kinds == place).astype(float)
        away += cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    away /= away.sum(axis=1, keepdims=True)  # from surprise and neutral not every kind can be reached
    departs = (1 - apart) * np.eye(len(EMOTIONS)) + apart * away
    even = [1 / len(EMOTIONS)] * len(EMOTIONS)
    return Prior(tuple(shared or even), tuple(map(tuple, departs.tolist())))


def shared_state(likelihoods: Floats, prior: Prior) -> Floats:
    """Posterior of the shared state, (n, 7), from likelihoods (n, channels, 7)."""
    return _normalised(np.asarray(prior.shared) * _messages(likelihoods, prior).prod(axis=1))


def pair_states(likelihoods: Floats, one: int, other: int, prior: Prior) -> Floats:
    """Posterior of what two channels show, (n, 7, 7): states of ``one`` in rows, of ``other`` in columns."""
    departs = np.asarray(prior.departs)
    rest = np.delete(_messages(likelihoods, prior), (one, other), axis=1).prod(axis=1)
    together = np.einsum("ns,st,su->ntu", np.asarray(prior.shared) * rest, departs, departs)
    together *= likelihoods[:, one, :, None] * likelihoods[:, other, None, :]
    total: Floats = together / together.sum(axis=(1, 2), keepdims=True)
    return total


def kinds_of(pair: Floats) -> Floats:
    """Posterior of ``ALIKE`` and of each of ``KINDS``, (n, 4), from :func:`pair_states`."""
    kinds = kind_table()
    return np.stack([pair[:, kinds == place].sum(axis=1) for place in range(len(KINDS) + 1)], axis=1)


def bayes_factors(kinds: Floats, prior: Prior) -> Floats:
    """Evidence for each of ``KINDS`` against one shared state, (n, 3): posterior odds over prior odds.

    Kass & Raftery (1995), J. Am. Stat. Assoc. 90: above 3 positive, above 20 strong.
    """
    unseen = kinds_of(pair_states(np.ones((1, 2, len(EMOTIONS))), 0, 1, prior))
    odds = kinds[:, 1:] / np.maximum(kinds[:, :1], 1e-300)
    factors: Floats = odds / (unseen[:, 1:] / unseen[:, :1])
    return factors


def departing_alone(likelihoods: Floats, prior: Prior) -> Floats:
    """Probability that each channel alone shows something else than the shared state, (n, channels)."""
    departs = np.asarray(prior.departs)
    stays = likelihoods * np.diag(departs)
    leaves = _messages(likelihoods, prior) - stays
    shared = np.asarray(prior.shared)
    alone = [
        (shared * np.delete(stays, channel, axis=1).prod(axis=1) * leaves[:, channel]).sum(axis=1)
        for channel in range(likelihoods.shape[1])
    ]
    whole = (shared * _messages(likelihoods, prior).prod(axis=1)).sum(axis=1)
    shares: Floats = np.stack(alone, axis=1) / whole[:, None]
    return shares


def _messages(likelihoods: Floats, prior: Prior) -> Floats:
    """P(answer of each channel | shared state), (n, channels, 7)."""
    messages: Floats = likelihoods @ np.asarray(prior.departs).T
    return messages


def _normalised(weights: Floats) -> Floats:
    shares: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return shares
