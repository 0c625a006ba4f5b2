"""The list of a speech corpus's clips: who says what in which mood, and which clips are unfit for training.

Every corpus names its files in its own way; here each gets the same columns. Nothing is left out in silence:
an unfit clip keeps its row and says in ``problem`` what is wrong with it.
"""

import csv
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.labels import CROSSWALK
from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.media.waveform import read_waveform
from pipeline.train.examples import SUFFIXES, DataError
from pipeline.train.inputs import SHORTEST_S

Show = Callable[[int, int], None]  # clips done, clips in all

SILENT_PEAK = 0.001  # -60 dB of full scale
FEW_CLIPS = 10

UNREADABLE, SILENT, TOO_SHORT, DUPLICATE = "unreadable", "silent", "too_short", "duplicate"
UNFIT = (UNREADABLE, SILENT, TOO_SHORT, DUPLICATE)  # a problem that begins so keeps its clip out of training
FEW_OF_CLASS, ONE_CLASS_SPEAKER = "few_of_class", "one_class_speaker"

# https://zenodo.org/records/1188976: modality-channel-emotion-intensity-statement-repetition-actor.
_RAVDESS = re.compile(r"0[13]-01-(0[1-8])-\d\d-\d\d-\d\d-(\d\d)")
_RAVDESS_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
# Cao et al. (2014), "CREMA-D", IEEE Trans. Affective Computing 5: actor_sentence_emotion_intensity.
_CREMA_D = re.compile(r"(\d{4})_[A-Z]{3}_(ANG|DIS|FEA|HAP|NEU|SAD)_[A-Z]{1,2}")
# Burkhardt et al. (2005), "A database of German emotional speech", Interspeech: speaker, text, emotion.
_EMO_DB = re.compile(r"(\d\d)[ab]\d\d([WLEAFTN])[a-z]?")
_EMO_DB_EMOTIONS = {
    "W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness",
    "N": "neutral",
}  # fmt: skip


def is_fit(problem: str) -> bool:
    """Whether a clip of which the manifest says this can be trained on."""
    return not problem.startswith(UNFIT)


@dataclass(frozen=True, slots=True)
class Clip:
    """A row of the manifest; ``speaker`` is ``corpus/name``, or empty where the corpus does not tell."""

    file: str
    emotion: str
    speaker: str
    corpus: str
    duration_s: float = 0.0
    problem: str = ""

    @property
    def is_fit(self) -> bool:
        """Whether it can be trained on."""
        return is_fit(self.problem)


COLUMNS = tuple(field.name for field in fields(Clip))
PROBLEM_COLUMN = "problem"


def ravdess(path: Path) -> tuple[str, str] | None:
    """Emotion and actor from a name such as ``03-01-05-01-02-01-12.wav``; None for songs and silent films."""
    found = _RAVDESS.fullmatch(path.stem)
    return (_RAVDESS_EMOTIONS[int(found[1]) - 1], found[2]) if found else None


def crema_d(path: Path) -> tuple[str, str] | None:
    """Emotion and actor from a name such as ``1001_DFA_ANG_XX.wav``."""
    found = _CREMA_D.fullmatch(path.stem)
    return (found[2].lower(), found[1]) if found else None


def emo_db(path: Path) -> tuple[str, str] | None:
    """Emotion and speaker from a name such as ``03a01Fa.wav``; the letters are those of the German words."""
    found = _EMO_DB.fullmatch(path.stem)
    return (_EMO_DB_EMOTIONS[found[2]], found[1]) if found else None


def casia(path: Path) -> tuple[str, str] | None:
    """Emotion and speaker from the folders: ``…/liuchanhg/angry/201.wav``."""
    emotion = path.parent.name.lower()
    return (emotion, path.parent.parent.name) if emotion in CROSSWALK else None


def plain(path: Path) -> tuple[str, str] | None:
    """Emotion from the folder that names one, the speaker from the other folders, in either order."""
    classes = [part for part in path.parent.parts if part.lower() in CROSSWALK]
    if len(classes) != 1:
        return None
    return classes[0].lower(), "/".join(part for part in path.parent.parts if part != classes[0])


PARSERS: Mapping[str, Callable[[Path], tuple[str, str] | None]] = {
    "ravdess": ravdess,
    "crema-d": crema_d,
    "emo-db": emo_db,
    "casia": casia,
    "folder": plain,
}
KINDS = (*PARSERS, "meld")


def canonical(emotion: str) -> str:
    """The canonical name of a label, or the label itself where it is none of the seven."""
    return CROSSWALK[emotion] or emotion


def find_clips(kind: str, folder: Path) -> tuple[list[Clip], int]:
    """The clips of a corpus, and how many sound files do not follow its naming.

    ``file`` is the path with ``folder`` in front; :func:`write_manifest` makes it relative.

    Raises:
        DataError: no clip was found.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give the one that holds the corpus")
    corpus = folder.resolve().name if kind == "folder" else kind
    if kind == "meld":
        found, left = _meld(folder)
    else:
        files = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if _is_clip(path)]
        read = [(path, PARSERS[kind](path)) for path in files]
        found = [(path, *names) for path, names in read if names]
        left = len(files) - len(found)
    clips = [
        Clip(str(folder / path), canonical(emotion), f"{corpus}/{speaker}" if speaker else "", corpus)
        for path, emotion, speaker in found
    ]
    if not clips:
        raise DataError(
            f"no clip in {folder} is named as in {kind} ({left} files are not); choose another kind or sort "
            "the clips into one folder per emotion and give `folder`"
        )
    return clips, left


def _is_clip(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES["voice"] and not path.name.startswith(".")


def _meld(folder: Path) -> tuple[list[tuple[Path, str, str]], int]:
    """A film per line of the tables that has one; the tables' numbers start anew in each part.

    Poria et al. (2019), "MELD", ACL: ``train_sent_emo.csv`` beside ``train_splits/dia0_utt0.mp4`` and so on.
    """
    films = {
        (_meld_part(path.relative_to(folder)), path.stem): path.relative_to(folder)
        for path in sorted(folder.rglob("dia*_utt*"))
        if _is_clip(path)
    }
    found = []
    for table in sorted(folder.rglob("*sent_emo*.csv")):
        part = _meld_part(table.relative_to(folder))
        try:
            with table.open(encoding="utf-8-sig", newline="") as lines:
                rows = list(csv.DictReader(lines))
        except (UnicodeDecodeError, csv.Error):
            raise DataError(f"{table.name} is not a CSV in UTF-8; give MELD's own table") from None
        for row in rows:
            try:
                name = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
                emotion, speaker = row["Emotion"].strip().lower(), row["Speaker"].strip()
            except KeyError as missing:
                raise DataError(f"{table.name} has no column {missing}; give MELD's own table") from None
            place = (part, name) if (part, name) in films else ("", name)
            if place in films and emotion in CROSSWALK:
                found.append((films.pop(place), emotion, speaker))
    return found, len(films)


def _meld_part(path: Path) -> str:
    words = path.as_posix().lower()
    return next((part for part in ("train", "dev", "test") if part in words), "")


def check_clips(clips: Sequence[Clip], show: Show | None = None) -> list[Clip]:
    """The clips with their length and what is wrong with each; ``show`` is told how many are done."""
    checked: list[Clip] = []
    seen: dict[bytes, Clip] = {}
    for done, clip in enumerate(clips, 1):
        checked.append(_listened(clip, seen))
        if show is not None:
            show(done, len(clips))
    return _against_each_other(checked)


def _listened(clip: Clip, seen: dict[bytes, Clip]) -> Clip:
    try:
        samples = read_waveform(Path(clip.file))
    except ValueError:
        return replace(clip, problem=UNREADABLE)
    clip = replace(clip, duration_s=round(samples.size / SAMPLE_RATE_HZ, 3))
    if clip.duration_s < SHORTEST_S:
        return replace(clip, problem=TOO_SHORT)
    if np.abs(samples).max() < SILENT_PEAK:
        return replace(clip, problem=SILENT)
    first = seen.setdefault(_digest(samples), clip)
    if first is clip:
        return clip
    label = "" if first.emotion == clip.emotion else f", there labelled {first.emotion}"
    return replace(clip, problem=f"{DUPLICATE} of {Path(first.file).name}{label}")


def _digest(samples: NDArray[np.float32]) -> bytes:
    """Of the sound at 16 bits: the same recording in another container is the same."""
    return hashlib.sha256(np.round(samples * 32767).astype("<i2").tobytes()).digest()


def _against_each_other(clips: Sequence[Clip]) -> list[Clip]:
    """Warnings that only the whole list can give; such clips stay fit."""
    fit = [clip for clip in clips if clip.is_fit]
    per_class = Counter(clip.emotion for clip in fit)
    classes: dict[str, set[str]] = {}
    for clip in fit:
        classes.setdefault(clip.speaker, set()).add(clip.emotion)
    several = len(per_class) > 1

    def warned(clip: Clip) -> Clip:
        if not clip.is_fit:
            return clip
        problems = [
            name
            for name, here in (
                (FEW_OF_CLASS, per_class[clip.emotion] < FEW_CLIPS),
                (ONE_CLASS_SPEAKER, bool(clip.speaker) and several and len(classes[clip.speaker]) == 1),
            )
            if here
        ]
        return replace(clip, problem="; ".join(problems))

    return [warned(clip) for clip in clips]


def write_manifest(clips: Sequence[Clip], path: Path) -> None:
    """Write the CSV; its paths are relative to its own folder, so corpus and list can move together."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(astuple(replace(clip, file=_relative(clip.file, path.parent))) for clip in clips)
    part.replace(path)


def _relative(file: str, start: Path) -> str:
    whole = Path(file).resolve()
    try:
        return Path(os.path.relpath(whole, start.resolve())).as_posix()
    except ValueError:  # on another drive
        return whole.as_posix()


def summary(clips: Sequence[Clip], left: int) -> list[str]:
    """What a person is told: sizes, balance, and each kind of problem with its count."""
    fit = [clip for clip in clips if clip.is_fit]
    per_class = Counter(clip.emotion for clip in fit)
    speakers = {clip.speaker for clip in fit} - {""}
    minutes = sum(clip.duration_s for clip in fit) / 60
    lines = [
        f"{len(fit)} of {len(clips)} clips are fit for training: {minutes:.1f} minutes, "
        f"{len(speakers) or 'no known'} speaker{'' if len(speakers) == 1 else 's'}",
        "per class: " + (", ".join(f"{name} {n}" for name, n in per_class.most_common()) or "none"),
    ]
    if len(per_class) > 1:
        most, fewest = max(per_class.values()), min(per_class.values())
        lines.append(f"balance: the largest class has {most / fewest:.1f} times the clips of the smallest")
    if left:
        lines.append(f"not listed: {left} files whose names do not follow the corpus (or have no label)")
    counts = Counter(
        next((kind for kind in UNFIT if problem.startswith(kind)), problem)
        for clip in clips
        for problem in clip.problem.split("; ")
        if problem
    )
    lines += [f"{kind}: {counts[kind]} ({_MEANINGS[kind]})" for kind in _MEANINGS if counts[kind]]
    return lines


_MEANINGS = {
    UNREADABLE: "left out",
    SILENT: f"peak under {SILENT_PEAK:g} of full scale; left out",
    TOO_SHORT: f"under {SHORTEST_S:g} s; left out",
    DUPLICATE: "the same samples as an earlier clip; left out",
    FEW_OF_CLASS: f"in a class of fewer than {FEW_CLIPS} clips; kept, expect little of it",
    ONE_CLASS_SPEAKER: "of a speaker heard in one mood only; kept, the voice may stand for the mood",
}
