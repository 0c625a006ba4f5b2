"""Which kinds of conflict people's own labels show, where face, voice and words were labelled apart."""

import csv
from pathlib import Path

import numpy as np

from benchmarks.conflict.markdown import table_of
from benchmarks.conflict.scores import Integers
from benchmarks.conflict.votes import FILE, LEAST_SHARE, NO_LABEL, labels_of, read_votes
from pipeline.fusion.belief import ALIKE, KINDS, kind_table
from pipeline.labels import CROSSWALK, EMOTIONS
from pipeline.train.examples import DataError

SPOKEN = Path("conflict") / "zh_emotiontalk_labels.csv"
COLUMNS = ("face_label", "voice_label", "text_label")


def three_labels(path: Path, split: str) -> Integers:
    """Utterances of which all of ``COLUMNS`` are among the seven, (n, 3). Raises DataError: no such file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as table:
            rows = [row for row in csv.DictReader(table) if row["split"] == split]
    except FileNotFoundError:
        raise DataError(f"{path} is not there; give the folder of shared data with --data") from None
    named = [[CROSSWALK.get(row[one]) for one in COLUMNS] for row in rows]
    return np.array([[EMOTIONS.index(str(e)) for e in row] for row in named if all(row)], np.int64)


def one_departs(labels: Integers) -> Integers:
    """Kind, as in ``kind_table``, of each utterance (n, 3) in which one channel departs from two others."""
    ordered = np.sort(labels, axis=1)
    two_alike = (ordered[:, 0] == ordered[:, 1]) ^ (ordered[:, 1] == ordered[:, 2])
    kinds: Integers = kind_table()[ordered[two_alike, 0], ordered[two_alike, 2]]
    return kinds


def both_clear(labels: Integers) -> Integers:
    """Kind of each clip (n, 2) whose channels both have a label and differ, as in ``kind_table``."""
    kinds = kind_table()[tuple(labels[(labels != NO_LABEL).all(axis=1)].T)]
    differ: Integers = kinds[kinds != ALIKE]
    return differ


def table(data: Path) -> str:
    """Shares of the kinds. Raises DataError."""
    spoken = three_labels(data / SPOKEN, "train")
    voted = labels_of(read_votes(data / FILE).counts)
    clear = int((voted != NO_LABEL).all(axis=1).sum())
    rows = [
        _row(
            f"EmotionTalk, training split, {len(spoken)} utterances: one of face, voice and words departs",
            one_departs(spoken),
        ),
        _row(
            f"CREMA-D, {clear} clips with ≥ {LEAST_SHARE:.0%} of the votes for one emotion in face and in "
            "voice: the two differ",
            both_clear(voted),
        ),
    ]
    return table_of(["labels", "departures", *KINDS], rows)


def _row(name: str, kinds: Integers) -> list[str]:
    shares = [(kinds == place).mean() for place in range(1, 1 + len(KINDS))]
    return [name, f"{len(kinds)}", *(f"{share:.3f}" for share in shares)]
