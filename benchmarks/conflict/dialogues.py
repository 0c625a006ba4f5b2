"""EmotionTalk as a fusion sees it: three human labels, what is around them, what our models say."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.conflict.answers import KEPT, asked_of, backend_of
from pipeline.fusion.learned import score_features
from pipeline.labels import EMOTIONS
from pipeline.train.fusion.data import Columns, FusionSet, read_fusion

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Strings = npt.NDArray[np.str_]

FILE = Path("conflict") / "zh_emotiontalk_labels.csv"
TRUTH = "overall_label"
CHANNELS = ("text", "voice", "face")
WORDS = "words"  # our own reading of the transcript
REACH = 3  # utterances before and after


def labelled(data: Path) -> FusionSet:
    """The three human labels of every utterance; truth is the overall label, sides are the official ones."""
    return read_fusion(data / FILE, Columns(label=TRUTH, name="utterance"))


def around(plain: FusionSet) -> FusionSet:
    """Beside the labels: those of the utterances around, and how often each occurs in the dialogue.

    A name is ``group/dialogue/speaker's side/utterance``; its number counts through the dialogue.
    """
    parts = [name.split("/") for name in plain.names]
    dialogue = np.array([one[1] for one in parts])
    side = np.array([one[2] for one in parts])
    number = np.array([int(one[3].rsplit("_", 1)[1]) for one in parts])
    everywhere = np.ones(len(parts), bool)
    features, present = dict(plain.features), dict(plain.present)
    for channel in CHANNELS:
        label = plain.features[channel][:, : len(EMOTIONS)].argmax(axis=1)
        name = f"{channel} around"
        shares = [_shares(label, key) for key in (side, dialogue)]
        features[name] = np.concatenate([_neighbours(label, dialogue, number), *shares], axis=1)
        present[name] = everywhere
    return replace(plain, features=features, present=present)


def _neighbours(label: Integers, dialogue: Strings, number: Integers) -> Floats:
    """One-hot labels of the ``REACH`` utterances before and after in the dialogue, (n, 2 · REACH · 7)."""
    order = np.lexsort((number, dialogue))
    places = np.arange(len(order))
    offsets = [one for one in range(-REACH, REACH + 1) if one]
    found = np.zeros((len(order), len(offsets), len(EMOTIONS)))
    for column, offset in enumerate(offsets):
        other = np.clip(places + offset, 0, len(order) - 1)
        same = (places + offset == other) & (dialogue[order] == dialogue[order[other]])
        found[order[same], column, label[order[other[same]]]] = 1
    return found.reshape(len(order), -1)


def _shares(label: Integers, key: Strings) -> Floats:
    """How often each label occurs in the other utterances of the same key, (n, 7)."""
    one_hot = np.eye(len(EMOTIONS))[label]
    _, place = np.unique(key, return_inverse=True)
    total = np.zeros((place.max() + 1, len(EMOTIONS)))
    np.add.at(total, place, one_hot)
    others = total[place] - one_hot
    return np.asarray(others / np.maximum(others.sum(axis=1, keepdims=True), 1))


def with_words(plain: FusionSet, data: Path, kept: Path = KEPT) -> FusionSet:
    """The same with what the shipped text model says about each transcript as a fourth input.

    Its labels of training, EmotionTalk's among them, are text labels: never the overall label.
    """
    probabilities = _read(data, plain.names, kept)
    quality = np.ones(len(probabilities))
    heard = probabilities.sum(axis=1) > 0
    return replace(
        plain,
        features={**plain.features, WORDS: score_features(probabilities, quality)},
        present={**plain.present, WORDS: heard},
    )


def _read(data: Path, names: Sequence[str], kept: Path) -> Floats:
    """Answers of the shipped text model (n, 7), zeros where it has none; asked once and kept."""
    from pipeline.text.backends import reading_of
    from pipeline.train.text_data import SOURCES

    backend = backend_of("text")
    path = kept / f"emotiontalk-all-speech-{asked_of(backend.card, data / FILE)}.npz"
    if path.is_file():
        with np.load(path) as archive:
            return np.asarray(archive["probabilities"])
    with (data / FILE).open(encoding="utf-8-sig", newline="") as table:
        lines = {row["utterance"]: row["transcript"] for row in csv.DictReader(table)}
    texts = [SOURCES["emotiontalk"].clean(lines[name]) for name in names]
    answers, read = [], reading_of(backend, spoken=True)
    for start in range(0, len(texts), 256):
        part = texts[start : start + 256]
        answers += read(part, ["zh"] * len(part))
    empty = (0.0,) * len(EMOTIONS)
    probabilities = np.array([empty if one is None else one.probabilities for one in answers])
    path.parent.mkdir(parents=True, exist_ok=True)
    part_path = path.with_suffix(".part")
    with part_path.open("wb") as whole:
        np.savez(whole, probabilities=probabilities)
    part_path.replace(path)
    return probabilities
