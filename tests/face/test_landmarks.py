"""The Face Landmarker with its real weights, where they have been fetched."""

import math
import shutil
import subprocess
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest
from skimage import data

from pipeline.face import mesh
from pipeline.face.backends import DETECTORS
from pipeline.face.geometry import Square
from pipeline.face.landmarks import load, moved_candidate, networks, sampled, windows
from pipeline.models.cards import CACHE_VARIABLE, ModelError
from pipeline.models.known import known_for
from pipeline.models.load import load_backend
from tests.face.models import LANDMARKER, put_landmarker

# What MediaPipe 1.2.3 answers to the portrait as a whole (`benchmarks.words.landmarks` compares many films).
POINTS = {
    1: (223.53, 131.06),
    10: (226.03, 72.24),
    13: (223.29, 143.16),
    14: (222.99, 149.20),
    33: (195.28, 100.58),
    61: (202.28, 139.17),
    152: (221.43, 177.42),
    263: (255.32, 103.79),
    291: (244.49, 140.55),
    473: (246.03, 103.52),
}
SHAPES = {
    "mouthSmileRight": 0.9043,
    "mouthSmileLeft": 0.8992,
    "mouthUpperUpRight": 0.4741,
    "mouthUpperUpLeft": 0.4681,
    "eyeSquintLeft": 0.3497,
    "eyeSquintRight": 0.2708,
    "mouthPressRight": 0.1754,
    "eyeLookDownLeft": 0.1462,
    "jawOpen": 0.0128,
}


@pytest.fixture(scope="module")
def portrait():
    return np.ascontiguousarray(data.astronaut())


@pytest.fixture
def cache_with_landmarker(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    put_landmarker()


@pytest.fixture
def landmarker(cache_with_landmarker):
    return load_backend(DETECTORS, "landmarks", "cpu")


def test_points_and_blendshapes_are_those_of_mediapipe(landmarker, portrait):
    nets = networks()
    whole = Square(256, 256, 512)
    (one,) = nets.faces(sampled(portrait, whole, mesh.DETECTOR_PX, 0))
    face = moved_candidate(one, whole)
    of = nets.points(portrait, mesh.region(face.box, face.eyes))
    assert of.presence > 0.9
    width = np.ptp(of.points[:, 0])
    for index, (x, y) in POINTS.items():
        assert math.dist(of.points[index, :2], (x, y)) < 0.01 * width
    values = dict(zip(mesh.BLENDSHAPES, nets.blendshapes(of.points), strict=True))
    for name, value in SHAPES.items():
        assert values[name] == pytest.approx(value, abs=0.03)


def test_a_detection_carries_the_shape_of_its_face(landmarker, portrait):
    (found,) = landmarker.scan(portrait, 480)
    assert found.shape is not None
    values = dict(zip(mesh.BLENDSHAPES, found.shape.blendshapes, strict=True))
    assert values["mouthSmileLeft"] > 0.5 > values["jawOpen"] == found.shape.jaw_open
    assert 0.05 < found.shape.lip_gap < 0.2
    assert found.shape.pose_deg[2] == pytest.approx(3, abs=2)


def test_a_face_that_another_detector_has_seen_is_measured(landmarker, portrait):
    shape = landmarker.shape(portrait, (176.0, 64.0, 96.0, 96.0))
    assert shape is not None and shape.blendshapes[mesh.BLENDSHAPES.index("mouthSmileLeft")] > 0.5
    assert landmarker.shape(portrait, (20.0, 300.0, 96.0, 96.0)) is None


def test_loading_leaves_the_terminal_alone(cache_with_landmarker):
    """In a process of its own, since the library gives its notice once."""
    code = (
        "import os; from pipeline.face import landmarks\n"
        "with landmarks._without_notice(): os.write(2, b'of another thread\\n')\n"
        "landmarks.networks()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert done.stderr == b"of another thread\n"
    closed = f"import os; os.close(2); {code.splitlines()[0].split('; ')[1]}; landmarks.networks()"
    subprocess.run([sys.executable, "-c", closed], check=True)


@pytest.mark.parametrize("degrees", [-25, 25])
def test_a_tilted_face_is_found_with_its_tilt(landmarker, portrait, degrees):
    to_tilted = cv2.getRotationMatrix2D((224.0, 112.0), -degrees, 1.0)  # clockwise
    tilted = cv2.warpAffine(portrait, to_tilted, (512, 512))
    upright, found = (landmarker.search(image, (176.0, 64.0, 96.0, 96.0)) for image in (portrait, tilted))
    assert found is not None and found.shape is not None
    assert found.shape.pose_deg[2] - upright.shape.pose_deg[2] == pytest.approx(degrees, abs=3)
    for before, after in zip(upright.landmarks, found.landmarks, strict=True):
        assert after == pytest.approx(tuple(to_tilted @ (*before, 1)), abs=3)


@pytest.mark.parametrize("size_px", [(720, 1280), (1280, 720), (100, 100), (1, 3000)])
@pytest.mark.parametrize("side_px", [320, 480])
def test_windows_cover_the_whole_picture_at_every_size(size_px, side_px):
    height, width = size_px
    by_side: dict[float, list[Square]] = {}
    for one in windows(size_px, side_px):
        by_side.setdefault(one.side, []).append(one)
    assert max(by_side) == max(size_px)
    for side, own in by_side.items():
        columns = sorted({one.x for one in own})
        assert min(columns) - side / 2 <= 0 and max(columns) + side / 2 >= width
        assert all(b - a <= side * 0.65 + 1e-6 for a, b in pairwise(columns))
        assert max(one.y for one in own) + side / 2 >= height
    assert len(by_side) == {320: 2, 480: 3}[side_px]


def test_weights_that_are_not_here_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(ModelError, match="models pull face-landmarker"):
        load_backend(DETECTORS, "landmarks", "cpu")


def test_tampered_weights_are_never_used(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    known = known_for("landmarks")
    known.home.mkdir(parents=True)
    if LANDMARKER.is_file():
        shutil.copy(LANDMARKER, known.home)
    with (known.home / known.files[0].path).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="is not the file face-landmarker was published with; delete it"):
        load("landmarks", "cpu")
