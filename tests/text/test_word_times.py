"""Pauses taken off the words that an alignment gave them to."""

import numpy as np
from numpy.typing import NDArray

from pipeline.text.word_times import quiet_frames, without_pauses
from pipeline.types import Word
from tests.text.requests import span


def loud(*stretches: tuple[float, float], seconds: float = 4.0) -> NDArray[np.float32]:
    samples = np.random.default_rng(0).normal(size=round(seconds * 16_000)) * 1e-4
    for start, end in stretches:
        samples[round(start * 16_000) : round(end * 16_000)] += 0.3
    return samples.astype(np.float32)


def test_a_word_loses_the_pause_before_it() -> None:
    samples = loud((0, 1), (2, 3), (3, 3.5))
    said = [Word(span(0, 1), "one"), Word(span(1, 3), "two"), Word(span(3, 3.3), "three")]
    assert [word.span for word in without_pauses(said, samples)] == [span(0, 1), span(2, 3), span(3, 3.3)]


def test_of_a_divided_word_the_last_part_counts() -> None:
    assert without_pauses([Word(span(0, 3), "so")], loud((0, 0.5), (2.5, 3)))[0].span == span(2.5, 3)


def test_a_last_part_too_short_for_a_word_is_the_next_one_s_unless_nothing_else_is_long_enough() -> None:
    word = [Word(span(0, 3), "so")]
    assert without_pauses(word, loud((0, 0.3), (2.96, 4)))[0].span == span(0, 0.3)
    assert without_pauses(word, loud((0, 0.1), (2.96, 4)))[0].span == span(2.96, 3)


def test_noise_and_short_stops_are_no_pauses() -> None:
    noise = (np.random.default_rng(0).normal(size=64_000) * 0.1).astype(np.float32)
    assert not quiet_frames(noise).any()
    assert not quiet_frames(loud((0, 1), (1.1, 4))).any()
    word = Word(span(0, 3), "so")
    assert without_pauses([word], noise) == (word,)
    assert without_pauses([word], np.zeros(0, np.float32)) == (word,)
