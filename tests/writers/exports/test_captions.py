"""WebVTT, SubRip and ASS with emotion."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from itertools import pairwise
from pathlib import Path

import imageio_ffmpeg
import pysubs2
import pytest

from pipeline.labels import EMOTIONS
from pipeline.types import Analysis, Span, Utterance
from pipeline.writers.exports.ass import ass
from pipeline.writers.exports.cues import cues
from pipeline.writers.exports.srt import srt
from pipeline.writers.exports.vtt import vtt
from pipeline.writers.palette import COLOURS
from tests.writers.conftest import LINES, make_analysis, with_posture
from tests.writers.exports.cases import CASES, empty

TIMES = re.compile(r"(\d\d+):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d\d+):([0-5]\d):([0-5]\d)\.(\d{3})( line:0)?")
TAG = re.compile(r"<(/?)([^<>]*)>")


def strictly_read(text: str) -> list[tuple[int, int, str]]:
    """The cues of a WebVTT file as ``(start_ms, end_ms, text)``; fails where a strict parser would."""
    assert text.startswith("WEBVTT\n\n") and text.endswith("\n") and "\x00" not in text
    header, style, *blocks = text.removesuffix("\n").split("\n\n")
    assert style.startswith("STYLE\n") and "-->" not in header + style
    found = []
    for number, block in enumerate(blocks, start=1):
        name, times, *lines = block.split("\n")
        read = TIMES.fullmatch(times)
        assert name == str(number) and read and lines and all(lines), block
        a, b, c, d, e, f, g, h = map(int, read.groups()[:8])
        start, end = ((a * 60 + b) * 60 + c) * 1000 + d, ((e * 60 + f) * 60 + g) * 1000 + h
        assert start < end and (not found or found[-1][0] <= start)
        payload = "\n".join(lines)
        assert "-->" not in payload
        inside = False
        for closing, tag in TAG.findall(payload):
            assert (tag == "c") if closing else re.fullmatch(r"c\.(\w+)", tag), tag
            assert inside is bool(closing)
            inside = not inside
        bare = TAG.sub("", payload)
        assert not inside and "<" not in bare and ">" not in bare
        assert not re.search(r"&(?!(amp|lt|gt);)", bare)
        found.append((start, end, unescape(bare)))
    return found


@pytest.mark.parametrize("case", [case for case in CASES if case != "hour"])
def test_a_strict_parser_reads_back_every_cue(case: str) -> None:
    analysis = CASES[case]()
    read = strictly_read(vtt(analysis))
    wanted = [
        (c.start_ms, c.end_ms, "\n".join(" · ".join(s.name + s.text for s in line) for line in c.lines))
        for c in cues(analysis)
    ]
    assert read == wanted


@pytest.mark.parametrize("write", [vtt, srt, ass])
@pytest.mark.parametrize("case", ["usual", "four", "hostile", "overlapping"])
def test_pysubs2_reads_as_many_cues_at_the_same_times(case: str, write: Callable[[Analysis], str]) -> None:
    analysis = CASES[case]()
    read = pysubs2.SSAFile.from_string(write(analysis))
    grain = 10 if write is ass else 1
    for one, cue in zip(read, cues(analysis), strict=True):
        assert abs(one.start - cue.start_ms) < grain and abs(one.end - cue.end_ms) < 2 * grain
        assert one.start < one.end


def neighbours(border_us: int) -> Analysis:
    """Three people speak one after the other, without a gap, then for no time at all."""
    analysis = make_analysis()
    edges = (0, border_us, 2 * border_us, 3 * border_us, 3 * border_us)
    spoken = tuple(Utterance(Span(a, b), f"{a}", "en", "file") for a, b in pairwise(edges))
    transcript = replace(analysis.transcript, utterances=spoken)
    return replace(analysis, transcript=transcript, moments=(), fused=(), conflicts=())


@pytest.mark.parametrize("write", [vtt, srt, ass])
@pytest.mark.parametrize("border_us", [*range(990_000, 1_000_000, 1_000), 999_500, 999_499])
def test_neighbours_do_not_overlap(border_us: int, write: Callable[[Analysis], str]) -> None:
    """A player stacks what overlaps, and leaves it so as long as the later one is shown."""
    read = pysubs2.SSAFile.from_string(write(neighbours(border_us)))
    assert all(a.end == b.start for a, b in pairwise(list(read)[:3]))
    assert all(one.end - one.start >= (10 if write is ass else 1) for one in read) and len(read) == 4


@pytest.mark.parametrize(("suffix", "write"), [("vtt", vtt), ("srt", srt), ("ass", ass)])
def test_ffmpeg_decodes_every_cue(suffix: str, write: Callable[[Analysis], str], tmp_path: Path) -> None:
    """It refuses a caption with a character that is none."""
    analysis = CASES["hostile"]()
    made, again = tmp_path / f"made.{suffix}", tmp_path / "again.ass"
    made.write_text(write(analysis), encoding="utf-8")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "warning", "-i", str(made), str(again)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stderr == ""
    assert len(pysubs2.load(str(again))) == len(cues(analysis))


def test_words_with_their_emotion_and_what_the_others_say() -> None:
    first, polarity, blend, second, *_ = cues(make_analysis())
    assert [[s.name + s.text for s in line] for line in first.lines] == [
        [f"[happy] {LINES[0][2]}"],
        ["▲1", "◆2", "face sad", "voice angry", "together sad"],
    ]
    assert [s.text for s in second.lines[0]] == ["=SUM(A1:A9)"]
    assert (polarity.kind, blend.kind) == ("polarity", "blend")
    says = [s.text for s in cues(with_posture(make_analysis()))[0].lines[1]]
    assert says[-2:] == ["posture fear", "together sad"]


def test_a_gap_in_which_something_is_seen_has_a_cue_and_one_without_has_none() -> None:
    spans = {(c.start_ms, c.end_ms) for c in cues(with_posture(make_analysis())) if c.kind is None}
    assert (1400, 1900) in spans
    assert (1400, 1900) not in {(c.start_ms, c.end_ms) for c in cues(make_analysis())}


def test_of_nothing_there_is_a_valid_file() -> None:
    assert strictly_read(vtt(empty())) == [] and srt(empty()) == ""
    assert pysubs2.SSAFile.from_string(ass(empty())).events == []


def test_a_time_code_in_the_words_is_no_cue() -> None:
    analysis = CASES["hostile"]()
    assert "00:00：05.000" in vtt(analysis) and "00:00：06,000" in srt(analysis)


def test_subrip_holds_no_mark_up_but_ours() -> None:
    text = srt(CASES["hostile"]())
    tags = set(re.findall(r"<[^>]*>", text))
    assert tags <= {
        "</font>",
        *(f'<font color="{tint}">' for tint in (*COLOURS.values(), "#E69F00", "#7A7A7A")),
    }
    assert COLOURS["sad"] not in text, "too dark for the outline that players draw"
    assert text.count("\\") == text.count("{\\an8}") == 3
    assert len(text.strip().split("\n\n")) == 6


def test_ass_has_a_style_per_emotion_in_its_colour() -> None:
    script = pysubs2.SSAFile.from_string(ass(CASES["hostile"]()))
    assert {*EMOTIONS, "polarity", "blend", "masking", "Default"} == set(script.styles)
    red, green, blue = (int(COLOURS["happy"][i : i + 2], 16) for i in (1, 3, 5))
    assert script.styles["happy"].primarycolor == pysubs2.Color(red, green, blue)
    assert {one.style for one in script} <= set(script.styles)
    used = {override for one in script for override in re.findall(r"\{[^}]*\}", one.text)}
    assert all(re.fullmatch(r"\{\\r(\w+)\\fs32\}", one) for one in used)
    assert all(one.text.count("\\N") <= 1 for one in script)
