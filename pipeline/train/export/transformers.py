"""Opens a Transformers back-end for export."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.models.cards import file_sha256
from pipeline.models.transformers_loader import load_strict, quiet
from pipeline.records import CARD_FILE, write_record
from pipeline.train.export.part import (
    BATCH_AXIS,
    MEANING,
    OUTSIDE,
    AsModule,
    AsTransformers,
    Feed,
    Input,
    Part,
    Put,
    Run,
    Subject,
    face_crop,
    plugged,
    recorded,
)
from pipeline.train.score import load_named

LENGTH_AXIS: Mapping[str, str] = {"voice": "samples", "text": "tokens"}


class LogitsOf(nn.Module):  # type: ignore[misc]
    """A Transformers classifier that takes its inputs by place and gives the logits alone."""

    def __init__(self, model: Any, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(names)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Inputs in the order of ``names``."""
        output = self.model(**dict(zip(self.names, inputs, strict=True)))
        return output if isinstance(output, torch.Tensor) else output.logits


def transformers_subject(modality: str, name: str, backend: Any, put: Put) -> Subject:
    """The parts of a back-end around a Transformers model."""
    model, processor = backend.model, getattr(backend, "processor", None)
    own_head = _has_own_head(modality, backend)
    stand_in = AsModule if own_head else AsTransformers

    def plug(runs: Mapping[str, Run]) -> Any:
        return plugged(backend, stand_in(runs[""]))

    def as_it_is(feed: Feed) -> Any:
        with torch.inference_mode():
            output = model(**{key: torch.from_numpy(value) for key, value in feed.items()})
        return np.asarray(getattr(output, "logits", output).numpy(), np.float32)

    batches = recorded(plug, {"": as_it_is}, put)[""]
    inputs = tuple(_input_of(modality, key, value) for key, value in batches[0].items())
    names = [one.name for one in inputs]

    def load(folder: Path) -> tuple[Any, Mapping[str, Any]]:
        if own_head:
            again = plugged(backend, load_strict(type(model), str(folder), "cpu"))
        else:
            again = load_named(modality, str(folder), "cpu")
        return again, {"": LogitsOf(again.model, names).eval()}

    return Subject(
        modality=modality,
        name=name,
        backend=backend,
        card=backend.card,
        parts=(Part("", LogitsOf(model, names).eval(), inputs, tuple(_one_by_one(batches))),),
        runs={"": as_it_is},
        weights_bytes=sum(one.numel() * one.element_size() for one in model.state_dict().values()),
        plug=plug,
        save=lambda folder: _save_transformers(folder, backend),
        load=load,
        preprocessing=_transformers_preparation(modality, own_head, processor),
        details={} if processor is None or modality == "text" else {"processor": _settings(processor)},
        outside=OUTSIDE,
        side_files={},
    )


def _one_by_one(batches: Sequence[Feed]) -> list[Feed]:
    return [
        {key: value[i : i + 1] for key, value in batch.items()}
        for batch in batches
        for i in range(len(next(iter(batch.values()))))
    ]


def _has_own_head(modality: str, backend: Any) -> bool:
    """Whether it is the model whose head no Transformers class has."""
    if modality != "voice":
        return False
    from pipeline.voice.hubert import HubertBackend

    return isinstance(backend, HubertBackend)


def _input_of(modality: str, name: str, value: np.ndarray[Any, Any]) -> Input:
    shape: list[int | str] = [BATCH_AXIS, *value.shape[1:]]
    if modality in LENGTH_AXIS and len(shape) == 2:
        shape[1] = LENGTH_AXIS[modality]
    return Input(name, str(value.dtype), tuple(shape), MEANING.get(name, ""))


def _save_transformers(folder: Path, backend: Any) -> None:
    """A folder that is a back-end by itself: weights, configuration, processor, card."""
    model, card = backend.model, backend.card
    model.config.id2label = dict(enumerate(card.labels))
    model.config.label2id = {label: i for i, label in enumerate(card.labels)}
    with quiet():
        model.save_pretrained(folder)
        if getattr(backend, "processor", None) is not None:
            backend.processor.save_pretrained(folder)
    write_record(folder / CARD_FILE, replace(card, sha256=file_sha256(folder / "model.safetensors")))


def _transformers_preparation(modality: str, own_head: bool, processor: Any) -> tuple[str, ...]:
    if modality == "face":
        from pipeline.face.transformers_image import SIDE_PX

        return (
            *face_crop(SIDE_PX),
            "Then as the image processor says, whose settings stand under processor.",
        )
    if modality == "text":
        from pipeline.text.transformers_text import MAX_TOKENS

        return (
            "Unicode NFKC.",
            f"The tokenizer of the PyTorch folder, at most {MAX_TOKENS} tokens; texts of one batch are "
            "padded to the longest.",
        )
    sound = "Mono sound at 16 kHz, float32 in -1 to 1; only windows of one length share a batch."
    level = "Each window less its mean, divided by the square root of its variance + 1e-7."
    if own_head:
        from pipeline.voice.hubert import PADDED_SAMPLES

        return (
            sound,
            f"At most the first {PADDED_SAMPLES} samples.",
            level,
            f"Then zeros up to {PADDED_SAMPLES} samples.",
        )
    named = "Then as the feature extractor says, whose settings stand under processor."
    return (sound, level if processor is None else named)


def _settings(processor: Any) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = json.loads(processor.to_json_string())
    return settings
