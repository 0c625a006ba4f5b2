"""How the parts are weighed: who knows is followed, and a tilt is known of."""

import numpy as np
import pytest

from pipeline.text.compact import log_softmax
from pipeline.train.metrics import negative_log_likelihood
from pipeline.train.text_blend import Blend, DevSet, fit_blend, mixture, towards_rare


def test_the_blend_follows_the_part_and_the_gate_that_know() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 7, 400)
    right, noise = 2.0 * np.eye(7)[truth] + rng.normal(size=(400, 7)), rng.normal(size=(2, 400, 7))
    sets = []
    for register in (0, 1):
        raw = np.zeros((400, 15))
        raw[:, register * 7 : register * 7 + 7] = right
        raw[:, 14] = -4.0 if register == 0 else 0.0  # half a gate to be mended by a shift
        sets.append(DevSet(truth, raw, np.stack([noise[0], noise[1]], axis=1)))
    blend = fit_blend(sets, np.zeros((2, 7)), 1e-4)
    assert (blend.weights[:, 0] > 3 * blend.weights[:, 1]).all()
    assert blend.gate_shift > 0.5
    answer = mixture(np.zeros((1, 2, 7)), np.zeros((1, 2, 7)), np.zeros(1), blend, np.zeros((2, 7)))
    assert answer.sum() == pytest.approx(1)


def test_a_tilt_is_added_to_what_the_experts_say_and_the_blend_knows_of_it() -> None:
    blend = Blend(np.array([[0.5, 0.8], [2.0, 0.3]]), 1.0, 0.0)
    rng = np.random.default_rng(1)
    linear, net = np.log(rng.dirichlet(np.ones(7), (2, 5, 2)))
    tilts = rng.normal(size=(2, 7))
    everything_spoken = np.full(5, 50.0)
    plain = mixture(linear, net, everything_spoken, blend, np.zeros((2, 7)))
    tilted = plain * np.exp(tilts[1])
    assert mixture(linear, net, everything_spoken, blend, tilts) == pytest.approx(
        tilted / tilted.sum(axis=1, keepdims=True)
    )


def test_the_blend_makes_up_for_the_surety_a_tilt_adds() -> None:
    rng = np.random.default_rng(2)
    truth = rng.choice(2, 500, p=[0.8, 0.2]) * 6
    raw = np.zeros((500, 15))
    raw[:, :14] = np.tile(np.eye(7)[truth] + rng.normal(size=(500, 7)), 2)
    sets = [DevSet(truth, raw, raw[:, :14].reshape(500, 2, 7))] * 2
    towards_common = np.tile(towards_rare(truth, -1.0), (2, 1))
    known, unknown = (fit_blend(sets, tilts, 1e-4) for tilts in (towards_common, np.zeros((2, 7))))

    def loss(blend: Blend) -> float:
        parts = [log_softmax(raw[:, :14].reshape(500, 2, 7))] * 2
        return negative_log_likelihood(truth, mixture(*parts, raw[:, 14], blend, towards_common))

    assert loss(known) < loss(unknown)


def test_a_tilt_lifts_what_is_rare_and_leaves_what_was_never_seen() -> None:
    lifted = towards_rare(np.array([0, 0, 0, 0, 1, 1, 2]), 0.5)
    assert lifted[2] > lifted[1] > lifted[0] > 0
    assert lifted[2] - lifted[1] == pytest.approx(0.5 * np.log(2))
    assert not lifted[3:].any()
    assert not towards_rare(np.array([0, 1]), 0.0).any()
