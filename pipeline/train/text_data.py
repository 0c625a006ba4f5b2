"""The labelled texts the compact text model is trained on, and how they are divided."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.labels import CROSSWALK, EMOTIONS
from pipeline.text.featurise import tokens

SPLITS = ("train", "dev", "test")
# EmotionTalk marks overlapping and broken-off speech: [over/]饭[/over], [interrupted].
_MARK = re.compile(r"\[/?[a-z]+/?\]")


@dataclass(frozen=True, slots=True)
class Split:
    """Tokens and labels (indices into ``EMOTIONS``), shape ``(n,)``."""

    words: tuple[list[str], ...]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Source:
    """One data set: its file, language and register; ``columns`` hold text and emotion."""

    path: str
    language: str
    spoken: bool
    columns: tuple[str, str]
    clean: Callable[[str], str] = str.strip


# Per language the written register comes first: the gate's probability is that of the second.
SOURCES: Mapping[str, Source] = {
    "ewect": Source("text/zh_ewect_usual.csv", "zh", False, ("text", "emotion")),
    "emotiontalk": Source(
        "conflict/zh_emotiontalk_labels.csv",
        "zh",
        True,
        ("transcript", "text_label"),
        clean=lambda text: _MARK.sub("", text).strip(),
    ),
    "goemotions": Source("text/en_goemotions_ekman.csv", "en", False, ("text", "emotions")),
    "meld": Source("text/en_meld.csv", "en", True, ("text", "emotion")),
}


def read_source(root: Path, name: str) -> dict[str, Split]:
    """Read one data set; rows with several emotions or an empty text are left out."""
    source = SOURCES[name]
    text, emotion = source.columns
    table = pd.read_csv(root / source.path, usecols=[text, emotion, "split"], dtype=str)
    table = table.dropna().replace({"split": {"val": "dev"}})
    table[emotion] = table[emotion].map(CROSSWALK)
    table[text] = table[text].map(source.clean)
    table = table[table[emotion].notna() & (table[text] != "")]
    parts = {}
    for split in SPLITS:
        rows = table[table["split"] == split]
        parts[split] = Split(
            words=tuple(tokens(one, source.language) for one in rows[text]),
            labels=np.array([EMOTIONS.index(one) for one in rows[emotion]], dtype=np.int64),
        )
    return parts


def traditional(root: Path, name: str, split: str) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Raw texts of a Chinese split turned into traditional characters, with their labels."""
    import opencc

    source = SOURCES[name]
    text, emotion = source.columns
    table = pd.read_csv(root / source.path, usecols=[text, emotion, "split"], dtype=str).dropna()
    rows = table[table["split"] == split]
    convert = opencc.OpenCC("s2t").convert
    labels = np.array([EMOTIONS.index(str(CROSSWALK[one])) for one in rows[emotion]], dtype=np.int64)
    return [convert(one) for one in rows[text]], labels
