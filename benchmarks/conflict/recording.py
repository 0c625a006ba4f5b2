"""Which utterances are of one recording, told by the voice alone, and letting them speak for one another."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

AXES, SHRINKAGE = 30, 0.1
# What a text reading of an unseen utterance is taken to be worth when the context's weight is chosen: prior
# knowledge, since the training features cannot tell (see mosi.py). Published text-only results on this data
# are .71 to .78 (Zadeh et al. 2016, Poria et al. 2017).
ASSUMED_ACCURACY = 0.75
NEARNESS = (0.03, 0.05, 0.08, 0.12, 0.2)
WEIGHTS = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 15.0)
DRAWS = 30


@dataclass(frozen=True)
class Context:
    """How far an utterance's recording reaches (in cosine), and what the others' readings weigh."""

    nearness: float
    weight: float


def recording_axes(voice: Doubles, truth: Integers) -> Callable[[Doubles], Doubles]:
    """Axes along which recordings differ and utterances of one do not (relevant components, Bar-Hillel 2003).

    The training file is ordered by class and, within a class, by recording: successive rows stand for one
    recording. Returns a function from voice features (n, d) to cosines between utterances (n, n).
    """
    from scipy.linalg import eigh
    from sklearn.preprocessing import QuantileTransformer

    levels = QuantileTransformer(
        n_quantiles=min(200, len(voice)), output_distribution="normal", random_state=0
    ).fit(voice)
    z = levels.transform(voice)
    kinds = [z[truth == one] for one in np.unique(truth)]
    within = np.cov(np.concatenate([np.diff(one, axis=0) for one in kinds]).T) / 2
    between = np.cov(np.concatenate([one - one.mean(axis=0) for one in kinds]).T)
    size = len(within)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.trace(within) / size * np.eye(size)
    values, vectors = eigh(between, within)
    axes = vectors[:, ::-1][:, :AXES] * np.sqrt(np.maximum(values[::-1][:AXES] - 1, 0))

    def cosines(other: Doubles) -> Doubles:
        placed = levels.transform(other) @ axes
        placed = placed - placed.mean(axis=0)
        placed /= np.linalg.norm(placed, axis=1, keepdims=True)
        return np.asarray(placed @ placed.T)

    return cosines


def with_context(odds: Doubles, words: Doubles, cosines: Doubles, context: Context) -> Doubles:
    """Log-odds of utterances (n,) after the words of those near in voice have spoken too.

    ``words`` (n,) are the log-odds by the words alone: a voice that is alike would only repeat itself.
    """
    near = np.exp((cosines - 1) / context.nearness)
    np.fill_diagonal(near, 0)
    near /= np.maximum(near.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray(odds + context.weight * (near @ (1 / (1 + np.exp(-words)) - 0.5)))


def scaled(odds: Doubles, spread: float) -> Doubles:
    """Log-odds that spread by ``spread`` in training, as readings of the assumed accuracy would."""
    apart = _apart()
    return np.asarray(odds / spread * 2 * apart * np.sqrt(apart**2 + 1))


def choose_context(voice: Doubles, truth: Integers, seed: int = 0) -> Context:
    """The context that helps most in training, where text readings are replaced by draws of assumed accuracy.

    Axes are learned on one half of the recordings and judged on the other, both ways.
    """
    place = np.zeros(len(truth))
    for one in np.unique(truth):
        own = np.flatnonzero(truth == one)
        place[own] = np.arange(len(own)) / len(own)
    halves = []
    for early in (True, False):
        learned, judged = np.flatnonzero((place < 0.5) == early), np.flatnonzero((place < 0.5) != early)
        cosines = recording_axes(voice[learned], truth[learned])(voice[judged])
        halves.append((cosines, truth[judged] == 1))
    draw, apart = np.random.default_rng(seed), _apart()
    options = [Context(nearness, weight) for nearness in NEARNESS for weight in WEIGHTS]
    right = np.zeros(len(options))
    for _ in range(DRAWS):
        for cosines, truths in halves:
            odds = 2 * apart * (np.where(truths, apart, -apart) + draw.standard_normal(len(truths)))
            right += [((with_context(odds, odds, cosines, one) > 0) == truths).mean() for one in options]
    return options[int(right.argmax())]


def _apart() -> float:
    """Half the distance of two unit normals that are told apart with the assumed accuracy."""
    from scipy.stats import norm

    return float(norm.ppf(ASSUMED_ACCURACY))
