from dataclasses import replace
from pathlib import Path

import cv2
import ffmpeg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.canvas import canvas_filters, fitted
from pipeline.media.encode import SHAPED, media_input, run_ffmpeg, shaped
from pipeline.media.frames import Frame, iter_frames
from pipeline.media.probe import probe
from pipeline.media.shown import frames_shown
from tests.conftest import Made
from tests.made import media
from tests.media.test_clock import BLANK

SIDES = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


def by_ffmpeg(path: Path, folder: Path, apart: bool | None = None) -> list[Frame]:
    """The canvas as ffmpeg makes it for a film, without loss."""
    info = probe(path)
    apart = bool(info.shapes) if apart is None else apart
    size = (info.width_px // 2 * 2, info.height_px // 2 * 2)
    picture = media_input(path, info.clock_zero_us)[SHAPED].filter("null")
    lossless = {"vcodec": "libx264", "qp": 0, "preset": "ultrafast", "enc_time_base:v": "demux"}
    output = ffmpeg.output(picture, "canvas.mkv", **lossless)
    assert info.video_index is not None
    arguments = shaped(output, info.video_index, canvas_filters(info, *size, apart), apart)
    run_ffmpeg(arguments, info.duration_us, lambda share: None, folder)
    return list(iter_frames(folder / "canvas.mkv", probe(folder / "canvas.mkv"), "all"))


@given(SIDES, SIDES)
def test_a_fitted_picture_keeps_its_shape_and_touches_two_edges(
    shown: tuple[int, int], canvas: tuple[int, int]
) -> None:
    left, top, width, height = fitted(shown, canvas)
    assert left >= 0 and left + width <= canvas[0] and top >= 0 and top + height <= canvas[1]
    assert width == canvas[0] or height == canvas[1]
    scale = min(canvas[0] / shown[0], canvas[1] / shown[1])
    assert abs(width - shown[0] * scale) <= 1 and abs(height - shown[1] * scale) <= 1


@pytest.mark.parametrize(
    ("make", "later_box"),
    [
        (media.make_turning, (70, 0, 180, 320)),
        (media.make_wider, (0, 0, 213, 120)),
        (media.make_tipped, (20, 0, 120, 160)),
    ],
)
def test_each_frame_goes_by_its_own_shape_everywhere(
    make: object, later_box: tuple[int, int, int, int], made: Made, tmp_path: Path
) -> None:
    path = made(make)
    info = probe(path)
    ours = list(iter_frames(path, info, "all"))
    assert {frame.image.shape for frame in ours} == {(info.height_px, info.width_px, 3)}
    left, top, width, height = later_box
    outside = ours[-1].image.astype(int)
    assert outside[top : top + height, left : left + width].mean() > 50
    outside[top : top + height, left : left + width] = 0
    assert outside.max() < 12
    (still,) = frames_shown(path, info, [ours[-1].time_us])
    assert still is not None and np.array_equal(still.image, ours[-1].image)
    theirs = by_ffmpeg(path, tmp_path)
    assert len(theirs) == len(ours)
    for at in (5, -5):  # in either half
        height, width, _ = theirs[at].image.shape
        assert np.abs(theirs[at].image.astype(int) - ours[at].image[:height, :width]).mean() < 6


@pytest.mark.parametrize("name", ["variable.mkv", "variable.mp4", "ntsc.mp4", "starts_at_5s.mkv"])
def test_a_graph_of_its_own_keeps_every_time(name: str, made: Made, tmp_path: Path) -> None:
    path = made(name)
    ours = [f.time_us for f in iter_frames(path, probe(path), "all")]
    theirs = [f.time_us for f in by_ffmpeg(path, tmp_path, apart=True)]
    assert np.abs(np.array(ours) - theirs).max() <= 1_000


def test_a_turned_phone_shows_the_face_undistorted(made: Made) -> None:
    path = made(media.make_turning)
    frames = [f.image for f in iter_frames(path, probe(path), "all")]
    portrait = media.portrait_160px()
    for image in (frames[0], frames[-1]):
        match = cv2.matchTemplate(image, portrait[20:140, 20:140], cv2.TM_CCOEFF_NORMED)
        assert match.max() > 0.9


def test_only_pictures_in_hdr_are_tone_mapped(made: Made) -> None:
    hdr = probe(made(media.make_hdr, "arib-std-b67"))
    assert hdr.hdr and "perceptual" in canvas_filters(hdr, 320, 160, False)
    sdr = probe(made("plain.mp4"))
    assert not sdr.hdr and "perceptual" not in canvas_filters(sdr, 160, 120, False)
    assert "perceptual" not in canvas_filters(replace(BLANK, width_px=2, height_px=2), 2, 2, False)


@pytest.mark.slow  # libswscale works four seconds on its tables, each time
@pytest.mark.parametrize("transfer", ["arib-std-b67", "smpte2084"])
def test_hdr_looks_alike_in_frames_and_film(transfer: str, made: Made, tmp_path: Path) -> None:
    path = made(media.make_hdr, transfer)
    ours = next(iter_frames(path, probe(path), "all")).image.astype(int)
    theirs = by_ffmpeg(path, tmp_path)[0].image.astype(int)
    assert np.abs(ours.mean(axis=(0, 1)) - theirs.mean(axis=(0, 1))).max() < 3
    assert np.abs(ours - theirs).mean() < 5
    untouched = next(iter_frames(path, replace(probe(path), hdr=False), "all")).image.astype(int)
    assert np.array_equal(ours, untouched)  # the frame itself says what it is
