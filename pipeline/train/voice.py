"""Train the compact voice model: ``python -m pipeline.train.voice --data DIR --out DIR``.

Leaves ``voice_compact.onnx``, its card and a report with every figure and confusion matrix under
``--out``. CASIA's figures are for the recipe: four networks, each trained without one of its four
speakers and asked about that one. The shipped network is trained on all four; the test speakers of RAVDESS
and EMO-DB took part in nothing. Features are kept in ``--out`` for the next run with the same settings.
"""

import argparse
import hashlib
import json
import time
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.labels import EMOTIONS
from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.models.cards import TrainingReport, file_sha256
from pipeline.records import write_record
from pipeline.train.metrics import fit_temperature
from pipeline.train.voice_data import Clips, features, read_manifest
from pipeline.train.voice_fit import Recipe, Table, fit
from pipeline.train.voice_net import VoiceNet
from pipeline.train.voice_report import Answers, Facts, report_of
from pipeline.types import ModelCard
from pipeline.voice import features as heard_features
from pipeline.voice.compact import MODEL_ID, load_weights, voice_of

CONFIG = Path(__file__).with_suffix(".toml")
HELD_OUT = "loso"  # split of a corpus whose speakers are left out one by one
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
    made_by = [Path(heard_features.__file__), Path(__file__).with_name("voice_data.py")]
    parts = [recipe.seed, recipe.copies, len(clips.paths), *(file_sha256(path) for path in made_by)]
    kept = folder / f"features-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}.npy"
    if not kept.is_file():
        np.save(kept, features(clips, recipe.copies, recipe.seed))
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


def joined(*answers: Answers) -> Answers:
    """All answers in one."""
    return Answers(
        np.concatenate([one.truth for one in answers]), np.concatenate([one.logits for one in answers])
    )


def answers_of(net: VoiceNet, folds: Mapping[str, VoiceNet], table: Table) -> dict[str, Answers]:
    """Answers for every test set in both conditions, each left-out speaker also alone."""
    clips = table.clips
    tests: dict[str, Answers] = {}
    for condition, by_speaker in CONDITIONS.items():
        by_fold = {s: ask(fold, table, clips.speaker == s, by_speaker) for s, fold in folds.items()}
        if by_fold:
            tests[f"{HELD_OUT}.{condition}"] = joined(*by_fold.values())
        tests |= {f"{HELD_OUT}.{condition}.{speaker}": answers for speaker, answers in by_fold.items()}
        for corpus in np.unique(clips.corpus):
            test = (clips.corpus == corpus) & (clips.split == "test")
            if test.any():
                tests[f"{corpus}.{condition}"] = ask(net, table, test, by_speaker)
    return tests


def calibrate(net: VoiceNet, folds: Mapping[str, VoiceNet], table: Table) -> tuple[float, float]:
    """Temperature for an unknown speaker, and how much sharper the logits may be for a known one.

    Fitted on dev speakers and on each left-out speaker's answers of the fold without it. The first is the
    card's temperature, the second goes into the network, which knows how far the speaker is known.
    """
    clips = table.clips
    fitted = []
    for by_speaker in CONDITIONS.values():
        dev = [ask(fold, table, clips.speaker == speaker, by_speaker) for speaker, fold in folds.items()]
        dev.append(ask(net, table, clips.split == "dev", by_speaker))
        answers = joined(*dev)
        fitted.append(fit_temperature(answers.truth, answers.logits))
    plain, known = fitted
    return plain, round(plain / known, 4)


def export(net: VoiceNet, path: Path) -> None:
    """Write the network as ONNX; any number of windows at a time."""
    width = net.gate.in_features
    example = (torch.zeros(2, width), torch.zeros(width), torch.ones(width), torch.zeros(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            example,
            str(path),
            input_names=["features", "mean", "spread", "trust"],
            output_names=["logits"],
            dynamic_shapes={
                "features": {0: torch.export.Dim("windows")},
                "mean": None,
                "spread": None,
                "trust": None,
            },
            dynamo=True,
            external_data=False,
            verbose=False,
        )


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
    unseen = (clips.split == "dev") | (clips.split == "test")
    left_out = np.unique(clips.speaker[clips.split == HELD_OUT])
    folds = {
        str(speaker): fit(table, np.flatnonzero(~unseen & (clips.speaker != speaker)), recipe)
        for speaker in left_out
    }
    net = fit(table, np.flatnonzero(~unseen), recipe)
    before = answers_of(net, folds, table)
    temperature, sharpness = calibrate(net, folds, table)
    for calibrated in (net, *folds.values()):
        calibrated.known_sharpness.fill_(sharpness)
    tests = answers_of(net, folds, table)
    export(net, out / f"{MODEL_ID}.onnx")
    write_record(out / f"{MODEL_ID}.card.json", card_of(out / f"{MODEL_ID}.onnx", recipe, temperature))
    facts = Facts(
        known_sharpness=sharpness,
        parameters=sum(p.numel() for p in net.parameters()),
        size_bytes=(out / f"{MODEL_ID}.onnx").stat().st_size,
        real_time_factor=round(seconds_per_second(out), 5),
        clock_seconds=round(time.monotonic() - started),
    )
    report = report_of(tests, before, temperature, facts)
    write_record(out / f"{MODEL_ID}.report.json", report)
    return report


def revision_of(recipe: Recipe) -> str:
    """Names the recipe a card's weights were trained by."""
    return hashlib.sha256(json.dumps(asdict(recipe), sort_keys=True).encode()).hexdigest()[:12]


def card_of(weights: Path, recipe: Recipe, temperature: float) -> ModelCard:
    """The card that goes with the weights."""
    return ModelCard(
        id=MODEL_ID,
        modality="voice",
        revision=revision_of(recipe),
        sha256=file_sha256(weights),
        licence=LICENCE,
        labels=EMOTIONS,
        canonical={emotion: emotion for emotion in EMOTIONS},
        temperature=temperature,
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
