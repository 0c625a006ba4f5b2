"""What an answer is worth as evidence: a calibrated distribution seen through the confusions of its model."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from pipeline.labels import EMOTIONS
from pipeline.types import Reliability

Floats = npt.NDArray[np.float64]

# Powers that sum to 1: two views of one answer are not two answers. On development data p/m alone does about
# as well, lower powers of it fit worse, and confusions alone rank worse (benchmarks.conflict.choice).
ANSWER_POWER = 0.75
CONFUSION_POWER = 0.25
LEAST_ANSWERED = 1e-4  # a model with a lesser mean for an emotion never answers it; cards keep 4 decimals
LEAST_RATIO = 1e-3  # one certain answer must not decide by itself


def likelihood(probabilities: Floats, reliability: Reliability | None, quality: Floats) -> Floats:
    """How well each true state explains an answer, (n, 7), scaled so that the best state has 1.

    With p the calibrated answer, m what the model answers on average, and C its confusion matrix
    P(answer | truth): (p/m)^¾ · (C (p/m_C))^¼, all to the power of ``quality``. The first factor undoes the
    prior a calibrated posterior contains; the second is Jeffrey's rule (1965, The Logic of Decision, ch. 11):
    the answer is itself uncertain evidence, passed through the confusions. A model without measured
    reliability is given the first factor alone, with m even: it says less. Mass on labels outside the seven
    speaks for no state, and of a state that a model never answers it says nothing: p/m is 1, its mean.

    Args:
        probabilities: (n, 7) in ``EMOTIONS`` order, rows summing to at most 1.
        reliability: of the model; None when it was never measured.
        quality: (n,) in [0, 1]; at 0 every state explains the answer alike.
    """
    even = np.full(len(EMOTIONS), 1 / len(EMOTIONS))
    usual = even if reliability is None else np.asarray(reliability.answers)
    unmapped = np.clip(1.0 - probabilities.sum(axis=1, keepdims=True), 0.0, 1.0)
    ratios = probabilities / np.maximum(usual, LEAST_ANSWERED)
    powers = ANSWER_POWER * _logs(np.where(usual > LEAST_ANSWERED, ratios, 1.0 - unmapped) + unmapped)
    if reliability is not None:
        confusion = np.asarray(reliability.confusion)
        answered = np.maximum(confusion.mean(axis=0), LEAST_ANSWERED)
        powers += CONFUSION_POWER * _logs((probabilities / answered) @ confusion.T + unmapped)
    scaled: Floats = np.exp(powers * np.clip(quality, 0.0, 1.0)[:, None])
    return scaled


def unmeasured(emotions: Collection[str]) -> Reliability:
    """What is assumed of a model of which nothing was measured but which emotions it can answer.

    Confusions that do not depend on the truth add nothing in :func:`likelihood`.
    """
    even = tuple([1 / len(EMOTIONS)] * len(EMOTIONS))
    answers = tuple(float(emotion in emotions) / max(1, len(emotions)) for emotion in EMOTIONS)
    return Reliability(tuple([even] * len(EMOTIONS)), answers, 0, "")


def _logs(ratios: Floats) -> Floats:
    best = np.maximum(ratios.max(axis=1, keepdims=True), 1e-12)
    logs: Floats = np.log(np.maximum(ratios / best, LEAST_RATIO))
    return logs
