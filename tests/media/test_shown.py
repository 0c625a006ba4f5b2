from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.media import shown
from pipeline.media.container import MediaError
from pipeline.media.frames import iter_frames
from pipeline.media.probe import probe
from pipeline.media.shown import frames_shown
from tests.conftest import Made
from tests.made import media

CLOCKS = [
    *("plain.mp4", "ntsc.mp4", "variable.mp4", "variable.mkv", "late_picture.mp4", "late_picture.ts"),
    *("starts_at_5s.mkv", "starts_at_5s.ts", "rotated_wide_pixels.mp4", "vp8.webm"),
]
TIMES_US = (0, 1, 399_999, 999_000, 1_500_000, 1_541_000, 1_999_000, 2_000_000, 2_960_000, 9_000_000)


@pytest.mark.parametrize("near_us", [0, shown.NEAR_US])
@pytest.mark.parametrize("name", CLOCKS)
def test_the_frame_that_stands(name: str, near_us: int, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``near_us`` 0 each time is sought anew."""
    monkeypatch.setattr(shown, "NEAR_US", near_us)
    info = probe(made(name))
    all_ = list(iter_frames(made(name), info, "all"))
    found = list(frames_shown(made(name), info, TIMES_US))
    for time_us, frame in zip(TIMES_US, found, strict=True):
        stands = max((f for f in all_ if f.time_us <= time_us), default=all_[0], key=lambda f: f.time_us)
        assert frame is not None and frame.time_us == stands.time_us
        assert np.array_equal(frame.image, stands.image)


def test_any_order_of_calls_and_repeated_times(made: Made) -> None:
    info = probe(made("plain.mp4"))
    assert list(frames_shown(made("plain.mp4"), info, [])) == []
    a, b = frames_shown(made("plain.mp4"), info, [40_000, 40_000])
    assert a is not None and b is not None and a.time_us == b.time_us == 40_000
    with pytest.raises(ValueError, match="rise"):
        list(frames_shown(made("plain.mp4"), info, [2, 1]))


def test_no_higher_than_asked(made: Made) -> None:
    path = made("rotated_wide_pixels.mp4")
    (frame,) = frames_shown(path, probe(path), [0], 100)
    assert frame is not None and frame.image.shape[0] == 100
    assert frame.scale == pytest.approx(float(Fraction(100, probe(path).height_px)))


def test_an_avi_and_a_damaged_film(made: Made) -> None:
    for make in (media.make_avi, media.make_damaged, media.make_truncated):
        path = made(make)
        for frame in frames_shown(path, probe(path), [500_000, 1_200_000]):
            assert frame is not None and frame.time_us <= 1_200_000


def test_without_a_picture(made: Made) -> None:
    path = made(media.make_audio_only)
    with pytest.raises(MediaError, match="no picture"):
        list(frames_shown(path, probe(path), [0]))


def test_nothing_can_be_decoded(made: Made, tmp_path: Path) -> None:
    whole = made(media.make_no_audio)
    data = bytearray(whole.read_bytes())
    first, last = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[first:last] = bytes(last - first)
    (tmp_path / "blank.mp4").write_bytes(data)
    assert list(frames_shown(tmp_path / "blank.mp4", probe(whole), [0, 2_000_000])) == [None, None]
