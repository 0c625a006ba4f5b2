"""What the shipped back-ends say about labelled faces, clips and lines; asked once and kept.

Faces: FER+, majority emotion of the seven with at least half of all votes. Voice: clips of RAVDESS (calm
counts as neutral) and EMO-DB, each speaker's own clips known, as the speaker of a film is. Lines: MELD
(English; its labels were given to the whole scene, not to the words alone) and EmotionTalk (Chinese, labelled
by the words alone).
"""

import csv
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.conflict.scores import Floats, Integers
from pipeline.labels import CROSSWALK, EMOTIONS
from pipeline.train.examples import DataError, Example, LabelledSet
from pipeline.train.inputs import How
from pipeline.train.score import ask, load_named
from pipeline.types import Reliability

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
    def read(data: Path, scratch: Path, split: str) -> LabelledSet:
        rows = _rows(data / "voice" / "manifest.csv")
        examples = tuple(
            Example(row["file"], CROSSWALK[row["emotion"]] or "", f"{corpus}/{row['speaker']}")
            for row in rows
            if row["set"] == corpus and row["split"] == split
        )
        return LabelledSet("voice", data / "voice", examples, {})

    return read


def _lines(name: str) -> Callable[[Path, Path, str], LabelledSet]:
    def read(data: Path, scratch: Path, split: str) -> LabelledSet:
        from pipeline.train.text_data import SOURCES

        source = SOURCES[name]
        text, label = source.columns
        rows = rows_of(data, name, split)
        examples = tuple(Example(source.clean(row[text]), CROSSWALK[row[label]] or "") for row in rows)
        return LabelledSet("text", data, examples, {})

    return read


def rows_of(data: Path, name: str, split: str) -> list[dict[str, str]]:
    """The rows of a set of lines that can be asked about: with words, and labelled with one of the seven."""
    from pipeline.train.text_data import SOURCES

    source = SOURCES[name]
    text, label = source.columns
    wanted = {"dev": ("dev", "val")}.get(split, (split,))
    rows = [row for row in _rows(data / source.path) if row["split"] in wanted]
    return [row for row in rows if source.clean(row[text]) and CROSSWALK[row[label]] is not None]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as table:
            return list(csv.DictReader(table))
    except FileNotFoundError:
        raise DataError(f"{path} is not there; give the folder of shared data with --data") from None


SOURCES: Mapping[str, Source] = {
    "ferplus": Source("face", "face/ferplus_48px.npz", _faces, How()),
    "ravdess": Source("voice", "voice/manifest.csv", _clips("ravdess"), How(known_speaker=True)),
    "emodb": Source("voice", "voice/manifest.csv", _clips("emodb"), How(known_speaker=True)),
    "meld": Source("text", "text/en_meld.csv", _lines("meld"), How(language="en")),
    "emotiontalk": Source(
        "text", "conflict/zh_emotiontalk_labels.csv", _lines("emotiontalk"), How(language="zh")
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
    path = kept / f"{name}-{split}-{backend.card.sha256[:12]}-{file.stat().st_size}.npz"
    if not path.is_file():
        with tempfile.TemporaryDirectory() as scratch:
            answers = ask(backend, source.read(data, Path(scratch), split), source.how)
        _keep(path, answers.truth, answers.probabilities)
    with np.load(path) as archive:
        return Asked(archive["truth"], archive["probabilities"])


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
