from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fusion.belief import (
    ALIKE,
    KINDS,
    Prior,
    bayes_factors,
    departing_alone,
    kind_table,
    kinds_of,
    pair_states,
    prior_of,
    shared_state,
)
from pipeline.labels import EMOTIONS, NEUTRAL, VALENCE
from tests.fusion.conftest import PRIOR, evidence, few

COUNT = len(EMOTIONS)
AT = {emotion: place for place, emotion in enumerate(EMOTIONS)}
priors = st.builds(
    lambda apart, raw: prior_of(apart, [x / sum(raw) for x in raw]),
    st.floats(0.01, 0.9),
    st.lists(st.floats(0.05, 1), min_size=COUNT, max_size=COUNT),
)


def enumerated(likelihoods: np.ndarray, prior: Prior) -> np.ndarray:
    """P(shared state, state of channel 1, of 2, of 3 | answers), (n, 7, 7, 7, 7), state by state."""
    joint = np.zeros((len(likelihoods), *[COUNT] * 4))
    departs = np.asarray(prior.departs)
    for shared in range(COUNT):
        one, two, three = (departs[shared] * likelihoods[:, channel] for channel in range(3))
        joint[:, shared] = prior.shared[shared] * (
            one[:, :, None, None] * two[:, None, :, None] * three[:, None, None, :]
        )
    return joint / joint.sum(axis=(1, 2, 3, 4), keepdims=True)


@few
@given(evidence(3), priors)
def test_every_answer_equals_the_sum_over_all_states(likelihoods, prior):
    joint = enumerated(likelihoods, prior)
    assert shared_state(likelihoods, prior) == pytest.approx(joint.sum(axis=(2, 3, 4)))
    for (one, other), others in {(0, 1): 4, (0, 2): 3, (1, 2): 2}.items():
        assert pair_states(likelihoods, one, other, prior) == pytest.approx(joint.sum(axis=(1, others)))
    same = np.eye(COUNT)
    stays = [same[:, :, None, None], same[:, None, :, None], same[:, None, None, :]]
    for channel in range(3):
        rest = [stay for place, stay in enumerate(stays) if place != channel]
        alone = (joint * rest[0] * rest[1] * (1 - stays[channel])).sum(axis=(1, 2, 3, 4))
        assert departing_alone(likelihoods, prior)[:, channel] == pytest.approx(alone)


@few
@given(evidence(3), st.permutations(range(3)))
def test_the_order_of_the_channels_does_not_matter(likelihoods, order):
    moved = likelihoods[:, order]
    assert shared_state(moved, PRIOR) == pytest.approx(shared_state(likelihoods, PRIOR))
    assert departing_alone(moved, PRIOR) == pytest.approx(departing_alone(likelihoods, PRIOR)[:, order])
    for one, other in permutations(range(3), 2):
        expected = pair_states(likelihoods, order[one], order[other], PRIOR)
        assert pair_states(moved, one, other, PRIOR) == pytest.approx(expected)


@few
@given(evidence(2))
def test_the_two_of_a_pair_are_symmetric(likelihoods):
    pair = pair_states(likelihoods, 0, 1, PRIOR)
    swapped = pair_states(likelihoods, 1, 0, PRIOR)
    assert swapped == pytest.approx(pair.transpose(0, 2, 1))
    assert kinds_of(swapped) == pytest.approx(kinds_of(pair))


@few
@given(evidence(3), priors, st.permutations(range(COUNT)))
def test_the_order_of_the_labels_does_not_matter(likelihoods, prior, order):
    departs = np.asarray(prior.departs)[np.ix_(order, order)]
    reordered = Prior(tuple(prior.shared[i] for i in order), tuple(map(tuple, departs.tolist())))
    expected = pair_states(likelihoods, 0, 1, prior)[:, order][:, :, order]
    assert pair_states(likelihoods[:, :, order], 0, 1, reordered) == pytest.approx(expected)


@few
@given(evidence(3))
def test_a_channel_shows_the_same_in_every_pair(likelihoods):
    for channel, one, other in permutations(range(3)):
        first = pair_states(likelihoods, channel, one, PRIOR).sum(axis=2)
        assert first == pytest.approx(pair_states(likelihoods, other, channel, PRIOR).sum(axis=1))


@few
@given(evidence(2))
def test_an_absent_third_channel_changes_nothing(likelihoods):
    three = np.concatenate([likelihoods, np.ones((len(likelihoods), 1, COUNT))], axis=1)
    assert pair_states(three, 0, 1, PRIOR) == pytest.approx(pair_states(likelihoods, 0, 1, PRIOR))
    assert shared_state(three, PRIOR) == pytest.approx(shared_state(likelihoods, PRIOR))


@few
@given(evidence(1))
def test_one_channel_alone_is_its_likelihood_through_departures(likelihoods):
    message = likelihoods[:, 0] @ np.asarray(PRIOR.departs).T  # the prior of states is even
    assert shared_state(likelihoods, PRIOR) == pytest.approx(message / message.sum(axis=1, keepdims=True))


def test_without_channels_the_prior_is_left():
    assert shared_state(np.ones((1, 0, COUNT)), PRIOR)[0] == pytest.approx(PRIOR.shared)


@few
@given(evidence(3), priors)
def test_kinds_are_a_distribution_and_so_are_states(likelihoods, prior):
    kinds = kinds_of(pair_states(likelihoods, 0, 2, prior))
    assert kinds.shape == (2, 1 + len(KINDS)) and kinds.sum(axis=1) == pytest.approx(1) and kinds.min() >= 0
    assert shared_state(likelihoods, prior).sum(axis=1) == pytest.approx(1)
    alone = departing_alone(likelihoods, prior)
    assert alone.min() >= -1e-12 and alone.sum(axis=1).max() <= 1 + 1e-9
    factors = bayes_factors(kinds, prior)
    assert np.isfinite(factors).all() and factors.min() >= 0


@few
@given(priors)
def test_flat_evidence_is_evidence_of_nothing(prior):
    kinds = kinds_of(pair_states(np.ones((1, 2, COUNT)), 0, 1, prior))
    assert bayes_factors(kinds, prior) == pytest.approx(1)
    assert departing_alone(np.ones((1, 3, COUNT)), PRIOR)[0] == pytest.approx(0.112 * 0.888**2)


def test_a_bayes_factor_is_posterior_odds_over_prior_odds():
    unseen = kinds_of(pair_states(np.ones((1, 2, COUNT)), 0, 1, PRIOR))[0]
    torn = np.array([[0.5, 0.25, 0.15, 0.10]])
    expected = (torn[0, 1:] / torn[0, 0]) / (unseen[1:] / unseen[0])
    assert bayes_factors(torn, PRIOR)[0] == pytest.approx(expected)


def test_a_witness_makes_the_channel_it_contradicts_the_odd_one():
    happy, sad = (np.where(np.arange(COUNT) == AT[e], 1.0, 0.05) for e in ("happy", "sad"))
    torn = np.stack([happy, sad, sad])[None]
    alone = departing_alone(torn, PRIOR)[0]
    assert alone[0] > 5 * alone[1] and alone[1] == pytest.approx(alone[2])
    two = torn[:, :2]
    polarity = 1 + KINDS.index("polarity")
    backed, unbacked = (kinds_of(pair_states(one, 0, 1, PRIOR))[0, polarity] for one in (torn, two))
    assert backed > unbacked


def test_kinds_of_pairs_of_emotions():
    table = kind_table()
    assert (table == table.T).all() and (np.diag(table) == ALIKE).all()
    assert (table[~np.eye(COUNT, dtype=bool)] != ALIKE).all()
    name = {(a, b): (None, *KINDS)[table[AT[a], AT[b]]] for a in EMOTIONS for b in EMOTIONS}
    assert all(name[NEUTRAL, e] == "masking" for e in EMOTIONS if e != NEUTRAL)
    opposite = {e for e in EMOTIONS if name["happy", e] == "polarity"}
    assert opposite == {e for e in EMOTIONS if VALENCE[e] < 0}
    assert name["sad", "angry"] == name["happy", "surprise"] == "blend"


@few
@given(st.floats(0.01, 0.99))
def test_departures(apart):
    departs = np.asarray(prior_of(apart).departs)
    assert departs.sum(axis=1) == pytest.approx(1) and np.diag(departs) == pytest.approx(1 - apart)
    assert departs.min() >= 0 and sum(prior_of(apart).shared) == pytest.approx(1)


def test_every_kind_of_departure_is_alike_often():
    departs, table = np.asarray(PRIOR.departs), kind_table()
    shares = [departs[AT["sad"], table[AT["sad"]] == place].sum() for place in range(1, 1 + len(KINDS))]
    assert shares == pytest.approx([0.112 / 3] * 3)
    assert pytest.approx(0.70, abs=0.001) == 0.888**3  # as its docstring says
