import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fusion.fuse import fuse_moment, uncertainty
from pipeline.labels import EMOTIONS, top
from pipeline.types import Moment, Scores, Span
from tests.fusion.conftest import moments, peaked, reading

distributions = st.lists(st.floats(0.001, 1), min_size=7, max_size=7).map(
    lambda raw: Scores(tuple(x / sum(raw) for x in raw))
)


@given(distributions)
def test_uncertainty_is_a_share(scores):
    assert 0 <= uncertainty(scores) <= 1


def test_uncertainty_at_its_ends():
    assert uncertainty(peaked("sad", 1.0)) == 0
    assert uncertainty(Scores((1 / 7,) * 7)) == pytest.approx(1)
    assert uncertainty(Scores((0.0,) * 7, unmapped=1.0)) == 1
    assert uncertainty(Scores((0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0), unmapped=0.5)) == pytest.approx(0.5)


@given(distributions, distributions)
def test_fused_is_a_distribution_between_its_parts(a, b):
    row = Moment(Span(0, 1), None, {"face": reading("sad"), "voice": reading("sad")})
    parts = {
        m: r.__class__(r.status, s, 1.0, 1.0)
        for (m, r), s in zip(row.by_modality.items(), (a, b), strict=True)
    }
    fused = fuse_moment(Moment(Span(0, 1), None, parts), "dynamic", {})
    assert sum(fused.scores.probabilities) + fused.scores.unmapped == pytest.approx(1)
    for p, x, y in zip(fused.scores.probabilities, a.probabilities, b.probabilities, strict=True):
        assert min(x, y) - 1e-9 <= p <= max(x, y) + 1e-9


@pytest.mark.parametrize("strategy", ["fixed", "dynamic"])
def test_missing_modality_drops_out(strategy):
    (row,) = moments([{"face": "sad", "voice": None, "text": "sad"}])
    fused = fuse_moment(row, strategy, {})
    assert fused.weights["voice"] == 0 and sum(fused.weights.values()) == pytest.approx(1)
    assert fused.scores.probabilities == pytest.approx(peaked("sad").probabilities)


def test_nothing_seen_gives_nothing():
    (row,) = moments([{"face": None, "voice": None}])
    assert fuse_moment(row, "dynamic", {}).scores is None


def test_fixed_weights_are_the_configured_ones():
    (row,) = moments([{"face": "sad", "voice": "happy"}])
    fused = fuse_moment(row, "fixed", {"face": 0.6, "voice": 0.4})
    assert fused.weights == pytest.approx({"face": 0.6, "voice": 0.4})


def test_dynamic_lowers_the_doubtful():
    row = Moment(Span(0, 1), None, {"face": reading("sad", quality=0.2), "voice": reading("happy")})
    assert top(fuse_moment(row, "dynamic", {}).scores)[0] == "happy"
    assert len(EMOTIONS) == 7
