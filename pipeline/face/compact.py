"""The compact face model that ships with the package."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from pipeline.face.backends import BACKENDS, Image
from pipeline.face.crop import tight
from pipeline.labels import to_scores
from pipeline.models.cards import shipped_card, shipped_weights, trained_model
from pipeline.models.load import is_folder
from pipeline.models.session import session
from pipeline.types import ModelCard, Scores

MODEL_ID = "face_compact"
SIDE_PX = 48
READERS = 4


class CompactFace:
    """(n, 1, 48, 48) grey values in [0, 255] to logits, on one CPU thread."""

    def __init__(self, net: onnxruntime.InferenceSession, card: ModelCard) -> None:
        self.card = card
        self.model = net

    def __call__(self, crops: Sequence[Image]) -> list[Scores]:
        # Side by side, each on one thread: the order and the bytes are those of a loop.
        with ThreadPoolExecutor(max_workers=READERS) as readers:
            return list(readers.map(self._read, crops))

    def _read(self, crop: Image) -> Scores:
        # One face a run: an answer must not depend on the batch it was in, and batches are no faster.
        grey = cv2.cvtColor(tight(crop, SIDE_PX), cv2.COLOR_RGB2GRAY).astype(np.float32)
        logits = self.model.run(None, {"faces": grey[None, None]})[0][0].astype(np.float64)
        powers = np.exp((logits - logits.max()) / self.card.temperature)
        return to_scores(self.card.labels, powers / powers.sum(), self.card.canonical)


def load(name: str, device: str) -> CompactFace:
    """The shipped model, or that of a folder `train face` left, on the CPU whatever ``device``.

    Raises:
        ModelError: it is missing or damaged.
    """
    if is_folder(name, BACKENDS):
        card, weights = trained_model(Path(name), "face")
        return CompactFace(session(weights), card)
    card = shipped_card(MODEL_ID)
    return CompactFace(session(shipped_weights(card)), card)
