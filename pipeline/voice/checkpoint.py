"""Any Transformers audio-classification model, from a folder or a pulled hub id."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.models.cards import ModelError
from pipeline.models.known import transformers_card
from pipeline.models.transformers_loader import find_model, load_processor, load_strict
from pipeline.types import ModelCard, Scores
from pipeline.voice.backends import Samples
from pipeline.voice.batches import score_windows, standardised


class CheckpointBackend:
    """See ``voice.backends.VoiceBackend``; ``speech`` is ignored."""

    def __init__(self, model: Any, extractor: Any | None, card: ModelCard, device: str):
        self.card = card
        self.model = model
        self.processor = extractor
        self._device = device

    def __call__(self, windows: Sequence[Samples], speech: Samples | None) -> list[Scores]:
        return score_windows(windows, self._logits, self.card)

    def _logits(self, windows: NDArray[np.float32]) -> torch.Tensor:
        if self.processor is None:
            inputs = {"input_values": torch.from_numpy(standardised(windows))}
        else:
            inputs = self.processor(list(windows), sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
        logits: torch.Tensor = self.model(**{k: v.to(self._device) for k, v in inputs.items()}).logits
        return logits


def load(name: str, device: str) -> CheckpointBackend:
    """Load a folder or hub id; its labels come from ``id2label`` of its configuration.

    Raises:
        ModelError: not on this machine, weights that do not fit, labels that name no emotion, or another
            sample rate than 16 kHz.
    """
    try:
        model = load_strict(AutoModelForAudioClassification, name, device)
    except ModelError as error:
        if "classifier.dense" in str(error):
            raise ModelError(
                f"{name} keeps its own head (classifier.dense), which this loader would replace by a random "
                "one; use the voice back-end `hubert`"
            ) from error
        raise
    where = Path(find_model(name))
    extractor = None
    if (where / "preprocessor_config.json").is_file():
        extractor = load_processor(AutoFeatureExtractor, name)
        rate_hz = getattr(extractor, "sampling_rate", SAMPLE_RATE_HZ)
        if rate_hz != SAMPLE_RATE_HZ:
            raise ModelError(f"the model {name} wants {rate_hz} Hz sound; choose one made for 16 kHz")
    card = transformers_card(name, "voice", str(where))
    return CheckpointBackend(model, extractor, replace(card, modality="voice"), device)
