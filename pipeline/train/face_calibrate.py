"""What is settled on the development faces once the compact face net is trained: prior and temperature."""

import numpy as np

from pipeline.train.face_data import ScoredFaces
from pipeline.train.face_report import Floats
from pipeline.train.metrics import expected_calibration_error, fit_temperature, softmax


def corrected_bias(logits: Floats, faces: ScoredFaces, prior: Floats, most_lost: float) -> Floats:
    """What to add to logits (n, 7) so that rare emotions are not drowned by the training data's prior.

    The largest share of the log prior (in steps of .05) that costs no more than ``most_lost`` of the accuracy
    on the development faces (logit adjustment, Menon et al. 2021, after training).
    """
    plain = (logits.argmax(1) == faces.truth).mean()
    kept = [
        share
        for share in np.linspace(0, 1, 21)
        if ((logits - share * np.log(prior)).argmax(1) == faces.truth).mean() >= plain - most_lost
    ]
    bias: Floats = -max(kept) * np.log(prior)
    bias -= bias.mean()
    return bias


def modest_temperature(logits: Floats, faces: ScoredFaces, most_ece: float) -> float:
    """The highest temperature that keeps the calibration error on the development faces.

    Faces in films are harder than those, so the least certain answers that pass are the best ones; 1 at most,
    and the likeliest temperature when none passes.
    """
    passing = [
        temperature
        for temperature in np.linspace(0.5, 1.0, 51).round(2).tolist()
        if expected_calibration_error(faces.truth, softmax(logits, temperature)) <= most_ece
    ]
    return max(passing) if passing else fit_temperature(faces.truth, logits)
