"""Answers relative to a person's own mean: what a model reads off a face whatever it shows is taken off.

Individual calibration, as where the resting expression of a face is subtracted before it is read: here the
mean of a person's answers, seen in several moods, stands for the resting expression.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST = 1e-4  # below it, probabilities of a trained model differ by chance, yet their logs by a lot
# Whole rows of a person at which half of the mean is taken off. Chosen beforehand, not tuned: there were no
# labels of one person in a film to tune it on.
ENOUGH = 10.0
# Frames of a film within this time are one row: what a face shows lasts about as long.
ROW_S = 3.0


def relative_to_own(probabilities: Floats, persons: NDArray[np.str_], weights: Floats) -> Floats:
    """Distributions (n, k), each relative to the mean of its person's, in logs; rows keep their order.

    Of the weighted mean of a person's log rows the share w / (w + ENOUGH) is taken off, w being the sum of
    the person's weights: hardly anything of one row, nearly all of many. Someone who answers alike in every
    row is left with nearly even rows; so is a face that is nearly always neutral, in its neutral rows.

    Args:
        probabilities: (n, k), not negative.
        persons: whose each row is, (n,).
        weights: how much each row counts, (n,), not negative; 1 is a whole row.
    """
    logs = np.log(np.maximum(probabilities, LEAST))
    _, numbers = np.unique(persons, return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        logs[rows] -= weights[rows] @ logs[rows] / (weights[rows].sum() + ENOUGH)
    powers: Floats = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)
