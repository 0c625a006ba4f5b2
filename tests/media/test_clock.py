"""One clock: the marker is where it was put, in frames and in sound, whatever the container does."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.media.audio import SAMPLE_RATE_HZ, write_audio
from pipeline.media.frames import iter_frames
from pipeline.media.probe import probe
from pipeline.types import US_PER_S, MediaInfo
from tests.conftest import Made
from tests.made import media
from tests.made.film import BEEP_HZ, MARKER_S

TOLERANCE_S = 0.040
BLANK = MediaInfo("", 0, 0, 0, 0.0, False, True, False, 0, 0, video_index=0)
MARKED = [*media.CLOCKS, media.make_avi]


def flash_s(path: Path, info: MediaInfo, sample_fps: float | str = "all") -> float:
    frames = iter_frames(path, info, sample_fps)
    return next(f.time_us for f in frames if f.image.mean() > 200) / US_PER_S


def sound(path: Path, info: MediaInfo, folder: Path) -> np.ndarray:
    target = folder / "audio.npy"
    write_audio(path, info, target, lambda share: None)
    return np.load(target)


def beep_s(samples: np.ndarray) -> float:
    """First 5 ms in which 1 kHz is loud."""
    step = SAMPLE_RATE_HZ // 200
    windows = samples[: len(samples) // step * step].reshape(-1, step)
    tone = np.exp(-2j * np.pi * BEEP_HZ * np.arange(step) / SAMPLE_RATE_HZ)
    return int(np.argmax(np.abs(windows @ tone) / step > 0.1)) * step / SAMPLE_RATE_HZ


@pytest.mark.parametrize("what", MARKED)
def test_flash_and_beep_are_where_they_were_put(what: object, made: Made, tmp_path: Path) -> None:
    path = made(what)
    info = probe(path)
    assert flash_s(path, info) == pytest.approx(MARKER_S, abs=TOLERANCE_S)
    assert beep_s(sound(path, info, tmp_path)) == pytest.approx(MARKER_S, abs=TOLERANCE_S)
    assert info.warnings == ()


@pytest.mark.parametrize("what", MARKED)
def test_sampling_takes_the_first_frame_at_or_after_each_grid_point(what: object, made: Made) -> None:
    path = made(what)
    info = probe(path)
    every = {f.time_us: f.image for f in iter_frames(path, info, "all")}
    times = np.array(list(every))
    for sample_fps in (5.0, 7.3, 12.0, 100.0):
        grid = np.arange(0, info.duration_us, US_PER_S / sample_fps) - 1_000
        after = np.searchsorted(times, grid)
        expected = times[np.unique(after[after < len(times)])]
        sampled = list(iter_frames(path, info, sample_fps))
        assert [f.time_us for f in sampled] == expected.tolist()
        # What the decoder was told to leave out must not change what it gives.
        assert all(np.array_equal(f.image, every[f.time_us]) for f in sampled)


@pytest.mark.parametrize("name", ["late_sound.mp4", "late_sound.mkv", "late_sound.ts", "starts_at_5s.ts"])
def test_zeros_stand_before_a_late_start(name: str, made: Made, tmp_path: Path) -> None:
    path = made(name)
    info = probe(path)
    samples = sound(path, info, tmp_path)
    first = int(np.flatnonzero(np.abs(samples) > 5e-4)[0]) / SAMPLE_RATE_HZ
    assert first == pytest.approx(media.LATE_S, abs=TOLERANCE_S)
    assert info.audio_start_us / US_PER_S == pytest.approx(media.LATE_S, abs=TOLERANCE_S)


@pytest.mark.parametrize("name", ["gap_in_sound.mp4", "gap_in_sound.mkv"])
def test_a_gap_in_the_sound_stays_a_gap(name: str, made: Made, tmp_path: Path) -> None:
    path = made(name)
    samples = sound(path, probe(path), tmp_path)
    start, end = (round(s * SAMPLE_RATE_HZ) for s in media.GAP_S)
    margin = round(0.05 * SAMPLE_RATE_HZ)
    assert np.abs(samples[start + margin : end - margin]).max() == 0
    assert np.abs(samples[start - 5 * margin : start - margin]).max() > 1e-3
    assert np.abs(samples[end + margin : end + 5 * margin]).max() > 1e-3
