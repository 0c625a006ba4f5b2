"""Face crops: how they are cut, and how well one shows a face."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.face.backends import Image, Point
from pipeline.face.geometry import Square, cut_square

# A stored crop is this many times the face's square, so that a model can be given more around the face.
MARGIN = 1.4
JPEG_QUALITY = 95
MEASURED_PX = 64
# Where quality is full: smaller faces are read worse; three quarters of the FER+ development faces are at
# least as sharp; faces with the nose within .05 of the middle between the eyes have a median symmetry of .57.
FULL_SIZE_PX = 48.0
FULL_SHARPNESS = 0.08
FULL_SYMMETRY = 0.45
# Symmetry follows the turn of a head only loosely (rank correlation -.54 with the nose's offset, 700 faces):
# it never takes more than half of the quality.
LEAST_BY_SYMMETRY = 0.5
LEAST_FACTOR = 0.2


@dataclass(frozen=True, slots=True)
class Looks:
    """What a crop's quality is made of: sharpness ≥ 0, frontality in [0, 1]."""

    sharpness: float
    frontality: float


def cut(image: Image, square: Square, most_px: int) -> Image:
    """The face's square with its margin, upright, never enlarged, at most ``most_px`` wide."""
    side = square.side * MARGIN
    whole = Square(square.x, square.y, side, square.roll_deg)
    return cut_square(image, whole, max(8, min(most_px, round(side))))


def tight(crop: Image, out_px: int, share: float = 1.0) -> Image:
    """The face's square (times ``share``) out of a stored crop, as (out_px, out_px, 3)."""
    side = len(crop)
    return cut_square(crop, Square(side / 2, side / 2, side / MARGIN * share), out_px)


def encoded(crop: Image) -> bytes:
    """The crop as a JPEG file."""
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not done:
        raise ValueError("a face crop could not be encoded")
    return bytes(data)


def decoded(data: bytes) -> Image:
    """The crop of a JPEG file, RGB."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError("the stored face crops are damaged; run again with --force")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def looks(crop: Image, landmarks: Sequence[Point] | None) -> Looks:
    """Sharpness and frontality of a face.

    Sharpness is the variance of the Laplacian (Pertuz et al. 2013) over the variance of the grey values at a
    fixed size, so that contrast and distance drop out. Frontality is, with landmarks, how far the nose keeps
    to the middle between the eyes, and otherwise how much the halves of the face mirror one another.
    """
    grey = cv2.cvtColor(tight(crop, MEASURED_PX), cv2.COLOR_RGB2GRAY).astype(np.float32)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var() / (grey.var() + 1.0))
    frontality = _symmetry(grey) if landmarks is None else _nose_centred(landmarks)
    return Looks(sharpness, frontality)


def _symmetry(grey: NDArray[np.float32]) -> float:
    """Correlation of the face with its mirror image, after even light and contrast, as frontality."""
    fine = cv2.GaussianBlur(grey, (0, 0), 1.5) - cv2.GaussianBlur(grey, (0, 0), 8.0)
    even = fine / np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 8.0) + 9.0)
    even -= even.mean()
    correlation = float((even * even[:, ::-1]).mean() / (even.var() + 1e-6))
    share = min(1.0, max(0.0, correlation) / FULL_SYMMETRY)
    return LEAST_BY_SYMMETRY + (1 - LEAST_BY_SYMMETRY) * share


def _nose_centred(landmarks: Sequence[Point]) -> float:
    left, right, nose = (np.array(point) for point in landmarks[:3])
    between = right - left
    along = float(np.dot(nose - (left + right) / 2, between) / (np.dot(between, between) + 1e-6))
    return max(0.0, 1.0 - 2.0 * abs(along))  # at ±.5 the nose stands under one eye


def quality(size_px: float, seen: Looks) -> float:
    """How far a face can be trusted to be readable, in (0, 1]: product of size, sharpness, frontality."""
    factors = (size_px / FULL_SIZE_PX, seen.sharpness / FULL_SHARPNESS, seen.frontality)
    product = 1.0
    for factor in factors:
        product *= min(1.0, max(LEAST_FACTOR, factor))
    return product
