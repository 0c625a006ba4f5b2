"""What the shipped back-ends say about labelled faces, clips and lines; asked once and kept.

Faces: FER+, majority emotion of the seven with at least half of all votes. Voice: clips of RAVDESS (calm
counts as neutral) and EMO-DB, each speaker's own clips known, as the speaker of a film is. Lines: MELD
(English; its labels were given to the whole scene, not to the words alone) and EmotionTalk (Chinese, labelled
by the words alone).
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.conflict.scores import Floats, Integers
from pipeline.engine.store import json_digest
from pipeline.labels import EMOTIONS
from pipeline.models.cards import file_sha256
from pipeline.train.examples import DataError, Example, LabelledSet
from pipeline.train.fusion.shown import clips, lines
from pipeline.train.inputs import How
from pipeline.train.score import ask, load_named
from pipeline.types import ModelCard, Reliability

BACKEND = "compact"
KEPT = Path("outputs") / "bench"
VOICES = ("ravdess", "emodb")
LINES = ("meld", "emotiontalk")


@dataclass(frozen=True, slots=True)
class Asked:
    """Answers (n, 7) and the emotion that people saw, as an index (n,)."""

    truth: Integers
    probabilities: Floats


@dataclass(frozen=True, slots=True)
class Source:
    """One data set: the file its cache is keyed by, how it is read, and how it is put to the back-end."""

    modality: str
    file: str
    read: Callable[[Path, Path, str], LabelledSet]  # data, folder for made files, split
    how: How


def _faces(data: Path, scratch: Path, split: str) -> LabelledSet:
    """The faces as files, without loss: a back-end is asked about files."""
    import cv2

    from pipeline.train.face_data import ferplus_scored

    scored = ferplus_scored(data / "face" / "ferplus_48px.npz", split)
    examples = []
    for place, (image, emotion) in enumerate(zip(scored.images, scored.truth, strict=True)):
        name = f"{place:05d}.png"
        cv2.imwrite(str(scratch / name), image)
        examples.append(Example(name, EMOTIONS[emotion]))
    return LabelledSet("face", scratch, tuple(examples), {})


def _clips(corpus: str) -> Callable[[Path, Path, str], LabelledSet]:
    return lambda data, scratch, split: clips(data, corpus, split)


def _lines(name: str) -> Callable[[Path, Path, str], LabelledSet]:
    return lambda data, scratch, split: lines(data, name, split)


SOURCES: Mapping[str, Source] = {
    "ferplus": Source("face", "face/ferplus_48px.npz", _faces, How()),
    "ravdess": Source("voice", "voice/manifest.csv", _clips("ravdess"), How(known_speaker=True)),
    "emodb": Source("voice", "voice/manifest.csv", _clips("emodb"), How(known_speaker=True)),
    "meld": Source("text", "text/en_meld.csv", _lines("meld"), How(language="en", spoken=True)),
    "emotiontalk": Source(
        "text",
        "conflict/zh_emotiontalk_labels.csv",
        _lines("emotiontalk"),
        How(language="zh", spoken=True),
    ),
}


@cache
def backend_of(modality: str) -> Any:
    """The shipped back-end of a modality. Raises ModelError."""
    return load_named(modality, BACKEND, "cpu")


def reliabilities(modalities: Sequence[str]) -> list[Reliability | None]:
    """What the shipped models' cards say about how far to believe them."""
    return [backend_of(modality).card.reliability for modality in modalities]


def asked(data: Path, name: str, split: str, kept: Path = KEPT) -> Asked:
    """Answers to one split of a data set, from the cache when model and data are those it was made with.

    Raises:
        DataError: the data is not there.
        ModelError: the back-end cannot be used.
    """
    source = SOURCES[name]
    backend: Any = backend_of(source.modality)
    file = data / source.file
    if not file.is_file():
        raise DataError(f"{file} is not there; give the folder of shared data with --data")
    way = "-speech" if source.how.spoken else ""
    path = kept / f"{name}-{split}{way}-{asked_of(backend.card, file)}.npz"
    if not path.is_file():
        with tempfile.TemporaryDirectory() as scratch:
            answers = ask(backend, source.read(data, Path(scratch), split), source.how)
        _keep(path, answers.truth, answers.probabilities)
    with np.load(path) as archive:
        return Asked(archive["truth"], archive["probabilities"])


def asked_of(card: ModelCard, file: Path) -> str:
    """Changes with anything that answers depend on: the model, its temperature, the data."""
    return json_digest([asdict(card), _digest(file, file.stat().st_mtime_ns)])[:16]


@cache
def _digest(file: Path, changed_ns: int) -> str:
    return file_sha256(file)


def _keep(path: Path, truth: Integers, probabilities: Floats) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as whole:
        np.savez(whole, truth=truth, probabilities=probabilities)
    part.replace(path)


def together(parts: Sequence[Asked]) -> Asked:
    """All answers of several sets."""
    return Asked(
        np.concatenate([part.truth for part in parts]), np.concatenate([part.probabilities for part in parts])
    )


def channels(data: Path, split: str = "test", kept: Path = KEPT) -> dict[str, Asked]:
    """What face, voice and words were asked about in a split, by modality."""
    return {
        "face": asked(data, "ferplus", split, kept),
        "voice": together([asked(data, name, split, kept) for name in VOICES]),
        "text": together([asked(data, name, split, kept) for name in LINES]),
    }
