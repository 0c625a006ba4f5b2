"""What the two voice stages say about the shared real clips."""

import pytest

from pipeline.config import VoiceSection
from pipeline.media import audio, probe
from pipeline.media.streams import NO_CHOICE
from pipeline.records import read_record, read_records
from pipeline.types import MediaInfo, Observation, Status
from pipeline.voice.stage import run_speech, run_voice

pytestmark = pytest.mark.data


def observe(folder, clip):
    settings = VoiceSection(backend="compact")
    inputs = {"source": clip}
    stages = (
        ("probe", probe.run, NO_CHOICE),
        ("audio", audio.run, None),
        ("speech", run_speech, settings),
        ("voice", run_voice, settings),
    )
    for name, run, section in stages:
        inputs[name] = folder / name
        inputs[name].mkdir()
        run(inputs, section, inputs[name], lambda fraction: None)
    return (
        read_record(inputs["probe"] / "media.json", MediaInfo),
        read_records(inputs["voice"] / "observations.jsonl", Observation),
    )


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("silent_track_20s.mp4", {Status.SILENCE}),
        ("no_audio_stream_15s.mp4", {Status.NO_AUDIO}),
        ("no_face_4s.mp4", {Status.SILENCE}),
        ("zh_interview_38s.mp4", {Status.OK, Status.SILENCE}),
        ("en_upset_7s.mp4", {Status.OK, Status.SILENCE}),
        ("en_talk_a_8s.mp4", {Status.OK, Status.SILENCE}),
    ],
)
def test_statuses(tmp_path, data_root, name, statuses):
    info, seen = observe(tmp_path, data_root / "videos" / name)
    assert {one.status for one in seen} - {Status.TOO_SHORT} == statuses
    assert seen[0].span.start_us == 0
    assert max(one.span.end_us for one in seen) == info.duration_us


def test_an_interview_is_mostly_speech(tmp_path, data_root):
    info, seen = observe(tmp_path, data_root / "videos" / "zh_interview_38s.mp4")
    silent_us = sum(one.span.duration_us for one in seen if one.status is Status.SILENCE)
    assert silent_us < 0.25 * info.duration_us
