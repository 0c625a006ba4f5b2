"""Part 1: a face, a clip and a line put together, so that it is known who feels what and which one is odd.

4,000 triples of test items: 70 % alike (all three the same emotion), 10 % each of masking, blend and
polarity: two modalities show the shared emotion, one the odd emotion; which is the odd one is uniform. The
pair (shared, odd) is drawn uniformly among the ordered pairs of that kind, so rare emotions count as much as
common ones; ``natural`` draws in proportion to how often the emotions occur in the three test sets instead,
and ``AS_LABELLED`` gives the kinds the shares they have among people's labels: 20,000 triples then, since
polarity becomes rare.
Of an emotion every item is equally likely, with replacement. All seven emotions occur in every test set,
though there are only 15 disgusted faces, 24 surprised clips and 139 disgusted lines.

Intervals are 95 % of a bootstrap that draws faces, clips and lines anew, not triples, since a triple shares
its clip with a dozen others (Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.conflict.answers import Asked
from benchmarks.conflict.scores import (
    Detector,
    Floats,
    Integers,
    Mask,
    Verdicts,
    average_precision,
    false_alarms,
    odd_one_accuracy,
    roc_area,
)
from pipeline.fusion.belief import ALIKE, KINDS, Prior, kind_table
from pipeline.labels import EMOTIONS

COUNT = 4000
SEED = 20260
ALIKE_SHARE = 0.7
EVEN_KINDS: Mapping[str, float] = {kind: 1 / len(KINDS) for kind in KINDS}
# EmotionTalk, training split: face, voice and words labelled apart, utterances in which one of the three
# departs from the other two.
AS_LABELLED: Mapping[str, float] = {"polarity": 0.04, "blend": 0.20, "masking": 0.76}
NO_ODD = -1


@dataclass(frozen=True, slots=True)
class Triples:
    """Emotion and item of every modality (n, modalities), kind (n,) as in ``belief.kind_table``, and which
    modality is odd (n,) or ``NO_ODD``."""

    emotions: Integers
    items: Integers
    kind: Integers
    odd: Integers

    @property
    def alike(self) -> Mask:
        return np.asarray(self.kind == ALIKE)

    def are(self, kind: str) -> Mask:
        return np.asarray(self.kind == 1 + KINDS.index(kind))


def uniform() -> Floats:
    """Every emotion as often as the others, (7,)."""
    return np.full(len(EMOTIONS), 1 / len(EMOTIONS))


def natural(truths: Sequence[Integers]) -> Floats:
    """How often the emotions occur on the mean of several sets, (7,)."""
    return np.asarray(
        np.mean([np.bincount(one, minlength=len(EMOTIONS)) / len(one) for one in truths], axis=0)
    )


def draw(
    truths: Sequence[Integers],
    frequencies: Floats,
    count: int = COUNT,
    seed: int = SEED,
    kinds: Mapping[str, float] = EVEN_KINDS,
) -> Triples:
    """Put items of every modality together; ``truths`` holds the emotions of each modality's items.

    ``kinds``: the share of each among the triples that are not alike.

    Raises:
        ValueError: an emotion that may be drawn has no item in some modality.
    """
    random = np.random.default_rng(seed)
    counts = [round(count * (1 - ALIKE_SHARE) * kinds[kind]) for kind in KINDS]
    kind = np.repeat([ALIKE, *range(1, 1 + len(KINDS))], [count - sum(counts), *counts])
    odd = np.where(kind == ALIKE, NO_ODD, random.integers(len(truths), size=count))
    emotions = np.zeros((count, len(truths)), np.int64)
    for one in np.unique(kind):
        rows = np.flatnonzero(kind == one)
        chances = pair_chances(frequencies, int(one)).ravel()
        drawn = random.choice(chances.size, size=len(rows), p=chances)
        shared, other = np.unravel_index(drawn, (len(EMOTIONS), len(EMOTIONS)))
        emotions[rows] = shared[:, None]
        if one != ALIKE:
            emotions[rows, odd[rows]] = other
    return Triples(emotions, _items(truths, emotions, random), kind, odd)


def pair_chances(frequencies: Floats, kind: int) -> Floats:
    """Probability of every pair (shared, odd) of a kind, (7, 7); both are the same in alike triples."""
    # An alike triple has one emotion, not a pair of two: it is as likely as the emotion.
    weight = np.diag(frequencies) if kind == ALIKE else np.outer(frequencies, frequencies)
    chances = np.where(kind_table() == kind, weight, 0)
    return np.asarray(chances / chances.sum())


def known_prior(frequencies: Floats, apart: float) -> Prior:
    """The prior of someone who knows how the triples are made: how often which state departs to which.

    ``apart``: probability that a channel departs.
    """
    leaves = sum(pair_chances(frequencies, kind) for kind in range(1, 1 + len(KINDS))) / len(KINDS)
    departs = apart * leaves / frequencies[:, None]
    departs[np.diag_indices_from(departs)] = 1 - departs.sum(axis=1)
    return Prior(tuple(frequencies.tolist()), tuple(map(tuple, departs.tolist())))


def _items(truths: Sequence[Integers], emotions: Integers, random: np.random.Generator) -> Integers:
    items = np.zeros_like(emotions)
    for modality, truth in enumerate(truths):
        for emotion in np.unique(emotions[:, modality]):
            there = np.flatnonzero(truth == emotion)
            if len(there) == 0:
                raise ValueError(f"modality {modality} has no item labelled {EMOTIONS[emotion]}")
            rows = emotions[:, modality] == emotion
            items[rows, modality] = random.choice(there, size=int(rows.sum()))
    return items


def answers_of(triples: Triples, channels: Sequence[Asked]) -> Floats:
    """What the back-ends say about the items of every triple, (n, modalities, 7)."""
    return np.stack([one.probabilities[triples.items[:, i]] for i, one in enumerate(channels)], axis=1)


def judge(detector: Detector, probabilities: Floats) -> Verdicts:
    """What a detector says when every stretch is as good as those the models were measured on."""
    return detector(probabilities, np.ones(probabilities.shape[:2]))


@dataclass(frozen=True, slots=True)
class Figures:
    """A detector on one kind: average precision, area under the curve, false alarms on alike triples."""

    precision: float
    area: float
    false_alarms: float


def figures(triples: Triples, verdicts: Verdicts, kind: str, weights: Floats | None = None) -> Figures:
    """One kind against everything else, false alarms against alike triples at recall one half."""
    positive, score = triples.are(kind), verdicts.kinds[:, KINDS.index(kind)]
    return Figures(
        average_precision(positive, score, weights),
        roc_area(positive, score, weights),
        false_alarms(positive, triples.alike, score, weights),
    )


def bootstrap(
    triples: Triples, verdicts: Mapping[str, Verdicts], kind: str, sizes: Sequence[int], draws: int = 200
) -> dict[str, Floats]:
    """Figures of several detectors under the same draws of items: (draws, 3) in the order of ``Figures``."""
    random = np.random.default_rng(SEED)
    found: dict[str, list[list[float]]] = {name: [] for name in verdicts}
    for _ in range(draws):
        weights = np.ones(len(triples.kind))
        for modality, size in enumerate(sizes):
            times = np.bincount(random.integers(size, size=size), minlength=size)
            weights *= times[triples.items[:, modality]]
        there = weights > 0
        part = Triples(triples.emotions[there], triples.items[there], triples.kind[there], triples.odd[there])
        for name, one in verdicts.items():
            seen = figures(part, Verdicts(one.kinds[there], one.odd[there]), kind, weights[there])
            found[name].append([seen.precision, seen.area, seen.false_alarms])
    return {name: np.array(rows) for name, rows in found.items()}


def odd_accuracy(triples: Triples, verdicts: Verdicts) -> float:
    """How often the odd modality is named, over the triples that have one."""
    return odd_one_accuracy(triples.odd, verdicts)
