"""How well a classifier does and how far its confidence can be believed: pure functions over arrays.

Labels are integers ``0..k-1``; probabilities have shape ``(n, k)``. Nothing here knows an emotion or a model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from pipeline.models.cards import Calibration, ReliabilityBin

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    precision: float
    recall: float
    f1: float
    n: int


@dataclass(frozen=True, slots=True)
class Metrics:
    """Averages over the classes that occur in the truth; ``uar`` is unweighted average recall."""

    n: int
    accuracy: float
    uar: float
    macro_f1: float
    weighted_f1: float
    ece: float | None
    per_class: Mapping[str, ClassMetrics]

    def summary(self) -> dict[str, float]:
        """The scalar figures alone, rounded to 4 decimals, as they stand in a report."""
        figures = {
            "n": self.n,
            "accuracy": self.accuracy,
            "uar": self.uar,
            "macro_f1": self.macro_f1,
            "weighted_f1": self.weighted_f1,
        }
        if self.ece is not None:
            figures["ece"] = self.ece
        figures |= {f"f1_{name}": asdict(one)["f1"] for name, one in self.per_class.items()}
        return {name: round(float(value), 4) for name, value in figures.items()}


def confusion_matrix(truth: Integers, predicted: Integers, k: int) -> npt.NDArray[np.int64]:
    """Counts with the truth in rows and the prediction in columns, shape ``(k, k)``."""
    cells = np.asarray(truth, dtype=np.int64) * k + np.asarray(predicted, dtype=np.int64)
    return np.bincount(cells, minlength=k * k).reshape(k, k)


def evaluate(
    truth: Integers, predicted: Integers, labels: Sequence[str], probabilities: Floats | None = None
) -> Metrics:
    """All figures at once. ``predicted`` need not be the arg-max of ``probabilities``.

    A class without truth is left out of the averages; predicting it costs the recall of the others.

    Raises:
        ValueError: nothing to evaluate.
    """
    if len(truth) == 0:
        raise ValueError("there is no example to evaluate")
    counts = confusion_matrix(truth, predicted, len(labels)).astype(np.float64)
    hits = np.diag(counts)
    in_truth, in_prediction = counts.sum(axis=1), counts.sum(axis=0)
    recall = hits / np.maximum(in_truth, 1)
    precision = hits / np.maximum(in_prediction, 1)
    f1 = 2 * hits / np.maximum(in_truth + in_prediction, 1)
    there = in_truth > 0
    return Metrics(
        n=len(truth),
        accuracy=float(hits.sum() / counts.sum()),
        uar=float(recall[there].mean()),
        macro_f1=float(f1[there].mean()),
        weighted_f1=float((f1 * in_truth).sum() / in_truth.sum()),
        ece=None if probabilities is None else expected_calibration_error(truth, probabilities),
        per_class={
            label: ClassMetrics(float(precision[i]), float(recall[i]), float(f1[i]), int(in_truth[i]))
            for i, label in enumerate(labels)
            if there[i]
        },
    )


def expected_calibration_error(truth: Integers, probabilities: Floats, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al. 2017, section 2)."""
    gaps = [one.n * abs(one.confidence - one.accuracy) for one in reliability(truth, probabilities, bins)]
    return float(sum(gaps) / len(truth))


def reliability(truth: Integers, probabilities: Floats, bins: int = 15) -> tuple[ReliabilityBin, ...]:
    """The bins of a reliability diagram that hold an answer, by rising confidence."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    place = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    return tuple(
        ReliabilityBin(float(confidence[here].mean()), float(right[here].mean()), int(here.sum()))
        for index in range(bins)
        if (here := place == index).any()
    )


def calibration(truth: Integers, before: Floats, after: Floats) -> Calibration:
    """What calibration did to the probabilities (n, k) of one data set, rounded to 4 decimals."""

    def rounded(probabilities: Floats) -> tuple[ReliabilityBin, ...]:
        return tuple(
            ReliabilityBin(round(one.confidence, 4), round(one.accuracy, 4), one.n)
            for one in reliability(truth, probabilities)
        )

    return Calibration(
        ece_before=round(expected_calibration_error(truth, before), 4),
        ece_after=round(expected_calibration_error(truth, after), 4),
        bins_before=rounded(before),
        bins_after=rounded(after),
    )


def softmax(logits: Floats, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Softmax over the last axis of ``logits / temperature``."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def negative_log_likelihood(truth: Integers, probabilities: Floats) -> float:
    """Mean of -ln p(truth)."""
    chosen = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


LEAST_TEMPERATURE = 0.5  # a handful of dev examples that all come out right would ask for certainty


def fit_temperature(truth: Integers, logits: Floats, low: float = 0.05, high: float = 20.0) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017, section 4.2).

    Golden-section search over ln T: the likelihood is unimodal in T. Fit it on development data, never on
    test data.
    """
    golden = (np.sqrt(5.0) - 1) / 2

    def loss(log_t: float) -> float:
        return negative_log_likelihood(truth, softmax(logits, float(np.exp(log_t))))

    a, b = float(np.log(low)), float(np.log(high))
    c, d = b - golden * (b - a), a + golden * (b - a)
    loss_c, loss_d = loss(c), loss(d)
    while b - a > 1e-5:
        if loss_c < loss_d:
            b, d, loss_d = d, c, loss_c
            c = b - golden * (b - a)
            loss_c = loss(c)
        else:
            a, c, loss_c = c, d, loss_d
            d = a + golden * (b - a)
            loss_d = loss(d)
    return round(float(np.exp((a + b) / 2)), 4)
