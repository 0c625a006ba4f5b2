"""One step of training a text net: learning rate by the step, gradients no larger than a bound."""

import torch
from torch import nn

WARM_UP = 100  # steps
LARGEST_GRADIENT = 5.0  # norm over all parameters


def learning_rate_at(step: int, steps: int, highest: float) -> float:
    """A linear rise over the first steps, times a linear fall to 0 after ``steps``; steps count from 0."""
    return highest * min(1.0, (step + 1) / WARM_UP) * (1 - step / steps)


def descend(loss: torch.Tensor, optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    """Change what the optimiser holds by the gradients of ``loss``."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(
        [one for group in optimiser.param_groups for one in group["params"]], LARGEST_GRADIENT
    )
    optimiser.step()
