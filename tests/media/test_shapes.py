import pytest

from pipeline.media.probe import probe
from pipeline.media.shapes import change_sentence, shape_index, shown_size
from pipeline.types import PictureShape
from tests.conftest import Made
from tests.made import media

LANDSCAPE, PORTRAIT = (320, 180, 1, 1, 0), (180, 320, 1, 1, 0)
TURN = (PictureShape(0, *LANDSCAPE), PictureShape(2_000_000, *PORTRAIT))


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".ts", "libx264"), (".mp4", "libx264"), (".mkv", "libx264"), (".webm", "libvpx")]
)
def test_a_turn_is_found_in_every_container(suffix: str, codec: str, made: Made) -> None:
    info = probe(made(media.make_turning, suffix, codec))
    assert info.shapes == TURN
    assert (info.width_px, info.height_px) == (320, 320)
    assert info.notes == (
        "The picture changes its shape midway (320x180, then 180x320 from 2.0 s): each part is fitted into "
        "one frame.",
    )


def test_pixels_that_widen_are_found(made: Made) -> None:
    info = probe(made(media.make_wider))
    assert info.shapes == (PictureShape(0, 160, 120), PictureShape(2_000_000, 160, 120, 4, 3))
    assert (info.width_px, info.height_px) == (213, 120)


def test_a_turn_that_the_picture_states_is_found(made: Made) -> None:
    info = probe(made(media.make_tipped))
    assert [(s.start_us, s.rotation_deg) for s in info.shapes] == [(0, 0), (1_000_000, 270)]
    assert (info.width_px, info.height_px) == (160, 160)


@pytest.mark.parametrize("name", ["plain.mp4", "rotated_wide_pixels.mp4", "late_sound.ts", "vp8.webm"])
def test_an_ordinary_picture_has_one_shape(name: str, made: Made) -> None:
    assert probe(made(name)).shapes == ()


def test_what_stands_for_a_moment_makes_nothing_larger() -> None:
    flash = (
        PictureShape(0, *LANDSCAPE),
        PictureShape(1_000_000, 8000, 8000),
        PictureShape(1_100_000, 160, 90),
    )
    assert shown_size(flash, 5_000_000, (1, 0, 0, 1)) == (320, 180)
    assert shown_size((), 5_000_000, (1, 0, 0, 1)) is None
    assert shown_size(TURN, 5_000_000, (0, 1, -1, 0)) == (320, 320)


def test_which_shape_stands_when() -> None:
    assert [shape_index(TURN, us) for us in (-5, 0, 1_999_999, 2_000_000, 9_000_000)] == [0, 0, 0, 1, 1]


def test_many_changes_are_one_sentence() -> None:
    calls = tuple(PictureShape(i * 1_000_000, 100 + i % 2, 100) for i in range(9))
    assert str(change_sentence(calls)).endswith(
        "100x100 from 2.0 s, 101x100 from 3.0 s and 5 more changes): each part is fitted into one frame."
    )
    assert change_sentence(()) is None
