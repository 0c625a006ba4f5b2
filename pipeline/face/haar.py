"""Viola and Jones's cascades (CVPR 2001) as they ship in OpenCV 4."""

from pathlib import Path

import cv2
import numpy as np

from pipeline.face.backends import Box, Detection, Image
from pipeline.face.geometry import Square, centre, cut_square, moved, near, shrunk, size, without_overlaps
from pipeline.models.cards import ModelError, file_sha256
from pipeline.types import ModelCard

# The smallest face a cascade knows, in pixels.
LEAST_PX = 24
# A window around a known face is brought to this scale before the cascade looks at it: with 40 px instead it
# finds no more faces and takes twice the time.
FACE_PX = 32
WINDOW = 1.7
SEARCHED_PX = (round(FACE_PX * 0.75), round(FACE_PX * 1.4))
# alt_tree misses a quarter of the true faces of a film but none of the six false ones met on real clips.
VOUCH_PX, VOUCH_WINDOW = 48, 1.4


class HaarDetector:
    """Scans with ``frontalface_default``, tries ``alt2`` too near known faces, vouches with ``alt_tree``."""

    def __init__(self, folder: Path) -> None:
        """Read the cascades. Raises ModelError when this OpenCV carries none."""
        self._default = _cascade(folder, "frontalface_default")
        self._second = _cascade(folder, "frontalface_alt2")
        self._strict = _cascade(folder, "frontalface_alt_tree")
        self.card = ModelCard(
            id="haar",
            modality="face",
            revision=f"OpenCV {cv2.__version__}",
            sha256=file_sha256(folder / "haarcascade_frontalface_default.xml"),
            licence="Intel License Agreement for Open Source Computer Vision Library (BSD style)",
            labels=(),
            canonical={},
            source="https://github.com/opencv/opencv/tree/4.x/data/haarcascades",
        )

    def scan(self, image: Image, side_px: int) -> list[Detection]:
        small, scale = shrunk(image, side_px)
        found = _detect(self._default, small, 1.2, 3, (LEAST_PX, min(small.shape[:2])))
        return [moved(one, scale, 0, 0) for one in without_overlaps(found, 0.3)]

    def search(self, image: Image, box: Box) -> Detection | None:
        side = size(box)
        x, y = centre(box)
        window = cut_square(image, Square(x, y, side * WINDOW), round(FACE_PX * WINDOW))
        scale = side / FACE_PX
        for cascade in (self._default, self._second):
            found = _detect(cascade, window, 1.15, 2, SEARCHED_PX)
            offset = side * WINDOW / 2
            there = [moved(one, scale, x - offset, y - offset) for one in found]
            there = [one for one in there if near(one.box, box, reach=0.6, ratio=1.5)]
            if there:
                return max(there, key=lambda one: (one.score, one.box))
        return None

    def vouch(self, image: Image, box: Box) -> bool:
        x, y = centre(box)
        window = cut_square(image, Square(x, y, size(box) * VOUCH_WINDOW), round(VOUCH_PX * VOUCH_WINDOW))
        return bool(_detect(self._strict, window, 1.1, 1, (round(VOUCH_PX * 0.65), len(window))))


def load(name: str, device: str) -> HaarDetector:
    """The detector; ``device`` plays no part. Raises ModelError when this OpenCV carries no cascades."""
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
    return HaarDetector(Path(folder))


def _cascade(folder: Path, name: str) -> cv2.CascadeClassifier:
    path = folder / f"haarcascade_{name}.xml"
    cascade = cv2.CascadeClassifier(str(path)) if path.is_file() else None
    if cascade is None or cascade.empty():
        raise ModelError(
            f"OpenCV {cv2.__version__} carries no cascade {path.name}; "
            "install opencv-contrib-python-headless<5"
        )
    return cascade


def _detect(
    cascade: cv2.CascadeClassifier, image: Image, step: float, neighbours: int, sides_px: tuple[int, int]
) -> list[Detection]:
    """Faces in an image of at most a few hundred pixels; the score grows with the hits grouped into one."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    least, most = sides_px
    boxes, counts = cascade.detectMultiScale2(
        grey, step, neighbours, minSize=(least, least), maxSize=(most, most)
    )
    found = [
        Detection((float(x), float(y), float(w), float(h)), float(n) / (float(n) + 5.0))
        for (x, y, w, h), n in zip(np.reshape(boxes, (-1, 4)), np.ravel(counts), strict=True)
    ]
    return sorted(found, key=lambda one: (-one.score, one.box))
