"""What the compact face model is worth, measured on faces never seen through the code that ships."""

import csv
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.face.backends import FaceDetector, Image
from pipeline.face.baseline import relative_to_own
from pipeline.face.compact import CompactFace
from pipeline.face.crop import MARGIN, cut
from pipeline.face.geometry import square_of
from pipeline.face.haar import load as load_haar
from pipeline.labels import EMOTIONS
from pipeline.models.cards import Calibration, Confusion, TrainingReport
from pipeline.train.face_data import ferplus_scored, muxspace_scored
from pipeline.train.metrics import calibration, confusion_matrix, evaluate, softmax

# mini-XCEPTION, measured on the same faces (the data's README).
REFERENCE: Mapping[str, Mapping[str, float]] = {
    "ferplus": {"accuracy": 0.634},
    "taiwanese_voted": {"accuracy": 0.572},
    "taiwanese_intended": {"accuracy": 0.509},
}
DATA = "FER+ (votes on FER2013's faces), muxspace facial expressions; never the Taiwanese faces"
SPLIT = (
    "FER+ official: trained on train, prior and temperature from dev, figures from test "
    "(majority of the 7 emotions, at least half of the votes)"
)
COMMAND = (
    "python -m pipeline.train.face --data ../shared/data --out pipeline/models/weights "
    "--checkpoint outputs/face_checkpoint.pt"
)
FINDINGS = """\
- The reference is mini-XCEPTION on the same faces.
- The Taiwanese faces, another domain, are found and cut by the pipeline's own Haar detector and were never
  trained on. Posed anger, disgust, sadness and surprise are often read as neutral there, and fear is hardly
  ever found. Dividing out all of the training prior (rows "even prior") mends a part of that and would cost
  more on FER+ than it gains; so would a tighter crop, and the label the pictures were collected under. All
  three were tried: as a second view, as a second head that is not shipped, and as the small share of the
  prior that costs the development faces little.
- Rows "own baseline": relative to the mean of all answers to the performer's 31 to 54 pictures
  (`face.own_baseline`). These show many emotions and little calm (raters saw 81 neutral faces among 936),
  which favours it: people in films are calm most of the time, and lose by it. Taking off the other
  performers' mean instead gives .646: most of the gain is a bias that all of these pictures have in common.
- A second net was taught by this one and by the votes, also on 6,900 muxspace faces (48 epochs), to read the
  second view: .870 on the development faces over both views against .882, and the two together .877 to .880.
  It was left out. A second net of the same recipe and the next seed: .873 over both views; each net on one
  view .878, each on both .881. Left out too: this net is the better of two draws, so its .882 flatters.
- Estimating the prior from the answers themselves (Saerens et al. 2002) makes the Taiwanese faces worse (.55
  to .57): they are taken for neutral, and the estimate follows.
- The temperature is the highest that keeps the calibration error on the development faces. On faces from
  elsewhere the model is overconfident still, as the calibration errors of the other sets show: do not read
  its confidence as a probability in a film.
- The muxspace labels are noisy and few; a fifth of these faces was held out of training.
- A third training cycle, and averaging the weights of two cycles, changed nothing on the development faces
  (.882, .883 against .882 before the prior correction) and were left out.
- FER+ test was scored once with these weights, five times with earlier ones, once with the second net
  (.860); the Taiwanese faces were looked at more often while crop, second head and prior were tried. The
  figures flatter the model a little.
- Disgust is rare in FER+ and the weakest emotion there. Posed or searched-for still pictures only: no film
  was measured."""
DEV = "ferplus, dev"
MUXSPACE_PER_CLASS = 60
SMALL_SIDES_PX = (24, 16, 12)

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def measure(model: CompactFace, data: Path, size_bytes: int, prior_left: Floats) -> TrainingReport:
    """Score FER+ test, also with faces made smaller, and the faces of other domains; time one face.

    ``prior_left`` (7,) is what would have to be taken from the logits for all emotions to be as likely
    beforehand: the unseen faces are scored so as well.
    """
    archive = data / "face" / "ferplus_48px.npz"
    sets = {
        "ferplus": ferplus_scored(archive, "test"),
        DEV: ferplus_scored(archive, "dev"),
        "muxspace, held out": muxspace_scored(data / "face" / "muxspace", MUXSPACE_PER_CLASS),
    }
    metrics, calibrations, confusion = {}, {}, {}
    for name, faces in sets.items():
        answers = probabilities(model, [as_crop(face) for face in faces.images])
        metrics[name] = evaluate(faces.truth, answers.argmax(1), EMOTIONS, answers).summary()
        calibrations[name] = _calibration(faces.truth, answers, model.card.temperature)
        confusion[name] = _confusion(faces.truth, answers)
    del confusion[DEV]
    test = sets["ferplus"]
    for side in SMALL_SIDES_PX:
        crops = [as_crop(made_smaller(face, side)) for face in test.images]
        small = probabilities(model, crops)
        metrics[f"ferplus, faces of {side} px"] = {
            "n": float(len(test.truth)),
            "accuracy": round(float((small.argmax(1) == test.truth).mean()), 4),
        }
    crops, labels, performers, found = unseen_faces(data / "face" / "taiwanese", load_haar("haar", "cpu"))
    answers = probabilities(model, crops)
    own = relative_to_own(answers, performers, np.ones(len(answers)))
    for name, truth in labels.items():
        there = truth >= 0
        key = f"taiwanese_{name}"
        metrics[key] = evaluate(truth[there], answers[there].argmax(1), EMOTIONS, answers[there]).summary()
        metrics[key]["found_share"] = round(found, 4)
        calibrations[key] = _calibration(truth[there], answers[there], model.card.temperature)
        confusion[key] = _confusion(truth[there], answers[there])
        even = np.log(np.maximum(answers[there], 1e-30)) * model.card.temperature - prior_left
        metrics[f"{key}, even prior"] = evaluate(truth[there], even.argmax(1), EMOTIONS).summary()
        metrics[f"{key}, own baseline"] = evaluate(truth[there], own[there].argmax(1), EMOTIONS).summary()
    return TrainingReport(
        data=DATA,
        split=SPLIT,
        command=COMMAND,
        metrics=metrics,
        reference=REFERENCE,
        calibration=calibrations,
        confusion=confusion,
        size_bytes=size_bytes,
        milliseconds=milliseconds(model),
        notes=FINDINGS,
    )


def as_crop(face: npt.NDArray[np.uint8]) -> Image:
    """A face of FER2013 as a stored crop: in colour, with the margin (its border repeated) around it."""
    margin = round(len(face) * (MARGIN - 1) / 2)
    wide = cv2.copyMakeBorder(face, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    return np.repeat(np.asarray(wide, np.uint8)[:, :, None], 3, axis=2)


def made_smaller(face: npt.NDArray[np.uint8], side_px: int) -> npt.NDArray[np.uint8]:
    """The face as a camera further away would have seen it, enlarged again."""
    small = cv2.resize(face, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, face.shape[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def unseen_faces(
    folder: Path, detector: FaceDetector
) -> tuple[list[Image], dict[str, Integers], npt.NDArray[np.str_], float]:
    """Crops of the faces a detector finds, their labels (-1: none) by kind, performers, the share found."""
    with (folder / "labels.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    crops, kept = [], []
    for row in rows:
        image = cv2.cvtColor(cv2.imread(str(folder / "images" / row["file"])), cv2.COLOR_BGR2RGB)
        faces = detector.scan(np.asarray(image, np.uint8), max(image.shape[:2]))
        if faces:
            largest = max(faces, key=lambda one: one.box[2])
            crops.append(cut(np.asarray(image, np.uint8), square_of(largest), 224))
            kept.append(row)
    labels = {
        kind: np.array([EMOTIONS.index(row[kind]) if row[kind] else -1 for row in kept], np.int64)
        for kind in ("voted", "intended")
    }
    return crops, labels, np.array([row["performer"] for row in kept], np.str_), len(kept) / len(rows)


def probabilities(model: CompactFace, crops: Sequence[Image]) -> Floats:
    """Answers (n, 7) of the model as it ships."""
    return np.array([scores.probabilities for scores in model(crops)])


def _calibration(truth: Integers, after: Floats, temperature: float) -> Calibration:
    return calibration(truth, softmax(np.log(np.maximum(after, 1e-30)) * temperature), after)


def _confusion(truth: Integers, answers: Floats) -> Confusion:
    counts = confusion_matrix(truth, answers.argmax(1), len(EMOTIONS))
    return Confusion(EMOTIONS, tuple(tuple(int(cell) for cell in row) for row in counts))


def milliseconds(model: CompactFace, repeats: int = 200) -> float:
    """Median time of one stored crop of 224 px."""
    crop = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        model([crop])
        seconds.append(time.perf_counter() - began)
    return round(statistics.median(seconds) * 1000, 3)
