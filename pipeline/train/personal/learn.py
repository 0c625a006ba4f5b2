"""Learning one person's way of speaking from a few minutes of labelled speech: pure functions over arrays.

Two small linear readings are learned and their log-probabilities added: one of what the model said, held to
leaving that as it is, and one of what was measured in the voice, held to saying nothing. How strongly each is
held is chosen by cross-validation inside the person's own clips: that takes the place of stopping early, and
costs no clip. When nothing beats the model as it was, nothing is changed.
"""

import contextlib
import itertools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.train.examples import DataError
from pipeline.train.metrics import LEAST_TEMPERATURE, fit_temperature, softmax

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# How strongly a reading is held to its start; the mean class-balanced cross-entropy is weighed against it.
SAID_STRENGTHS = (0.3, 0.1, 0.03, 0.01)
HEARD_STRENGTHS = (3.0, 1.0, 0.3, 0.1)
LEAST_GAIN = 0.01  # of cross-validated loss: less is no reason to change anything
FOLDS, REPEATS = 5, 3
FEWEST_CLIPS = 8
NEVER = -1e4


@dataclass(frozen=True, slots=True)
class Linear:
    """``weights`` (k, d) and ``bias`` (k,)."""

    weights: Doubles
    bias: Doubles

    def __call__(self, inputs: Doubles) -> Doubles:
        """Log-probabilities (n, k) for inputs (n, d)."""
        return log_softmax(inputs @ self.weights.T + self.bias)


@dataclass(frozen=True, slots=True)
class Clips:
    """What is known of one person's clips.

    ``said`` (n, k) are the model's log-probabilities, ``heard`` (n, d) measurements of about unit variance or
    None, ``truth`` (n,) indices of the k labels, ``source`` (n,) which recording each piece was cut from: its
    pieces are never on two sides.
    """

    said: Doubles
    heard: Doubles | None
    truth: Integers
    source: Integers

    def rows(self, chosen: Integers) -> "Clips":
        """Some of the clips."""
        heard = None if self.heard is None else self.heard[chosen]
        return Clips(self.said[chosen], heard, self.truth[chosen], self.source[chosen])


@dataclass(frozen=True, slots=True)
class Strengths:
    """How strongly each reading is held; None: that one is left as it started."""

    said: float | None
    heard: float | None


UNCHANGED = Strengths(None, None)


@dataclass(frozen=True, slots=True)
class Personal:
    """What was learned; ``heard`` is None where it says nothing, losses are the cross-validated ones."""

    said: Linear
    heard: Linear | None
    temperature: float
    strengths: Strengths
    loss_before: float
    loss_after: float

    @property
    def is_unchanged(self) -> bool:
        """Whether the model was best left as it is."""
        return self.strengths == UNCHANGED

    def __call__(self, clips: Clips) -> Doubles:
        """Calibrated log-probabilities (n, k)."""
        logs = self.said(clips.said)
        if self.heard is not None and clips.heard is not None:
            logs = logs + self.heard(clips.heard)
        return log_softmax(logs / self.temperature)


def log_softmax(logits: Doubles) -> Doubles:
    """Over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def unchanged(k: int) -> Linear:
    """The reading of k log-probabilities that leaves them as they are."""
    return Linear(np.eye(k), np.zeros(k))


def fit_linear(inputs: Doubles, truth: Integers, start: Linear, strength: float) -> Linear:
    """Least class-balanced cross-entropy plus ``strength`` times the squared distance to ``start``.

    A label the person was not heard with takes no part, and its row stays as it was.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    k, d = start.weights.shape
    counts = np.bincount(truth, minlength=k)
    there = counts > 0
    share = 1.0 / (counts[truth] * there.sum())
    places = np.arange(len(truth))

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        weights, bias = start.weights + flat[: k * d].reshape(k, d), start.bias + flat[k * d :]
        said = softmax(np.where(there, inputs @ weights.T + bias, NEVER))
        push = said.copy()
        push[places, truth] -= 1.0
        push *= share[:, None]
        value = -(share * np.log(np.maximum(said[places, truth], 1e-300))).sum() + strength * (flat**2).sum()
        return float(value), np.concatenate(
            [(push.T @ inputs).ravel(), push.sum(axis=0)]
        ) + 2 * strength * flat

    with threadpool_limits(1):  # threads cost such small products twenty times what they save
        found = minimize(loss, np.zeros(k * d + k), jac=True, method="L-BFGS-B").x
    return Linear(start.weights + found[: k * d].reshape(k, d), start.bias + found[k * d :])


def learn(clips: Clips, seed: int = 0, repeats: int = REPEATS) -> Personal:
    """The readings that do best on clips they were not fitted to; see the module.

    Raises:
        DataError: too few clips, or all of one label.
    """
    require_enough(clips)
    partings = parted(clips, seed, repeats)
    truth = np.concatenate([clips.truth[test] for _, test in partings])
    said: dict[float | None, Doubles] = {
        one: np.concatenate([_said(clips, rest, one)(clips.said[test]) for rest, test in partings])
        for one in (None, *SAID_STRENGTHS)
    }
    heard: dict[float | None, Doubles] = {None: np.zeros_like(said[None])}
    if clips.heard is not None:
        for one in HEARD_STRENGTHS:
            heard[one] = np.concatenate(
                [_heard(clips, rest, one)(clips.heard[test]) for rest, test in partings]
            )
    losses = {
        Strengths(first, second): balanced_loss(truth, said[first] + heard[second])
        for first, second in itertools.product(said, heard)
    }
    best = min(losses, key=lambda one: losses[one])
    less_right = recall_of(truth, said[best.said] + heard[best.heard]) < recall_of(truth, said[None])
    if less_right or losses[best] > losses[UNCHANGED] - LEAST_GAIN:
        best = UNCHANGED
    everything = np.arange(len(clips.truth))
    return Personal(
        said=_said(clips, everything, best.said),
        heard=None if best.heard is None else _heard(clips, everything, best.heard),
        temperature=1.0 if best == UNCHANGED else temperature_of(truth, said[best.said] + heard[best.heard]),
        strengths=best,
        loss_before=losses[UNCHANGED],
        loss_after=losses[best],
    )


def require_enough(clips: Clips) -> None:
    """Raises DataError: too few clips, or all of one label."""
    kinds = len(np.unique(clips.truth))
    if len(clips.truth) < FEWEST_CLIPS or kinds < 2:
        raise DataError(
            f"{len(clips.truth)} clips of {kinds} emotions are too few to learn a person; record at least "
            f"{FEWEST_CLIPS} of two emotions or more, better five of each"
        )


def cross_validated(clips: Clips, seed: int = 0) -> Doubles:
    """Log-probabilities (n, k) of each clip from what was learned without it, choices included."""

    def answer(rest: Integers, test: Integers) -> Doubles:
        return learn(clips.rows(rest), seed, repeats=1)(clips.rows(test))

    return without_each(clips, seed, answer)


def without_each(clips: Clips, seed: int, answer: Callable[[Integers, Integers], Doubles]) -> Doubles:
    """Answers (n, k) of what was learned from some rows to others, ``answer(rest, test)``; see parted."""
    logs = clips.said.copy()
    for rest, test in parted(clips, seed, 1):
        with contextlib.suppress(DataError):  # too little is left to learn from: as it was
            logs[test] = answer(rest, test)
    return logs


def parted(clips: Clips, seed: int, repeats: int) -> Sequence[tuple[Integers, Integers]]:
    """Rows to fit on and to ask about, several times over; pieces of one recording stay together.

    Raises:
        DataError: all clips come from one recording.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    folds = min(FOLDS, len(np.unique(clips.source)), int(np.bincount(clips.truth).max()))
    if folds < 2:
        raise DataError("all clips come from one recording; give several, one mood in each")
    with warnings.catch_warnings():  # a label rarer than the folds is parted all the same
        warnings.simplefilter("ignore", UserWarning)
        return [
            pair
            for repeat in range(repeats)
            for pair in StratifiedGroupKFold(folds, shuffle=True, random_state=seed + repeat).split(
                clips.truth, clips.truth, clips.source
            )
        ]


def _said(clips: Clips, rows: Integers, strength: float | None) -> Linear:
    start = unchanged(clips.said.shape[1])
    return start if strength is None else fit_linear(clips.said[rows], clips.truth[rows], start, strength)


def _heard(clips: Clips, rows: Integers, strength: float) -> Linear:
    assert clips.heard is not None
    k, d = clips.said.shape[1], clips.heard.shape[1]
    start = Linear(np.zeros((k, d)), np.zeros(k))
    return fit_linear(clips.heard[rows], clips.truth[rows], start, strength)


def temperature_of(truth: Integers, logits: Doubles) -> float:
    """The best temperature, within reason."""
    return max(fit_temperature(truth, logits), LEAST_TEMPERATURE)


def balanced_loss(truth: Integers, logits: Doubles) -> float:
    """Class-balanced negative log-likelihood at the best temperature: how well labels are told apart.

    Among the labels that occur alone: to rule out a mood because it was not recorded is no merit.
    """
    counts = np.bincount(truth, minlength=logits.shape[1])
    among = np.where(counts > 0, logits, NEVER)
    said = softmax(among, temperature_of(truth, among))[np.arange(len(truth)), truth]
    share = 1.0 / counts[truth]
    return float(-(share * np.log(np.maximum(said, 1e-12))).sum() / share.sum())


def recall_of(truth: Integers, logits: Doubles) -> float:
    """Unweighted average recall."""
    right = logits.argmax(axis=1) == truth
    return float(np.mean([right[truth == kind].mean() for kind in np.unique(truth)]))
