"""How far an export is from the original, and how fast it is."""

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.train.export.part import ExportError, Feed, Run, Subject, doubled, probabilities

TOLERANCE = 1e-4  # in probability, for the formats that keep every weight
TIMED, REPEATS = 16, 5
Floats = NDArray[np.float64]


def difference(original: Floats, exported: Floats) -> tuple[float, float, float]:
    """Largest and mean difference between probabilities (n, labels), and the share of equal top answers.

    Answers of another number, or that are no numbers, differ by 1: nothing differs more.
    """
    if original.shape != exported.shape or not np.isfinite(exported).all():
        return 1.0, 1.0, 0.0
    apart = np.abs(original - exported)
    same = original.argmax(axis=1) == exported.argmax(axis=1)
    return float(apart.max()), float(apart.mean()), float(same.mean())


def require_agreement(name: str, largest: float) -> None:
    """Raises ExportError: an export that keeps every weight differs by more than ``TOLERANCE``."""
    if not largest <= TOLERANCE:
        raise ExportError(
            f"the {name} export does not agree with the original: a probability differs by {largest:.2g} "
            f"(at most {TOLERANCE:g} is allowed), so nothing was written; ask for other --formats"
        )


def batch_difference(subject: Subject, runs: Mapping[str, Run]) -> float:
    """Largest difference between an example alone and the same one in a batch of two, in probability."""
    largest = 0.0
    for part in subject.parts:
        feed = part.feeds[-1]
        alone, both = (
            probabilities(runs[part.name](one), subject.card.temperature)
            for one in (feed, doubled(feed, part.inputs))
        )
        if not np.isfinite(both).all():
            return 1.0
        largest = max(largest, float(np.abs(both - alone).max()))
    return largest


def milliseconds(subject: Subject, runs: Mapping[str, Run]) -> float:
    """Time of one input through the graph: the median over the last ``TIMED`` inputs of each part.

    Of each input the fastest of some runs counts: what else the machine did is not the model's time.
    """
    times = []
    for part in subject.parts:
        for feed in part.feeds[-TIMED:]:
            runs[part.name](feed)
            times.append(min(_seconds(runs[part.name], feed) for _ in range(REPEATS)))
    return round(1000 * float(np.median(times)), 3)


def _seconds(run: Run, feed: Feed) -> float:
    started = time.perf_counter()
    run(feed)
    return time.perf_counter() - started
