"""Utterances made of words: where they end, and that no word is lost."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.utterances import (
    MAX_PAUSE_US,
    MAX_UTTERANCE_US,
    ends_sentence,
    span_of,
    utterances,
)
from pipeline.types import Span, Word
from tests.text.requests import span


def words(text: str, start_s: float = 0.0, each_s: float = 0.3) -> list[Word]:
    return [
        Word(span(start_s + i * each_s, start_s + (i + 1) * each_s), f" {one}", 0.9)
        for i, one in enumerate(text.split())
    ]


def texts(groups: tuple[tuple[Word, ...], ...]) -> list[str]:
    return ["".join(word.text for word in group).strip() for group in groups]


def test_sentences_end_utterances() -> None:
    said = words("Mr. Smith paid 3.5 euros. Did he? Yes, e.g. today… “Good.” He said so")
    assert texts(utterances(said)) == [
        "Mr. Smith paid 3.5 euros.",
        "Did he?",
        "Yes, e.g. today…",
        "“Good.”",
        "He said so",
    ]


def test_pauses_end_utterances_whatever_is_written() -> None:
    said = [*words("ask not", 0), *words("what your country", 1.2), *words("can do", 2.69)]
    assert texts(utterances(said)) == ["ask not", "what your country can do"]


def test_lines_end_utterances_where_nothing_is_punctuated() -> None:
    said = [Word(span(i, i + 1), char) for i, char in enumerate("我们走吧好吗")]
    assert texts(utterances(said, line_ends={3})) == ["我们走吧", "好吗"]
    assert texts(utterances(said, line_ends={0})) == ["我们走吧好吗"]  # too short to stand alone
    english = words("the value of the bank", each_s=1)
    assert texts(utterances(english, line_ends={2})) == ["the value of the bank"]


def test_long_speech_is_cut_at_a_comma() -> None:
    said = words(" ".join(["so"] * 30) + " well, " + " ".join(["on"] * 28), each_s=0.3)
    assert [len(group) for group in utterances(said)] == [31, 28]


@pytest.mark.parametrize("text", ["吗？", " it.", " it.”", " so...", "了。」", " I."])
def test_what_ends_a_sentence(text: str) -> None:
    assert ends_sentence(text)


@pytest.mark.parametrize("text", ["", " ", " it", " it,", " Mr.", " U.", " 3.5", " e.g.", "好，"])
def test_what_does_not(text: str) -> None:
    assert not ends_sentence(text)


TEXT = st.sampled_from([" so", " it.", "好", "吗？", " well,", " Dr.", "", "…"])
STEP = st.tuples(st.integers(0, 900_000), st.integers(0, 14_000_000), TEXT)
STEPS = st.lists(STEP, max_size=40)


@given(STEPS, st.sets(st.integers(0, 39)))
def test_words_keep_their_order_and_none_is_lost(steps: list[tuple[int, int, str]], ends: set[int]) -> None:
    said, at = [], 0
    for pause_us, length_us, text in steps:
        said.append(Word(Span(at + pause_us, at + pause_us + length_us), text))
        at += pause_us + length_us
    groups = utterances(said, ends)
    assert [word for group in groups for word in group] == said
    for group in groups:
        assert len(group) == 1 or span_of(group).duration_us <= MAX_UTTERANCE_US
        assert all(b.span.start_us - a.span.end_us < MAX_PAUSE_US for a, b in pairwise(group))
        assert not any(ends_sentence(word.text) for word in group[:-1])


def test_hours_without_a_mark_take_no_square_of_time() -> None:
    said = [Word(Span(i * 300_000, (i + 1) * 300_000), " so") for i in range(40_000)]
    assert sum(map(len, utterances(said))) == 40_000
