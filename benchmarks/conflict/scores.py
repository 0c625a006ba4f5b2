"""What a detector of conflicts is scored by, and the simple detectors it is held against."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.config import ConflictSection
from pipeline.fusion.belief import KINDS, Prior, departing_alone, kind_table, kinds_of, pair_states, prior_of
from pipeline.fusion.kinds import VALENCES, jensen_shannon, strengths
from pipeline.fusion.reliability import likelihood
from pipeline.types import Reliability

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

RECALL = 0.5  # at which false alarms are counted


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a detector says: a score per kind (n, kinds) in the order of ``KINDS``, higher for surer, and how
    far each modality stands out from the others (n, modalities)."""

    kinds: Floats
    odd: Floats


# From the answers of every modality (n, modalities, 7) and their quality (n, modalities).
Detector = Callable[[Floats, Floats], Verdicts]


def pairs(modalities: int) -> list[tuple[int, int]]:
    """All pairs of modalities."""
    return list(combinations(range(modalities), 2))


def argmax_differs(probabilities: Floats, quality: Floats) -> Verdicts:
    """1 for every kind where two modalities name different emotions."""
    top = probabilities.argmax(axis=2)
    return _of_pairs(probabilities, lambda a, b: (top[:, a] != top[:, b]).astype(np.float64))


def argmax_names_kind(probabilities: Floats, quality: Floats) -> Verdicts:
    """1 for the kind of the emotions that two modalities name: what a rule on labels can do at best."""
    top, table = probabilities.argmax(axis=2), kind_table()
    found = np.stack([table[top[:, a], top[:, b]] for a, b in pairs(top.shape[1])], axis=1)
    kinds = [(found == place).any(axis=1) for place in range(1, 1 + len(KINDS))]
    return Verdicts(np.stack(kinds, axis=1).astype(np.float64), argmax_differs(probabilities, quality).odd)


def divergence(probabilities: Floats, quality: Floats) -> Verdicts:
    """Jensen-Shannon divergence of the two modalities furthest apart, in bits, for every kind."""

    def between(a: int, b: int) -> Floats:
        return jensen_shannon(probabilities[:, a], probabilities[:, b])

    return _of_pairs(probabilities, between)


def valence_difference(probabilities: Floats, quality: Floats) -> Verdicts:
    """|V_a - V_b| of the two modalities furthest apart in expected valence, for every kind."""
    valence = probabilities @ VALENCES
    return _of_pairs(probabilities, lambda a, b: np.abs(valence[:, a] - valence[:, b]))


def _of_pairs(probabilities: Floats, between: Callable[[int, int], Floats]) -> Verdicts:
    """The greatest distance of two modalities scores every kind; the sum of its distances, each modality."""
    count, modalities = probabilities.shape[:2]
    odd, greatest = np.zeros((count, modalities)), np.zeros(count)
    for a, b in pairs(modalities):
        distance = between(a, b)
        odd[:, a] += distance
        odd[:, b] += distance
        greatest = np.maximum(greatest, distance)
    return Verdicts(np.repeat(greatest[:, None], len(KINDS), axis=1), odd)


def starting_scores(probabilities: Floats, quality: Floats) -> Verdicts:
    """The strengths of docs/CONFLICTS.md: how far two modalities lie apart as each kind, without evidence."""
    by_pair = {
        (a, b): strengths(probabilities[:, a], probabilities[:, b]) for a, b in pairs(probabilities.shape[1])
    }
    odd = _of_pairs(probabilities, lambda a, b: by_pair[a, b].max(axis=1)).odd
    return Verdicts(np.max(list(by_pair.values()), axis=0), odd)


def default_prior() -> Prior:
    """The prior an analysis takes by itself."""
    return prior_of(ConflictSection().apart)


def belief(reliabilities: Sequence[Reliability | None], prior: Prior) -> Detector:
    """Ours: posterior of each kind for the pair of modalities that shows it most.

    ``reliabilities`` are those of the modalities' models, in order.
    """

    def detector(probabilities: Floats, quality: Floats) -> Verdicts:
        columns = [likelihood(probabilities[:, i], one, quality[:, i]) for i, one in enumerate(reliabilities)]
        return verdicts_of(np.stack(columns, axis=1), prior)

    return detector


def shown_only(detector: Detector) -> Detector:
    """The same, but a kind counts only where two modalities' most probable emotions are of that kind, as an
    event in a film must be."""

    def gated(probabilities: Floats, quality: Floats) -> Verdicts:
        found = detector(probabilities, quality)
        return Verdicts(found.kinds * argmax_names_kind(probabilities, quality).kinds, found.odd)

    return gated


def verdicts_of(likelihoods: Floats, prior: Prior) -> Verdicts:
    """What the belief model makes of evidence (n, modalities, 7)."""
    by_pair = [kinds_of(pair_states(likelihoods, a, b, prior))[:, 1:] for a, b in pairs(likelihoods.shape[1])]
    return Verdicts(np.max(by_pair, axis=0), departing_alone(likelihoods, prior))


BASELINES: Mapping[str, Detector] = {
    "argmax differs": argmax_differs,
    "argmax names the kind": argmax_names_kind,
    "JSD": divergence,
    "|ΔV|": valence_difference,
    "starting scores": starting_scores,
}


def average_precision(positive: Mask, score: Floats, weights: Floats | None = None) -> float:
    """Area under precision over recall, of cases (n,)."""
    return float(average_precision_score(positive, score, sample_weight=weights))


def roc_area(positive: Mask, score: Floats, weights: Floats | None = None) -> float:
    """Area under the receiver operating characteristic, of cases (n,)."""
    return float(roc_auc_score(positive, score, sample_weight=weights))


def false_alarms(
    positive: Mask, alike: Mask, score: Floats, weights: Floats | None = None, recall: float = RECALL
) -> float:
    """Share of the alike cases at or above the highest threshold that finds ``recall`` of the positives."""
    weight = np.ones(len(score)) if weights is None else weights
    order = np.argsort(-score[positive], kind="stable")
    found = np.cumsum(weight[positive][order])
    place = int(np.searchsorted(found, recall * found[-1] * (1 - 1e-12)))
    threshold = score[positive][order][place]
    return float((weight * (alike & (score >= threshold))).sum() / weight[alike].sum())


def odd_one_accuracy(odd: Integers, verdicts: Verdicts) -> float:
    """Share of the cases with an odd modality (``odd`` >= 0) in which it stands out most; ties go halves."""
    rows = odd >= 0
    score = verdicts.odd[rows]
    highest = np.isclose(score, score.max(axis=1, keepdims=True))
    named = highest[np.arange(len(score)), odd[rows]]
    return float((named / highest.sum(axis=1)).mean())


def interval(draws: Floats) -> tuple[float, float]:
    """95 % of bootstrap draws (n,)."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)
