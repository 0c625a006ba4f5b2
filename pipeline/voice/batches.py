"""What the torch voice models share: equal lengths go through together, answers come back in order."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.labels import to_scores
from pipeline.types import ModelCard, Scores
from pipeline.voice.backends import Samples

Logits = Callable[[NDArray[np.float32]], torch.Tensor]


def score_windows(windows: Sequence[Samples], logits: Logits, card: ModelCard) -> list[Scores]:
    """Scores of windows of any lengths; ``logits`` maps (n, samples) to (n, labels).

    Only windows of one length share a call: padding would change what a model without an attention mask
    hears, so an answer would depend on its neighbours.
    """
    answers: list[Scores | None] = [None] * len(windows)
    by_length: dict[int, list[int]] = {}
    for place, window in enumerate(windows):
        by_length.setdefault(window.size, []).append(place)
    for places in by_length.values():
        with torch.inference_mode():
            output = logits(np.stack([windows[place] for place in places])).double() / card.temperature
            table = output.softmax(dim=-1).cpu().numpy()
        for place, probabilities in zip(places, table, strict=True):
            answers[place] = to_scores(card.labels, probabilities.tolist(), card.canonical)
    return [answer for answer in answers if answer is not None]


def standardised(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row with mean 0 and variance 1, as wav2vec 2.0 and HuBERT were trained; silence stays silence."""
    centred = windows - windows.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-7), dtype=np.float32)
