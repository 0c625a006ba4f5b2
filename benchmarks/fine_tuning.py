"""What fine-tuning our face model reaches on the Taiwanese faces, under two protocols.

    python -m benchmarks.fine_tuning

Writes the table of docs/MODELS.md to docs/fine_tuning.md; run `python -m pipeline.models.document` after it.
The faces lie in $EMOTION_DATA/face/taiwanese (../shared/data by default). The fine-tuned weights stay in
outputs/training: they may not be shipped.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.cli import EXIT_OK, main
from pipeline.face.backends import Image
from pipeline.face.crop import MARGIN
from pipeline.face.geometry import Square, cut_square
from pipeline.face.haar import load as load_haar
from pipeline.models.document import FINE_TUNING_FILE, PAGE
from pipeline.train.face_report import Integers, unseen_faces

PROTOCOLS = {
    "taiwanese-random": ("random 80/20: faces of a test performer are in training", ["--split", "random"]),
    "taiwanese-folds": ("5 folds, no performer on two sides", ["--folds", "5"]),
}
RECIPE = ["--learning-rate", "0.002", "--bfloat16", "--metric", "dev_loss"]
TEXT = """\
From our shipped weights, on the emotion that was acted (`intended`), by `python -m benchmarks.fine_tuning`.
The fine-tuned weights are not shipped: these faces may only be used for research.

| protocol | n | accuracy | unweighted recall | macro-F1 | not fine-tuned |
| --- | --- | --- | --- | --- | --- |
{rows}
{no_network}

The last three rows have no network: a support vector machine on histograms of gradients (Dalal and Triggs
2005), mean of {draws} draws. Under a random split it does better than our fine-tuned net, because it too only
has to know the performer. Without the pictures whose raters saw something else it is still short of the
published figure. It nears that when copies of each picture (shifted, turned, scaled) are made *before* the
split, so that a test picture's own copies are in training. Whether that was done for the published figure is
not known to us; without it, nothing tried here came near.

For comparison: 98.37 % was published for these faces under a random split, DeepFace at 40 %. Raters agree
with what was acted on 79 % of the faces: a model that does better reads what raters could not see, or knows
the performer. {leak}
"""


# What it is called, copies of each picture, whether only pictures whose raters saw what was acted are taken.
NO_NETWORK = (
    ("no network, random 80/20", 1, False),
    ("no network, only faces whose raters saw what was acted", 1, True),
    ("no network, ten copies of each picture made before the split", 10, False),
)
DRAWS = 3
HOG_PX = 96


def run() -> None:
    """Train under both protocols and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("outputs/training"))
    options = parser.parse_args()
    faces = Path(os.environ.get("EMOTION_DATA", "../shared/data")) / "face" / "taiwanese"
    common = ["--data", str(faces / "labels.csv"), "--root", str(faces / "images"), "--detect", *RECIPE]
    common += ["--label-column", "intended", "--group-column", "performer", "--epochs", str(options.epochs)]
    found = {}
    for name, (_, protocol) in PROTOCOLS.items():
        if not (options.out / name / "finished").is_file():
            code = main(["train", "face", *common, *protocol, "--name", name, "--out", str(options.out)])
            if code != EXIT_OK:
                raise SystemExit(code)
        found[name] = json.loads((options.out / name / "metrics.json").read_text(encoding="utf-8"))
    rows = "\n".join(row(what, found[name]) for name, (what, _) in PROTOCOLS.items())
    crops, labels, *_ = unseen_faces(faces, load_haar("haar", "cpu"))
    acted = labels["intended"]
    seen = np.where(acted == labels["voted"], acted, -1)
    lines = []
    for what, copies, agreed in NO_NETWORK:
        n, right = without_network(crops, seen if agreed else acted, copies)
        lines.append(f"| {what} | {n} | {right:.3f} | | | |")
    leaking = found["taiwanese-random"]["about"]["leaking_groups"]
    leak = f"In the random split {leaking} performers are on both sides."
    PAGE.with_name(FINE_TUNING_FILE).write_text(
        TEXT.format(rows=rows, no_network="\n".join(lines), draws=DRAWS, leak=leak), encoding="utf-8"
    )


def without_network(crops: list[Image], labels: Integers, copies: int) -> tuple[int, float]:
    """Size of the test part and mean accuracy of a support vector machine under random 80/20 splits.

    Each crop with a label (-1: none) is taken ``copies`` times, the first time as it is; the split is over
    the copies.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    draw = np.random.default_rng(0)
    labelled = np.flatnonzero(labels >= 0)
    rows = np.stack([gradients(crops[i], draw if copy else None) for i in labelled for copy in range(copies)])
    truth = np.repeat(labels[labelled], copies)
    test_size, right = len(rows) // 5, []
    for _ in range(DRAWS):
        order = draw.permutation(len(rows))
        test, train = order[:test_size], order[test_size:]
        machine = make_pipeline(StandardScaler(), SVC(C=10)).fit(rows[train], truth[train])
        right.append((machine.predict(rows[test]) == truth[test]).mean())
    return test_size, float(np.mean(right))


def gradients(crop: Image, draw: np.random.Generator | None) -> npt.NDArray[np.float32]:
    """Histograms of gradients of a face; with ``draw``, of one moved a little."""
    middle, side = len(crop) / 2, len(crop) / MARGIN
    square = Square(middle, middle, side * 0.9)
    if draw is not None:
        x, y = middle + draw.uniform(-0.04, 0.04, 2) * side
        square = Square(x, y, side * draw.uniform(0.85, 0.95), draw.uniform(-8, 8))
    grey = cv2.cvtColor(cut_square(crop, square, HOG_PX), cv2.COLOR_RGB2GRAY)
    histograms = cv2.HOGDescriptor((HOG_PX, HOG_PX), (16, 16), (8, 8), (8, 8), 9)
    return np.asarray(histograms.compute(grey), np.float32).ravel()


def row(protocol: str, metrics: dict[str, Any]) -> str:
    """One line of the table."""
    baselines = [one["accuracy"] for one in metrics["baselines"].values()]
    before = f"{baselines[0]:.3f}" if baselines else ""
    figures = " | ".join(f"{metrics[key]:.3f}" for key in ("accuracy", "uar", "macro_f1"))
    return f"| {protocol} | {metrics['n']} | {figures} | {before} |"


if __name__ == "__main__":
    run()
