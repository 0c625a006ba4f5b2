"""The Mandarin HuBERT emotion model, with the head it was trained with.

`xmj2002/hubert-base-ch-speech-emotion-recognition` keeps its head under names that no Transformers class
has, so the audio-classification auto class would put a random one in its place.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import HubertConfig, HubertModel, HubertPreTrainedModel

from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.models.cards import ModelError
from pipeline.models.known import known_for
from pipeline.models.transformers_loader import load_strict
from pipeline.types import ModelCard, Scores
from pipeline.voice.backends import Samples
from pipeline.voice.batches import score_windows, standardised

# Its training clips were padded with zeros to six seconds and averaged over all of them, padding included.
PADDED_SAMPLES = 6 * SAMPLE_RATE_HZ


class Head(nn.Module):  # type: ignore[misc]
    """Mean over time comes in; dense, tanh, output."""

    def __init__(self, config: HubertConfig, labels: int):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout(float(getattr(config, "classifier_dropout", 0.0)))
        self.out_proj = nn.Linear(config.hidden_size, labels)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """(n, hidden) to (n, labels)."""
        bent: torch.Tensor = torch.tanh(self.dense(self.dropout(pooled)))
        logits: torch.Tensor = self.out_proj(self.dropout(bent))
        return logits


class HubertWithHead(HubertPreTrainedModel):  # type: ignore[misc]
    """Weights lie under ``hubert.*`` and ``classifier.{dense,out_proj}.*``, as in the checkpoint."""

    def __init__(self, config: HubertConfig):
        super().__init__(config)
        self.hubert = HubertModel(config)
        self.classifier = Head(config, len(known_for("hubert").labels))
        self.post_init()

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """(n, samples) to (n, labels)."""
        logits: torch.Tensor = self.classifier(self.hubert(samples).last_hidden_state.mean(dim=1))
        return logits


class HubertBackend:
    """See ``voice.backends.VoiceBackend``; ``speech`` is ignored."""

    def __init__(self, model: HubertWithHead, card: ModelCard, device: str):
        self.card = card
        self.model = model
        self._device = device

    def __call__(self, windows: Sequence[Samples], speech: Samples | None) -> list[Scores]:
        return score_windows(windows, self._logits, self.card)

    def _logits(self, windows: NDArray[np.float32]) -> torch.Tensor:
        heard = standardised(windows[:, :PADDED_SAMPLES])
        heard = np.pad(heard, ((0, 0), (0, PADDED_SAMPLES - heard.shape[1])))
        logits: torch.Tensor = self.model(torch.from_numpy(heard).to(self._device))
        return logits


def load(name: str, device: str) -> HubertBackend:
    """Load the pulled checkpoint.

    Raises:
        ModelError: it is not on this machine, or a weight is missing or left over.
    """
    known = known_for("hubert")
    if not (known.home / "config.json").is_file():
        raise ModelError(
            f"the model {known.id} is not on this machine; run `emotion-pipeline models pull {name}`"
        )
    return HubertBackend(load_strict(HubertWithHead, str(known.home), device), known.card(), device)
