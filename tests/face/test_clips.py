"""The real clips: who is seen, and when."""

import shutil

import numpy as np
import pytest

from pipeline.face.backends import DETECTORS
from pipeline.face.persons import FaceSample
from pipeline.models.cards import CACHE_VARIABLE
from pipeline.records import read_records
from pipeline.types import US_PER_S, Status
from tests.face.models import another_yunet, put_landmarker
from tests.face.test_stage import SETTINGS, observations, run_both

pytestmark = [pytest.mark.data, pytest.mark.slow]

# persons, least share of frames in which somebody is seen
CLIPS = {
    "en_portrait_hevc_20s.mp4": (1, 0.95),
    "en_talk_a_8s.mp4": (1, 0.95),
    "en_upset_7s.mp4": (1, 0.95),
    "face_then_none_hevc_6s.mov": (1, 0.3),
    "no_audio_stream_15s.mp4": (1, 0.95),
    "no_face_4s.mp4": (0, 0.0),
    "silent_track_20s.mp4": (1, 0.95),
    "two_faces_12fps_9s.mp4": (2, 1.0),
    "zh_interview_38s.mp4": (1, 0.95),
}


@pytest.fixture(params=DETECTORS)
def clip(request, data_root, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "models"))
    if request.param == "yunet":
        shutil.copy(data_root / "models" / "yunet_n_dynamic.onnx", another_yunet(monkeypatch))
    if request.param == "landmarks":
        put_landmarker()
    settings = SETTINGS.model_copy(update={"detector": request.param})

    def run(name):
        folder = run_both(data_root / "videos" / name, tmp_path / "run", settings)
        times = np.load(folder / "faces" / "frames.npy").tolist()
        return folder, times, read_records(folder / "faces" / "samples.jsonl", FaceSample)

    return run


@pytest.mark.parametrize("name", CLIPS)
def test_persons_and_how_often_they_are_seen(clip, name):
    persons, least = CLIPS[name]
    folder, times, samples = clip(name)
    assert {one.track for one in samples} == {f"P{i + 1}" for i in range(persons)}
    assert len({one.time_us for one in samples}) >= least * len(times)
    if persons == 2:
        assert len(samples) == 2 * len(times)
    if persons == 0:
        assert {one.status for one in observations(folder)} == {Status.NO_FACE}


def test_a_face_that_leaves_is_gone_within_half_a_second(clip):
    """The face is cut away at 2.4 s."""
    _, _, samples = clip("face_then_none_hevc_6s.mov")
    seen_s = [one.time_us / US_PER_S for one in samples]
    assert seen_s[0] < 0.5
    assert abs(seen_s[-1] - 2.4) < 0.5
