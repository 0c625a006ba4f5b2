"""Moments made of real answers: what our models said about faces, clips and lines of the class that
annotators of EmotionTalk saw in that channel, next to what they saw in all channels together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.fusion.learned import Floats, score_features
from pipeline.labels import EMOTIONS
from pipeline.train.face_data import ferplus_scored
from pipeline.train.fusion.data import DEV, TEST, TRAIN, Columns, FusionSet, read_fusion
from pipeline.train.fusion.shown import clips, lines
from pipeline.train.inputs import How
from pipeline.train.score import ask, load_named
from pipeline.train.splits import group_split, random_split
from pipeline.train.text_data import SOURCES

Integers = npt.NDArray[np.int64]

LINES = "emotiontalk"
CLIPS = "ravdess"
TRUTH = "overall_label"
BACKEND = "compact"


@dataclass(frozen=True)
class Pool:
    """Answers (n, 7) of one model and what it was asked about (n,).

    ``confusion`` (7, 7) is P(said | shown) of the card, for answers to inputs that the model has seen; None:
    answers are drawn by what was shown.
    """

    truth: Integers
    probabilities: Floats
    groups: npt.NDArray[np.str_]
    confusion: Floats | None = None

    def parted(self, seed: int) -> tuple["Pool", "Pool"]:
        """Two thirds and one third of every class, nobody in both where it is known who is asked about."""
        shares = (0.0, 1 / 3)
        known = bool((self.groups != "").any())
        parts = (
            group_split(self.truth, self.groups, shares, seed)
            if known
            else random_split(self.truth, shares, seed)
        )
        first, second = (
            replace(
                self,
                truth=self.truth[rows],
                probabilities=self.probabilities[rows],
                groups=self.groups[rows],
            )
            for rows in (parts.train, parts.test)
        )
        return first, second


@dataclass(frozen=True)
class Making:
    """How moments are made of answers, see ``default.toml``."""

    faces_per_class: int
    most_answers: int
    absent: Mapping[str, float]
    wrong_when_bad: float
    least_quality: float
    draws: int


def pools(data: Path, side: str, making: Making) -> dict[str, Pool]:
    """What the shipped models answer on development or test data.

    The last training of the voice model has seen its development clips: there it errs as its card says.
    """
    found = {"text": _lines(data, side), "voice": _clips(data, side), "face": _faces(data, side, making)}
    return found if side == TEST else {**found, "voice": _as_measured("voice", found["voice"])}


def _as_measured(modality: str, pool: Pool) -> Pool:
    """The pool with the confusions on the card of the model."""
    reliability = load_named(modality, BACKEND, "cpu").card.reliability
    return pool if reliability is None else replace(pool, confusion=np.array(reliability.confusion))


def _faces(data: Path, side: str, making: Making) -> Pool:
    scored = ferplus_scored(data / "face" / "ferplus_48px.npz", side)
    rows = np.concatenate(
        [np.flatnonzero(scored.truth == one)[: making.faces_per_class] for one in range(len(EMOTIONS))]
    )
    crops = [np.repeat(scored.images[row].reshape(48, 48, 1), 3, axis=2) for row in rows.tolist()]
    backend = load_named("face", BACKEND, "cpu")
    answers = np.array([one.probabilities for one in backend(crops)])
    return Pool(scored.truth[rows], answers, np.full(len(rows), ""))


def _clips(data: Path, side: str) -> Pool:
    asked, how = clips(data, CLIPS, side), How(known_speaker=True)
    answers = ask(load_named("voice", BACKEND, "cpu"), asked, how)
    return Pool(answers.truth, answers.probabilities, answers.groups)


def _lines(data: Path, side: str) -> Pool:
    asked, how = lines(data, LINES, side), How(language=SOURCES[LINES].language, spoken=True)
    answers = ask(load_named("text", BACKEND, "cpu"), asked, how)
    return Pool(answers.truth, answers.probabilities, answers.groups)


def labels_seen(data: Path) -> FusionSet:
    """What annotators saw in each channel, and in all."""
    return read_fusion(data / SOURCES[LINES].path, Columns(label=TRUTH))


def made_moments(
    seen: FusionSet, drawn: Mapping[str, Pool], making: Making, draw: np.random.Generator
) -> FusionSet:
    """The same examples with each label replaced by answers to inputs of that label.

    Each channel has a quality; the worse it is the more often an answer is about something else. Some
    channels are absent; an example keeps at least one.
    """
    count = len(seen.truth)
    features, present = {}, {}
    for name, pool in drawn.items():
        label = seen.features[name][:, : len(EMOTIONS)].argmax(axis=1)
        quality = draw.uniform(making.least_quality, 1.0, count)
        strange = draw.random(count) < making.wrong_when_bad * (1 - quality)
        label = np.where(strange, draw.integers(len(EMOTIONS), size=count), label)
        answers = _drawn(pool, label, draw.integers(1, making.most_answers + 1, count), draw)
        features[name] = score_features(answers, quality)
        present[name] = draw.random(count) >= making.absent[name]
    nothing = ~np.any(list(present.values()), axis=0)
    return FusionSet(
        features=features,
        present={name: one | nothing for name, one in present.items()},
        truth=seen.truth,
        labels=seen.labels,
        groups=seen.groups,
        sides=seen.sides,
        names=seen.names,
    )


def _drawn(pool: Pool, label: Integers, counts: Integers, draw: np.random.Generator) -> Floats:
    """For each label the mean of so many answers to inputs of that label, (n, 7); each errs by itself."""
    kind = pool.truth if pool.confusion is None else pool.probabilities.argmax(axis=1)
    own = [np.flatnonzero(kind == one) for one in range(len(EMOTIONS))]
    own = [rows if len(rows) else np.flatnonzero(pool.truth == one) for one, rows in enumerate(own)]
    answers = np.zeros((len(label), len(EMOTIONS)))
    for turn in range(int(counts.max())):
        wanted = label if pool.confusion is None else _confused(pool.confusion, label, draw)
        rows = np.array([own[one][draw.integers(len(own[one]))] for one in wanted.tolist()])
        answers += np.where((counts > turn)[:, None], pool.probabilities[rows], 0.0)
    return np.asarray(answers / counts[:, None])


def _confused(confusion: Floats, label: Integers, draw: np.random.Generator) -> Integers:
    """What is said of each label, drawn by P(said | shown)."""
    edges = (confusion / confusion.sum(axis=1, keepdims=True)).cumsum(axis=1)
    said = (draw.random(len(label))[:, None] > edges[label]).sum(axis=1)
    return np.asarray(said.clip(0, len(EMOTIONS) - 1), np.int64)


def made_sides(data: Path, making: Making, seed: int) -> dict[str, FusionSet]:
    """Train and dev of development answers, test of test answers; no answer is on two sides.

    Examples of train and dev are drawn several times, those of test once.
    """
    seen = labels_seen(data)
    parted = {name: pool.parted(seed) for name, pool in pools(data, DEV, making).items()}
    sides = (
        (TRAIN, making.draws, {name: first for name, (first, _) in parted.items()}),
        (DEV, making.draws, {name: second for name, (_, second) in parted.items()}),
        (TEST, 1, pools(data, TEST, making)),
    )
    draw = np.random.default_rng(seed)
    rows = {side: np.flatnonzero(seen.sides == side) for side, _, _ in sides}
    return {
        side: made_moments(seen.rows(np.repeat(rows[side], times)), drawn, making, draw)
        for side, times, drawn in sides
    }
