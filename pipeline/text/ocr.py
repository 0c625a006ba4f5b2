"""Lines of text in a picture, by the two networks of PP-OCRv6 (small) as RapidOCR publishes them.

Its own library brings a second OpenCV, and boxes of any angle; subtitles lie level. Pre- and post-processing
follow PaddleOCR (Apache-2.0): Liao et al., "Real-time scene text detection with differentiable binarization"
(2020), and greedy CTC decoding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.media.language import is_east_asian
from pipeline.models.known import KnownModel, checked_files

DETECTOR, RECOGNISER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"

# Of PaddleOCR's own settings for these weights.
MIN_PIXEL_PROBABILITY = 0.3
MIN_BOX_PROBABILITY = 0.5
UNCLIP_RATIO = 1.6
SIDE_STEP_PX = 32
RECOGNISER_HEIGHT_PX = 48
MIN_SIDE_PX = 3
# From this many times the usual distance on there is a space, where there are enough to know what is usual.
MIN_SPACE_RATIO, MIN_EVEN_GAPS = 1.4, 3
# A recogniser's input no wider than this: about 80 characters.
MAX_RECOGNISER_WIDTH_PX = 2400


@dataclass(frozen=True, slots=True)
class Box:
    """A level rectangle in pixels of the picture, right and bottom excluded, and how sure it holds text."""

    left_px: float
    top_px: float
    right_px: float
    bottom_px: float
    score: float = 1.0

    @property
    def width_px(self) -> float:
        return self.right_px - self.left_px

    @property
    def height_px(self) -> float:
        return self.bottom_px - self.top_px

    @property
    def centre(self) -> tuple[float, float]:
        """Horizontal and vertical."""
        return (self.left_px + self.right_px) / 2, (self.top_px + self.bottom_px) / 2


class Ocr:
    """Finds and reads text; on one thread, so equal pictures give equal text."""

    def __init__(self, detector: Any, recogniser: Any) -> None:
        self._detector, self._recogniser = detector, recogniser
        self._characters = (
            "",
            *recogniser.get_modelmeta().custom_metadata_map["character"].splitlines(),
            " ",
        )

    def boxes(self, image: NDArray[np.uint8], max_side_px: int) -> list[Box]:
        """Where text stands in an RGB image ``(h, w, 3)``, from top to bottom.

        The image is read at no more than ``max_side_px`` on its longer side and never larger than it is.
        """
        height, width = image.shape[:2]
        scale = min(1.0, max_side_px / max(height, width))
        size = tuple(max(1, round(side * scale / SIDE_STEP_PX)) * SIDE_STEP_PX for side in (width, height))
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        (map_,) = self._detector.run(None, {self._detector.get_inputs()[0].name: _planes(resized)})
        return boxes_of(map_[0, 0], width, height)

    def read(self, image: NDArray[np.uint8], box: Box) -> tuple[str, float]:
        """The text inside a box of an RGB image, and the mean probability of its characters (0: none)."""
        height, width = image.shape[:2]
        top, bottom = max(0, round(box.top_px)), min(height, round(box.bottom_px))
        left, right = max(0, round(box.left_px)), min(width, round(box.right_px))
        if bottom - top < MIN_SIDE_PX or right - left < MIN_SIDE_PX:
            return "", 0.0
        crop = image[top:bottom, left:right]
        scaled = round(crop.shape[1] * RECOGNISER_HEIGHT_PX / crop.shape[0])
        size = min(MAX_RECOGNISER_WIDTH_PX, max(RECOGNISER_HEIGHT_PX, scaled)), RECOGNISER_HEIGHT_PX
        planes = _planes(cv2.resize(crop, size))
        (probabilities,) = self._recogniser.run(None, {self._recogniser.get_inputs()[0].name: planes})
        return self._decoded(probabilities[0])

    def _decoded(self, probabilities: NDArray[np.float32]) -> tuple[str, float]:
        best = probabilities.argmax(axis=1)
        is_new = np.append(True, best[1:] != best[:-1]) & (best != 0)
        if not is_new.any():
            return "", 0.0
        characters = [self._characters[i] for i in best[is_new]]
        text = spaced(characters, np.flatnonzero(is_new).tolist())
        return text.strip(), float(probabilities.max(axis=1)[is_new].mean())


def spaced(characters: Sequence[str], steps: Sequence[int]) -> str:
    """Characters read at these steps from left to right as text, with a space in each wide gap.

    The network leaves out spaces between Chinese characters, which stand at even distances.
    """
    pairs = list(zip(pairwise(characters), pairwise(steps), strict=True))
    gaps = [after - before for (one, other), (before, after) in pairs if _are_wide(one, other)]
    if len(gaps) < MIN_EVEN_GAPS:
        return "".join(characters)
    wide_gap = MIN_SPACE_RATIO * median(gaps)
    text = characters[0]
    for (one, other), (before, after) in pairs:
        text += " " + other if _are_wide(one, other) and after - before >= wide_gap else other
    return text


def _are_wide(one: str, other: str) -> bool:
    return is_east_asian(one) and is_east_asian(other)


def boxes_of(probability: NDArray[np.float32], width_px: int, height_px: int) -> list[Box]:
    """Boxes in a picture of this size, out of the detector's map ``(h, w)``, from top to bottom."""
    mask = cv2.dilate((probability > MIN_PIXEL_PROBABILITY).astype(np.uint8), np.ones((2, 2), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    across, down = width_px / probability.shape[1], height_px / probability.shape[0]
    boxes = []
    for label in range(1, count):
        left, top, width, height, _ = (int(value) for value in stats[label])
        if min(width, height) < MIN_SIDE_PX:
            continue
        window = np.s_[top : top + height, left : left + width]
        score = float(probability[window][labels[window] == label].mean())
        if score < MIN_BOX_PROBABILITY:
            continue
        # The network is trained on shrunken boxes.
        grow = width * height * UNCLIP_RATIO / (2 * (width + height))
        boxes.append(
            Box(
                max(0.0, (left - grow) * across),
                max(0.0, (top - grow) * down),
                min(float(width_px), (left + width + grow) * across),
                min(float(height_px), (top + height + grow) * down),
                score,
            )
        )
    return sorted(boxes, key=lambda box: (box.top_px, box.left_px))


def load(model: KnownModel) -> Ocr:
    """The two networks. Raises ModelError when they are not here or were changed."""
    from pipeline.models.session import session

    paths = checked_files(model)
    return Ocr(session(paths[DETECTOR]), session(paths[RECOGNISER]))


def _planes(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """``(1, 3, h, w)`` in [-1, 1], blue first, as the networks were trained."""
    blue_first = image[:, :, ::-1].astype(np.float32) / 127.5 - 1
    return np.ascontiguousarray(blue_first.transpose(2, 0, 1)[None])
