"""Train the compact voice model: ``python -m pipeline.train.voice --data DIR --out DIR``.

Leaves ``voice_compact.onnx``, its card, the answers on dev clips and a report with every figure and confusion
matrix under ``--out``. There are as many folds as CASIA has speakers: the network of a fold is trained
without one of them and without as large a share of the speakers of every other corpus, and is asked about
those. That gives CASIA's figures, and what confidence is calibrated on. The shipped network is trained on
all of them; the test speakers of RAVDESS and EMO-DB took part in nothing. Features are kept in ``--out`` for
the next run with the same settings.
"""

import argparse
import hashlib
import json
import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.labels import EMOTIONS
from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.models.cards import TrainingReport, file_sha256
from pipeline.records import write_record
from pipeline.train import voice_data
from pipeline.train.metrics import expected_calibration_error, softmax
from pipeline.train.voice_data import Clips, features, read_manifest
from pipeline.train.voice_export import export
from pipeline.train.voice_fit import Recipe, Table, fit
from pipeline.train.voice_net import VoiceNet
from pipeline.train.voice_report import (
    DEV,
    Answers,
    Facts,
    joined,
    keep_answers,
    reliability_in_films,
    report_of,
)
from pipeline.types import ModelCard
from pipeline.voice import details as heard_details
from pipeline.voice import features as heard_features
from pipeline.voice.compact import MODEL_ID, load_weights, voice_of

CONFIG = Path(__file__).with_suffix(".toml")
DEV_ANSWERS = "dev_answers.npz"  # for whoever chooses on them: ``voice_report.kept_answers``
HELD_OUT = "loso"  # split of a corpus whose speakers are left out one by one
TEMPERATURES = np.geomspace(0.2, 3, 200)
CONDITIONS = {"plain": False, "speaker_normalised": True}

LICENCE = (
    "Weights for research and other non-commercial use: trained on CASIA (research), "
    "RAVDESS (CC BY-NC-SA 4.0) and EMO-DB (free)."
)
NOTES = (
    "Trained on acted single sentences (studio sound; Mandarin, English, German): read its answers on "
    "spontaneous speech as tone of voice, not as feeling. It normalises by the video's own speech: with less "
    "than 10 s of that, or with one mood or several speakers throughout, expect less than its figures. "
    "No Mandarin disgust was in its training data."
)


def read_recipe(path: Path) -> Recipe:
    """A recipe in the form of the committed one."""
    return Recipe(**tomllib.loads(path.read_text(encoding="utf-8")))


def table_of(clips: Clips, recipe: Recipe, folder: Path) -> Table:
    """Features of all clips, from ``folder`` when it has them for the same code, clips and settings."""
    made_by = [Path(str(one.__file__)) for one in (heard_features, heard_details, voice_data)]
    parts = [recipe.seed, recipe.most_copies, len(clips.paths), *(file_sha256(path) for path in made_by)]
    kept = folder / f"features-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}.npy"
    if not kept.is_file():
        np.save(kept, features(clips, recipe.most_copies, recipe.seed))
    return Table(np.load(kept), clips)


def ask(net: VoiceNet, table: Table, chosen: NDArray[np.bool_], by_speaker: bool) -> Answers:
    """Answers on untouched recordings; ``by_speaker``: normalised by all clips of the one asked about."""
    truth, logits = [], []
    for speaker in np.unique(table.clips.speaker[chosen]):
        own = np.flatnonzero(chosen & (table.clips.speaker == speaker))
        rows = table.rows[0, own]
        voice = voice_of(rows, np.inf) if by_speaker else voice_of(rows[:0], 0.0)
        with torch.no_grad():
            answer = net(*map(torch.from_numpy, (rows, voice.mean, voice.spread, voice.trust)))
        truth.append(table.clips.emotion[own])
        logits.append(answer.double().numpy())
    return Answers(np.concatenate(truth), np.concatenate(logits))


@dataclass(frozen=True, slots=True)
class Fold:
    """A network and the clips of the speakers that it was trained without, (clips,)."""

    net: VoiceNet
    left_out: NDArray[np.bool_]


def left_out_of(clips: Clips) -> list[NDArray[np.bool_]]:
    """Clips that each fold leaves out: one speaker of ``HELD_OUT``, and a share of each corpus' others."""
    taught = clips.split != "test"
    count = len(np.unique(clips.speaker[clips.split == HELD_OUT]))
    places = np.full(len(clips.speaker), -1)
    for corpus in np.unique(clips.corpus[taught]):
        for place, speaker in enumerate(np.unique(clips.speaker[taught & (clips.corpus == corpus)])):
            places[taught & (clips.speaker == speaker)] = place % count
    return [places == fold for fold in range(count)]


def answers_of(net: VoiceNet, folds: Sequence[Fold], table: Table) -> dict[str, Answers]:
    """Answers for every test set in both conditions, each speaker of ``HELD_OUT`` also alone."""
    clips = table.clips
    tests: dict[str, Answers] = {}
    for condition, by_speaker in CONDITIONS.items():
        alone = [(fold.net, fold.left_out & (clips.split == HELD_OUT)) for fold in folds]
        asked = {clips.speaker[own][0]: ask(fold, table, own, by_speaker) for fold, own in alone}
        if asked:
            tests[f"{HELD_OUT}.{condition}"] = joined(*asked.values())
        tests |= {f"{HELD_OUT}.{condition}.{speaker}": answers for speaker, answers in asked.items()}
        for corpus in np.unique(clips.corpus):
            test = (clips.corpus == corpus) & (clips.split == "test")
            if test.any():
                tests[f"{corpus}.{condition}"] = ask(net, table, test, by_speaker)
    return tests


def dev_answers(folds: Sequence[Fold], table: Table) -> dict[str, Answers]:
    """Answers of each fold on the speakers it was trained without, for every corpus in both conditions."""
    tests = {}
    for condition, by_speaker in CONDITIONS.items():
        for corpus in np.unique(table.clips.corpus):
            here = table.clips.corpus == corpus
            asked = [(fold.net, fold.left_out & here) for fold in folds]
            answers = [ask(net, table, own, by_speaker) for net, own in asked if own.any()]
            tests[f"{corpus}.{condition}{DEV}"] = joined(*answers)
    return tests


def temperature_of(answers: Answers) -> float:
    """The one with the least calibration error.

    The most likely one, the usual choice, left .056 of error on unknown Mandarin speakers where this leaves
    .040: the networks differ in confidence from speaker to speaker.
    """
    errors = [expected_calibration_error(answers.truth, softmax(answers.logits, one)) for one in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(errors))])


def sharpness_of(folds: Sequence[Fold], table: Table) -> torch.Tensor:
    """One over the temperature of each corpus, speaker unknown and known, (corpora, 2)."""
    dev = dev_answers(folds, table)
    corpora = np.unique(table.clips.corpus)
    fitted = [[dev[f"{corpus}.{condition}{DEV}"] for condition in CONDITIONS] for corpus in corpora]
    return torch.tensor([[1 / temperature_of(one) for one in row] for row in fitted])


def calibrate(net: VoiceNet, folds: Sequence[Fold], table: Table) -> None:
    """Give every network the confidence its kind deserves.

    The shipped one gets what all folds say of speakers they were not trained on, a fold what the other folds
    say: nothing of the speakers it is asked about.
    """
    own = [sharpness_of([other for other in folds if other is not fold], table) for fold in folds]
    net.sharpness.copy_(sharpness_of(folds, table))
    for fold, sharpness in zip(folds, own, strict=True):
        fold.net.sharpness.copy_(sharpness)


def seconds_per_second(out: Path) -> float:
    """Processor seconds for a second of film: 3 s windows every second, the speaker heard first."""
    backend = load_weights(out)
    speech = np.random.default_rng(0).normal(0, 0.05, 30 * SAMPLE_RATE_HZ).astype(np.float32)
    windows = [speech[start * SAMPLE_RATE_HZ : (start + 3) * SAMPLE_RATE_HZ] for start in range(28)]
    backend(windows[:1], None)
    start = time.process_time()
    backend(windows, speech)
    return (time.process_time() - start) / 30


def train(data: Path, out: Path, recipe: Recipe) -> TrainingReport:
    """Train, evaluate, calibrate, export; returns the report."""
    started = time.monotonic()
    torch.set_num_threads(recipe.threads)
    clips = read_manifest(data / "voice")
    table = table_of(clips, recipe, out)
    taught = clips.split != "test"
    folds = [
        Fold(fit(table, np.flatnonzero(taught & ~left_out), recipe), left_out)
        for left_out in left_out_of(clips)
    ]
    net = fit(table, np.flatnonzero(taught), recipe)
    before = answers_of(net, folds, table) | dev_answers(folds, table)
    calibrate(net, folds, table)
    tests = answers_of(net, folds, table)
    for fold in folds:  # dev answers are as confident as the shipped network's: fitted on them
        fold.net.sharpness.copy_(net.sharpness)
    dev = dev_answers(folds, table)
    tests |= dev
    keep_answers(out / DEV_ANSWERS, dev)
    export(net, out / f"{MODEL_ID}.onnx")
    card = replace(card_of(out / f"{MODEL_ID}.onnx", recipe), reliability=reliability_in_films(dev))
    write_record(out / f"{MODEL_ID}.card.json", card)
    facts = Facts(
        sharpness=dict(zip(map(str, np.unique(clips.corpus)), net.sharpness.tolist(), strict=True)),
        parameters=sum(p.numel() for p in net.parameters()),
        size_bytes=(out / f"{MODEL_ID}.onnx").stat().st_size,
        real_time_factor=round(seconds_per_second(out), 5),
        clock_seconds=round(time.monotonic() - started),
    )
    report = report_of(tests, before, facts)
    write_record(out / f"{MODEL_ID}.report.json", report)
    return report


def revision_of(recipe: Recipe) -> str:
    """Names the recipe a card's weights were trained by."""
    return hashlib.sha256(json.dumps(asdict(recipe), sort_keys=True).encode()).hexdigest()[:12]


def card_of(weights: Path, recipe: Recipe) -> ModelCard:
    """The card that goes with the weights."""
    return ModelCard(
        id=MODEL_ID,
        modality="voice",
        revision=revision_of(recipe),
        sha256=file_sha256(weights),
        licence=LICENCE,
        labels=EMOTIONS,
        canonical={emotion: emotion for emotion in EMOTIONS},
        temperature=1.0,  # the network itself knows how far to believe its logits,
        languages=("zh", "en", "de"),
        source="python -m pipeline.train.voice",
        notes=NOTES,
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.train.voice", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with voice/manifest.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights, card and report")
    parser.add_argument("--config", type=Path, default=CONFIG, help="recipe (default: the committed one)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    report = train(options.data, options.out, read_recipe(options.config))
    for name, one in report.metrics.items():
        ece = f"{report.calibration[name].ece_before:.3f} -> {one['ece']:.3f}"
        print(f"{name:44} UAR {one['uar']:.3f}  ECE {ece}  n {one['n']:.0f}")
    print(report.notes)


if __name__ == "__main__":
    main()
