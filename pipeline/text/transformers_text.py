"""Text emotion with any Transformers sequence classifier, from a folder or from what was pulled before."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from pipeline.labels import to_scores
from pipeline.models.cards import ModelError
from pipeline.models.known import known_for, transformers_card
from pipeline.models.transformers_loader import find_model, load_processor, load_strict
from pipeline.types import ModelCard, Scores

MAX_TOKENS = 128


class TransformersText:
    """A sequence classifier and its tokenizer; labels and languages come from the card."""

    def __init__(self, card: ModelCard, model: Any, tokenizer: Any) -> None:
        outputs = int(model.config.num_labels)
        if outputs != len(card.labels):
            raise ModelError(
                f"the model {card.id} has {outputs} outputs and its card {len(card.labels)} labels; "
                "put all names, in output order, into id2label of its config.json"
            )
        self.card = card
        self.model = model
        self.processor = tokenizer

    def __call__(self, texts: Sequence[str], languages: Sequence[str | None]) -> list[Scores | None]:
        """One distribution per text; None for a language the card does not name (if it names any)."""
        known = self.card.languages
        readable = [i for i, lang in enumerate(languages) if not known or lang is None or lang in known]
        result: list[Scores | None] = [None] * len(texts)
        if not readable:
            return result
        for i, row in zip(readable, self._probabilities([texts[i] for i in readable]), strict=True):
            result[i] = to_scores(self.card.labels, row, self.card.canonical)
        return result

    def _probabilities(self, texts: list[str]) -> list[list[float]]:
        import torch

        cleaned = [unicodedata.normalize("NFKC", text) for text in texts]
        batch = self.processor(
            cleaned, return_tensors="pt", padding=True, truncation=True, max_length=MAX_TOKENS
        )
        with torch.inference_mode():
            logits = self.model(**batch.to(self.model.device)).logits.double() / self.card.temperature
        rows: list[list[float]] = logits.softmax(-1).tolist()
        return rows


def load(name: str, device: str) -> TransformersText:
    """Load a folder or hub id. Raises ModelError when it is not here or its head or labels do not fit."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    card = transformers_card(name, "text", find_model(name))
    model = load_strict(AutoModelForSequenceClassification, name, device)
    return TransformersText(card, model, load_processor(AutoTokenizer, name))


def load_listed(name: str, device: str) -> TransformersText:
    """Load the listed model behind a short name (``xlm-roberta``)."""
    return load(known_for(name).id, device)
