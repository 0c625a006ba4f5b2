"""The plan of a training: its settings, the order of its examples, its learning rate, its history."""

import csv
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

HEAD_PHASE, WHOLE_PHASE = "head", "all"
METRIC = "dev_macro_f1"  # the field of Epoch that tells the best one unless another is asked for


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training data, as it stands in ``history.csv``."""

    epoch: int
    phase: str
    learning_rate: float
    train_loss: float
    dev_loss: float
    dev_accuracy: float
    dev_uar: float
    dev_macro_f1: float
    seconds: float


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """What a training does; ``patience`` 0 never stops early, ``head_epochs`` come out of ``epochs``."""

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-4
    final_learning_rate: float = 1e-6
    weight_decay: float = 0.05
    label_smoothing: float = 0.0
    class_weights: bool = False
    oversample: bool = False
    head_epochs: int = 0
    head_learning_rate: float = 1e-3
    patience: int = 0
    metric: str = METRIC
    bfloat16: bool = False  # half the time where the processor or the GPU has it
    seed: int = 0
    device: str = "auto"


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """One row per epoch."""
    scratch = path.with_name(path.name + ".part")
    with scratch.open("w", encoding="utf-8", newline="") as table:
        rows = csv.DictWriter(table, [field.name for field in dataclasses.fields(Epoch)])
        rows.writeheader()
        rows.writerows(asdict(epoch) for epoch in history)
    scratch.replace(path)


def epoch_order(truth: Integers, oversample: bool, seed: int, epoch: int) -> Integers:
    """Rows in the order of an epoch; with ``oversample`` rare classes come as often as the most frequent."""
    draw = np.random.default_rng([seed, epoch])
    if not oversample:
        return draw.permutation(len(truth)).astype(np.int64)
    most = int(np.bincount(truth).max())
    drawn = []
    for one in np.unique(truth):
        own = np.flatnonzero(truth == one)
        rounds = [draw.permutation(own) for _ in range(-(-most // len(own)))]
        drawn.append(np.concatenate(rounds)[:most])
    return draw.permutation(np.concatenate(drawn)).astype(np.int64)


def balancing_weights(truth: Integers, k: int) -> Floats:
    """Weight of each class (k,): inverse to its share, 1 on average over the examples, 0 if absent."""
    counts = np.bincount(truth, minlength=k)
    return np.where(counts > 0, len(truth) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0.0)


def best_place(history: Sequence[Epoch], metric: str) -> int:
    """Place of the epoch that is kept: the best by the metric, ties to the lower dev loss, then the first."""
    sign = -1 if metric.endswith("loss") else 1
    keys = [(sign * getattr(one, metric), -one.dev_loss) for one in history]
    return max(range(len(keys)), key=lambda place: (keys[place], -place))


def phase_of(settings: LoopSettings, epoch: int) -> str:
    """Which parameters the epoch (from 0) trains."""
    return HEAD_PHASE if epoch < settings.head_epochs else WHOLE_PHASE


def rate_at(settings: LoopSettings, at: float) -> float:
    """Learning rate after ``at`` epochs: half a cosine in each phase."""
    first = min(settings.head_epochs, settings.epochs)
    if at < first:
        highest, share = settings.head_learning_rate, at / first
    else:
        highest, share = settings.learning_rate, (at - first) / max(1, settings.epochs - first)
    low = settings.final_learning_rate
    return low + (highest - low) * 0.5 * (1 + math.cos(math.pi * share))
