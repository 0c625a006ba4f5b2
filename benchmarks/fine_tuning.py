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

from pipeline.cli import EXIT_OK, main
from pipeline.models.document import FINE_TUNING_FILE, PAGE

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

For comparison: 98.37 % was published for these faces under a random split, DeepFace at 40 %. Raters agree
with what was acted on 78 % of the faces: a model that does better reads what raters could not see, or knows
the performer. {leak}
"""


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
    leaking = found["taiwanese-random"]["about"]["leaking_groups"]
    leak = f"In the random split {leaking} performers are on both sides."
    PAGE.with_name(FINE_TUNING_FILE).write_text(TEXT.format(rows=rows, leak=leak), encoding="utf-8")


def row(protocol: str, metrics: dict[str, Any]) -> str:
    """One line of the table."""
    baselines = [one["accuracy"] for one in metrics["baselines"].values()]
    before = f"{baselines[0]:.3f}" if baselines else ""
    figures = " | ".join(f"{metrics[key]:.3f}" for key in ("accuracy", "uar", "macro_f1"))
    return f"| {protocol} | {metrics['n']} | {figures} | {before} |"


if __name__ == "__main__":
    run()
