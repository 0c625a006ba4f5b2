"""Tiny checkpoints, made by the library's own classes and laid out as the real ones are."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
)

HUBERT_CH = "xmj2002/hubert-base-ch-speech-emotion-recognition"
SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}


def hubert_ch_weights() -> dict[str, torch.Tensor]:
    """Names as in the real file: `hubert.*`, `classifier.*`, and weight-norm names of older libraries."""
    torch.manual_seed(0)
    old_names = {
        "weight.original0": "weight_g",
        "weight.original1": "weight_v",
    }
    weights = {}
    for name, value in HubertModel(HubertConfig(**SIZES)).state_dict().items():
        parent, _, last = name.partition(".parametrizations.")
        weights[f"hubert.{parent}" + (f".{old_names[last]}" if last else "")] = value.clone()
    weights |= {
        "classifier.dense.weight": torch.randn(16, 16),
        "classifier.dense.bias": torch.randn(16),
        "classifier.out_proj.weight": torch.randn(6, 16),
        "classifier.out_proj.bias": torch.randn(6),
    }
    return weights


def write_hubert_ch(cache: Path, weights: dict[str, torch.Tensor]) -> Path:
    """A folder as `models pull` leaves it below ``cache``."""
    folder = cache / HUBERT_CH
    config = HubertConfig(**SIZES, classifier_dropout=0.1, num_class=6)
    config.save_pretrained(folder)
    torch.save(weights, folder / "pytorch_model.bin")
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def write_classifier(
    folder: Path, labels: list[str] | None, with_extractor: bool = True, rate_hz: int = 16_000
) -> Path:
    """A sequence classifier saved by the library."""
    torch.manual_seed(1)
    named = (
        {}
        if labels is None
        else {"id2label": dict(enumerate(labels)), "label2id": {n: i for i, n in enumerate(labels)}}
    )
    config = Wav2Vec2Config(**SIZES, classifier_proj_size=8, **named)
    Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    if with_extractor:
        Wav2Vec2FeatureExtractor(sampling_rate=rate_hz).save_pretrained(folder)
    return folder
