"""The nine real clips: the facts of each, and the same frame times as ffmpeg's own."""

import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.media.beside import find_beside
from pipeline.media.container import to_us
from pipeline.media.cues import spoken_lines
from pipeline.media.encode import media_input, read_ffmpeg
from pipeline.media.frames import iter_frames
from pipeline.media.probe import probe
from pipeline.media.subtitles import read_subtitles
from pipeline.types import MediaInfo
from tests.media.test_clock import sound

pytestmark = pytest.mark.data

# duration_s, (width, height), fps, varies, video codec, has_audio, frames
FACTS = {
    "en_portrait_hevc_20s.mp4": (20.08, (1080, 1920), 25.0, False, "hevc", True, 502),
    "en_talk_a_8s.mp4": (8.0, (512, 512), 25.0, False, "mpeg4", True, 200),
    "en_upset_7s.mp4": (6.633333, (700, 700), 30.0, False, "h264", True, 199),
    "face_then_none_hevc_6s.mov": (6.423855, (960, 540), 26.413634, True, "hevc", True, 169),
    "no_audio_stream_15s.mp4": (15.482149, (596, 336), 29.97, False, "h264", False, 464),
    "no_face_4s.mp4": (3.945011, (960, 540), 24.0, False, "h264", True, 95),
    "silent_track_20s.mp4": (19.69, (640, 360), 23.976024, False, "h264", True, 472),
    "two_faces_12fps_9s.mp4": (8.713333, (320, 240), 12.0, False, "h264", True, 105),
    "zh_interview_38s.mp4": (37.68127, (360, 640), 23.976024, False, "h264", True, 901),
}


def ffmpeg_times_us(path: Path, info: MediaInfo) -> list[int]:
    """Frame times as the ffmpeg program passes them on."""
    picture = media_input(path, info.clock_zero_us)[str(info.video_index)].filter("scale", w=16, h=16)
    listed = picture.output(
        "pipe:1", format="framecrc", vcodec="rawvideo", fps_mode="passthrough", **{"enc_time_base:v": "demux"}
    )
    lines = b"".join(read_ffmpeg(listed)).decode().splitlines()
    base = Fraction(next(line.split()[-1] for line in lines if line.startswith("#tb 0:")))
    return [to_us(int(line.split(",")[2]), base) for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("name", FACTS)
def test_facts(name: str, data_root: Path) -> None:
    begin = time.perf_counter()
    info = probe(data_root / "videos" / name)
    assert time.perf_counter() - begin < 1
    duration_s, size, fps, varies, codec, has_audio, _ = FACTS[name]
    assert info.duration_us == pytest.approx(duration_s * 1e6, abs=1)
    assert (info.width_px, info.height_px) == size
    assert (info.fps, info.variable_frame_rate) == (fps, varies)
    assert (info.video_codec, info.has_audio, info.has_video) == (codec, has_audio, True)
    assert (info.warnings, info.clock_zero_us) == ((), 0)


@pytest.mark.parametrize("name", FACTS)
def test_frames_have_ffmpegs_times(name: str, data_root: Path) -> None:
    path = data_root / "videos" / name
    info = probe(path)
    every = {f.time_us: f.image for f in iter_frames(path, info, "all", max_side_px=64)}
    times = list(every)
    assert len(times) == FACTS[name][-1]
    assert times[0] == info.video_start_us
    # ffmpeg moves our offset to the stream's ticks, so a tick is the measure.
    assert np.abs(np.array(times) - ffmpeg_times_us(path, info)).max() <= 42
    # Leaving frames out while decoding changes neither the times nor the pixels of the others.
    sampled = list(iter_frames(path, info, 5.0, max_side_px=64))
    assert len(sampled) == pytest.approx(info.duration_us * 5e-6, abs=2)
    assert all(np.array_equal(f.image, every[f.time_us]) for f in sampled)


@pytest.mark.parametrize("name", FACTS)
def test_sound(name: str, data_root: Path, tmp_path: Path) -> None:
    path = data_root / "videos" / name
    info = probe(path)
    samples = sound(path, info, tmp_path)
    if not info.has_audio:
        assert len(samples) == 0
        return
    assert len(samples) / 16_000 == pytest.approx(info.duration_us / 1e6, abs=0.06)
    assert (np.abs(samples).max() < 1e-4) == (name == "silent_track_20s.mp4")


def test_sound_that_starts_late(data_root: Path, tmp_path: Path) -> None:
    path = data_root / "videos" / "face_then_none_hevc_6s.mov"
    info = probe(path)
    assert info.audio_start_us == 2_430_023
    samples = sound(path, info, tmp_path)
    assert np.flatnonzero(samples)[0] / 16_000 == pytest.approx(2.43, abs=0.005)


def test_the_interviews_subtitles(data_root: Path) -> None:
    beside = find_beside(data_root / "videos" / "zh_interview_38s.mp4")
    assert beside is not None
    lines = spoken_lines(read_subtitles(beside.path).cues, beside.path.name, 38_000_000).lines
    assert len(lines) == 10
    assert lines[0].text == "不用管說現在是銅牌 銀牌"
    assert (lines[-1].span.start_us, lines[-1].span.end_us) == (33_300_000, 36_900_000)
