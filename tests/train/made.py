"""Answers without a model, for the tests of what is made of answers."""

import numpy as np

from pipeline.labels import EMOTIONS
from pipeline.train.metrics import softmax
from pipeline.train.score import Answers


def made_answers(n=60, modality="text", right=0.7, seed=0, emotions=EMOTIONS, **more):
    """``n`` answers, mostly right, over the given emotions; named line 0, line 1 …"""
    draw = np.random.default_rng(seed)
    truth = np.array([EMOTIONS.index(emotions[i % len(emotions)]) for i in range(n)])
    logits = draw.normal(0, 1, (n, 7))
    hit = draw.random(n) < right
    logits[np.arange(n), np.where(hit, truth, (truth + 1) % 7)] += 3
    fields = {
        "names": tuple(f"line {i}" for i in range(n)),
        "truth": truth,
        "probabilities": softmax(logits),
        "groups": np.array([("ann", "bob")[i % 2] for i in range(n)]),
        "modality": modality,
    }
    return Answers(**fields | more)
