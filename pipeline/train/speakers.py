"""Fit which directions of a voice's numbers are mood: ``python -m pipeline.train.speakers``.

The published encoder CAM++ moves with a speaker's mood. On emotional speech of known speakers the directions
in which one speaker varies most are fitted and taken off (nuisance attribute projection: Solomonoff,
Campbell, Boardman 2005, ICASSP). Leaves the encoder's graph with that projection in it, without the
encoder's weights, its card and its report under ``--out``. The speakers of ``TEST_SPEAKERS`` take part in
nothing.
"""

import argparse
import csv
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.media.waveform import read_waveform
from pipeline.models.cards import TrainingReport, file_sha256
from pipeline.records import write_record
from pipeline.train.speaker_graph import EMBEDDING, encoder_graph
from pipeline.types import US_PER_S, ModelCard, Span
from pipeline.voice.activity import load_detector, speech_probabilities, speech_spans
from pipeline.voice.speaker_encoder import MODEL_ID, Encoder, encode, encoder_of
from pipeline.voice.windows import windows

Array = NDArray[np.float64]

# Speakers that figures are reported on.
TEST_SPEAKERS = {
    "ravdess": ("Actor_17", "Actor_18", "Actor_19", "Actor_20", "Actor_21", "Actor_22"),
    "emodb": ("15", "16"),
    "casia": ("liuchanhg", "wangzhe"),
}
SEED = 1
DIRECTIONS = 8
NOISE_DB = (15.0, 40.0)  # under the clip, so that the studio's silence is not fitted
WINDOW_US, HOP_US = 1_600_000, 800_000
SPEECH_THRESHOLD = 0.5

LICENCE = (
    "Projection for research and other non-commercial use: fitted on CASIA (research), RAVDESS "
    "(CC BY-NC-SA 4.0) and EMO-DB (free). The encoder's own weights are not in it (CAM++, Apache-2.0)."
)
NOTES = (
    "Says which voice is which within one video, not who it is. Fitted on acted sentences (studio sound; "
    "Mandarin, English, German). Two voices of one sex that speak for a few seconds only may be taken for "
    "one; one voice in very different moods may be taken for two. Two who speak at once count as one."
)


@dataclass(frozen=True, slots=True)
class Heard:
    """Embeddings of windows, ``(n, 192)``, and whose they are: ``corpus/speaker``."""

    embeddings: Array
    speakers: NDArray[np.str_]


def listen(data: Path, encoder: Encoder, *, is_test: bool, seed: int = SEED) -> Heard:
    """The embeddings of all clips of ``voice/manifest.csv`` of test speakers, or of all others."""
    random = np.random.default_rng(seed)
    detector = load_detector()
    with (data / "voice" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            row for row in csv.DictReader(file) if (row["speaker"] in TEST_SPEAKERS[row["set"]]) == is_test
        ]
    parts: list[Array] = []
    speakers: list[str] = []
    for row in rows:
        samples = read_waveform(data / "voice" / row["file"])
        vectors = _vectors(samples, encoder, detector, random)
        parts.append(vectors)
        speakers += [f"{row['set']}/{row['speaker']}"] * len(vectors)
    return Heard(np.concatenate(parts), np.array(speakers))


def _vectors(
    samples: NDArray[np.float32], encoder: Encoder, detector: Any, random: np.random.Generator
) -> Array:
    end_us = samples.size * US_PER_S // SAMPLE_RATE_HZ
    spans = speech_spans(speech_probabilities(samples, detector), SPEECH_THRESHOLD, end_us)
    whole = [Span(spans[0].start_us, spans[-1].end_us)] if spans else [Span(0, end_us)]
    level = float(np.sqrt(np.mean(np.square(samples)))) / 10 ** (random.uniform(*NOISE_DB) / 20)
    noisy = samples + level * random.standard_normal(samples.size).astype(np.float32)
    cut = [window.span for window in windows(whole, WINDOW_US, HOP_US, 0)]
    return np.array(list(encode(encoder, noisy, cut)), dtype=np.float64)


def moods(heard: Heard, count: int = DIRECTIONS) -> Array:
    """The ``count`` directions in which the speakers vary most around their own means, ``(192, count)``."""
    parts = [heard.embeddings[heard.speakers == name] for name in np.unique(heard.speakers)]
    within = np.mean([np.cov(part.T, bias=True) for part in parts], axis=0)
    directions: Array = np.linalg.eigh(within)[1][:, ::-1][:, :count]
    return directions


def separation(heard: Heard, vectors: Array) -> float:
    """Equal error rate of telling a speaker's windows from others of the corpus by the cosine of vectors."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    corpora = np.array([name.split("/")[0] for name in heard.speakers])
    same: list[Array] = []
    other: list[Array] = []
    for corpus in np.unique(corpora):
        rows = unit[corpora == corpus]
        names = heard.speakers[corpora == corpus]
        cosines = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
        is_same = (names[:, None] == names)[np.triu_indices(len(rows), 1)]
        same.append(cosines[is_same])
        other.append(cosines[~is_same])
    targets, impostors = (np.sort(np.concatenate(cosines)) for cosines in (same, other))
    thresholds = np.quantile(np.concatenate([targets, impostors]), np.linspace(0, 1, 2001))
    missed = np.searchsorted(targets, thresholds) / len(targets)
    accepted = 1 - np.searchsorted(impostors, thresholds) / len(impostors)
    nearest = int(np.abs(missed - accepted).argmin())
    return float((missed[nearest] + accepted[nearest]) / 2)


def plain_encoder() -> Encoder:
    """The encoder without a projection. Raises ModelError."""
    return encoder_of(encoder_graph(np.eye(EMBEDDING, dtype=np.float32)))


def train(data: Path, out: Path) -> TrainingReport:
    """Listen, fit, measure, export; returns the report."""
    started = time.process_time()
    encoder = plain_encoder()
    heard = listen(data, encoder, is_test=False)
    directions = moods(heard)
    projection = np.eye(EMBEDDING) - directions @ directions.T
    weights = out / f"{MODEL_ID}.onnx"
    weights.write_bytes(encoder_graph(projection.astype(np.float32)))
    test = listen(data, encoder, is_test=True)
    metrics = {
        "clips_test": {
            "equal_error_rate": round(separation(test, test.embeddings @ projection), 4),
            "n": float(len(test.embeddings)),
        }
    }
    plain = {"clips_test": {"equal_error_rate": round(separation(test, test.embeddings), 4)}}
    report = TrainingReport(
        data="CASIA, RAVDESS, EMO-DB: windows of 1.6 s",
        split="speaker-disjoint: "
        + "; ".join(f"{k} {', '.join(v)}" for k, v in TEST_SPEAKERS.items())
        + " test",
        command="python -m pipeline.train.speakers --data DIR --out DIR",
        metrics=metrics,
        reference=plain,
        size_bytes=weights.stat().st_size,
        train_seconds=round(time.process_time() - started, 1),
        notes=f"Windows of the test speakers, each against every other of its corpus: equal error rate "
        f"{metrics['clips_test']['equal_error_rate']:.3f}, with the encoder as published "
        f"{plain['clips_test']['equal_error_rate']:.3f}. Of whole conversations: "
        "`python -m benchmarks.words.speakers`.",
    )
    write_record(out / f"{MODEL_ID}.card.json", card_of(weights))
    write_record(out / f"{MODEL_ID}.report.json", report)
    return report


def card_of(weights: Path) -> ModelCard:
    """The card that goes with the graph."""
    recipe = [SEED, DIRECTIONS, NOISE_DB, WINDOW_US, HOP_US, SPEECH_THRESHOLD]
    return ModelCard(
        id=MODEL_ID,
        modality="speakers",
        revision=hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12],
        sha256=file_sha256(weights),
        licence=LICENCE,
        labels=(),
        canonical={},
        languages=("zh", "en", "de"),
        source="python -m pipeline.train.speakers",
        notes=NOTES,
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.train.speakers", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with voice/manifest.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for the graph, card and report")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    report = train(options.data, options.out)
    for kind, figures in (("projected", report.metrics), ("as published", report.reference)):
        print(f"{kind:14} equal error rate {figures['clips_test']['equal_error_rate']:.3f}")


if __name__ == "__main__":
    main()
