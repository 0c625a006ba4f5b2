from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.face.crop import MARGIN, cut
from pipeline.face.geometry import Square
from pipeline.face.mouth import FULL_PX, MOST_PAIR_US, PAIR_US, Mouth, change, prepared
from tests.made.media import portrait_160px

portrait = cache(portrait_160px)
SQUARE = Square(80, 74, 60)  # the face of the made portrait


def crop(opened=0, shift=(0, 0), gain=1.0, offset=0.0, grow=1.0):
    face = portrait().astype(np.float32)
    below = face[91:112, 66:94].copy()
    face[91 + opened : 112, 66:94] = below[: 21 - opened]
    face[91 : 91 + opened, 66:94] = (60, 20, 20)
    face = np.clip(face * gain + offset, 0, 255).astype(np.uint8)
    face = cv2.resize(
        face, None, fx=grow, fy=grow, interpolation=cv2.INTER_AREA if grow < 1 else cv2.INTER_CUBIC
    )
    x, y = (SQUARE.x + shift[0]) * grow, (SQUARE.y + shift[1]) * grow
    return cut(face, Square(x, y, SQUARE.side * grow), 224)


def between(a, b):
    return change(prepared(a), prepared(b))


def test_the_same_face_does_not_move():
    assert between(crop(), crop()) == pytest.approx(0, abs=1e-6)


def test_an_opening_mouth_moves_and_more_so_the_wider():
    assert 0.1 < between(crop(), crop(opened=2)) < between(crop(), crop(opened=4))


@pytest.mark.parametrize("shift", [(2, 0), (-2, 1), (0, -2)])
def test_a_face_placed_elsewhere_moves_little(shift):
    assert between(crop(), crop(shift=shift)) < 0.02 * between(crop(), crop(opened=3))


@given(st.floats(0.5, 1.0), st.floats(0, 30))
def test_light_and_contrast_of_the_film_play_next_to_no_part(gain, offset):
    changed = between(crop(gain=gain, offset=offset), crop(opened=3, gain=gain, offset=offset))
    assert changed == pytest.approx(between(crop(), crop(opened=3)), rel=0.1)


def test_a_small_face_has_its_motion_raised():
    large = crop(grow=2)
    assert len(large) / MARGIN > FULL_PX
    small = [prepared(crop(opened, grow=0.6)) for opened in (0, 3)]
    as_large = [type(one)(one.values, FULL_PX) for one in small]
    assert change(*small) == pytest.approx(change(*as_large) / (36 / FULL_PX) ** 0.5, rel=0.03)


def test_the_same_way_back():
    """Which of the two faces came first changes next to nothing."""
    assert between(crop(), crop(opened=3)) == pytest.approx(between(crop(opened=3), crop()), rel=0.15)


def test_a_picture_of_one_colour_is_no_division_by_zero():
    assert between(np.zeros((80, 80, 3), np.uint8), np.full((80, 80, 3), 255, np.uint8)) == pytest.approx(
        0, abs=1e-6
    )


@pytest.mark.parametrize("step_us", [33_367, 80_000, 100_000, 200_000])
def test_any_rate_of_sampling_compares_faces_a_syllable_apart(step_us):
    """The mouth opens at 1 s: every comparison that reaches back across it sees that, and no other."""
    mouth, seen = Mouth(), {}
    shut, opened = prepared(crop()), prepared(crop(opened=4))
    for time_us in range(0, 2_000_000, step_us):
        seen[time_us] = mouth.step(time_us, shut if time_us < 1_000_000 else opened)
    assert seen[0] is None
    moved = [t for t, motion in seen.items() if motion is not None and motion > 0.05]
    assert moved[0] - step_us < 1_000_000 <= moved[0]
    assert 200_000 - 2 * step_us <= moved[-1] - moved[0] <= 200_000 + step_us
    assert None not in list(seen.values())[6:]


def test_no_comparison_across_an_absence():
    mouth, face = Mouth(), prepared(crop())
    assert mouth.step(0, face) is None
    assert mouth.step(MOST_PAIR_US + 1, face) is None
    assert mouth.step(MOST_PAIR_US + 1 + PAIR_US, face) == pytest.approx(0, abs=1e-6)
