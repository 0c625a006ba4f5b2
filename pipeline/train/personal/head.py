"""The last layer of a classifier fitted to one person, over what its frozen body makes of each clip."""

from dataclasses import dataclass

import numpy as np

from pipeline.train.personal.learn import (
    LEAST_GAIN,
    REPEATS,
    Clips,
    Doubles,
    Integers,
    Linear,
    balanced_loss,
    fit_linear,
    log_softmax,
    parted,
    recall_of,
    require_enough,
    temperature_of,
    without_each,
)

STRENGTHS = (3.0, 1.0, 0.3, 0.1, 0.03)  # see learn.SAID_STRENGTHS


@dataclass(frozen=True, slots=True)
class Head:
    """A classifier's last layer as it was best for the person; ``strength`` None: as it was."""

    layer: Linear
    temperature: float
    strength: float | None
    loss_before: float
    loss_after: float

    @property
    def is_unchanged(self) -> bool:
        """Whether the layer was best left as it is."""
        return self.strength is None


def learn_head(inputs: Doubles, clips: Clips, start: Linear, seed: int = 0, repeats: int = REPEATS) -> Head:
    """The last layer over ``inputs`` (n, d) of about unit variance, held to ``start`` as strongly as is best.

    Raises:
        DataError: too few clips, or all of one label.
    """
    require_enough(clips)
    partings = parted(clips, seed, repeats)
    truth = np.concatenate([clips.truth[test] for _, test in partings])

    def layer(rows: Integers, strength: float | None) -> Linear:
        return start if strength is None else fit_linear(inputs[rows], clips.truth[rows], start, strength)

    said = {
        one: np.concatenate([layer(rest, one)(inputs[test]) for rest, test in partings])
        for one in (None, *STRENGTHS)
    }
    losses = {one: balanced_loss(truth, logs) for one, logs in said.items()}
    best = min(losses, key=lambda one: losses[one])
    if (
        recall_of(truth, said[best]) < recall_of(truth, said[None])
        or losses[best] > losses[None] - LEAST_GAIN
    ):
        best = None
    return Head(
        layer=layer(np.arange(len(clips.truth)), best),
        temperature=1.0 if best is None else temperature_of(truth, said[best]),
        strength=best,
        loss_before=losses[None],
        loss_after=losses[best],
    )


def cross_validated_head(inputs: Doubles, clips: Clips, start: Linear, seed: int = 0) -> Doubles:
    """As :func:`cross_validated`, for :func:`learn_head`."""

    def answer(rest: Integers, test: Integers) -> Doubles:
        head = learn_head(inputs[rest], clips.rows(rest), start, seed, repeats=1)
        return log_softmax(head.layer(inputs[test]) / head.temperature)

    return without_each(clips, seed, answer)
