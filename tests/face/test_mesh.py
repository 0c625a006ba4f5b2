"""Decoding of the Face Landmarker's networks, on numbers made here."""

import math

import numpy as np
import pytest

from pipeline.face import mesh
from pipeline.face.geometry import Square


def test_anchors_lie_in_the_middle_of_their_cells():
    centres = mesh.anchors()
    assert centres.shape == (896, 2)
    assert centres[:2].tolist() == [[1 / 32, 1 / 32]] * 2  # two boxes in every cell of the fine grid
    assert centres[2].tolist() == [3 / 32, 1 / 32]  # row by row
    assert centres[512:518].tolist() == [[1 / 16, 1 / 16]] * 6
    assert centres[-1].tolist() == [15 / 16, 15 / 16]


def answer(**hits):
    """The detector's answer with a box of (dx, dy, width, height, eyes) pixels at given rows."""
    regressors, logits = np.zeros((896, 16), np.float32), np.full(896, -20, np.float32)
    for row, (numbers, logit) in ((int(key[1:]), value) for key, value in hits.items()):
        regressors[row, : len(numbers)] = numbers
        logits[row] = logit
    return regressors, logits


def test_a_box_and_its_eyes_are_read_from_their_anchor():
    row = 2 * (16 * 4 + 8)  # the fine grid's cell in row 4, column 8: centre (68, 36) of 128
    (one,) = mesh.candidates(*answer(**{f"r{row}": ((4, -4, 40, 48, -10, -6, 12, -2), 3.0)}), mesh.anchors())
    assert np.array(one.box) * 128 == pytest.approx(np.array([72 - 20, 32 - 24, 40, 48]))
    assert np.array(one.eyes) * 128 == pytest.approx(np.array([(58, 30), (80, 34)]))
    assert one.score == pytest.approx(1 / (1 + math.exp(-3)))


def test_boxes_that_overlap_are_their_mean_by_score_and_others_stay():
    hits = {
        "r0": ((40, 40, 32, 32), 0.0),
        "r1": ((44, 40, 32, 32), math.log(0.75 / 0.25)),
        "r511": ((-30, -30, 20, 20), 1.0),
        "r300": ((0, 0, 20, 20), -0.1),  # too unsure
    }
    first, second = mesh.candidates(*answer(**hits), mesh.anchors())
    assert first.score == pytest.approx(0.75) and second.score == pytest.approx(1 / (1 + math.exp(-1)))
    assert first.box[0] * 128 == pytest.approx(4 + (0.5 * 40 + 0.75 * 44) / 1.25 - 16)
    assert second.box[0] * 128 == pytest.approx(124 - 30 - 10)
    assert mesh.candidates(*answer(), mesh.anchors()) == []


def test_what_the_mesh_is_given_stands_upright_with_the_eyes():
    square = mesh.region((100, 50, 40, 40), ((110, 60), (120, 70)))
    assert (square.x, square.y, square.side) == (120, 70, 60)
    assert square.roll_deg == pytest.approx(45)
    assert mesh.region((100, 50, 40, 40), None).roll_deg == 0


def test_points_return_to_where_the_square_lies():
    numbers = np.zeros((478, 3), np.float32)
    numbers[0], numbers[1] = (128, 128, 0), (256, 128, 64)  # the middle, and the middle of the right edge
    points = mesh.in_image(numbers.reshape(1, 1, 1, -1), Square(50, 60, 20, 90))
    assert points[0] == pytest.approx(np.array([50, 60, 0]))
    assert points[1] == pytest.approx(np.array([50, 70, 5]))


def face(gap=2.0):
    points = np.zeros((478, 3))
    points[[33, 133, 362, 263]] = (-20, 0, 0), (-10, 0, 0), (10, 0, 0), (20, 0, 0)
    points[[mesh.LIP_UPPER, mesh.LIP_LOWER]] = (0, 20, -4), (0, 20 + gap, -4)
    points[[mesh.FOREHEAD, mesh.CHIN]] = (0, -30, 0), (0, 40, 0)
    points[[mesh.NOSE_TIP, mesh.MOUTH_LEFT, mesh.MOUTH_RIGHT]] = (0, 10, -9), (-9, 21, 0), (9, 21, 0)
    return points


def turned(points, axis, degrees):
    a, b = [i for i in range(3) if i != axis]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    result = points.copy()
    result[:, a], result[:, b] = (
        cos * points[:, a] - sin * points[:, b],
        sin * points[:, a] + cos * points[:, b],
    )
    return result


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_gap_between_the_lips_is_the_same_for_a_turned_head(axis):
    assert mesh.lip_gap(face(gap=4)) == pytest.approx(0.1)
    assert mesh.lip_gap(3 * turned(face(gap=4), axis, 25) + 7) == pytest.approx(0.1)
    assert mesh.lip_gap(face(gap=0)) == 0


def test_pose():
    assert mesh.pose_deg(face()) == pytest.approx((0, 0, 0))
    assert mesh.pose_deg(turned(face(), 2, 20)) == pytest.approx((0, 0, 20))
    assert mesh.pose_deg(turned(face(), 1, 30))[0] == pytest.approx(30)
    assert mesh.pose_deg(turned(face(), 0, 15))[1] == pytest.approx(15)


def test_five_landmarks_and_bounds():
    assert mesh.five_landmarks(face()) == ((-15, 0), (15, 0), (0, 10), (-9, 21), (9, 21))
    assert mesh.bounds(face()) == (-20, -30, 40, 70)


def test_names_and_points_of_the_blendshapes():
    assert len(mesh.BLENDSHAPES) == len(set(mesh.BLENDSHAPES)) == 52
    assert len(mesh.BLENDSHAPE_POINTS) == 146 and np.all(np.diff(mesh.BLENDSHAPE_POINTS) > 0)
    assert mesh.BLENDSHAPES[mesh.JAW_OPEN] == "jawOpen"
    values = np.linspace(0, 1, 52).astype(np.float32)
    shape = mesh.shape_of(face(gap=4), values)
    assert shape.jaw_open == values[25] and shape.lip_gap == pytest.approx(0.1)
    assert len(shape.blendshapes) == 52
