import cv2
import numpy as np
import pytest
from skimage import data

from pipeline.face.crop import MARGIN, Looks, cut, decoded, encoded, looks, quality, tight
from pipeline.face.geometry import Square

FACE = Square(224, 112, 96)


@pytest.fixture(scope="module")
def portrait():
    return np.ascontiguousarray(data.astronaut())


def test_a_crop_is_never_enlarged_nor_larger_than_asked(portrait):
    assert cut(portrait, FACE, 224).shape == (round(96 * MARGIN),) * 2 + (3,)
    assert cut(portrait, FACE, 64).shape == (64, 64, 3)


def test_tight_takes_the_margin_off_again(portrait):
    direct = portrait[112 - 48 : 112 + 48, 224 - 48 : 224 + 48]
    again = tight(cut(portrait, FACE, 224), 96)
    assert np.abs(again.astype(int) - direct).mean() < 6


def test_crops_keep_their_colours_in_the_file(portrait):
    crop = cut(portrait, FACE, 224)
    again = decoded(encoded(crop))
    assert again.shape == crop.shape
    assert np.abs(again.astype(int) - crop).mean() < 3


def test_damaged_crops_say_what_to_do():
    with pytest.raises(ValueError, match="--force"):
        decoded(b"\xff\xd8 no picture")


def test_blur_lowers_sharpness_and_darkness_does_not(portrait):
    crop = cut(portrait, FACE, 224)
    sharp = looks(crop, None).sharpness
    assert looks(cv2.GaussianBlur(crop, (0, 0), 4), None).sharpness < sharp / 4
    assert looks((crop // 3).astype(np.uint8), None).sharpness == pytest.approx(sharp, rel=0.25)


def test_frontality_without_landmarks_is_higher_for_a_mirror_image_of_itself(portrait):
    crop = cut(portrait, FACE, 224)
    both = np.ascontiguousarray(np.concatenate([crop[:, :67], crop[:, 66::-1]], axis=1))
    assert looks(both, None).frontality == 1
    assert looks(crop, None).frontality < 1


def test_frontality_falls_as_the_nose_leaves_the_middle():
    crop = np.full((80, 80, 3), 90, np.uint8)
    seen = [
        looks(crop, ((30.0, 40.0), (50.0, 40.0), (nose, 50.0), (33.0, 60.0), (47.0, 60.0))).frontality
        for nose in (40.0, 44.0, 50.0)
    ]
    assert seen == pytest.approx([1.0, 0.6, 0.0], abs=1e-6)


def test_quality_grows_with_each_part_and_stays_a_share():
    best = quality(300, Looks(1.0, 1.0))
    assert best == 1
    for worse in (
        quality(24, Looks(1.0, 1.0)),
        quality(300, Looks(0.02, 1.0)),
        quality(300, Looks(1.0, 0.3)),
    ):
        assert 0 < worse < best
    assert quality(0, Looks(0, 0)) > 0
