import random
import subprocess
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.container import MediaError
from pipeline.media.cues import Cue, plain_text, spoken_lines
from pipeline.media.encode import ffmpeg_exe
from pipeline.media.probe import probe
from pipeline.media.subtitles import Subtitles, extract_stream, parse_subtitles, parse_whole, read_subtitles
from pipeline.types import US_PER_S
from tests.conftest import Made
from tests.made import media

FIRST = (500_000, 1_200_000, "first line")
SECOND = (1_500_000, 2_500_000, "第二行")

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


def shown(subtitles: Subtitles) -> tuple[tuple[int, int, str], ...]:
    return tuple(
        (cue.start_us, cue.end_us, plain_text(cue.text).replace("\x02", "")) for cue in subtitles.cues
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("name", "text"), [("a.srt", media.SRT), ("a.vtt", VTT), ("a.ass", ASS)])
def test_formats_and_line_ends(name: str, text: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline=end)
    read = read_subtitles(path)
    assert (read.name, read.unreadable) == (name, 0)
    texts = [(start, stop, text.removeprefix("Anna")) for start, stop, text in shown(read) if text]
    assert texts == [FIRST, (*SECOND[:2], "第二 行" if name == "a.ass" else SECOND[2])]


@pytest.mark.parametrize(
    ("times", "start_s", "end_s"),
    [
        ("00:00:01,500 --> 00:00:02,000", 1.5, 2),
        ("00:00:01.500 --> 00:00:02.000", 1.5, 2),
        ("00:00:01 --> 00:00:02", 1, 2),
        ("00:01,500 --> 00:02,000", 1.5, 2),
        ("0:0:1,5 --> 0:0:2,0", 1.5, 2),
        ("00:00:01:500 --> 00:00:02:000", 1.5, 2),
        ("00:00:01,500 -> 00:00:02,000", 1.5, 2),
        ("00:00:01,500 → 00:00:02,000", 1.5, 2),
        ("00:00:01,500-->00:00:02,000", 1.5, 2),
        ("00:00:01,500 --> 00:00:02,000  X1:10 X2:20 Y1:1 Y2:2", 1.5, 2),
        ("00:01.500 --> 00:02.000 line:10% align:start", 1.5, 2),
        ("-00:00:01,000 --> 00:00:02,000", 0, 2),
        ("100:00:01,500 --> 100:00:02,000", 360_001.5, 360_002),
        ("00:00:01,500 --> 00:\ufffd:02,000", 1.5, 1.5),
        ("00:0\ufffd:,500 --> 00:00:02,000", 0, 2),
    ],
)
def test_forms_of_time(times: str, start_s: float, end_s: float) -> None:
    (cue,) = parse_subtitles(f"1\n{times}\na\n".encode(), "x").cues
    assert (cue.start_us / US_PER_S, cue.end_us / US_PER_S, cue.text) == (start_s, end_s, "a")


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        (srt("a", "42", "b"), ["a", "42", "b"]),
        (srt("a", "", "b"), ["a", "", "b"]),
        (srt("a", "b").replace("\n\n", "\n"), ["a", "b"]),
        (srt("a\n\nb", "c"), ["a\n\nb", "c"]),
        (srt("a") + "\n\ufeff" + srt("b"), ["a", "b"]),
        (srt("a", "b").replace("00:00:02,000 -->", "00:00:0x,000 -->"), ["a", "b"]),
        (
            "WEBVTT\n\nintro\n00:01.000 --> 00:02.000\na\n\nNOTE no\nb\n\nend\n00:03.000 --> 00:04.000\nb",
            ["a", "b"],
        ),
        ("WEBVTT\n\nSTYLE\n::cue { color: red }\n\n00:01.000 --> 00:02.000\nNOTE a\n", ["NOTE a"]),
    ],
)
def test_what_is_a_cue_s_text(text: str, texts: list[str]) -> None:
    assert [cue.text for cue in parse_subtitles(text.encode(), "x").cues] == texts


def test_substation_styles_effects_and_actors() -> None:
    dialogue = "Dialogue: 0,0:00:01.00,0:00:02.00,Sign,Bo,0,0,0,fx,{\\k1}a, {note}b"
    (cue,) = parse_subtitles(f"[Events]\n{dialogue}\n".encode(), "x").cues
    assert cue == Cue(US_PER_S, 2 * US_PER_S, "{\\k1}a, b", "Sign", "fx", "Bo")


def test_one_damaged_line_does_not_cost_the_file() -> None:
    damaged = ASS.replace("0:00:00.50,0:00:01.20,Default,,0,0,0,,{", "0:00:00.50,0:0x:01.2")
    assert shown(parse_subtitles(damaged.encode(), "x"))[-1][:2] == SECOND[:2]
    lost = parse_subtitles(ASS.replace("Dialogue: 0,0:00:01.50", "Dia\xffogue: 0,0:00:01.50").encode(), "x")
    assert (len(lost.cues), lost.damaged) == (2, 1)
    short = parse_subtitles(ASS.partition(",Default,,0,0,0,,{\\an8")[0].encode(), "x")
    assert (len(short.cues), short.damaged) == (3, 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
def test_unicode_encodings(encoding: str) -> None:
    assert shown(parse_subtitles(media.SRT.encode(encoding), "x")) == (FIRST, SECOND)


def test_characters_that_cannot_be_read_are_counted() -> None:
    read = parse_subtitles(srt("今天很高兴", "我很难过").encode()[:-2], "x")
    assert (read.unreadable, read.cues[-1].text) == (1, "我很难\ufffd")


@given(st.text(min_size=0, max_size=200) | st.binary(max_size=200))
def test_any_bytes_are_lines_or_one_sentence(data: str | bytes) -> None:
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    try:
        parse_subtitles(raw, "x")
    except MediaError as error:
        assert "\n" not in str(error)


def damaged(source: bytes, chance: random.Random) -> bytes:
    """Truncated, flipped, cut, repeated or filled up, once to five times."""
    data = bytearray(source)
    for _ in range(chance.randint(1, 5)):
        at, length = chance.randrange(len(data) + 1), chance.randint(1, 40)
        match chance.randrange(5):
            case 0:
                del data[at:]
            case 1:
                data[at : at + length] = chance.randbytes(length)
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[max(0, at - length) : at]
            case _:
                data[at:at] = chance.choice([b"\0", b"-->", b"<", b"{", b"\n\n", b"\xff"]) * length
    return bytes(data)


SOURCES = [
    text.encode(encoding)
    for text in (media.SRT * 3, VTT, ASS, srt("[a] JOHN: b", "♪ c", "- d\n- e", "我很难过\nI am sad"))
    for encoding in ("utf-8", "utf-16", "gb18030", "cp1252")
    if encoding != "cp1252" or text.isascii()
]


@pytest.mark.parametrize("seed", range(20))
def test_damaged_subtitles_are_lines_or_one_sentence(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(10):
        data = damaged(chance.choice(SOURCES), chance)
        start = process_time()
        try:
            read = parse_subtitles(data, "x")
        except MediaError as error:
            assert "\n" not in str(error)
        else:
            spoken_lines(read.cues, "x", 10 * US_PER_S)
        assert process_time() - start < 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"just words", "not a subtitle file"),
        (b"", "not a subtitle file"),
        (b"\xff\x80\xff\xfe\x81" * 9, "encoding"),
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


@pytest.mark.parametrize(("suffix", "start_s"), [(".mkv", 0.0), (".mp4", 0.0), (".mkv", 5.0)])
def test_a_stream_in_the_container(suffix: str, start_s: float, made: Made) -> None:
    path = made(media.make_subtitled, suffix, start_s)
    (stream,) = probe(path).subtitle_streams
    assert shown(extract_stream(path, stream.index, stream.codec)) == (FIRST, SECOND)


@pytest.mark.parametrize(("name", "text", "codec"), [("a.ass", ASS, "ssa"), ("a.vtt", VTT, "webvtt")])
def test_styles_and_voices_of_a_stream_are_kept(
    name: str, text: str, codec: str, made: Made, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    inputs = ["-i", str(made("plain.mp4")), "-i", str(tmp_path / name)]
    film = tmp_path / "film.mkv"
    subprocess.run(
        [ffmpeg_exe(), "-v", "error", *inputs, "-map", "0", "-map", "1", "-c", "copy", film], check=True
    )
    stream = probe(film).subtitle_streams[-1]
    assert stream.codec == codec
    lines = spoken_lines(extract_stream(film, stream.index, stream.codec).cues, "x", 10 * US_PER_S).lines
    of_file = spoken_lines(parse_subtitles(text.encode(), "x").cues, "x", 10 * US_PER_S).lines
    assert [(line.speaker, line.text) for line in lines] == [(line.speaker, line.text) for line in of_file]


def test_a_stream_that_is_no_text_is_said(made: Made) -> None:
    with pytest.raises(MediaError, match="cannot be read as text"):
        extract_stream(made("plain.mp4"), 0)


TABLE = "Start_Time,End_Time,Speaker,Content\n0.500,1.200,Anna,first line\n1.500,2.500,,第二行，好\n"
ROWS = ((500_000, 1_200_000, "first line", "Anna"), (1_500_000, 2_500_000, "第二行，好", None))


def cells(subtitles: Subtitles) -> tuple[tuple[int, int, str, str | None], ...]:
    return tuple((cue.start_us, cue.end_us, cue.text, cue.speaker) for cue in subtitles.cues)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("separator", "encoding"),
    [(",", "utf-8-sig"), (";", "gbk"), ("\t", "utf-16"), (";", "utf-8"), ("|", "utf-8-sig"), (",", "big5")],
)
def test_a_transcript_as_spreadsheets_save_it(separator: str, encoding: str, end: str) -> None:
    data = TABLE.replace(",", separator).replace("\n", end).encode(encoding)
    assert cells(parse_subtitles(data, "a")) == ROWS
    cues, names_speakers = parse_whole(data, "a")
    assert cells(Subtitles(cues, "a")) == ROWS and names_speakers


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ('END_TIME;Content;start_time\n"1,25";"say ""so"",\nthen; yes";0,5\n;;\n', 'say "so", then; yes'),
        ("Start_Time,End_Time,Content,More\n00:00:00.5,0:01.25,'=1+1,x\n\n", "=1+1"),
        ('Start_Time,End_Time,Content\n"0.5,1.25,""Well, well"""\n', "Well, well"),
        ("\n\nStart_Time , End_Time,Content\n0.5,1.25,so\n2,3,\n", "so"),
    ],
    ids=["comma for the point", "time codes", "one cell a row", "empty"],
)
def test_tables_that_people_save(table: str, text: str) -> None:
    assert parse_whole(table.encode(), "a") == ((Cue(500_000, 1_250_000, text),), False)


def test_a_table_without_the_columns_is_no_transcript() -> None:
    with pytest.raises(MediaError, match=r"give an \.srt, \.vtt, \.ass or \.csv"):
        parse_subtitles(b"Start,End,Content\n1,2,a\n", "a")


def test_a_damaged_row_costs_that_row_unless_all_are_wanted() -> None:
    data = TABLE.replace("0.500", "0.5 s").encode()
    assert (cells(parse_subtitles(data, "a")), parse_subtitles(data, "a").damaged) == (ROWS[1:], 1)
    with pytest.raises(MediaError, match=r"a cannot be read: line 2 has the time '0\.5 s'\.$"):
        parse_whole(data, "a")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1\n00:00:01,000 --> 00:00:02,000\na\n\nb\n", "line 5 stands below no times (b)"),
        ("1\n00:00:01,000 --> 00:0x:02,000\na\n", "line 2 has times that cannot be read"),
        ("1\n00:00:01,000 --> 00:00:02,000\na\n\n2\n00:00:0l,000 --> 00:00:03,000\nb", "line 6 has times"),
        ("1\n00:00:02,000 --> 00:00:01,000\na\n", "line 2 ends before it starts"),
        ("my notes\n", "line 1 stands below no times"),
        ("", "there is no line with times and words"),
        ("1\n00:00:02,000 --> 00:00:03,000\n\n", "there is no line with times and words"),
        ("Start_Time,End_Time,Content\n1,2,a\n,,b\n", "line 3 has no times"),
        ("Start_Time,End_Time,Content\n1,2,a\n4,3,b\n", "line 3 ends before it starts (4 to 3)"),
        ('Start_Time,End_Time,Content\n1,2,"a\n2,3,b\n', 'line 2 has a quotation mark (")'),
        ('Start_Time,End_Time,Content\n1,2,"a\nb"\n3,x,c\n', "line 4 has the time 'x'"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(text: str, what: str) -> None:
    with pytest.raises(MediaError) as raised:
        parse_whole(text.encode(), "a")
    assert f"a cannot be read: {what}" in str(raised.value) and len(str(raised.value).splitlines()) == 1


def test_characters_that_cannot_be_read_are_named_too() -> None:
    data = "1\n00:00:01,000 --> 00:00:02,000\n好的\n谢谢大家来看我们的比赛\n".encode().replace(
        "看".encode(), b"\xe7"
    )
    with pytest.raises(MediaError, match="line 4 holds characters that cannot be read; save it as UTF-8"):
        parse_whole(data, "a")


def test_what_an_editor_may_leave_is_read_whole() -> None:
    text = (
        "WEBVTT\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE my\nremark\n\nintro\n"
        "00:01.000 --> 00:02.000 line:0\n<v.loud Anna &amp; Bob>first\nsecond</v>\n\n7\n\n"
        "00:03.000 --> 00:04.000\n42 --> 43\n\n00:05.000 --> 00:06.000\n\n"
    )
    first = Cue(1_000_000, 2_000_000, "first\nsecond</v>", speaker="Anna & Bob")
    assert parse_whole(text.encode(), "a") == ((first, Cue(3_000_000, 4_000_000, "42 --> 43")), True)
    tight = "1\r\n00:00:01,000 --> 00:00:02,000\r\nfirst\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nsecond"
    assert [cue.text for cue in parse_whole(tight.encode(), "a")[0]] == ["first", "second"]
