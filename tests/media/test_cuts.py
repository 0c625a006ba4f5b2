from itertools import pairwise

import numpy as np
import pytest

from pipeline.media.cuts import LEAST_DISTANCE, CutFinder, cut_indices, distance, histograms
from pipeline.media.frames import iter_frames
from pipeline.media.probe import probe
from pipeline.types import US_PER_S
from tests.made import media

# Seen by looking: the interview begins with a black frame; the other clip has one between its shots.
CUTS_S = {"zh_interview_38s.mp4": [0.21], "face_then_none_hevc_6s.mov": [2.4, 2.61]}


def found(shots):
    """Cuts in frames given by what they show; equal numbers look alike, others differ fully."""
    last = [0.0, *(float(a != b) for a, b in pairwise(shots))]
    second = [0.0, 0.0, *(float(a != b) for a, b in zip(shots, shots[2:], strict=False))]
    return cut_indices(last, second)


def cuts_of(film, fps=5.0):
    shots = CutFinder()
    for frame in iter_frames(film, probe(film), fps, 1280):
        shots.step(frame.time_us, frame.image)
    return (shots.finish() / US_PER_S).tolist()


@pytest.mark.parametrize(
    ("shots", "cuts"),
    [
        ([], []),
        ([1], []),
        ([1, 1, 1, 1], []),
        ([1, 1, 1, 2, 2, 2], [3]),
        ([0, 1, 1, 1], [1]),
        ([1, 1, 1, 2], [3]),
        ([1, 1, 1, 9, 1, 1, 1], []),  # a flash
        ([1, 1, 1, 9, 9, 1, 1, 1], [3, 5]),
        ([1, 1, 1, 9, 2, 2, 2], [3, 4]),  # a black frame between two shots
    ],
)
def test_where_a_new_shot_begins(shots, cuts):
    assert found(shots) == cuts


def test_a_picture_that_changes_all_the_time_is_not_cut_all_the_time():
    restless = [0.0, *[LEAST_DISTANCE + 0.05] * 20]
    assert cut_indices(restless, restless) == []


def test_distance_is_between_nothing_and_all():
    red, blue = (np.full((40, 60, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
    half = np.concatenate([red[:, :30], blue[:, 30:]], 1)
    assert distance(histograms(red), histograms(red)) == 0
    assert distance(histograms(red), histograms(blue)) == 1
    assert distance(histograms(red), histograms(half)) == pytest.approx(0.5)
    # The same colours in other places are another picture.
    assert distance(histograms(half), histograms(half[:, ::-1])) == 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (1, 300), (1000, 5)])
def test_any_shape_has_histograms(shape):
    assert histograms(np.zeros((*shape, 3), np.uint8)).sum() == pytest.approx(4)


def test_a_hard_cut_is_found_and_flashes_are_not(made):
    assert cuts_of(made(media.make_cut)) == [1.6]


def test_swaying_faces_are_one_shot(made):
    assert cuts_of(made(media.make_faces, 2)) == []


@pytest.mark.data
def test_the_real_clips_are_cut_where_one_sees_it(data_root):
    clips = [path for path in sorted((data_root / "videos").iterdir()) if path.suffix in (".mp4", ".mov")]
    assert len(clips) == 9
    for clip in clips:
        assert cuts_of(clip) == pytest.approx(CUTS_S.get(clip.name, []), abs=0.01), clip.name
