"""Conversations with known turns, made from single clips of known speakers.

Every one comes from a seed: the same seed makes the same samples. All speakers of a conversation are of one
corpus, so nothing but the voice tells them apart: language and recording are the same, and the clips of a
speaker are of any emotion.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.media.waveform import read_waveform
from pipeline.train.speakers import TEST_SPEAKERS
from pipeline.types import US_PER_S, Span, Turn
from pipeline.voice.activity import load_detector, speech_probabilities, speech_spans

MAX_SPEAKERS = 4
TURNS = (12, 24)  # of a conversation
MIN_TURNS = 3  # of a speaker
CLIPS_A_TURN = (1, 3)
PAUSE_S = (0.2, 1.0)
NO_PAUSE = 0.25  # fraction of the changes of speaker without a pause
LEVEL_DB = (-32.0, -20.0)  # of a speaker, relative to full scale
SIGNAL_TO_NOISE_DB = (25.0, 35.0)
SPEECH_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip of one speaker on disk."""

    path: Path
    corpus: str
    speaker: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """16 kHz mono float32 samples and who speaks when; turns are in order and do not overlap."""

    name: str
    samples: NDArray[np.float32]
    turns: tuple[Turn, ...]

    @property
    def speakers(self) -> int:
        return len({turn.speaker for turn in self.turns})


def clips_of(data: Path, is_test: bool) -> list[Clip]:
    """Clips of the test speakers, or of all others, from ``voice/manifest.csv`` below ``data``."""
    folder = data / "voice"
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Clip(folder / row["file"], row["set"], row["speaker"])
        for row in rows
        if (row["speaker"] in TEST_SPEAKERS.get(row["set"], ())) == is_test
    ]


def make(
    clips: Sequence[Clip], speakers: int, seed: int, voices: Callable[[Clip], NDArray[np.float32]]
) -> Conversation:
    """One conversation of ``speakers`` voices of a corpus that has as many; the seed chooses everything.

    Raises:
        ValueError: no corpus has as many speakers.
    """
    random = np.random.default_rng(seed)
    by_corpus: dict[str, dict[str, list[Clip]]] = {}
    for clip in clips:
        by_corpus.setdefault(clip.corpus, {}).setdefault(clip.speaker, []).append(clip)
    corpora = sorted(name for name, voices_of in by_corpus.items() if len(voices_of) >= speakers)
    if not corpora:
        raise ValueError(f"no corpus has {speakers} speakers")
    corpus = corpora[int(random.integers(len(corpora)))]
    names = sorted(by_corpus[corpus])
    chosen = [names[i] for i in random.permutation(len(names))[:speakers]]
    decks = {name: list(random.permutation(len(by_corpus[corpus][name]))) for name in chosen}
    levels = {name: 10 ** (random.uniform(*LEVEL_DB) / 20) for name in chosen}
    parts: list[NDArray[np.float32]] = [_silence(random.uniform(0.3, 1.5))]
    turns: list[Turn] = []
    at = parts[0].size
    order = _order(speakers, int(random.integers(TURNS[0], TURNS[1] + 1)), random)
    for i in order:
        name = chosen[i]
        if turns and (turns[-1].speaker == name or random.random() >= NO_PAUSE):
            parts.append(_silence(random.uniform(*PAUSE_S)))
            at += parts[-1].size
        for k in range(int(random.integers(CLIPS_A_TURN[0], CLIPS_A_TURN[1] + 1))):
            if k:
                parts.append(_silence(random.uniform(*PAUSE_S)))
                at += parts[-1].size
            deck = decks[name]
            deck.append(deck.pop(0))
            voice = voices(by_corpus[corpus][name][deck[-1]])
            gain = levels[name] / max(float(np.sqrt(np.mean(np.square(voice)))), 1e-6)
            parts.append((voice * gain).astype(np.float32))
            turns.append(Turn(Span(_us(at), _us(at + voice.size)), name))
            at += voice.size
    parts.append(_silence(random.uniform(0.3, 1.5)))
    samples = np.concatenate(parts)
    quietest = min(levels[name] for name in chosen)
    noise = quietest / 10 ** (random.uniform(*SIGNAL_TO_NOISE_DB) / 20)
    samples = samples + noise * random.standard_normal(samples.size).astype(np.float32)
    return Conversation(
        f"{corpus} {speakers} #{seed}", np.clip(samples, -1, 1).astype(np.float32), tuple(turns)
    )


class Voices:
    """Clips cut to where speech begins and ends, each read once."""

    def __init__(self) -> None:
        self._detector = load_detector()
        self._cut: dict[Path, NDArray[np.float32]] = {}

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        if clip.path not in self._cut:
            samples = read_waveform(clip.path)
            end_us = _us(samples.size)
            spans = speech_spans(speech_probabilities(samples, self._detector), SPEECH_THRESHOLD, end_us)
            if spans:
                first, last = (
                    at * SAMPLE_RATE_HZ // US_PER_S for at in (spans[0].start_us, spans[-1].end_us)
                )
                samples = samples[first:last]
            self._cut[clip.path] = samples
        return self._cut[clip.path]


def _order(speakers: int, turns: int, random: np.random.Generator) -> list[int]:
    """Whose turn it is, nobody's twice in a row, each at least ``MIN_TURNS`` times."""
    if speakers == 1:
        return [0] * turns
    turns = max(turns, speakers * MIN_TURNS)
    while True:
        order = [int(random.integers(speakers))]
        while len(order) < turns:
            other = int(random.integers(speakers - 1))
            order.append(other if other < order[-1] else other + 1)
        if min(order.count(i) for i in range(speakers)) >= MIN_TURNS:
            return order


def _silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)


def _us(samples: int) -> int:
    return samples * US_PER_S // SAMPLE_RATE_HZ
