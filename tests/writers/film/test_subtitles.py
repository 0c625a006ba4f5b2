from dataclasses import replace

from pipeline.types import Analysis, Span, Utterance, Word
from pipeline.writers.film.subtitles import Spoken, marked, spoken, tint
from pipeline.writers.palette import COLOURS, DARK


def test_utterances_come_in_order_of_time_with_what_the_sheet_says(analysis: Analysis) -> None:
    turned = replace(
        analysis,
        transcript=replace(analysis.transcript, utterances=tuple(reversed(analysis.transcript.utterances))),
    )
    assert [(one.span, one.key) for one in spoken(turned)] == [
        (Span(0, 1_000_000), "happy"),
        (Span(1_000_000, 1_400_005), None),
        (Span(1_900_000, 2_700_000), "neutral"),
    ]


def test_an_utterance_that_no_moment_holds_has_no_emotion(analysis: Analysis) -> None:
    lone = Utterance(Span(0, 1), "x", "en", "file")
    alone = replace(analysis, transcript=replace(analysis.transcript, utterances=(lone,)))
    assert [one.key for one in spoken(alone)] == [None]


def test_emotion_by_name_and_colour() -> None:
    assert (marked("sad"), tint("sad")) == ("[sad] ", COLOURS["sad"])
    assert (marked(None), tint(None)) == ("", DARK)


def test_parts_last_as_long_as_they_have_letters() -> None:
    parts = Spoken(Span(1_000, 11_000), "", None).parted([6, 3, 1])
    assert list(parts) == [Span(1_000, 7_000), Span(7_000, 10_000), Span(10_000, 11_000)]
    assert list(Spoken(Span(5, 9), "", None).parted([0])) == [Span(5, 9)]


def test_parts_begin_with_their_first_word_where_its_time_is_known() -> None:
    words = tuple(
        Word(Span(at, at + 100), text) for at, text in ((1_000, "one"), (1_500, " two"), (9_000, " three"))
    )
    parts = Spoken(Span(1_000, 10_000), "one two three", None, words).parted([6, 5])
    assert list(parts) == [Span(1_000, 9_000), Span(9_000, 10_000)]
