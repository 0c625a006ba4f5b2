"""How reliable a model is: what it answered on labelled data it was not trained on."""

import numpy as np
import numpy.typing as npt

from pipeline.labels import EMOTIONS
from pipeline.types import Reliability

SMOOTHING = 0.5  # added to every cell: an error that was not seen is rare, not impossible (Jeffreys' prior)


def reliability_of(
    truth: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], data: str
) -> Reliability:
    """Confusion matrix and mean answer, rounded to 4 decimals.

    Args:
        truth: (n,) places in ``EMOTIONS``.
        probabilities: (n, 7) calibrated answers in ``EMOTIONS`` order.
        data: which data set and split, for the card.
    """
    counts = np.full((len(EMOTIONS), len(EMOTIONS)), SMOOTHING)
    np.add.at(counts, (truth, probabilities.argmax(axis=1)), 1.0)
    rates = counts / counts.sum(axis=1, keepdims=True)
    usual = np.maximum(probabilities.mean(axis=0), 1e-4)
    return Reliability(
        confusion=tuple(tuple(row) for row in rates.round(4).tolist()),
        answers=tuple((usual / usual.sum()).round(4).tolist()),
        n=len(truth),
        data=data,
    )
