from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.canvas import canvas_size
from pipeline.media.container import MediaError
from pipeline.media.frames import GRID_TOLERANCE_US, DecodingLog, Frame, ahead, grid_slot, iter_frames
from pipeline.media.orient import display_size, oriented, quarter_matrix, rotation_deg
from pipeline.media.probe import probe
from tests.conftest import Made
from tests.made import media

RED = (200, 20, 20)


def is_red(pixels: np.ndarray) -> bool:
    return bool(np.abs(pixels.reshape(-1, 3).mean(axis=0) - RED).max() < 25)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_images_are_upright(rotation: int, mirrored: bool, made: Made) -> None:
    path = made(media.make_turned, rotation, mirrored)
    info = probe(path)
    image = next(iter_frames(path, info, "all")).image
    height, width, _ = image.shape
    assert (width, height) == (info.width_px, info.height_px)
    assert (width < height) == (rotation % 180 == 90)
    assert is_red(image[4 : height // 2 - 4, 4 : width // 2 - 4])
    for rows, columns in ((0, 1), (1, 0), (1, 1)):
        corner = image[rows * height // 2 :, columns * width // 2 :][
            10 : height // 2 - 10, 10 : width // 2 - 10
        ]
        assert not is_red(corner)


def test_pixels_are_square_as_shown(made: Made) -> None:
    path = made("rotated_wide_pixels.mp4")
    image = next(iter_frames(path, probe(path), 1.0)).image
    assert image.shape == (213, 120, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert is_red(image[6:100, 6:54])


@pytest.mark.parametrize("name", ["plain.mp4", "rotated.mp4"])
def test_smaller_images_know_their_scale(name: str, made: Made) -> None:
    path = made(name)
    frame = next(iter_frames(path, probe(path), 5.0, max_side_px=64))
    assert max(frame.image.shape[:2]) == 64
    assert min(frame.image.shape[:2]) == 48
    assert frame.scale == 64 / 160
    assert next(iter_frames(path, probe(path), 5.0, max_side_px=640)).scale == 1.0


def test_white_is_white(made: Made) -> None:
    path = made("plain.mp4")
    flash = next(f for f in iter_frames(path, probe(path), "all") if f.time_us >= 2_000_000)
    assert flash.image.min() > 250


def test_times_rise_and_are_the_containers(made: Made) -> None:
    path = made("variable.mp4")
    times = [f.time_us for f in iter_frames(path, probe(path), "all")]
    film = media.CLOCKS["variable.mp4"]
    assert times == [1000 * ticks for ticks in film.frame_times]


def test_twice_the_same(made: Made) -> None:
    path = made("ntsc.mp4")
    info = probe(path)
    first, second = (list(iter_frames(path, info, 5.0, 100)) for _ in range(2))
    assert all(
        a.time_us == b.time_us and np.array_equal(a.image, b.image)
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("sample_fps", ["all", 5.0])
def test_pictures_that_cannot_be_decoded_are_counted(sample_fps: float | str, made: Made) -> None:
    path, log = made(media.make_damaged), DecodingLog()
    for _ in iter_frames(path, probe(path), sample_fps, log=log):
        pass
    assert 0 < len(log.lost_us()) < 50
    assert len(log.lost_us()) + len(log.frames_us) == 75
    assert log.losses()[0].startswith(f"{len(log.lost_us())} of 75 pictures, between ")
    assert "cannot be decoded" in log.losses()[0]


@pytest.mark.parametrize("name", [*media.CLOCKS])
def test_of_a_sound_film_nothing_is_lost(name: str, made: Made) -> None:
    log = DecodingLog()
    for _ in iter_frames(made(name), probe(made(name)), 5.0, log=log):
        pass
    assert log.losses() == []


def test_damage_is_passed_over(made: Made) -> None:
    path = made(media.make_damaged)
    times = [f.time_us for f in iter_frames(path, probe(path), "all")]
    assert 25 < len(times) < 75
    assert times[0] == 0
    assert times[-1] > 2_500_000


def test_a_cut_off_film_gives_what_is_there(made: Made) -> None:
    path = made(media.make_truncated)
    info = probe(path)
    times = [f.time_us for f in iter_frames(path, info, "all")]
    assert times[0] == 0
    assert info.duration_us - 200_000 < times[-1] < info.duration_us


def test_no_picture_is_said(made: Made) -> None:
    path = made(media.make_audio_only)
    with pytest.raises(MediaError, match="no picture"):
        next(iter_frames(path, probe(path), 5.0))


def test_a_reader_that_stops_early_closes_the_file(made: Made) -> None:
    path = made("plain.mp4")
    frames = iter_frames(path, probe(path), "all")
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    handles = Path("/proc/self/fd")
    if handles.is_dir():
        assert path not in [h.resolve() for h in handles.iterdir()]


@given(
    st.lists(st.integers(0, 5_000_000), min_size=1, max_size=60, unique=True),
    st.fractions(Fraction(1, 5), 20),
)
def test_every_grid_point_gets_the_first_frame_after_it(times: list[int], sample_fps: Fraction) -> None:
    period_us = 1_000_000 / sample_fps
    taken, due = [], 0
    for time_us in sorted(times):
        if (slot := grid_slot(time_us, period_us)) >= due:
            taken.append(time_us)
            due = slot + 1
    points = range(int(max(times) / period_us) + 2)
    first_after = {
        min((t for t in times if t + GRID_TOLERANCE_US >= point * period_us), default=None)
        for point in points
    }
    assert set(taken) == first_after - {None}


SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))
MATRICES = st.sampled_from(
    [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]
)


@given(SHAPES, MATRICES)
def test_a_turn_moves_every_pixel_as_the_matrix_says(shape: tuple[int, int], matrix: tuple[int, ...]) -> None:
    height, width = shape
    image = np.arange(height * width, dtype=np.uint8).reshape(height, width, 1)
    shown = oriented(image, matrix)
    assert shown.shape[1::-1] == display_size(width, height, Fraction(1), matrix)
    a, b, c, d = matrix
    y, x = np.mgrid[:height, :width]
    to_x, to_y = a * x + c * y, b * x + d * y
    assert np.array_equal(shown[to_y - to_y.min(), to_x - to_x.min()], image)


def test_display_matrix_is_read_as_the_nearest_quarter_turn() -> None:
    def packed(*entries: int) -> bytes:
        return np.array(entries, np.int32).tobytes()

    one = 1 << 16
    quarter = quarter_matrix(packed(0, one, 0, -one, 0, 0, 0, 0, 1 << 30))
    assert (quarter, rotation_deg(quarter)) == ((0, 1, -1, 0), 90)
    nearly = quarter_matrix(packed(900, -one, 0, one, 900, 0, 0, 0, 1 << 30))
    assert rotation_deg(nearly) == 270
    assert quarter_matrix(None) == (1, 0, 0, 1)


@given(st.integers(1, 4000), st.integers(1, 4000), st.none() | st.integers(1, 500))
def test_scaled_size_never_exceeds_the_limit(width: int, height: int, limit: int | None) -> None:
    from dataclasses import replace

    from tests.media.test_clock import BLANK

    (w, h), scale = canvas_size(replace(BLANK, width_px=width, height_px=height), limit)
    assert max(w, h) <= max(1, limit or max(width, height))
    assert abs(w - width * scale) <= 1
    assert abs(h - height * scale) <= 1


def test_decoding_ahead_changes_nothing(made: Made) -> None:
    path = made("plain.mp4")
    info = probe(path)
    plain = list(iter_frames(path, info, 5))
    early = list(ahead(iter_frames(path, info, 5)))
    assert [f.time_us for f in early] == [f.time_us for f in plain]
    assert all((a.image == b.image).all() for a, b in zip(early, plain, strict=True))


def test_an_error_while_decoding_ahead_comes_after_what_was_read() -> None:
    def broken():
        yield from (Frame(0, np.zeros((1, 1, 3), np.uint8)),) * 2
        raise MediaError("damaged")

    read = ahead(broken())
    assert [next(read).time_us, next(read).time_us] == [0, 0]
    with pytest.raises(MediaError, match="damaged"):
        next(read)


def test_a_reader_may_stop_early(made: Made) -> None:
    path = made("plain.mp4")
    frames = ahead(iter_frames(path, probe(path), "all"))
    next(frames)
    frames.close()
