import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fusion.belief import ALIKE, KINDS
from pipeline.fusion.kinds import NEUTRAL_AT, VALENCES, jensen_shannon, shown_kinds, strengths, uncertainties
from pipeline.labels import EMOTIONS, NEUTRAL
from tests.fusion.conftest import distributions, few, peaked

POLARITY, BLEND, MASKING = (KINDS.index(kind) for kind in ("polarity", "blend", "masking"))


def row(emotion: str, p: float = 0.8) -> np.ndarray:
    return np.array([peaked(emotion, p).probabilities])


@few
@given(distributions(), distributions())
def test_strengths_are_symmetric_shares(a, b):
    found = strengths(a[None], b[None])
    assert found.shape == (1, len(KINDS)) and np.isfinite(found).all()
    assert found.min() >= 0 and found.max() <= 1
    assert strengths(b[None], a[None]) == pytest.approx(found)
    assert shown_kinds(a[None], b[None]) == shown_kinds(b[None], a[None])


@few
@given(distributions())
def test_identical_distributions_are_alike(a):
    assert shown_kinds(a[None], a[None])[0] == ALIKE
    found = strengths(a[None], a[None])[0]
    assert found[POLARITY] == pytest.approx(0) and found[BLEND] == pytest.approx(0, abs=1e-7)


@few
@given(distributions(), distributions())
def test_neutral_against_anything_is_never_polarity_or_blend(a, b):
    kind = shown_kinds(a[None], b[None])[0]
    tops = {int(a.argmax()), int(b.argmax())}
    if NEUTRAL_AT in tops:
        assert kind == (ALIKE if len(tops) == 1 else 1 + MASKING)
    else:
        assert kind != 1 + MASKING


@few
@given(distributions(), distributions())
def test_polarity_has_opposite_expected_valence(a, b):
    if shown_kinds(a[None], b[None])[0] == 1 + POLARITY:
        assert (a @ VALENCES) * (b @ VALENCES) < 0


def test_opposite_emotions_whose_rest_outweighs_them_are_not_opposite():
    torn = np.array([[0.2, 0.2, 0.2, 0.3, 0.1, 0.0, 0.0]])  # happy at the top, and mostly unpleasant
    assert shown_kinds(torn, row("sad"))[0] == ALIKE


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("happy", "sad", POLARITY),
        ("happy", "angry", POLARITY),
        ("sad", "angry", BLEND),
        ("happy", "surprise", BLEND),
        (NEUTRAL, "angry", MASKING),
        (NEUTRAL, "happy", MASKING),
    ],
)
def test_kind_and_strength_of_plain_pairs(one, other, kind):
    assert shown_kinds(row(one), row(other))[0] == 1 + kind
    assert strengths(row(one), row(other))[0, kind] > 0.4
    sure = strengths(row(one, 1.0), row(other, 1.0))[0]
    assert sure[kind] >= 0.7 and (kind != MASKING or sure[BLEND] == 0)


@few
@given(st.floats(0.3, 0.99), st.floats(0, 0.009), st.floats(0.3, 1))
def test_strength_grows_with_disagreement(p, more, other):
    pairs = {POLARITY: ("sad", "happy"), BLEND: ("sad", "angry"), MASKING: ("sad", NEUTRAL)}
    for kind, (one, against) in pairs.items():
        weaker = strengths(row(one, p), row(against, other))[0, kind]
        assert strengths(row(one, p + more), row(against, other))[0, kind] >= weaker - 1e-9


@few
@given(distributions(whole=True), distributions(whole=True), st.permutations(range(len(EMOTIONS))))
def test_divergence_is_symmetric_and_blind_to_the_order_of_labels(a, b, order):
    found = jensen_shannon(a[None], b[None])[0]
    assert 0 <= found <= 1
    assert jensen_shannon(b[None], a[None])[0] == pytest.approx(found)
    assert jensen_shannon(a[None, order], b[None, order])[0] == pytest.approx(found)


def test_divergence_of_the_same_is_0_and_of_the_disjoint_1_bit():
    one, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert jensen_shannon(one, other) == 1 and jensen_shannon(one, one) == 0
    half = np.array([[0.5, 0.5]])
    assert jensen_shannon(one, half)[0] == pytest.approx(0.3113, abs=1e-4)


@few
@given(distributions())
def test_uncertainty_is_a_share(p):
    assert 0 <= uncertainties(p) <= 1


def test_uncertainty_of_extremes():
    extremes = np.array([np.eye(7)[3], np.full(7, 1 / 7), np.zeros(7), np.eye(7)[3] / 2])
    assert uncertainties(extremes) == pytest.approx([0, 1, 1, 0.5])
    assert uncertainties(extremes.reshape(2, 2, 7)).shape == (2, 2)
