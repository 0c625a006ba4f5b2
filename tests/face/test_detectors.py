import cv2
import numpy as np
import pytest
from skimage import data

from pipeline.face import haar
from pipeline.face.backends import DETECTORS
from pipeline.face.geometry import iou, near, square_of
from pipeline.models.cards import CACHE_VARIABLE, ModelError
from pipeline.models.known import known_for
from pipeline.models.load import load_backend
from tests.face.models import another_yunet, put_landmarker, yunet_net

FACE = (176.0, 64.0, 96.0, 96.0)  # the astronaut's


@pytest.fixture(scope="module")
def portrait():
    return np.ascontiguousarray(data.astronaut())


@pytest.fixture(scope="module")
def detector():
    return load_backend(DETECTORS, "haar", "cpu")


@pytest.fixture
def threads():
    before = cv2.getNumThreads()
    yield cv2.setNumThreads
    cv2.setNumThreads(before)


def test_haar_finds_the_face_and_nothing_else(detector, portrait):
    found = detector.scan(portrait, 480)
    assert len(found) == 1
    assert iou(found[0].box, FACE) > 0.6
    assert 0 < found[0].score < 1
    assert detector.vouch(portrait, found[0].box)


def test_haar_gives_boxes_in_the_pixels_of_the_image_it_was_given(detector, portrait):
    large = cv2.resize(portrait, None, fx=3, fy=3)
    found = detector.scan(large, 320)
    assert len(found) == 1
    assert iou(found[0].box, tuple(3 * side for side in FACE)) > 0.6


def test_haar_finds_nothing_where_nothing_is(detector):
    assert detector.scan(np.full((200, 300, 3), 128, np.uint8), 480) == []
    noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)
    assert detector.scan(noise, 480) == []
    assert detector.search(noise, (100.0, 80.0, 60.0, 60.0)) is None
    assert not detector.vouch(noise, (100.0, 80.0, 60.0, 60.0))


def test_haar_takes_images_smaller_than_a_face(detector):
    assert detector.scan(np.zeros((10, 10, 3), np.uint8), 480) == []


@pytest.mark.parametrize("shift", [(0, 0), (12, -9), (-14, 6)])
def test_haar_finds_a_known_face_again(detector, portrait, shift):
    box = (FACE[0] + shift[0], FACE[1] + shift[1], FACE[2], FACE[3])
    found = detector.search(portrait, box)
    assert found is not None
    assert near(found.box, FACE, 0.15, 1.25)


def test_haar_does_not_search_far_away(detector, portrait):
    assert detector.search(portrait, (330.0, 330.0, 96.0, 96.0)) is None


def test_haar_answers_do_not_depend_on_threads(detector, portrait, threads):
    answers = []
    for count in (1, 4):
        threads(count)
        answers.append((detector.scan(portrait, 480), detector.search(portrait, FACE)))
    assert answers[0] == answers[1]


def test_an_opencv_without_cascades_says_what_to_install(tmp_path):
    with pytest.raises(ModelError, match="opencv-contrib-python-headless<5"):
        haar.HaarDetector(tmp_path)


HIT = {
    "cell": 2 * 20 + 5,  # third row, sixth column of a grid of 20 columns
    "cls": 0.81,
    "obj": 1.0,
    "bbox": (0.5, 0.25, np.log(4.0), np.log(6.0)),
    "kps": (-0.5, -1, 1.5, -1, 0.5, 0, -0.25, 1, 1.25, 1),
}


@pytest.fixture
def yunet(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))

    def load(height, width, **changes):
        yunet_net(another_yunet(monkeypatch), height, width, 400, HIT | changes)
        return load_backend(DETECTORS, "yunet", "cpu")

    return load


@pytest.mark.parametrize("size", [("h", "w"), (160, 160)])
def test_yunet_boxes_and_landmarks_are_decoded_from_their_cell(yunet, size):
    found = yunet(*size).scan(np.zeros((150, 160, 3), np.uint8), 160)
    assert len(found) == 1
    # The cell's corner is (40, 16), its stride 8: centre (44, 18), size (32, 48).
    assert found[0].box == pytest.approx((28, -6, 32, 48), abs=1e-3)
    assert found[0].score == pytest.approx(0.9, abs=1e-5)
    assert np.array(found[0].landmarks) == pytest.approx(
        np.array([(36, 8), (52, 8), (44, 16), (38, 24), (50, 24)]), abs=1e-3
    )
    assert square_of(found[0]).roll_deg == 0


def test_yunet_of_fixed_size_shrinks_the_image_to_fit(yunet):
    found = yunet(160, 160).scan(np.zeros((320, 240, 3), np.uint8), 480)
    assert found[0].box == pytest.approx((56, -12, 64, 96), abs=1e-3)


def test_yunet_of_free_size_shrinks_the_image_to_the_side_asked_for(yunet):
    found = yunet("h", "w").scan(np.zeros((300, 480, 3), np.uint8), 160)
    assert found[0].box == pytest.approx((84, -18, 96, 144), abs=1e-3)


def test_yunet_leaves_out_what_it_is_unsure_of(yunet):
    assert yunet("h", "w", cls=0.3).scan(np.zeros((160, 160, 3), np.uint8), 160) == []


def test_yunet_that_was_changed_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    known = known_for("yunet")
    yunet_net(known.home / known.files[0].path, "h", "w", 400, HIT)
    with pytest.raises(ModelError, match="not the file yunet was published with; delete it and run"):
        load_backend(DETECTORS, "yunet", "cpu")


def test_yunet_that_is_not_here_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(ModelError, match="models pull yunet"):
        load_backend(DETECTORS, "yunet", "cpu")


WITH_DATA = {"yunet"}  # whose weights lie in the shared data


@pytest.fixture(
    params=[pytest.param(name, marks=[pytest.mark.data] * (name in WITH_DATA)) for name in DETECTORS]
)
def real(request, tmp_path, monkeypatch):
    """Each detector with its real weights, where they can be had."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    if request.param == "landmarks":
        put_landmarker()
    if request.param == "yunet":
        weights = request.getfixturevalue("data_root") / "models" / "yunet_n_dynamic.onnx"
        another_yunet(monkeypatch).symlink_to(weights)
    return load_backend(DETECTORS, request.param, "cpu")


class TestEveryDetector:
    """What the protocol says, of all of them."""

    def test_a_real_face(self, real, portrait):
        (found,) = real.scan(portrait, 320)
        square = square_of(found)
        assert (square.x, square.y) == (pytest.approx(224, abs=10), pytest.approx(114, abs=12))
        assert square.side == pytest.approx(100, rel=0.2)
        again = real.search(portrait, found.box)
        assert again is not None and near(again.box, found.box, 0.1, 1.2)
        assert real.vouch(portrait, found.box)

    def test_two_faces_of_different_size_in_a_wide_picture(self, real, portrait):
        wide = np.full((512, 1200, 3), 90, np.uint8)
        wide[:, :512] = portrait
        wide[100:484, 800:1184] = cv2.resize(portrait, (384, 384), interpolation=cv2.INTER_AREA)
        squares = sorted((square_of(one) for one in real.scan(wide, 480)), key=lambda one: one.x)
        assert [one.x for one in squares] == [pytest.approx(224, abs=12), pytest.approx(968, abs=9)]
        assert [one.side for one in squares] == [pytest.approx(100, rel=0.25), pytest.approx(75, rel=0.25)]

    def test_nothing_where_nothing_is(self, real):
        noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)
        for image in (np.full((200, 300, 3), 128, np.uint8), noise, np.zeros((10, 10, 3), np.uint8)):
            assert real.scan(image, 480) == []
        assert real.search(noise, (100.0, 80.0, 60.0, 60.0)) is None
        assert not real.vouch(noise, (100.0, 80.0, 60.0, 60.0))

    def test_a_known_face_again_and_none_far_away(self, real, portrait):
        for shift_x, shift_y in ((0, 0), (12, -9), (-14, 6)):
            box = (FACE[0] + shift_x, FACE[1] + shift_y, FACE[2], FACE[3])
            found = real.search(portrait, box)
            assert found is not None and near(found.box, FACE, 0.2, 1.3)
        assert real.search(portrait, (330.0, 330.0, 96.0, 96.0)) is None

    def test_equal_answers_on_any_number_of_threads(self, real, portrait, threads):
        answers = []
        for count in (1, 4):
            threads(count)
            answers.append((real.scan(portrait, 480), real.search(portrait, FACE)))
        assert answers[0] == answers[1]

    def test_a_picture_that_does_not_lie_in_one_piece(self, real, portrait):
        mirrored = portrait[:, ::-1]
        assert real.scan(mirrored, 320) == real.scan(np.ascontiguousarray(mirrored), 320) != []
