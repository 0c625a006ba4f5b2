"""A net of a few weights and points it can learn, for the training loop's tests."""

from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from pipeline.train.loop import LoopSettings

SETTINGS = LoopSettings(epochs=4, batch_size=10, learning_rate=0.02, head_epochs=1, device="cpu", seed=3)


class Points:
    """Three clouds in the plane, labelled 0, 1 and 2."""

    def __init__(self, count, seed, truth=None):
        draw = np.random.default_rng(seed)
        self.truth = draw.integers(0, 3, count) if truth is None else np.asarray(truth)
        centres = np.array([[0, 2], [2, -1], [-2, -1]])
        self.points = (centres[self.truth] + draw.normal(0, 0.7, (len(self.truth), 2))).astype(np.float32)
        self.seeds = []

    def __len__(self):
        return len(self.truth)

    def batch(self, rows, seed):
        self.seeds.append(seed)
        return {"input": torch.from_numpy(self.points[rows])}


def tiny_net(dropout=0.0):
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(body=nn.Linear(2, 8), act=nn.ReLU(), drop=nn.Dropout(dropout), head=nn.Linear(8, 3))
    )
