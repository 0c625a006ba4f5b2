import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.probe import MediaError, probe
from pipeline.media.subtitles import (
    disjoint,
    extract_stream,
    find_beside,
    parse_subtitles,
    plain_text,
    read_subtitles,
)
from pipeline.types import Span
from tests.conftest import Made
from tests.made import media

FIRST = (Span(500_000, 1_200_000), "first line")
SECOND = (Span(1_500_000, 2_500_000), "第二行")
SIMPLIFIED = "我觉得这就是最后一次了，真的很难过，可是没有办法。"
TRADITIONAL = "我覺得這就是最後一舉了，真的很難過，可是沒有辦法。"

VTT = """WEBVTT - title

NOTE a remark

1
00:00.500 --> 00:01.200 line:10% align:start
<v Anna>first <i>line</i></v>

00:01.500 --> 00:02.500
<c.yellow>第二<00:02.000>行</c>
"""
ASS = r"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,not shown
Dialogue: 0,0:00:00.50,0:00:01.20,Default,,0,0,0,,{\i1}first{\i0}\Nline
Dialogue: 0,0:00:01.30,0:00:01.40,Default,,0,0,0,,{\p1}m 0 0 l 1 1{\p0}
Dialogue: 0,0:00:01.50,0:00:02.50,Default,,0,0,0,,{\an8\fs30}第二\h行
"""


def srt(*texts: str) -> str:
    times = "00:00:0{},000 --> 00:00:0{},900"
    return "\n".join(f"{i}\n{times.format(i, i)}\n{text}\n" for i, text in enumerate(texts, 1))


@pytest.mark.parametrize(
    ("name", "text"), [("a.srt", media.SRT), ("a.vtt", VTT), ("a.SRT", media.SRT.replace("\n", "\r\n"))]
)
def test_formats(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    assert read_subtitles(path) == (FIRST, SECOND)


def test_ass_without_comments_drawings_and_styling() -> None:
    assert parse_subtitles(ASS.encode(), "x") == (FIRST, (SECOND[0], "第二 行"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_encodings(encoding: str) -> None:
    assert parse_subtitles(media.SRT.encode(encoding), "x") == (FIRST, SECOND)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "gb18030"),
        (SIMPLIFIED, "gbk"),
        (TRADITIONAL, "big5"),
        ("好", "gb18030"),
        ("我們", "big5"),
        ("嗯嗯，嗯。", "big5"),
    ],
)
def test_chinese_encodings(text: str, encoding: str) -> None:
    ((_, read),) = parse_subtitles(srt(text).encode(encoding), "x")
    assert read == text


@pytest.mark.parametrize(
    "text",
    ["他说他会回来的 OK?", "谢谢大家", "你怎么了", "今天天气真好，我们出去玩吧"],
)
def test_short_simplified_text_is_not_taken_for_big5(text: str) -> None:
    ((_, read),) = parse_subtitles(srt(text).encode("gb18030"), "x")
    assert read == text


@pytest.mark.parametrize("text", ["他說他會回來的 OK?", "謝謝大家", "你怎麼了", "今天天氣真好，我們出去玩吧"])
def test_short_traditional_text_is_not_taken_for_gb(text: str) -> None:
    ((_, read),) = parse_subtitles(srt(text).encode("big5"), "x")
    assert read == text


@pytest.mark.parametrize(
    ("marked_up", "plain"),
    [
        ("<i>a</i>\nb", "a b"),
        (r"{\an8}a", "a"),
        ("<font color='red'>a</font>", "a"),
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("1 < 2 > 0", "1 < 2 > 0"),
        ("I <3 you", "I <3 you"),
        ("  a \t b ", "a b"),
    ],
)
def test_markup_goes_text_stays(marked_up: str, plain: str) -> None:
    assert plain_text(marked_up) == plain


def test_empty_and_timeless_cues_are_left_out() -> None:
    text = (
        srt("a", "<i></i>", " ")
        + "\n9\n00:00:05,000 --> 00:00:05,000\nb\n\n10\n00:00:08,000 --> 00:00:07,000\nc\n"
    )
    assert [said for _, said in parse_subtitles(text.encode(), "x")] == ["a"]


@pytest.mark.parametrize(
    ("cues", "lines"),
    [
        ([(0, 4, "a"), (2, 6, "b")], [(0, 2, "a"), (2, 6, "b")]),
        ([(0, 4, "你好"), (0, 4, "hello")], [(0, 4, "你好 hello")]),
        ([(0, 4, "a"), (0, 6, "a")], [(0, 6, "a")]),
        ([(5, 6, "b"), (0, 1, "a")], [(0, 1, "a"), (5, 6, "b")]),
        ([(0, 9, "a"), (0, 2, "b"), (5, 6, "c")], [(0, 5, "a b"), (5, 6, "c")]),
    ],
)
def test_overlaps(cues: list[tuple[int, int, str]], lines: list[tuple[int, int, str]]) -> None:
    assert disjoint((Span(a, b), text) for a, b, text in cues) == tuple((Span(a, b), t) for a, b, t in lines)


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.integers(1, 50), st.sampled_from(["a", "b", "c", ""])), max_size=30
    )
)
def test_lines_never_overlap_and_no_text_is_lost(cues: list[tuple[int, int, str]]) -> None:
    lines = disjoint((Span(start, start + length), text) for start, length, text in cues)
    assert all(a.end_us <= b.start_us for (a, _), (b, _) in itertools.pairwise(lines))
    assert all(span.duration_us > 0 for span, _ in lines)
    assert {start for start, _, text in cues if text} == {span.start_us for span, _ in lines}
    assert {word for _, said in lines for word in said.split()} == {text for _, _, text in cues if text}


@given(st.text(min_size=0, max_size=200) | st.binary(max_size=200))
def test_any_bytes_are_lines_or_one_sentence(data: str | bytes) -> None:
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    try:
        parse_subtitles(raw, "x")
    except MediaError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"just words", "not a subtitle file"),
        (b"", "not a subtitle file"),
        (b"\xff\x80\xff\x00a", "encoding"),
    ],
)
def test_unreadable_files_are_named(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.srt"
    path.write_bytes(data)
    with pytest.raises(MediaError, match=says) as caught:
        read_subtitles(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be read"):
        read_subtitles(tmp_path / "none.srt")


@pytest.mark.parametrize(
    ("beside", "found"),
    [
        (["talk.srt"], "talk.srt"),
        (["talk.ass", "talk.vtt"], "talk.vtt"),
        (["talk.zh.srt", "talk.ass"], "talk.ass"),
        (["talk.zh-Hans.srt"], "talk.zh-Hans.srt"),
        (["talk.SRT"], "talk.SRT"),
        (["talk2.srt", "talk.part two.srt", "other.srt", "talk.txt"], None),
        ([], None),
    ],
)
def test_find_beside(beside: list[str], found: str | None, tmp_path: Path) -> None:
    for name in beside:
        (tmp_path / name).touch()
    result = find_beside(tmp_path / "talk.mp4")
    assert (result.name if result else None) == found


def test_find_beside_with_a_name_full_of_patterns(tmp_path: Path) -> None:
    (tmp_path / "a[1]*?.srt").touch()
    assert find_beside(tmp_path / "a[1]*?.mp4") == tmp_path / "a[1]*?.srt"


@pytest.mark.parametrize(("suffix", "start_s"), [(".mkv", 0.0), (".mp4", 0.0), (".mkv", 5.0)])
def test_a_stream_in_the_container(suffix: str, start_s: float, made: Made) -> None:
    path = made(media.make_subtitled, suffix, start_s)
    (stream,) = probe(path).subtitle_streams
    assert extract_stream(path, stream.index) == (FIRST, SECOND)


def test_a_stream_that_is_no_text_is_said(made: Made) -> None:
    with pytest.raises(MediaError, match="cannot be read as text"):
        extract_stream(made("plain.mp4"), 0)
