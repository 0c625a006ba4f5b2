import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.face.backends import Detection
from pipeline.face.geometry import (
    EYE_TO_MOUTH,
    EYES_Y,
    HAAR_SHARE,
    MOUTH_Y,
    Square,
    cut_square,
    iou,
    moved,
    near,
    shrunk,
    square_of,
    without_overlaps,
)

sides = st.floats(1, 500)
places = st.floats(-200, 800)
boxes = st.tuples(places, places, sides, sides)


def face_at(x: float, y: float, side: float, roll_deg: float) -> Detection:
    """Landmarks of a face that fills a FER2013 square, turned about the square's centre."""
    roll = math.radians(roll_deg)
    half_mouth = 0.15
    points = [
        (-0.17, EYES_Y - 0.5),
        (0.17, EYES_Y - 0.5),
        (0.0, 0.1),
        (-half_mouth, MOUTH_Y - 0.5),
        (half_mouth, MOUTH_Y - 0.5),
    ]
    turned = [
        (
            x + side * (px * math.cos(roll) - py * math.sin(roll)),
            y + side * (px * math.sin(roll) + py * math.cos(roll)),
        )
        for px, py in points
    ]
    return Detection((x - side / 2, y - side / 2, side, side), 0.9, tuple(turned))


@given(boxes, boxes)
def test_iou_is_a_share_and_has_no_order(a, b):
    assert 0 <= iou(a, b) <= 1 + 1e-9
    assert iou(a, b) == pytest.approx(iou(b, a))
    assert iou(a, a) == pytest.approx(1)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (5, 0, 10, 10), 1 / 3),
        ((0, 0, 10, 10), (10, 0, 10, 10), 0),
        ((0, 0, 10, 10), (2, 2, 5, 5), 0.25),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0),
    ],
)
def test_iou_of_known_boxes(a, b, expected):
    assert iou(a, b) == pytest.approx(expected)


@pytest.mark.parametrize("roll_deg", [0, -20, 35])
def test_square_follows_the_landmarks(roll_deg):
    square = square_of(face_at(200, 120, 90, roll_deg))
    assert (square.x, square.y) == (pytest.approx(200, abs=0.2), pytest.approx(120, abs=0.2))
    assert square.side == pytest.approx(90 * (MOUTH_Y - EYES_Y) / EYE_TO_MOUTH)
    assert square.roll_deg == pytest.approx(roll_deg)


def test_square_of_a_bare_box_is_upright_around_its_centre():
    square = square_of(Detection((10, 20, 40, 40), 0.5))
    assert square == Square(30, 40, 40 / HAAR_SHARE, 0)


def test_cut_square_takes_what_the_square_holds():
    image = np.zeros((100, 200, 3), np.uint8)
    image[30:70, 120:160] = (10, 200, 30)
    for side in (10, 20, 40, 53):
        cut = cut_square(image, Square(140, 50, 40), side)
        assert cut.shape == (side, side, 3)
        assert (cut[1:-1, 1:-1] == (10, 200, 30)).all()
        wider = cut_square(image, Square(140, 50, 40 * (1 + 4 / side)), side)
        assert (wider[0] < 100).all() and (wider[-1] < 100).all()


def test_cut_square_of_a_large_square_averages_instead_of_skipping():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    cut = cut_square(stripes, Square(128, 128, 240), 24)
    assert cut.min() > 100 and cut.max() < 155


def test_cut_square_turns_a_turned_face_upright():
    image = np.full((200, 200, 3), 50, np.uint8)
    face = face_at(100, 100, 80, 30)
    for x, y in face.landmarks[:2]:
        image[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4] = 255
    cut = cut_square(image, square_of(face), 100)
    rows = np.nonzero(cut[:, :, 0] > 200)[0]
    assert np.ptp(rows) < 14 and abs(rows.mean() - EYES_Y * 100) < 4


@given(st.floats(-150, 350), st.floats(-150, 350), st.floats(2, 400), st.floats(-90, 90))
def test_cut_square_always_gives_an_image(x, y, side, roll_deg):
    image = np.full((120, 160, 3), 77, np.uint8)
    cut = cut_square(image, Square(x, y, side, roll_deg), 32)
    assert cut.shape == (32, 32, 3)
    assert (cut == 77).all()


def test_moved_brings_a_detection_into_the_other_image():
    found = moved(Detection((1, 2, 3, 4), 0.5, ((5.0, 6.0),) * 5), 2, 10, 20)
    assert found.box == (12, 24, 6, 8)
    assert found.landmarks == ((20, 32),) * 5


def test_shrunk_says_by_how_much():
    small, scale = shrunk(np.zeros((100, 400, 3), np.uint8), 200)
    assert small.shape == (50, 200, 3) and scale == 2
    same, scale = shrunk(small, 200)
    assert same is small and scale == 1


def test_near_bounds_both_place_and_size():
    here = (0, 0, 10, 10)
    assert near(here, (4, 0, 10, 10), reach=0.5, ratio=1.5)
    assert not near(here, (6, 0, 10, 10), reach=0.5, ratio=1.5)
    assert not near(here, (-3, -3, 16, 16), reach=0.5, ratio=1.5)


def test_of_overlapping_faces_the_best_stays():
    a, b, c = (
        Detection(box, score)
        for box, score in (((0, 0, 9, 9), 0.5), ((1, 0, 9, 9), 0.9), ((40, 0, 9, 9), 0.1))
    )
    assert without_overlaps([a, b, c], 0.3) == [b, c]
    assert without_overlaps([c, b, a], 0.3) == [b, c]
