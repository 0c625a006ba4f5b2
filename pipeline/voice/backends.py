"""The voice models by name."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.types import ModelCard, Scores

Samples = NDArray[np.float32]

BACKENDS = {
    "compact": "pipeline.voice.compact:load",
    "hubert": "pipeline.voice.hubert:load",
    "transformers": "pipeline.voice.checkpoint:load",
}


class VoiceBackend(Protocol):
    """Reads emotion from windows of 16 kHz mono speech; the answers keep the windows' order.

    ``speech`` is speech of the same video, for a model that normalises by the speaker.
    """

    card: ModelCard

    def __call__(self, windows: Sequence[Samples], speech: Samples | None) -> list[Scores]: ...
