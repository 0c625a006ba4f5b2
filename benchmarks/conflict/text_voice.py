"""Part 3d: what our model reads in the words, against the voice as a person heard it (EmotionTalk, test).

The truth is the kind of disagreement between the two human labels, words alone and voice alone. The voice
enters as its label: certain, since there is no sound in the data.
"""

from pathlib import Path

import numpy as np

from benchmarks.conflict.answers import SOURCES, asked, reliabilities
from benchmarks.conflict.markdown import table_of
from benchmarks.conflict.scores import BASELINES, Floats, Integers, average_precision, belief, default_prior
from pipeline.fusion.belief import KINDS, kind_table
from pipeline.labels import CROSSWALK, EMOTIONS
from pipeline.train.fusion.shown import rows_of

NAME, SPLIT = "emotiontalk", "test"
OURS = "ours"


def voices(data: Path) -> Integers:
    """The voice label of every line that our model was asked about, as an index into ``EMOTIONS``."""
    names = [CROSSWALK[row["voice_label"]] or "" for row in rows_of(data, NAME, SPLIT)]
    return np.array([EMOTIONS.index(name) for name in names], np.int64)


def certain(truth: Integers) -> Floats:
    """Labels as distributions, (n,) to (n, 7)."""
    return np.eye(len(EMOTIONS))[truth]


def table(data: Path) -> str:
    """Average precision of every kind by detector. Raises DataError, ModelError."""
    text, voice = asked(data, NAME, SPLIT), voices(data)
    kinds = kind_table()[text.truth, voice]
    answers = np.stack([text.probabilities, certain(voice)], axis=1)
    quality = np.ones(answers.shape[:2])
    ours = belief([*reliabilities([SOURCES[NAME].modality]), None], default_prior())
    verdicts = {name: one(answers, quality) for name, one in {**BASELINES, OURS: ours}.items()}
    rows = [
        [
            name,
            *[
                f"{average_precision(kinds == 1 + place, one.kinds[:, place]):.3f}"
                for place in range(len(KINDS))
            ],
        ]
        for name, one in verdicts.items()
    ]
    rows.append(["base rate", *[f"{(kinds == 1 + place).mean():.3f}" for place in range(len(KINDS))]])
    lead = f"{len(kinds)} lines, of which {(kinds == 0).mean():.0%} alike; average precision per kind.\n"
    return "\n".join([lead, table_of(["detector", *KINDS], rows)])
