"""A Transformers classifier of sound or text made ready for training: its outputs right, its body whole."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.labels import canonical_map
from pipeline.models.cards import ModelError, one_sentence
from pipeline.models.known import transformers_card
from pipeline.models.transformers_loader import BENIGN, find_model, quiet
from pipeline.records import CARD_FILE, write_record
from pipeline.train.loop import TrainingData, predict
from pipeline.train.metrics import LEAST_TEMPERATURE, fit_temperature
from pipeline.types import ModelCard

# Weights that many published bodies come without and that training can start anew.
_MENDABLE = re.compile(r"(^|\.)(masked_spec_embed|pooler\..*)$")


@dataclass(frozen=True)
class Classifier:
    """A model with one output per label; ``head`` names the modules a first phase would train alone."""

    model: Any
    head: tuple[str, ...]
    labels: tuple[str, ...]
    source: str
    said: str  # what became of its head, in words


def relabelled(auto_class: Any, where: str, labels: Sequence[str]) -> tuple[Any, list[str]]:
    """A checkpoint as a classifier of ``labels``, and the names of the weights that start anew for it."""
    names = dict(enumerate(labels))
    with quiet():
        model, info = auto_class.from_pretrained(
            where,
            local_files_only=True,
            output_loading_info=True,
            dtype=torch.float32,
            id2label=names,
            label2id={label: place for place, label in names.items()},
            ignore_mismatched_sizes=True,
        )
    return model, [str(key) for key in info["missing_keys"]] + [
        str(key[0]) for key in info["mismatched_keys"]
    ]


def load_classifier(
    auto_class: Any, name: str, modality: str, labels: Sequence[str], seed: int
) -> Classifier:
    """Load a checkpoint as a classifier of ``labels``; a head that fits them already is kept.

    Raises:
        ModelError: it is not on this machine, cannot be read, or weights of its body are missing.
    """
    where = find_model(name)
    torch.manual_seed(seed)
    keeps = _labels_of(where, modality) == tuple(labels)
    try:
        model, anew = relabelled(auto_class, where, labels)
    except Exception as error:  # a damaged file raises what its reader likes, not only OSError
        raise ModelError(
            f"{name} is no {modality} model to train ({one_sentence(error)}); give another backbone"
        ) from error
    head = tuple(part for part, _ in model.named_children() if part != model.base_model_prefix)
    strange = [
        key
        for key in anew
        if key.split(".")[0] not in head and not (_MENDABLE.search(key) or BENIGN.search(key))
    ]
    if not head or strange:
        raise ModelError(
            f"weights of {name} are missing ({', '.join(strange[:3]) or 'its head'}); give another backbone"
        )
    fresh = [key for key in anew if key.split(".")[0] in head]
    if not keeps and not fresh:  # as many outputs, other meanings
        _start_anew(model, head)
    said = "its head kept" if keeps and not fresh else f"a new head of {len(labels)}"
    return Classifier(model, head, tuple(labels), name, said)


def _start_anew(model: Any, head: Sequence[str]) -> None:
    """Fresh weights for the last layer, the one whose outputs have a meaning."""
    layers = [
        layer
        for part in head
        for layer in model.get_submodule(part).modules()
        if isinstance(layer, torch.nn.Linear) and layer.out_features == model.config.num_labels
    ]
    if not layers:
        raise ModelError("the model has no linear layer of its outputs to replace; give another backbone")
    layers[-1].reset_parameters()


def _labels_of(where: str, modality: str) -> tuple[str, ...]:
    try:
        return transformers_card(where, modality, where).labels
    except ModelError:
        return ()


def calibrated(classifier: Classifier, dev: TrainingData, batch_size: int) -> float:
    """The temperature that fits the development examples best, within reason."""
    return fit_temperature(dev.truth, predict(classifier.model, dev, batch_size), low=LEAST_TEMPERATURE)


def save_classifier(classifier: Classifier, processors: Sequence[Any], card: ModelCard, folder: Path) -> None:
    """Write the model folder; it takes its name only when it is whole."""
    scratch = folder.with_name(folder.name + ".part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    with quiet():
        classifier.model.save_pretrained(scratch)
        for processor in processors:
            processor.save_pretrained(scratch)
    write_record(scratch / CARD_FILE, card)
    shutil.rmtree(folder, ignore_errors=True)
    scratch.replace(folder)


def card_for(classifier: Classifier, modality: str, name: str, temperature: float, note: str) -> ModelCard:
    """The card of a trained classifier; its digest is that of the folder, which the loader takes."""
    return ModelCard(
        id=name,
        modality=modality,
        revision="local",
        sha256="",
        licence=f"that of {classifier.source} and of the data it was trained on",
        labels=classifier.labels,
        canonical=canonical_map(classifier.labels),
        temperature=temperature,
        source=f"emotion-pipeline train {modality}",
        notes=note,
    )
