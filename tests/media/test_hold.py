from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.frames import iter_frames
from pipeline.media.hold import (
    HOLD_US,
    ROUNDING_US,
    held,
    hold_map,
    longest_gap_us,
    must_hold,
    picture_times_us,
)
from pipeline.media.probe import probe
from tests.conftest import Made
from tests.made import media

TIMES = st.lists(st.integers(0, 3_000_000), min_size=1, max_size=20, unique=True).map(sorted)


@given(TIMES, st.integers(0, 4_000_000))
def test_real_frames_keep_their_times_and_gaps_are_filled(times_us: list[int], end_us: int) -> None:
    pairs = list(held(times_us, end_us))
    shown = [at for _, at in pairs]
    assert shown == sorted(set(shown))
    assert set(times_us) <= set(shown)
    edges = [0, *shown, max(end_us, shown[-1])]
    assert max(b - a for a, b in pairwise(edges)) <= HOLD_US + ROUNDING_US
    for frame_us, at_us in pairs:
        assert frame_us == max((t for t in times_us if t <= at_us), default=times_us[0])
    if longest_gap_us(times_us, end_us) <= HOLD_US:
        assert shown == times_us


@given(TIMES, st.integers(0, 4_000_000))
def test_the_map_leads_to_the_frame_that_is_meant(times_us: list[int], end_us: int) -> None:
    lines = [line.split() for line in hold_map(times_us, end_us)]
    served = [next(t for t in times_us if t >= int(first)) for first, _, _ in lines]
    assert [(frame_us, int(at)) for frame_us, (_, at, _) in zip(served, lines, strict=True)] == list(
        held(times_us, end_us)
    )


@pytest.mark.parametrize(
    "name", ["plain.mp4", "variable.mkv", "late_sound.ts", "starts_at_5s.mkv", "vp8.webm"]
)
def test_ordinary_films_are_left_alone(name: str, made: Made) -> None:
    assert not must_hold(probe(made(name)))


@pytest.mark.parametrize("times_ms", [(0, 100, 200), (0, 400, 2000), (0,), (500,)])
def test_a_picture_that_stands_still_is_noticed(times_ms: tuple[int, ...], made: Made) -> None:
    path = made(media.make_still, times_ms)
    assert must_hold(probe(path))
    assert picture_times_us(path, probe(path)).tolist() == [1000 * ms for ms in times_ms]


@pytest.mark.parametrize("name", ["ntsc.mp4", "late_picture.ts", "starts_at_5s.ts"])
def test_stated_times_are_those_of_the_frames(name: str, made: Made) -> None:
    path: Path = made(name)
    assert picture_times_us(path, probe(path)).tolist() == [
        frame.time_us for frame in iter_frames(path, probe(path), "all")
    ]
