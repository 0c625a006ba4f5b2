"""How reliable a model is: what it answered on labelled data it was not trained on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.labels import EMOTIONS
from pipeline.models.cards import trained_model
from pipeline.models.known import transformers_card
from pipeline.records import CARD_FILE, write_record
from pipeline.train.examples import DataError
from pipeline.train.score import Answers
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


def check_folder(folder: str) -> Path:
    """The model folder whose card shall hold its reliability. Raises DataError: it is none."""
    if not Path(folder).is_dir():
        raise DataError(f"only a model folder can hold its reliability, and {folder} is none; give a folder")
    return Path(folder)


def save_reliability(folder: str, answers: Answers, data: str) -> Path:
    """Write what a model folder answered on labelled data into its card, whole or not at all.

    Films read with it afterwards weigh its answers by that; its digest changes, so nothing old is reused.

    Raises:
        DataError: ``folder`` is no model folder.
        ModelError: its card cannot be read.
    """
    where = check_folder(folder)
    if (where / "config.json").is_file():
        card = transformers_card(folder, answers.modality, folder)
    else:
        card, _ = trained_model(where, answers.modality)
    measured = reliability_of(answers.truth, answers.probabilities, data)
    scratch = where / f"{CARD_FILE}.part"
    write_record(scratch, replace(card, reliability=measured))
    return scratch.replace(where / CARD_FILE)
