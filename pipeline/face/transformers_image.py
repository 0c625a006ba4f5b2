"""Any Transformers image classifier that names emotions: a folder or a hub id that was pulled before."""

from collections.abc import Sequence
from typing import Any

from pipeline.face.backends import BACKENDS, Image
from pipeline.face.crop import tight
from pipeline.labels import to_scores
from pipeline.models.cards import ModelError
from pipeline.models.known import known_for, transformers_card
from pipeline.models.transformers_loader import find_model, load_strict
from pipeline.types import ModelCard, Scores

SIDE_PX = 224


class TransformersFace:
    """A classifier with the image processor its folder describes."""

    def __init__(self, model: Any, processor: Any, card: ModelCard, device: str) -> None:
        self.card = card
        self.model = model
        self.processor = processor
        self._device = device

    def __call__(self, crops: Sequence[Image]) -> list[Scores]:
        import torch

        if not crops:
            return []
        images = [tight(crop, SIDE_PX) for crop in crops]
        batch = self.processor(images=images, return_tensors="pt")
        with torch.inference_mode():
            logits = self.model(**{key: value.to(self._device) for key, value in batch.items()}).logits
            rows = torch.softmax(logits.double() / self.card.temperature, dim=-1).cpu().numpy()
        return [to_scores(self.card.labels, row.tolist(), self.card.canonical) for row in rows]


def load(name: str, device: str) -> TransformersFace:
    """Load a model by folder, hub id, or a short name of ``BACKENDS``.

    Raises:
        ModelError: it is not on this machine, its weights do not fit, or its labels name no emotions.
    """
    import transformers

    model_id = known_for(name).id if name in BACKENDS else name
    where = find_model(model_id)
    model = load_strict(transformers.AutoModelForImageClassification, where, device)
    card = transformers_card(model_id, "face", where)
    if model.config.num_labels != len(card.labels):
        raise ModelError(
            f"the model {model_id} has {model.config.num_labels} outputs but {len(card.labels)} labels; "
            "its folder does not belong to its name"
        )
    return TransformersFace(model, image_processor(where), card, device)


def image_processor(where: str) -> Any:
    """The image processor in its Pillow form: the others want torchvision, or warn that it is missing."""
    import transformers
    from transformers.models.auto.image_processing_auto import get_image_processor_config

    named = str(get_image_processor_config(where, local_files_only=True).get("image_processor_type", ""))
    stem = named.removesuffix("Pil").removesuffix("Fast").replace("FeatureExtractor", "ImageProcessor")
    kind = getattr(transformers, f"{stem}Pil", None)
    if not stem or kind is None:
        raise ModelError(f"the model {where} has no image processor that runs without torchvision")
    return kind.from_pretrained(where, local_files_only=True)
