import pytest

from pipeline.types import Span, Status, Transcript
from pipeline.writers.film.soft_subtitles import language, web_vtt
from pipeline.writers.film.subtitles import Spoken


@pytest.mark.parametrize(
    ("tag", "code"),
    [("en", "eng"), ("zh", "zho"), ("zh-TW", "zho"), ("yue", "yue"), (None, "und"), ("xx", "und")],
)
def test_language(tag: str | None, code: str) -> None:
    assert language(Transcript((), Status.OK, "file", tag)) == code


def said(start_us: int, end_us: int, text: str, key: str | None = None) -> Spoken:
    return Spoken(Span(start_us, end_us), text, key)


def test_one_cue_per_utterance_to_the_millisecond() -> None:
    vtt = web_vtt(
        [said(1_234_000, 3_661_001_499, "a <b>", "sad"), said(3_661_001_499, 3_661_002_000, "c\nd")]
    )
    assert vtt.split("\n\n")[1:] == [
        "00:00:01.234 --> 01:01:01.001\n[sad] a &lt;b&gt;",
        "01:01:01.001 --> 01:01:01.002\nc d\n",
    ]


def test_what_is_said_at_once_stands_together() -> None:
    vtt = web_vtt([said(0, 3_000_000, "a"), said(1_000_000, 2_000_000, "b"), said(3_000_000, 3_000_000, "c")])
    assert vtt.split("\n\n")[1:] == [
        "00:00:00.000 --> 00:00:01.000\na",
        "00:00:01.000 --> 00:00:02.000\na\nb",
        "00:00:02.000 --> 00:00:03.000\na\n",
    ]


def test_no_words_no_track() -> None:
    assert web_vtt([]) == web_vtt([said(0, 1_000_000, " \n ")]) == ""


def test_hebrew_stays_right_to_left_behind_the_name_of_its_emotion() -> None:
    vtt = web_vtt([said(0, 1_000_000, "שלום, world", "happy")])
    assert vtt.split("\n\n")[1].splitlines()[1] == "\u200f[happy] שלום, world"
