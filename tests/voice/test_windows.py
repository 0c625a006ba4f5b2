from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.types import Span
from pipeline.voice.windows import gaps, windows

MIN_US = 500_000


@st.composite
def speech(draw):
    lengths = draw(st.lists(st.tuples(st.integers(1, 5_000_000), st.integers(1, 20_000_000)), max_size=6))
    spans, at = [], 0
    for gap, length in lengths:
        spans.append(Span(at + gap, at + gap + length))
        at += gap + length
    return spans


window_and_hop = st.integers(200_000, 6_000_000).flatmap(
    lambda window: st.tuples(st.just(window), st.integers(max(1, window // 20), window))
)


@given(speech(), window_and_hop)
def test_all_speech_is_covered_and_nothing_beside_it(spans, sizes):
    window_us, hop_us = sizes
    cut = windows(spans, window_us, hop_us, MIN_US)
    for span in spans:
        inside = [w.span for w in cut if w.span.overlap_us(span)]
        assert inside[0].start_us == span.start_us
        assert inside[-1].end_us == span.end_us
        assert all(later.start_us <= before.end_us for before, later in pairwise(inside))
    for window in cut:
        assert any(s.start_us <= window.span.start_us and window.span.end_us <= s.end_us for s in spans)
        assert 0 < window.span.duration_us <= window_us


@given(speech(), window_and_hop)
def test_order_is_kept_and_no_window_comes_twice(spans, sizes):
    starts = [w.span.start_us for w in windows(spans, *sizes, MIN_US)]
    assert starts == sorted(set(starts))


@given(speech(), window_and_hop, st.integers(0, 10**9))
def test_later_speech_gives_the_same_windows_later(spans, sizes, by_us):
    moved = windows([span.shifted(by_us) for span in spans], *sizes, MIN_US)
    assert [(w.span.shifted(by_us), w.too_short) for w in windows(spans, *sizes, MIN_US)] == [
        (w.span, w.too_short) for w in moved
    ]


@given(speech(), window_and_hop)
def test_a_stretch_is_too_short_by_its_own_length(spans, sizes):
    cut = windows(spans, *sizes, MIN_US)
    for span in spans:
        assert {w.too_short for w in cut if w.span.overlap_us(span)} == {span.duration_us < MIN_US}


@pytest.mark.parametrize(
    ("length_us", "expected"),
    [
        (2_000_000, [(0, 2_000_000)]),
        (3_000_000, [(0, 3_000_000)]),
        (4_000_000, [(0, 3_000_000), (1_000_000, 4_000_000)]),
        (4_500_000, [(0, 3_000_000), (1_000_000, 4_000_000), (1_500_000, 4_500_000)]),
    ],
)
def test_windows_of_three_seconds_every_second(length_us, expected):
    cut = windows([Span(0, length_us)], 3_000_000, 1_000_000, MIN_US)
    assert [(w.span.start_us, w.span.end_us) for w in cut] == expected


@pytest.mark.parametrize("hop_us", [0, 3_000_001])
def test_a_hop_that_leaves_holes_is_refused(hop_us):
    with pytest.raises(ValueError, match="hop"):
        windows([Span(0, 10)], 3_000_000, hop_us, MIN_US)


@given(speech(), st.integers(0, 10_000_000))
def test_gaps_and_speech_tile_the_film(spans, tail_us):
    end_us = (spans[-1].end_us if spans else 0) + tail_us
    tiles = sorted([*spans, *gaps(spans, end_us)])
    edges = [tiles[0].start_us, *(tile.end_us for tile in tiles)] if tiles else [0]
    assert edges[0] == 0
    assert edges[-1] == end_us
    assert all(a.end_us == b.start_us for a, b in pairwise(tiles))
