"""What the compact voice model is worth, measured on speakers that its networks were not trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pipeline.labels import EMOTIONS
from pipeline.models.cards import Confusion, TrainingReport
from pipeline.train.examples import DataError
from pipeline.train.metrics import calibration, confusion_matrix, evaluate, softmax
from pipeline.train.reliability import reliability_of
from pipeline.types import Reliability

# An SVM on statistics of MFCC and prosody, measured on the same splits (the data's README).
REFERENCE: Mapping[str, Mapping[str, float]] = {
    "loso.plain": {"uar": 0.39},
    "loso.speaker_normalised": {"uar": 0.55},
    "ravdess.plain": {"uar": 0.58},
    "ravdess.speaker_normalised": {"uar": 0.67},
}
DEV = ", dev"  # ends the name of what folds answered about speakers they were trained without
IN_FILMS = ".speaker_normalised"  # the condition nearest to a film's: the speaker is known
PARTS = ("truth", "logits")
DATA = "CASIA (Mandarin), RAVDESS speech (English, calm counted as neutral), EMO-DB (German)"
SPLIT = (
    "disjoint in speakers; loso is CASIA with one speaker left out after the other, of the recipe: networks "
    "trained without the speaker, while the shipped one knows all of them; dev: every speaker but the "
    "test ones, asked of the one of four networks that was trained without; confidence is fitted on dev, and "
    "for loso on the other speakers' answers alone"
)
COMMAND = "python -m pipeline.train.voice --data ../shared/data --out pipeline/models/weights"
FINDINGS = """\
- The reference is an SVM on statistics of MFCC and prosody on the same splits; none for EMO-DB.
- Plain: nothing is known of the speaker. Speaker-normalised: the mean and spread of all of the speaker's test
  clips are known, the best case. As deployed the speaker is heard from the film itself: between the two.
- When two speakers share a film, both are normalised by their mixture: it is overconfident then.
- Acted single sentences in studio sound only; no spontaneous speech was measured.
- CASIA has no disgust: nothing is known about disgust in Mandarin. Mandarin fear is mostly taken for sadness,
  even with a known speaker.
- The experts' recipes, the say of the picture and the gate's sharpness were chosen on dev answers. CASIA's
  left-out speakers are its dev as well: they were seen for three trainings and some forty comparisons, so its
  figures flatter the model; the tests of RAVDESS and EMO-DB were seen for three trainings and flatter it a
  little."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Logits of a network on clips it was not trained on."""

    truth: NDArray[np.int64]
    logits: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Facts:
    """What else is said of the network: how far its logits count, its size and its cost."""

    sharpness: Mapping[str, list[float]]
    parameters: int
    size_bytes: int
    real_time_factor: float
    clock_seconds: int


def joined(*answers: Answers) -> Answers:
    """All answers in one."""
    return Answers(
        np.concatenate([one.truth for one in answers]), np.concatenate([one.logits for one in answers])
    )


def keep_answers(path: Path, answers: Mapping[str, Answers]) -> None:
    """Write answers by name, as :func:`kept_answers` reads them."""
    arrays = {f"{name}/{part}": getattr(one, part) for name, one in answers.items() for part in PARTS}
    np.savez(path, **arrays)


def kept_answers(path: Path) -> dict[str, Answers]:
    """What :func:`keep_answers` wrote. Raises DataError."""
    try:
        with path.open("rb") as file, np.load(file) as archive:
            names = dict.fromkeys(key.rpartition("/")[0] for key in archive)
            return {name: Answers(*(archive[f"{name}/{part}"] for part in PARTS)) for name in names}
    except (OSError, ValueError, KeyError, BadZipFile):
        raise DataError(
            f"{path} holds no answers of the voice model; make it with python -m pipeline.train.voice"
        ) from None


def reliability_in_films(dev: Mapping[str, Answers]) -> Reliability:
    """From dev answers with the speaker known, as in a film, of all corpora."""
    ending = f"{IN_FILMS}{DEV}"
    known = {name.removesuffix(ending): one for name, one in dev.items() if name.endswith(ending)}
    answers = joined(*known.values())
    return reliability_of(
        answers.truth,
        softmax(answers.logits),
        f"{', '.join(known)}: dev speakers, left out by the network asked",
    )


def report_of(tests: Mapping[str, Answers], before: Mapping[str, Answers], facts: Facts) -> TrainingReport:
    """The report on all test sets; ``before`` are the same answers before the networks were calibrated."""
    metrics, calibrations, confusion = {}, {}, {}
    for name, answers in tests.items():
        after = softmax(answers.logits)
        plain = softmax(before[name].logits)
        found = after.argmax(axis=1)
        metrics[name] = evaluate(answers.truth, found, EMOTIONS, after).summary()
        calibrations[name] = calibration(answers.truth, plain, after)
        counts = confusion_matrix(answers.truth, found, len(EMOTIONS))
        confusion[name] = Confusion(EMOTIONS, tuple(tuple(map(int, row)) for row in counts))
    return TrainingReport(
        data=DATA,
        split=SPLIT,
        command=COMMAND,
        metrics=metrics,
        reference={name: REFERENCE[name] for name in tests if name in REFERENCE},
        calibration=calibrations,
        confusion=confusion,
        size_bytes=facts.size_bytes,
        notes=notes_of(facts),
    )


def notes_of(facts: Facts) -> str:
    """What was found, and the facts that have no field of their own."""
    counted = ", ".join(f"{corpus} {a:.2f} and {b:.2f}" for corpus, (a, b) in facts.sharpness.items())
    return (
        f"{FINDINGS}\n"
        f"- {facts.parameters} parameters; what logits are multiplied by, speaker unknown and known: "
        f"{counted}; {facts.real_time_factor:g} s of processor time a second of film (3 s windows every "
        f"second); the training took {facts.clock_seconds} s by the clock, and more when no earlier run left "
        "its features."
    )
