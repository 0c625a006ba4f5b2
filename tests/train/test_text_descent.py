"""A step down: how far, and never further than the gradients' bound allows."""

import pytest
import torch

from pipeline.train.text_descent import LARGEST_GRADIENT, WARM_UP, descend, learning_rate_at


def test_the_rate_rises_and_falls_to_nothing() -> None:
    steps = 1000
    rates = [learning_rate_at(step, steps, 0.5) for step in range(steps)]
    assert rates[0] == pytest.approx(0.5 / WARM_UP)
    highest = max(range(steps), key=rates.__getitem__)
    assert highest == WARM_UP - 1 and rates[highest] == pytest.approx(0.5 * (1 - highest / steps))
    assert rates[-1] == pytest.approx(0.5 / steps)


def test_a_gradient_is_cut_to_its_bound_over_all_groups() -> None:
    one, two = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    optimiser = torch.optim.SGD([{"params": [one]}, {"params": [two]}], lr=9.0)
    descend(300 * one.sum() + 400 * two.sum(), optimiser, 0.1)
    moved = torch.cat([one, two]).detach()
    assert float(moved.norm()) == pytest.approx(0.1 * LARGEST_GRADIENT, rel=1e-4)
    assert float(moved[2] / moved[0]) == pytest.approx(4 / 3, rel=1e-4)
    descend(one.sum(), optimiser, 0.1)  # what was summed up before is forgotten
    assert float(one.detach()[0] - moved[0]) == pytest.approx(-0.1, rel=1e-4)
