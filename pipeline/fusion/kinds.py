"""How far two readings lie apart, by kind of disagreement: effect sizes, not evidence. Pure, over arrays.

Neutral against an emotion is not a conflict: it is ``masking``, reported apart.
"""

import numpy as np
import numpy.typing as npt

from pipeline.fusion.belief import ALIKE, KINDS, kind_table
from pipeline.labels import EMOTIONS, NEUTRAL, VALENCE

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NEUTRAL_AT = EMOTIONS.index(NEUTRAL)
VALENCES = np.array([VALENCE[emotion] for emotion in EMOTIONS])
VALENCE_RANGE = float(VALENCES.max() - VALENCES.min())
FELT = np.arange(len(EMOTIONS)) != NEUTRAL_AT


def jensen_shannon(a: Floats, b: Floats) -> Floats:
    """Jensen-Shannon divergence of rows in bits, (n, k) and (n, k) to (n,) in [0, 1].

    Lin (1991), IEEE Trans. Inf. Theory 37.
    """
    middle = (a + b) / 2

    def against_middle(p: Floats) -> Floats:
        shares = np.divide(p, middle, out=np.ones_like(p), where=p > 0)
        return np.asarray((p * np.log2(shares)).sum(axis=-1), np.float64)

    return np.clip((against_middle(a) + against_middle(b)) / 2, 0.0, 1.0)


def uncertainties(probabilities: Floats) -> Floats:
    """Normalised entropy, (..., 7) to (...) in [0, 1]; mass outside the seven counts as not knowing."""
    mapped = probabilities.sum(axis=-1)
    shares = probabilities / np.maximum(mapped, 1e-300)[..., None]
    terms = shares * np.log(np.maximum(shares, 1e-300))
    entropy = -terms.sum(axis=-1) / np.log(len(EMOTIONS))
    return np.where(mapped > 0, np.clip(1.0 - (1.0 - entropy) * mapped, 0.0, 1.0), 1.0)


def shown_kinds(a: Floats, b: Floats) -> Integers:
    """Kind of disagreement between the most probable emotions of rows, (n,): ``ALIKE`` or 1 + place in KINDS.

    Opposite signs count as ``polarity`` only where the expected valences are opposite too.
    """
    kinds = kind_table()[a.argmax(axis=1), b.argmax(axis=1)]
    opposite = (a @ VALENCES) * (b @ VALENCES) < 0
    return np.where((kinds == 1 + KINDS.index("polarity")) & ~opposite, ALIKE, kinds)


def strengths(a: Floats, b: Floats) -> Floats:
    """How far rows lie apart as each of ``KINDS``, (n, 7) and (n, 7) to (n, 3) in [0, 1]; symmetric.

    Polarity: |V_a - V_b| / range; blend: Jensen-Shannon divergence of the felt parts times the lesser felt
    mass; masking: neutral mass of one times felt mass of the other, the greater way round. Each times
    (1-u_a)(1-u_b), u being the normalised entropy, and its square root: that changes no ranking and spreads
    the scale.
    """
    felt_a, felt_b = a[:, FELT], b[:, FELT]
    mass_a, mass_b = felt_a.sum(axis=1), felt_b.sum(axis=1)
    polarity = np.abs(a @ VALENCES - b @ VALENCES) / VALENCE_RANGE
    divergence = jensen_shannon(_shares(felt_a, mass_a), _shares(felt_b, mass_b))
    blend = divergence * np.minimum(mass_a, mass_b)
    masking = np.maximum(a[:, NEUTRAL_AT] * mass_b, b[:, NEUTRAL_AT] * mass_a)
    by_kind = {"polarity": polarity, "blend": blend, "masking": masking}
    sure = (1 - uncertainties(a)) * (1 - uncertainties(b))
    return np.sqrt(np.stack([by_kind[kind] for kind in KINDS], axis=1) * sure[:, None])


def _shares(rows: Floats, mass: Floats) -> Floats:
    shares: Floats = rows / np.maximum(mass, 1e-300)[:, None]
    return shares
