"""Fit how a voice's numbers are weighed: ``python -m pipeline.train.speakers --data DIR --out DIR``.

The published encoder CAM++ moves with a speaker's mood. On emotional speech of known speakers, each corpus by
itself, a linear transform is fitted that takes off what changes within a speaker and keeps what differs between
speakers (linear discriminant analysis, with the within-speaker covariance drawn towards a round one). Leaves the
encoder's graph with the transform in it, without the encoder's weights, and its card and report under ``--out``.
The speakers of ``TEST_SPEAKERS`` take part in nothing.
"""

import argparse
import csv
from collections.abc import Sequence
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
DIMENSIONS = 24
ROUNDNESS = 0.3  # how far the within-speaker covariance is drawn towards a multiple of the identity
NOISE_DB = (15.0, 40.0)  # under the clip, so that the transform does not learn the studio
WINDOW_US, HOP_US = 1_600_000, 800_000
SPEECH_THRESHOLD = 0.5

LICENCE = (
    "Transform for research and other non-commercial use: fitted on CASIA (research), RAVDESS "
    "(CC BY-NC-SA 4.0) and EMO-DB (free). The encoder's weights are not in it (CAM++, Apache-2.0)."
)
NOTES = (
    "Which voice is which, not who it is: voices get numbers by first appearance in one video. Fitted on acted "
    "sentences (studio sound; Mandarin, English, German). Two voices of one sex and age that are only heard for a "
    "few seconds may be taken for one, and one voice in two very different moods for two."
)


@dataclass(frozen=True, slots=True)
class Heard:
    """Embeddings of windows, ``(n, 192)``, and whose they are: ``corpus/speaker``."""

    embeddings: Array
    speakers: NDArray[np.str_]


def listen(data: Path, encoder: Encoder, seed: int = SEED) -> Heard:
    """The embeddings of all clips of ``voice/manifest.csv`` whose speakers are not test speakers."""
    random = np.random.default_rng(seed)
    detector = load_detector()
    with (data / "voice" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["speaker"] not in TEST_SPEAKERS[row["set"]]]
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


def fit(
    heard: Heard, dimensions: int = DIMENSIONS, roundness: float = ROUNDNESS
) -> tuple[Array, Array, Array]:
    """Mean ``(192,)``, projection ``(192, d)`` and variances between speakers ``(d,)``.

    After the projection the variance within a speaker is one in every direction. Speakers of a corpus are
    compared with that corpus' mean, so that neither language nor recording counts as a voice.
    """
    names = np.unique(heard.speakers)
    corpora = np.array([name.split("/")[0] for name in names])
    groups = [heard.embeddings[heard.speakers == name] for name in names]
    means = np.stack([group.mean(axis=0) for group in groups])
    within = np.mean([np.cov(group.T, bias=True) for group in groups], axis=0)
    size = len(within)
    within = within + roundness * np.trace(within) / size * np.eye(size)
    deviations = np.concatenate(
        [means[corpora == one] - means[corpora == one].mean(axis=0) for one in np.unique(corpora)]
    )
    between = deviations.T @ deviations / (len(names) - len(np.unique(corpora)))
    variances, axes = np.linalg.eigh(within)
    whitening = axes / np.sqrt(variances)
    strengths, directions = np.linalg.eigh(whitening.T @ between @ whitening)
    order = np.argsort(-strengths)[:dimensions]
    return means.mean(axis=0), whitening @ directions[:, order], strengths[order]


def plain_encoder() -> Encoder:
    """The encoder without a transform. Raises ModelError."""
    nothing = np.zeros(EMBEDDING, np.float32), np.eye(EMBEDDING, 1, dtype=np.float32)
    return encoder_of(encoder_graph(*nothing), "embeddings")
