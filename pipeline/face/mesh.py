"""Decoding of the Face Landmarker's three networks: pure functions over arrays.

The networks and how they are joined are MediaPipe's (Bazarevsky et al. 2019, BlazeFace; Grishchenko et al.
2020, Attention Mesh; Grishchenko et al. 2022, blendshapes in real time); ``benchmarks.words.landmarks`` holds
the answers against those of its own library.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.face.backends import Box, FaceShape, Point
from pipeline.face.geometry import Square, iou

Points = NDArray[np.float64]

DETECTOR_PX, MESH_PX = 128, 256
# Cells of the detector's two grids (a side each) with the boxes predicted in every cell.
GRIDS = ((16, 2), (8, 6))
MIN_SCORE, MIN_PRESENCE = 0.5, 0.5
CLUSTER_IOU = 0.3
# The square that the mesh network looks at, in sides of the detector's box.
REGION = 1.5

# Landmarks of the mesh by what they lie on. Left and right are those of the picture.
EYE_LEFT, EYE_RIGHT = (33, 133), (362, 263)  # corners, outer first and outer last
NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT = 1, 61, 291
LIP_UPPER, LIP_LOWER = 13, 14  # the middle of the lips' inner edges
FOREHEAD, CHIN = 10, 152

BLENDSHAPE_POINTS = np.array(
    [
        *(
            0,
            1,
            4,
            5,
            6,
            7,
            8,
            10,
            13,
            14,
            17,
            21,
            33,
            37,
            39,
            40,
            46,
            52,
            53,
            54,
            55,
            58,
            61,
            63,
            65,
            66,
            67,
        ),
        *(70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146),
        *(148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181),
        *(185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293),
        *(295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361),
        *(362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398),
        *(400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477),
    ]
)
_NAMES = """
_neutral browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft
cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight
eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft
eyeWideRight jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft
mouthFrownRight mouthFunnel mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight
mouthPucker mouthRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft
mouthSmileRight mouthStretchLeft mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft
noseSneerRight
"""
BLENDSHAPES = tuple(_NAMES.split())  # in the order of the network's answer
JAW_OPEN = BLENDSHAPES.index("jawOpen")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A face as the detector reports it; ``box`` and ``eyes`` in fractions of the square it was given."""

    box: Box
    eyes: tuple[Point, Point]
    score: float


def anchors() -> NDArray[np.float64]:
    """Centres (896, 2) of the detector's boxes, in fractions of its input, in the order of its answer."""
    centres = []
    for cells, boxes in GRIDS:
        middle = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        centres.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), boxes, axis=0))
    return np.concatenate(centres)


def candidates(
    regressors: NDArray[np.float32], logits: NDArray[np.float32], centres: NDArray[np.float64]
) -> list[Candidate]:
    """Faces from the detector's answer (896, 16) and (896,), the best first.

    Boxes that overlap are one face: their mean, weighted by score.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
    rows = np.flatnonzero(scores >= MIN_SCORE)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    values = regressors[rows].astype(np.float64) / DETECTOR_PX
    scores, centres = scores[rows], centres[rows]
    start = centres + values[:, :2] - values[:, 2:4] / 2
    numbers = np.hstack([start, values[:, 2:4], centres + values[:, 4:6], centres + values[:, 6:8]])
    result, rest = [], list(range(len(rows)))
    while rest:
        best = _box(numbers[rest[0]])
        cluster = [i for i in rest if i == rest[0] or iou(best, _box(numbers[i])) > CLUSTER_IOU]
        mean = np.average(numbers[cluster], axis=0, weights=scores[cluster])
        eyes = ((float(mean[4]), float(mean[5])), (float(mean[6]), float(mean[7])))
        result.append(Candidate(_box(mean), eyes, float(scores[rest[0]])))
        rest = [i for i in rest if i not in cluster]
    return result


def _box(numbers: NDArray[np.float64]) -> Box:
    x, y, width, height = (float(one) for one in numbers[:4])
    return x, y, width, height


def region(box: Box, eyes: tuple[Point, Point] | None) -> Square:
    """The square, upright with the face, that the mesh network wants to be given of a detector's ``box``."""
    x, y, width, height = box
    roll = 0.0 if eyes is None else math.atan2(eyes[1][1] - eyes[0][1], eyes[1][0] - eyes[0][0])
    return Square(x + width / 2, y + height / 2, REGION * max(width, height), math.degrees(roll))


def in_image(answer: NDArray[np.float32], square: Square) -> Points:
    """Points (478, 3) in image pixels, from the network's answer for the content of ``square``.

    The third is the depth, on the scale of the others, less where nearer to the camera.
    """
    points = answer.astype(np.float64).reshape(-1, 3)
    scale, roll = square.side / MESH_PX, math.radians(square.roll_deg)
    x, y = ((points[:, :2] - MESH_PX / 2) * scale).T
    return np.stack(
        [
            square.x + math.cos(roll) * x - math.sin(roll) * y,
            square.y + math.sin(roll) * x + math.cos(roll) * y,
            points[:, 2] * scale,
        ],
        1,
    )


def five_landmarks(points: Points) -> tuple[Point, ...]:
    """Eyes, nose tip and mouth corners, as a ``Detection`` has them."""
    chosen = (
        points[list(EYE_LEFT)].mean(0),
        points[list(EYE_RIGHT)].mean(0),
        points[NOSE_TIP],
        points[MOUTH_LEFT],
        points[MOUTH_RIGHT],
    )
    return tuple((float(point[0]), float(point[1])) for point in chosen)


def bounds(points: Points) -> Box:
    """The box around all points."""
    x, y = points[:, :2].min(0)
    right, bottom = points[:, :2].max(0)
    return float(x), float(y), float(right - x), float(bottom - y)


def lip_gap(points: Points) -> float:
    """Distance between the inner edges of the lips over that between the outer corners of the eyes.

    In three dimensions, so that a turned or nodding head changes little.
    """
    between_eyes = float(np.linalg.norm(points[EYE_RIGHT[1]] - points[EYE_LEFT[0]]))
    return float(np.linalg.norm(points[LIP_LOWER] - points[LIP_UPPER])) / max(between_eyes, 1e-6)


def pose_deg(points: Points) -> tuple[float, float, float]:
    """Yaw (to the right of the picture), pitch (down) and roll (clockwise) of the head, in degrees."""
    across = points[EYE_RIGHT[1]] - points[EYE_LEFT[0]]
    down = points[CHIN] - points[FOREHEAD]
    across, down = (axis / max(float(np.linalg.norm(axis)), 1e-6) for axis in (across, down))
    yaw = math.atan2(float(across[2]), math.hypot(float(across[0]), float(across[1])))
    pitch = math.atan2(float(down[2]), math.hypot(float(down[0]), float(down[1])))
    roll = math.atan2(float(across[1]), float(across[0]))
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def shape_of(points: Points, blendshapes: NDArray[np.float32]) -> FaceShape:
    """What the mesh and the blendshapes say of a face, whatever its size and position."""
    values = tuple(float(one) for one in blendshapes)
    return FaceShape(values, lip_gap(points), values[JAW_OPEN], pose_deg(points))
