"""Forms an answer may take as evidence: likelihoods of the states from calibrated answers and dev answers.

Every form is scaled to its best state and held at or above ``LEAST_RATIO``, as the shipped one is.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import gammaln

from benchmarks.conflict.answers import Asked
from benchmarks.conflict.scores import Floats
from pipeline.fusion.reliability import LEAST_RATIO, likelihood
from pipeline.labels import EMOTIONS
from pipeline.train.reliability import reliability_of

# From what a model answered on labelled items and what it answers now (n, 7), to likelihoods (n, 7).
Form = Callable[[Asked, Floats], Floats]
SHIPPED = "(p/m)^¾ · Jeffrey^¼, shipped"
LEAST_ANSWER = 1e-3  # in a logarithm
CONCENTRATIONS = np.geomspace(0.3, 60, 40)


def _scaled(explained: Floats, power: float = 1.0) -> Floats:
    best = explained.max(axis=1, keepdims=True)
    scaled: Floats = np.maximum(explained / best, LEAST_RATIO) ** power
    return scaled


def answer(measured: Asked, answers: Floats) -> Floats:
    """The calibrated answer p itself, the prior it contains left in it."""
    return _scaled(answers)


def ratio(power: float) -> Form:
    """p over the model's mean answer m, to a power."""

    def form(measured: Asked, answers: Floats) -> Floats:
        return _scaled(answers / measured.probabilities.mean(axis=0), power)

    return form


def hard_label(measured: Asked, answers: Floats) -> Floats:
    """P(the most probable emotion | truth), from the confusion matrix."""
    return _scaled(_confusion(measured).T[answers.argmax(axis=1)])


def jeffrey(measured: Asked, answers: Floats) -> Floats:
    """The whole answer passed through the confusion matrix."""
    confusion = _confusion(measured)
    return _scaled((answers / confusion.mean(axis=0)) @ confusion.T)


def dirichlet(measured: Asked, answers: Floats) -> Floats:
    """Density of the answer among those to items of each emotion: mean as seen, concentration most likely."""
    logs = np.zeros_like(answers)
    now = np.log(np.maximum(answers, LEAST_ANSWER))
    for state in range(len(EMOTIONS)):
        own = measured.probabilities[measured.truth == state]
        mean = (own.sum(axis=0) + 1 / len(EMOTIONS)) / (len(own) + 1)
        seen = np.log(np.maximum(own, LEAST_ANSWER))
        masses = max((c * mean for c in CONCENTRATIONS), key=lambda m: float(_log_density(seen, m).mean()))
        logs[:, state] = _log_density(now, masses)
    return _scaled(np.exp(logs - logs.max(axis=1, keepdims=True)))


def _log_density(logs: Floats, masses: Floats) -> Floats:
    density: Floats = gammaln(masses.sum()) - gammaln(masses).sum() + logs @ (masses - 1)
    return density


def shipped(measured: Asked, answers: Floats) -> Floats:
    """``fusion.reliability.likelihood`` at full quality."""
    return likelihood(
        answers, reliability_of(measured.truth, measured.probabilities, ""), np.ones(len(answers))
    )


def _confusion(measured: Asked) -> Floats:
    return np.asarray(reliability_of(measured.truth, measured.probabilities, "").confusion)


FORMS: Mapping[str, Form] = {
    "p": answer,
    "p/m": ratio(1.0),
    "(p/m)^.7": ratio(0.7),
    "(p/m)^.5": ratio(0.5),
    "hard label through C": hard_label,
    "Jeffrey: p through C": jeffrey,
    "Dirichlet per emotion": dirichlet,
    SHIPPED: shipped,
}
