"""Made examples: three inputs that see the truth with noise, over two or seven labels."""

import csv
from pathlib import Path

import numpy as np

from pipeline.labels import EMOTIONS
from pipeline.train.fusion.data import FusionSet

NAMES = ("words", "voice", "face")
CLARITY = {"words": 0.6, "voice": 1.2, "face": 1.0}


def made(count: int = 300, labels: int = 3, seed: int = 0) -> FusionSet:
    """Features (n, 6) whose first ones point at the truth; a tenth of the inputs is absent."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(labels, size=count).astype(np.int64)
    features, present = {}, {}
    for name in NAMES:
        values = draw.standard_normal((count, 6))
        values[np.arange(count), truth] += 1.5 * CLARITY[name]
        features[name] = values
        present[name] = draw.random(count) > 0.1
    return FusionSet(
        features=features,
        present=present,
        truth=truth,
        labels=EMOTIONS[:labels],
        groups=np.array([f"d{row // 10}" for row in range(count)]),
        sides=np.full(count, ""),
        names=tuple(f"row {row}" for row in range(count)),
    )


def write_scores(path: Path, count: int = 120, seed: int = 0, **columns: list[str]) -> Path:
    """A CSV in which face scores and voice labels tell happy, sad and neutral apart."""
    draw = np.random.default_rng(seed)
    shown = ("happy", "sad", "neutral")
    rows = []
    for row in range(count):
        emotion = shown[int(draw.integers(3))]
        weights = np.full(len(EMOTIONS), 0.1)
        weights[EMOTIONS.index(emotion)] += draw.random()
        weights /= weights.sum()
        scores = {f"face_{name}": f"{p:.4f}" for name, p in zip(EMOTIONS, weights, strict=True)}
        heard = emotion if draw.random() < 0.8 else shown[int(draw.integers(3))]
        extra = {name: values[row % len(values)] for name, values in columns.items()}
        rows.append({"emotion": emotion, "speaker": f"s{row // 6}", **scores, "voice_label": heard, **extra})
    with path.open("w", encoding="utf-8", newline="") as table:
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
