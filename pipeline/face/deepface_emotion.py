"""DeepFace's emotion model, through the deepface package on onnxruntime."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.face.backends import Image
from pipeline.face.crop import tight
from pipeline.labels import canonical_map, to_scores
from pipeline.models.cards import ModelError, file_sha256
from pipeline.models.known import checked_files, known_for
from pipeline.models.session import session
from pipeline.privacy import no_probing
from pipeline.types import ModelCard, Scores

# What deepface hands its client, before the client makes it grey and 48 px.
SIDE_PX = 224
LEAST_PROBABILITY = 1e-12


class DeepFaceEmotion:
    """Wraps deepface's own client, so that its preparation of images and its label order are its own."""

    def __init__(self, client: Any, card: ModelCard) -> None:
        self.card = card
        self._client = client

    def __call__(self, crops: Sequence[Image]) -> list[Scores]:
        return [self._read(crop) for crop in crops]

    def _read(self, crop: Image) -> Scores:
        bgr = tight(crop, SIDE_PX)[:, :, ::-1]
        logits = np.log(np.maximum(np.asarray(self._client.predict(bgr), np.float64), LEAST_PROBABILITY))
        powers = np.exp((logits - logits.max()) / self.card.temperature)
        return to_scores(self.card.labels, powers / powers.sum(), self.card.canonical)


def load(name: str, device: str) -> DeepFaceEmotion:
    """The model, on the CPU whatever ``device``; nothing is downloaded.

    Raises:
        ModelError: its weights are neither in the model cache nor where deepface keeps them, or were changed.
    """
    os.environ.setdefault("DEEPFACE_LOG_LEVEL", "30")  # deepface prints to the console below "warning"
    with no_probing():
        from deepface.commons.folder_utils import get_deepface_home
        from deepface.models.demography.onnx.Emotion import EmotionClient, labels

    known = known_for("deepface")
    file = known.files[0].path
    places = (known.home / file, Path(get_deepface_home()) / ".deepface" / "weights" / file)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise ModelError(
            "DeepFace's emotion weights are not on this machine; run "
            f"`emotion-pipeline models pull {known.id}` or put {file} into {places[1].parent}"
        )
    if path == places[0]:
        checked_files(known)
    client = EmotionClient.__new__(EmotionClient)  # its constructor would download missing weights
    client.model_name = "Emotion"
    client.model = session(path)
    _check_shape(client.model, path, len(labels))
    card = replace(
        known.card(), labels=tuple(labels), canonical=canonical_map(labels), sha256=file_sha256(path)
    )
    return DeepFaceEmotion(client, card)


def _check_shape(net: Any, path: Path, outputs: int) -> None:
    takes, gives = net.get_inputs()[0].shape[1:], net.get_outputs()[0].shape[-1]
    if list(takes) != [48, 48, 1] or gives != outputs:
        raise ModelError(f"{path} is not DeepFace's emotion model; delete it and pull it again")
