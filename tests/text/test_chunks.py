"""What is sent to a recogniser, and where its times lie in the video."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.text.chunks import (
    MARGIN_US,
    MAX_CHUNK_US,
    Chunk,
    chunks,
    quietest,
    samples_of,
    sound_of,
)
from pipeline.types import Span, united
from tests.text.requests import S, span


def silent(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * 16_000), np.float32)


def test_without_speech_nothing_is_sent() -> None:
    assert chunks([], 60 * S, sound_of(silent(60))) == ()


def test_speech_is_packed_with_its_margins_and_silence_is_not() -> None:
    (chunk,) = chunks([span(1, 3), span(20, 21), span(21.3, 22)], 60 * S, sound_of(silent(60)))
    assert chunk.pieces == (span(0.8, 3.2), span(19.8, 22.2))
    assert samples_of(chunk, sound_of(silent(60))).size == round(4.8 * 16_000)


def test_chunks_part_at_the_longest_pause() -> None:
    speech = [span(0, 6), span(7, 12), span(15, 20), span(21, 29), span(30, 38)]
    first, second = chunks(speech, 40 * S, sound_of(silent(40)))
    assert first.pieces[-1].end_us < 13 * S and second.pieces[0].start_us > 14 * S


def test_long_speech_is_cut_where_it_is_quietest() -> None:
    samples = np.ones(50 * 16_000, np.float32)
    samples[round(24.0 * 16_000) : round(24.2 * 16_000)] = 0
    first, second = chunks([span(0, 50)], 50 * S, sound_of(samples))
    assert first.pieces[0].end_us == second.pieces[0].start_us
    assert 24.0 * S < first.pieces[0].end_us < 24.2 * S
    assert quietest(sound_of(samples), span(49.99, 50)) == 49_995_000  # too short to look at


def test_times_come_back_to_the_piece_that_holds_the_end_of_a_word() -> None:
    chunk = Chunk((span(10, 12), span(20, 22), span(30, 31)))
    assert chunk.duration_us == 5 * S
    assert chunk.in_video(span(0.5, 1)) == span(10.5, 11)
    assert chunk.in_video(span(1.2, 2.5)) == span(20, 20.5)  # its start is the pause before it
    assert chunk.in_video(span(1.5, 2.05)) == span(11.5, 12)  # a mere edge
    assert chunk.in_video(span(3.9, 4.2)) == span(30, 30.2)
    assert chunk.in_video(span(7, 9)).end_us <= 31 * S


@given(
    st.lists(st.tuples(st.integers(0, 9_000), st.integers(30, 80_000)), max_size=30),
    st.integers(0, 20_000),
)
def test_every_moment_of_speech_is_in_one_chunk(gaps: list[tuple[int, int]], rest: int) -> None:
    speech, at = [], 0
    for gap, length in gaps:
        speech.append(Span((at + gap) * 1000, (at + gap + length) * 1000))
        at += gap + length + 1
    end_us = (at + rest) * 1000
    found = chunks(speech, end_us, lambda one: np.zeros(one.duration_us * 16 // 1000, np.float32))
    pieces = [piece for chunk in found for piece in chunk.pieces]
    wide = united(Span(max(0, s.start_us - MARGIN_US), min(end_us, s.end_us + MARGIN_US)) for s in speech)
    assert united(pieces) == wide
    assert sum(p.duration_us for p in pieces) == sum(s.duration_us for s in wide)
    assert pieces == sorted(pieces)
    assert all(0 < chunk.duration_us <= MAX_CHUNK_US for chunk in found)
