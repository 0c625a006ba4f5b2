"""Whose lines they are, and where a line changes hands."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.utterances import span_of
from pipeline.text.voices import named
from pipeline.types import Span, Turn, Utterance, Word
from tests.text.requests import S, span

TURNS = (Turn(span(0, 1.6), "S1"), Turn(span(1.9, 4), "S2"))


def recognised(text: str, words: list[str], source: str = "whisper") -> Utterance:
    placed = tuple(Word(span(i * 0.6, i * 0.6 + 0.5), word, 0.9) for i, word in enumerate(words))
    return Utterance(span_of(placed), text, "en", source, placed, no_speech_prob=0.1, confidence=0.5)


def test_a_line_gets_the_voice_that_speaks_most_of_it_unless_somebody_is_named() -> None:
    line = Utterance(Span(0, 10), "yes", "en", "file")
    turns = (Turn(Span(0, 4), "S1"), Turn(Span(4, 10), "S2"))
    assert [one.speaker for one in named([line], turns)] == ["S2"]
    assert [one.speaker for one in named([replace(line, speaker="ANNA")], turns)] == ["ANNA"]
    assert list(named([line], ())) == [line]


def test_a_recognised_line_is_parted_where_another_voice_begins() -> None:
    line = recognised("Well, so it is not", ["Well,", "so", "it", "is", "not"])
    first, second = named([line], TURNS)
    assert (first.text, first.speaker) == ("Well, so it", "S1")
    assert (second.text, second.speaker) == ("is not", "S2")
    assert first.words + second.words == line.words
    assert (first.span.start_us, second.span.end_us) == (line.span.start_us, line.span.end_us)
    assert first.confidence is not None and first.confidence > 0.5  # of its own words


def test_what_was_written_stays_in_one_piece() -> None:
    words = ["one", "two", "three", "four", "five"]
    assert len(list(named([recognised("one two three four five", words, "burned-in")], TURNS))) == 1
    assert len(list(named([recognised("something else", words)], TURNS))) == 1


LENGTHS = st.lists(st.integers(1, 2 * S), min_size=1, max_size=20)
SPOKEN = st.lists(st.tuples(st.integers(0, 20 * S), st.integers(1, 9 * S), st.sampled_from("AB")), max_size=6)


@given(LENGTHS, SPOKEN)
def test_no_word_is_lost_and_no_part_holds_two_voices(
    lengths_us: list[int], spoken: list[tuple[int, int, str]]
) -> None:
    at, words = 0, []
    for i, length_us in enumerate(lengths_us):
        words.append(Word(Span(at, at + length_us), f"w{i}", 0.9))
        at += length_us
    text = " ".join(word.text for word in words)
    line = Utterance(span_of(words), text, "en", "whisper", tuple(words), no_speech_prob=0.0)
    turns = [Turn(Span(start, start + length), who) for start, length, who in sorted(spoken)]
    parts = list(named([line], turns))
    assert [word for part in parts for word in part.words] == words
    assert " ".join(part.text for part in parts) == text
    for part in parts:
        alone = {
            next(named([replace(line, span=w.span, words=(w,), text=w.text)], turns)).speaker
            for w in part.words
        }
        assert len(alone - {None}) <= 1
