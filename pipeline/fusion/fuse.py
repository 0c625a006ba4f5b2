"""One distribution from several: late fusion, in which an absent modality drops out and is never imputed."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from pipeline.labels import EMOTIONS
from pipeline.types import Fused, Moment, Reading, Scores

Strategy = Literal["fixed", "dynamic"]


def uncertainty(scores: Scores) -> float:
    """Entropy of the canonical distribution over its maximum, in [0, 1]; 1 when nothing was mapped.

    Unmapped mass counts as not knowing: it moves the value towards 1.
    """
    mapped = sum(scores.probabilities)
    if mapped <= 0:
        return 1.0
    shares = [p / mapped for p in scores.probabilities if p > 0]
    entropy = -sum(p * math.log(p) for p in shares) / math.log(len(EMOTIONS))
    return min(1.0, max(0.0, 1.0 - (1.0 - entropy) * mapped))


def say(reading: Reading, strategy: Strategy) -> float:
    """How much a modality's voice counts before its configured weight.

    ``fixed``: 1 whenever it has scores. ``dynamic``: quality x coverage x (1 - uncertainty).
    """
    if reading.scores is None:
        return 0.0
    if strategy == "fixed":
        return 1.0
    return reading.quality * reading.coverage * (1.0 - uncertainty(reading.scores))


def fuse_moment(moment: Moment, strategy: Strategy, weights: Mapping[str, float]) -> Fused:
    """Weighted mean of the distributions (linear opinion pool; Stone 1961, Ann. Math. Stat. 32).

    ``weights`` multiplies each modality's say; one not named weighs 1. When every say is 0 but some scores
    exist, those count alike. With no scores at all the result has none.
    """
    spoken = {m: r for m, r in moment.by_modality.items() if r.scores is not None}
    says = {m: say(r, strategy) * weights.get(m, 1.0) for m, r in spoken.items()}
    total = sum(says.values())
    if total <= 0:
        says, total = dict.fromkeys(spoken, 1.0), float(len(spoken))
    shares = {m: says.get(m, 0.0) / total if total else 0.0 for m in moment.by_modality}
    if not spoken:
        return Fused(moment.span, None, shares)
    pooled = [0.0] * len(EMOTIONS)
    unmapped = 0.0
    for modality, reading in spoken.items():
        assert reading.scores is not None
        unmapped += shares[modality] * reading.scores.unmapped
        for i, probability in enumerate(reading.scores.probabilities):
            pooled[i] += shares[modality] * probability
    return Fused(moment.span, Scores(tuple(pooled), unmapped), shares)


def fuse(moments: Sequence[Moment], strategy: Strategy, weights: Mapping[str, float]) -> list[Fused]:
    """Fuse every moment; one result per moment, in order."""
    return [fuse_moment(moment, strategy, weights) for moment in moments]
