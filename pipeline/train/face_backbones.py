"""What a face model is fine-tuned from: the package's own net, or any Transformers image model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from pipeline.face.backends import BACKENDS, Image
from pipeline.face.compact import MODEL_ID
from pipeline.face.crop import MARGIN, decoded, tight
from pipeline.face.geometry import Square, cut_square
from pipeline.face.transformers_image import SIDE_PX, image_processor
from pipeline.labels import EMOTIONS
from pipeline.models.cards import TRAINED_STEM, ModelError, one_sentence, shipped_card, shipped_weights
from pipeline.models.known import known_for, transformers_card
from pipeline.models.transformers_loader import find_model, quiet
from pipeline.train.classifiers import relabelled
from pipeline.train.face import CONFIG, read_recipe
from pipeline.train.face_data import SIDE_PX as OWN_SIDE_PX
from pipeline.train.face_data import Augment, augmented
from pipeline.train.face_export import to_onnx
from pipeline.train.face_folded import read_net, with_norms
from pipeline.train.loop import TrainingData
from pipeline.train.tuning import OURS

Integers = npt.NDArray[np.int64]
Images = npt.NDArray[np.uint8]

DROPOUT = 0.1
CALIBRATING = 512  # faces that tell what a normalisation stands on


@dataclass(frozen=True)
class Backbone:
    """A model to train.

    ``data`` puts stored crops (JPEG files) and their truth into its form; ``model`` is the one that begins to
    learn from such data; ``save`` leaves it in a folder and returns the file whose digest belongs into the
    card, if there is one. ``said`` tells its start.
    """

    model: Callable[[TrainingData], Any]
    head: tuple[str, ...]
    data: Callable[[Sequence[bytes], Integers], TrainingData]
    save: Callable[[Any, Path], Path | None]
    licence: str
    said: str


def load_backbone(name: str, seed: int, erasing: float) -> Backbone:
    """The backbone by name: ``compact``, a short name of ``BACKENDS``, a folder or a hub id that was pulled.

    ``erasing`` is the share of training faces of which a rectangle is erased.

    Raises:
        ModelError: it is not on this machine, or is no image model.
    """
    torch.manual_seed(seed)
    return _own(erasing) if name == OURS else _transformers(name, erasing)


def gentle(how: Augment, erasing: float) -> Augment:
    """The distortions of the shipped training, weakened: a net that knows faces learns from few of them."""
    return replace(
        how,
        visible_low=0.9,
        visible_high=1.07,
        shift=0.03,
        rotation_deg=5.0,
        aspect=0.03,
        small_share=0.0,
        jpeg_share=0.0,
        noise=2.0,
        gamma=0.2,
        light=0.15,
        cutout_share=erasing,
    )


class GreyFaces:
    """Faces as the compact net reads them, (n, 48, 48) grey."""

    def __init__(self, crops: Sequence[bytes], truth: Integers, how: Augment) -> None:
        faces = [cv2.cvtColor(tight(decoded(crop), OWN_SIDE_PX), cv2.COLOR_RGB2GRAY) for crop in crops]
        self.truth = truth
        self._faces: Images = np.array(faces, np.uint8).reshape(-1, OWN_SIDE_PX, OWN_SIDE_PX)
        self._how = how

    def __len__(self) -> int:
        return len(self.truth)

    def batch(self, rows: Integers, seed: int | None) -> Mapping[str, torch.Tensor]:
        faces = self._faces[rows]
        if seed is None:
            return {"x": torch.from_numpy(faces)[:, None].float()}
        return {"x": augmented(faces, self._how, OWN_SIDE_PX, seed)}


class ColourFaces:
    """Faces as a Transformers image model reads them, through its own image processor."""

    def __init__(self, crops: Sequence[bytes], truth: Integers, processor: Any, erasing: float) -> None:
        self.truth = truth
        self._crops = crops
        self._processor = processor
        self._erasing = erasing

    def __len__(self) -> int:
        return len(self.truth)

    def batch(self, rows: Integers, seed: int | None) -> Mapping[str, torch.Tensor]:
        crops = [decoded(self._crops[row]) for row in rows]
        if seed is None:
            return self._processed([tight(crop, SIDE_PX) for crop in crops])
        draw = np.random.default_rng(seed)
        inputs = self._processed([distorted(crop, SIDE_PX, draw) for crop in crops])
        for image in inputs["pixel_values"]:
            if draw.random() < self._erasing:
                erase(image, draw)
        return inputs

    def _processed(self, images: Sequence[Image]) -> dict[str, torch.Tensor]:
        return dict(self._processor(images=list(images), return_tensors="pt"))


def distorted(crop: Image, out_px: int, draw: np.random.Generator) -> Image:
    """The face out of a stored crop, turned, scaled, shifted, mirrored and lit by chance."""
    side = len(crop) / MARGIN
    x, y = len(crop) / 2 + draw.uniform(-0.04, 0.04, 2) * side
    square = Square(float(x), float(y), side * draw.uniform(0.85, 1.1), draw.uniform(-8, 8))
    face = cut_square(crop, square, out_px)
    if draw.random() < 0.5:
        face = face[:, ::-1]
    light = 255 * (np.arange(256) / 255) ** np.exp(draw.uniform(-0.3, 0.3))
    return np.ascontiguousarray(light.round().astype(np.uint8)[face])


def erase(image: torch.Tensor, draw: np.random.Generator) -> None:
    """Put noise in place of a rectangle of 2 to 20 % of an image (c, h, w) (Zhong et al. 2020)."""
    _, height, width = image.shape
    area, ratio = draw.uniform(0.02, 0.2), np.exp(draw.uniform(np.log(0.3), np.log(3.3)))
    h = int(np.clip(round(height * np.sqrt(area * ratio)), 1, height))
    w = int(np.clip(round(width * np.sqrt(area / ratio)), 1, width))
    top, left = int(draw.integers(0, height - h + 1)), int(draw.integers(0, width - w + 1))
    noise = draw.standard_normal((image.shape[0], h, w)).astype(np.float32)
    image[:, top : top + h, left : left + w] = torch.from_numpy(noise)


def _own(erasing: float) -> Backbone:
    card = shipped_card(MODEL_ID)
    folded = read_net(shipped_weights(card), DROPOUT)
    how = gentle(read_recipe(CONFIG).augment, erasing)

    def model(data: TrainingData) -> Any:
        rows = np.arange(min(len(data), CALIBRATING))
        return with_norms(folded, data.batch(rows, None)["x"], DROPOUT)

    def save(net: Any, folder: Path) -> Path:
        path = folder / f"{TRAINED_STEM}.onnx"
        path.write_bytes(to_onnx(net, np.zeros(len(EMOTIONS))))
        return path

    return Backbone(
        model,
        ("head",),
        lambda crops, truth: GreyFaces(crops, truth, how),
        save,
        card.licence,
        "started from our weights",
    )


def _transformers(name: str, erasing: float) -> Backbone:
    model_id = known_for(name).id if name in BACKENDS else name
    where = find_model(model_id)
    processor = image_processor(where)
    model, head, said = _with_head(where)

    def save(model: Any, folder: Path) -> None:
        with quiet():
            model.save_pretrained(folder)
        processor.save_pretrained(folder)

    def data(crops: Sequence[bytes], truth: Integers) -> TrainingData:
        return ColourFaces(crops, truth, processor, erasing)

    return Backbone(lambda learned: model, (head,), data, save, f"that of {model_id} and of the data", said)


def _with_head(where: str) -> tuple[Any, str, str]:
    """An image model with seven outputs in ``EMOTIONS`` order, the name of its head, and what was done."""
    import transformers

    try:
        model, anew = relabelled(transformers.AutoModelForImageClassification, where, EMOTIONS)
    except Exception as error:  # a damaged file raises what its reader likes, not only OSError
        raise ModelError(f"{where} cannot be loaded as an image model: {one_sentence(error)}") from error
    heads = [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and layer.out_features == len(EMOTIONS)
    ]
    if not heads:
        raise ModelError(f"{where} has no linear head to replace; give another backbone")
    head = heads[-1]
    strange = [key for key in anew if not key.startswith(f"{head}.")]
    if strange:
        raise ModelError(
            f"the weights of {where} do not fit its configuration ({strange[0]}); fetch it again"
        )
    if not anew and _speaks_emotions(where):
        return model, head, "its head kept"
    model.get_submodule(head).reset_parameters()
    return model, head, f"a new head of {len(EMOTIONS)} ({head})"


def _speaks_emotions(where: str) -> bool:
    try:
        return transformers_card(where, "face", where).labels == EMOTIONS
    except ModelError:
        return False
