"""YuNet (Wu, Peng and Yu 2023, Machine Intelligence Research 20): a small detector with five landmarks."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipeline.face.backends import Box, Detection, Image
from pipeline.face.geometry import Square, centre, cut_square, moved, near, shrunk, size, without_overlaps
from pipeline.models.cards import ModelError
from pipeline.models.known import checked_files, known_for
from pipeline.models.session import session
from pipeline.types import ModelCard

STRIDES = (8, 16, 32)
STEP_PX = 32  # the net wants multiples of its largest stride
LEAST_SCORE, VOUCH_SCORE = 0.6, 0.75
MOST_IOU = 0.3
WINDOW, FACE_PX = 2.0, 64


class YuNetDetector:
    """Takes files of fixed as well as of dynamic input size."""

    def __init__(self, net: onnxruntime.InferenceSession, card: ModelCard) -> None:
        self.card = card
        self._net = net
        self._input = net.get_inputs()[0].name
        self._outputs = [output.name for output in net.get_outputs()]
        height, width = net.get_inputs()[0].shape[2:]
        self._fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None

    def scan(self, image: Image, side_px: int) -> list[Detection]:
        if self._fixed:
            height, width = self._fixed
            fit = min(height / image.shape[0], width / image.shape[1])
            side_px = min(side_px, int(fit * max(image.shape[:2])))
        small, scale = shrunk(image, side_px)
        return [moved(one, scale, 0, 0) for one in self._faces(small)]

    def search(self, image: Image, box: Box) -> Detection | None:
        side = size(box)
        x, y = centre(box)
        window = cut_square(image, Square(x, y, side * WINDOW), round(FACE_PX * WINDOW))
        offset = side * WINDOW / 2
        found = [moved(one, side / FACE_PX, x - offset, y - offset) for one in self._faces(window)]
        return next((one for one in found if near(one.box, box, reach=0.7, ratio=1.6)), None)

    def vouch(self, image: Image, box: Box) -> bool:
        found = self.search(image, box)
        return found is not None and found.score >= VOUCH_SCORE

    def _faces(self, image: Image) -> list[Detection]:
        """Faces of an image that fits the net."""
        height, width = self._fixed or tuple(-(-side // STEP_PX) * STEP_PX for side in image.shape[:2])
        padded = np.zeros((1, 3, height, width), np.float32)
        padded[0, :, : image.shape[0], : image.shape[1]] = image[:, :, ::-1].transpose(2, 0, 1)  # BGR
        outputs = dict(zip(self._outputs, self._net.run(None, {self._input: padded}), strict=True))
        found = [one for stride in STRIDES for one in _decode(outputs, stride, width // stride)]
        return without_overlaps(found, MOST_IOU)


def _decode(outputs: dict[str, NDArray[np.float32]], stride: int, columns: int) -> list[Detection]:
    """Faces of one stride: an anchor-free head, one cell per ``stride`` × ``stride`` pixels, row by row."""
    confidence = outputs[f"cls_{stride}"][0, :, 0].clip(0, 1) * outputs[f"obj_{stride}"][0, :, 0].clip(0, 1)
    score = np.sqrt(confidence)
    cells = np.flatnonzero(score >= LEAST_SCORE)
    corner = np.stack([cells % columns, cells // columns], 1) * stride
    boxes = outputs[f"bbox_{stride}"][0][cells]
    middle = corner + boxes[:, :2] * stride
    sides = np.exp(boxes[:, 2:]) * stride
    points = corner[:, None] + outputs[f"kps_{stride}"][0][cells].reshape(-1, 5, 2) * stride
    start = middle - sides / 2
    return [
        Detection(
            (float(start[i, 0]), float(start[i, 1]), float(sides[i, 0]), float(sides[i, 1])),
            float(score[cell]),
            tuple((float(x), float(y)) for x, y in points[i]),
        )
        for i, cell in enumerate(cells)
    ]


def load(name: str, device: str) -> YuNetDetector:
    """The detector, on the CPU whatever ``device``. Raises ModelError when its file is missing or changed."""
    known = known_for("yunet")
    if not known.is_here:
        raise ModelError(
            f"the face detector yunet is not on this machine; run `emotion-pipeline models pull {known.id}` "
            "or set face.detector to haar"
        )
    net: Any = session(checked_files(known)[known.files[0].path])
    return YuNetDetector(net, known.card())
