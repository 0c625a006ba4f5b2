"""Development items, and triples of them, on which the detector's form was chosen; see ``choice``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.conflict.answers import LINES, VOICES, Asked, asked, together
from benchmarks.conflict.forms import Form
from benchmarks.conflict.scores import Floats, Integers, Mask
from benchmarks.conflict.triples import Triples, answers_of, draw, uniform
from pipeline.labels import EMOTIONS
from pipeline.train.examples import DataError
from pipeline.train.metrics import softmax
from pipeline.train.voice_report import DEV, IN_FILMS, kept_answers

COUNT = 10_000  # triples of each half
SEED = 11
FOREIGN, PLAIN = "casia", ".plain"
Dev = Mapping[str, Asked]  # by modality, the same order everywhere


@dataclass(frozen=True)
class Half:
    """Triples of one half of the items: what the models say of them (n, modalities, 7), and what they
    said of the other half's items."""

    triples: Triples
    answers: Floats
    measured: Sequence[Asked]

    def likelihoods(self, form: Form) -> Floats:
        columns = [form(one, self.answers[:, i]) for i, one in enumerate(self.measured)]
        return np.stack(columns, axis=1)


def dev_answers(data: Path, voice: Path) -> tuple[Dev, Asked]:
    """What is chosen on, and the clips of another corpus by speakers of whom nothing else is known.

    Raises:
        DataError: data or answers are not there.
        ModelError: a back-end cannot be used.
    """
    spoken = {name: Asked(one.truth, softmax(one.logits)) for name, one in kept_answers(voice).items()}
    needed = [*(f"{name}{IN_FILMS}{DEV}" for name in VOICES), f"{FOREIGN}{PLAIN}{DEV}"]
    if lacking := [name for name in needed if name not in spoken]:
        raise DataError(f"{voice} has no answers called {lacking[0]!r}; train the voice model on all corpora")
    *known, foreign = (spoken[name] for name in needed)
    dev = {
        "face": asked(data, "ferplus", "dev"),
        "voice": together(known),
        "text": together([asked(data, name, "dev") for name in LINES]),
    }
    return dev, foreign


def first_half(truth: Integers) -> Mask:
    """Half of the items of each emotion, the odd one out in it (n,)."""
    random = np.random.default_rng(SEED)
    chosen = np.zeros(len(truth), np.bool_)
    for emotion in np.unique(truth):
        chosen[random.permutation(np.flatnonzero(truth == emotion))[::2]] = True
    return chosen


def _part(one: Asked, rows: Mask) -> Asked:
    return Asked(one.truth[rows], one.probabilities[rows])


def halves(
    dev: Dev, kinds: Mapping[str, float], instead: Mapping[str, Asked] | None = None, count: int = COUNT
) -> list[Half]:
    """Both ways round; ``instead``: other items of some modality, none of which anything is measured on.

    Emotions that some modality has no item of are left out of the triples.
    """
    found = []
    for way in (False, True):
        chosen = [first_half(one.truth) ^ way for one in dev.values()]
        measured = [_part(one, rows) for one, rows in zip(dev.values(), chosen, strict=True)]
        shown = [_part(one, ~rows) for one, rows in zip(dev.values(), chosen, strict=True)]
        shown = [(instead or {}).get(name, one) for name, one in zip(dev, shown, strict=True)]
        there = [np.isin(np.arange(len(EMOTIONS)), one.truth) for one in shown]
        frequencies = uniform() * np.logical_and.reduce(there)
        triples = draw([one.truth for one in shown], frequencies, count, SEED + way, kinds)
        found.append(Half(triples, answers_of(triples, shown), measured))
    return found


def joined(parts: Sequence[Half]) -> Triples:
    """The triples of both halves (their items are no longer those of one set)."""
    arrays = [(one.triples.emotions, one.triples.items, one.triples.kind, one.triples.odd) for one in parts]
    return Triples(*(np.concatenate(columns) for columns in zip(*arrays, strict=True)))
