"""Boxes and squares around faces: pure functions."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.face.backends import Box, Detection, Image, Point

# Where a face lies inside the square of FER2013, which all models here were trained on: medians over 536
# development faces of FER+ on which YuNet found landmarks, as shares of the square's side. The square itself
# is what the Haar cascade returns (its box is .986 of it, over 492 faces).
EYES_Y, MOUTH_Y = 0.392, 0.743
EYE_TO_MOUTH = 0.354
HAAR_SHARE = 0.986


@dataclass(frozen=True, slots=True)
class Square:
    """A square by its centre and side in pixels, turned clockwise by ``roll_deg`` about its centre."""

    x: float
    y: float
    side: float
    roll_deg: float = 0.0


def square_of(detection: Detection) -> Square:
    """The square that holds a face as FER2013 holds it: from the landmarks, or else from the box."""
    if detection.landmarks is None:
        x, y, width, height = detection.box
        return Square(x + width / 2, y + height / 2, max(width, height) / HAAR_SHARE)
    left, right, _, mouth_left, mouth_right = detection.landmarks
    eyes, mouth = middle(left, right), middle(mouth_left, mouth_right)
    roll = math.atan2(right[1] - left[1], right[0] - left[0])
    side = math.dist(eyes, mouth) / EYE_TO_MOUTH
    below = (0.5 - (EYES_Y + MOUTH_Y) / 2) * side  # from the middle of the landmarks to the square's centre
    centre = middle(eyes, mouth)
    return Square(
        centre[0] - math.sin(roll) * below, centre[1] + math.cos(roll) * below, side, math.degrees(roll)
    )


def middle(a: Point, b: Point) -> Point:
    """The point halfway between two."""
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def centre(box: Box) -> Point:
    """The middle of a box."""
    return box[0] + box[2] / 2, box[1] + box[3] / 2


def size(box: Box) -> float:
    """Side of the square with the box's area."""
    return math.sqrt(box[2] * box[3])


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes; 0 when both are empty."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    both = a[2] * a[3] + b[2] * b[3] - shared
    return shared / both if both > 0 else 0.0


def near(a: Box, b: Box, reach: float, ratio: float) -> bool:
    """Whether two boxes could be one face: centres within ``reach`` sizes, sizes within ``ratio``."""
    larger = max(size(a), size(b))
    smaller = max(1e-9, min(size(a), size(b)))
    return math.dist(centre(a), centre(b)) <= reach * larger and larger / smaller <= ratio


def without_overlaps(detections: Iterable[Detection], most_iou: float) -> list[Detection]:
    """Non-maximum suppression; the best first, ties by place."""
    kept: list[Detection] = []
    for one in sorted(detections, key=lambda d: (-d.score, d.box)):
        if all(iou(one.box, other.box) <= most_iou for other in kept):
            kept.append(one)
    return kept


def moved(detection: Detection, scale: float, x: float, y: float) -> Detection:
    """A detection in an image of which ``scale`` times its pixels plus (x, y) are another image's pixels."""
    bx, by, width, height = detection.box
    landmarks = detection.landmarks
    return Detection(
        (bx * scale + x, by * scale + y, width * scale, height * scale),
        detection.score,
        landmarks and tuple((px * scale + x, py * scale + y) for px, py in landmarks),
        detection.shape,
    )


def shrunk(image: Image, side_px: int) -> tuple[Image, float]:
    """The image with its longer side at most ``side_px``, and image pixels per pixel of the result."""
    height, width = image.shape[:2]
    scale = max(1.0, max(height, width) / side_px)
    if scale == 1.0:
        return image, 1.0
    to = (max(1, round(width / scale)), max(1, round(height / scale)))
    small = _averaged(image, int(scale))
    return np.asarray(cv2.resize(small, to, interpolation=cv2.INTER_AREA), np.uint8), scale


def _averaged(image: Image, times: int) -> Image:
    """The image so many times smaller: OpenCV averages over whole numbers ten times as fast as over others.

    Less than ``times`` pixels at the right and lower edge are left out.
    """
    height, width = (max(1, side // times) for side in image.shape[:2])
    whole = image[: height * times, : width * times]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def cut_square(image: Image, square: Square, out_px: int) -> Image:
    """The content of a square as (out_px, out_px, …); what lies outside the image repeats its border."""
    times = int(square.side / out_px)
    reach = square.side * (0.5 if square.roll_deg == 0 else math.sqrt(0.5)) + max(1, times)
    height, width = image.shape[:2]
    left, right = _within(square.x - reach, square.x + reach, width)
    top, bottom = _within(square.y - reach, square.y + reach, height)
    part = image[top:bottom, left:right]
    x, y, side = square.x - left, square.y - top, square.side
    if times > 1:  # interpolation reads 2 × 2 pixels: fine structure would alias
        part = _averaged(part, times)
        x, y, side = x / times, y / times, side / times
    scale, roll = side / out_px, math.radians(square.roll_deg)
    cos, sin = math.cos(roll) * scale, math.sin(roll) * scale
    middle_px = (out_px - 1) / 2
    to_part = np.array(
        [
            [cos, -sin, x - 0.5 - cos * middle_px + sin * middle_px],
            [sin, cos, y - 0.5 - sin * middle_px - cos * middle_px],
        ]
    )
    return np.asarray(
        cv2.warpAffine(
            part,
            to_part,
            (out_px, out_px),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )


def _within(low: float, high: float, most: int) -> tuple[int, int]:
    """The pixels from ``low`` to ``high`` that an image has, at least one of them."""
    first = min(max(0, math.floor(low)), most - 1)
    return first, min(max(first + 1, math.ceil(high)), most)
