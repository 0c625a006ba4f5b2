"""The face models and face detectors by name, and what each must be able to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.types import ModelCard, Scores

Image = NDArray[np.uint8]
Point = tuple[float, float]
Box = tuple[float, float, float, float]

BACKENDS = {
    "compact": "pipeline.face.compact:load",
    "deepface": "pipeline.face.deepface_emotion:load",
    "convnext": "pipeline.face.transformers_image:load",
    "transformers": "pipeline.face.transformers_image:load",
}
DETECTORS = {
    "landmarks": "pipeline.face.landmarks:load",
    "haar": "pipeline.face.haar:load",
    "yunet": "pipeline.face.yunet:load",
}


class FaceBackend(Protocol):
    """Reads emotion from crops (h, w, 3) RGB as ``crop.cut`` makes them; the answers keep their order."""

    card: ModelCard

    def __call__(self, crops: Sequence[Image]) -> list[Scores]: ...


@dataclass(frozen=True, slots=True)
class FaceShape:
    """How a face is held and what its muscles do, whatever its size and position.

    ``blendshapes`` are the 52 values of ``mesh.BLENDSHAPES`` in [0, 1], ``jaw_open`` the one of that name;
    ``lip_gap`` ≥ 0 is the opening between the lips over the width between the outer corners of the eyes;
    ``pose_deg`` yaw, pitch and roll in degrees.
    """

    blendshapes: tuple[float, ...]
    lip_gap: float
    jaw_open: float
    pose_deg: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Detection:
    """A face: ``box`` [x, y, width, height] and ``landmarks`` in pixels of the image it was found in.

    Landmarks are the eye at the left of the picture, the other eye, nose tip, and the two mouth corners.
    """

    box: Box
    score: float
    landmarks: tuple[Point, ...] | None = None
    shape: FaceShape | None = None


class FaceDetector(Protocol):
    """Finds faces in RGB images: equal answers in equal order for equal images, on any number of threads."""

    card: ModelCard

    def scan(self, image: Image, side_px: int) -> list[Detection]:
        """All faces; the image's longer side is first brought down to ``side_px``."""

    def search(self, image: Image, box: Box) -> Detection | None:
        """The face that was last seen at ``box``, if it is still near there."""

    def vouch(self, image: Image, box: Box) -> bool:
        """A second opinion, strict, on whether there is a face at ``box``."""
