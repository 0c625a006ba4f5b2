"""What becomes of writing read in sampled pictures: lines with times, and whether they are subtitles."""

from collections.abc import Sequence
from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from pipeline.media.cues import SpokenLine
from pipeline.text import bands
from pipeline.text.bands import Line, Row, Sample, Strip
from pipeline.text.ocr import Box, boxes_of, spaced
from pipeline.types import Span
from tests.text.requests import S, span

WIDTH_PX, HEIGHT_PX = 640, 360
LETTER_PX, TOP_PX = 20, 300


def row(text: str, top_px: float = TOP_PX, score: float = 0.99, left_px: float | None = None) -> Row:
    """Writing in the middle, or from ``left_px`` on."""
    width_px = LETTER_PX * len(text)
    left_px = WIDTH_PX / 2 - width_px / 2 if left_px is None else left_px
    return Row(text, Box(left_px, top_px, left_px + width_px, top_px + 30), score)


def samples(*rows: Row | Sequence[Row] | None) -> list[Sample]:
    """One every 0.2 s."""
    shown = [() if one is None else (one,) if isinstance(one, Row) else tuple(one) for one in rows]
    return [Sample(i * S // 5, one) for i, one in enumerate(shown)]


def line(start_s: float, end_s: float, text: str, top_px: float = TOP_PX, score: float = 0.99) -> Line:
    return Line(span(start_s, end_s), text, row(text, top_px).box, score)


SPOKEN = (
    line(0, 2, "今天天气真的很不错"),
    line(2, 4, "我们一起去公园散步"),
    line(5, 7, "可是孩子们玩得很开心"),
)


def test_lines_begin_and_end_between_two_samples() -> None:
    one, other = row("今天天气真的很不错"), row("可是孩子们玩得很开心")
    lines = bands.lines_of(samples(None, one, one, one, other, other, None, None, None))
    assert [(one.span, one.text) for one in lines] == [
        (Span(100_000, 700_000), "今天天气真的很不错"),
        (Span(700_000, 1_100_000), "可是孩子们玩得很开心"),
    ]


def test_a_line_in_the_first_or_last_sample_lasts_to_the_end_of_its_time() -> None:
    one = row("今天天气真的很不错")
    assert [one.span for one in bands.lines_of(samples(one, one, one))] == [Span(0, 500_000)]
    assert bands.lines_of([]) == []


def test_the_text_most_often_read_stands_and_a_picture_missed_does_not_end_a_line() -> None:
    right, wrong = row("我們一起去公園散步吧"), row("我们一起去公回散步吧", score=0.8)
    (only,) = bands.lines_of(samples(wrong, right, None, right, wrong))
    assert (only.text, only.span) == ("我們一起去公園散步吧", Span(0, 900_000))


def test_part_of_a_line_read_while_it_fades_belongs_to_it() -> None:
    part, whole, other = row("公园散步吧"), row("我们一起去公园散步吧"), row("可是孩子们玩得很开心")
    lines = bands.lines_of(samples(part, whole, whole, whole, part, other, other))
    assert [(one.text, one.span.start_us) for one in lines] == [(whole.text, 0), (other.text, 900_000)]


def test_lines_that_share_words_are_two() -> None:
    texts = [
        one.text for one in bands.lines_of(samples(row("反正痛就痛"), row("反正痛就痛"), row("反正就是")))
    ]
    assert texts == ["反正痛就痛", "反正就是"]


def test_writing_that_is_typed_is_one_line_from_its_first_character_on() -> None:
    typed = [row("我们一起去公园散步吧"[:n], left_px=220) for n in (2, 4, 6, 8, 10, 10)]
    (only,) = bands.lines_of(samples(None, *typed))
    assert (only.text, only.span.start_us) == ("我们一起去公园散步吧", 100_000)


def test_writing_that_runs_through_the_picture_is_no_line() -> None:
    assert bands.lines_of(samples(*(row("各地新闻今日上午", left_px=x) for x in (300, 280, 260, 240)))) == []
    assert bands.lines_of(samples(*(row("导演王小明", top_px=y) for y in (330, 320, 310, 300)))) == []


def test_boxes_side_by_side_are_one_row_unless_they_slope() -> None:
    words = [Box(100, 300, 200, 330), Box(215, 302, 330, 331)]
    assert [(one.left_px, one.right_px) for one in bands.in_rows(words)] == [(100, 330)]
    assert len(bands.in_rows([Box(0, 280, 95, 340), *words])) == 2  # a sign behind
    assert len(bands.in_rows([Box(100, 300, 200, 330), Box(260, 300, 330, 330)])) == 2


@pytest.mark.parametrize(
    ("box", "is_so"),
    [
        (Box(200, 300, 440, 330), True),
        (Box(200, 20, 440, 50), True),
        (Box(20, 300, 180, 330), False),  # name plate
        (Box(3, 300, 637, 330), False),  # ticker
        (Box(200, 300, 440, 306), False),
        (Box(100, 100, 540, 200), False),
        (Box(310, 300, 330, 330), False),
    ],
)
def test_subtitles_are_centred_of_readable_height_and_clear_of_the_sides(box: Box, is_so: bool) -> None:
    assert bands.is_placed_like_a_subtitle(box, WIDTH_PX, HEIGHT_PX) is is_so


@pytest.mark.parametrize(
    ("text", "score", "is_so"),
    [("对", 0.99, True), ("OK", 0.99, True), ("12:30", 0.99, False), ("8", 0.99, False), ("对", 0.5, False)],
)
def test_words_have_letters_and_are_read_with_confidence(text: str, score: float, is_so: bool) -> None:
    assert bands.is_words(row(text, score=score)) is is_so


def test_strips_are_where_writing_changes_and_leave_room_for_a_second_line() -> None:
    title = row("特别节目", top_px=20)
    pictures = [[title, row("今天天气真的很不错")], [title], [title, row("可是孩子们玩得很开心")], [title]]
    assert bands.strips(pictures, HEIGHT_PX) == [Strip(270, 360)]
    assert bands.strips([[title], [title]], HEIGHT_PX) == []
    assert bands.strips([[title], [title]], HEIGHT_PX, min_texts=1) == [Strip(0, 80)]
    assert bands.strips([[], [], [], [], [], [], [], [row("今天")]], HEIGHT_PX) == []  # too seldom
    assert bands.strips([], HEIGHT_PX) == []


def test_writing_that_stays_or_comes_again_and_again_is_dropped() -> None:
    plate = [line(10 * i, 10 * i + 6, "王小明市民") for i in range(3)]
    title = line(0, 13, "特别节目第一部分")
    assert bands.without_standing([*SPOKEN, *plate, title], 30 * S) == list(SPOKEN)
    assert bands.without_standing(plate, 300 * S) == plate  # what is said three times in five minutes


def test_writing_that_stands_while_two_lines_follow_each_other_is_dropped() -> None:
    banner, second = line(0.5, 7, "特别节目第一部分", 335), line(2, 4, "昨天晚上下雨了", TOP_PX - 32)
    assert bands.without_standing([*SPOKEN, banner], 8 * S) == list(SPOKEN)
    assert bands.without_standing([*SPOKEN, second], 8 * S) == [*SPOKEN, second]


def test_writing_outside_the_band_is_dropped_but_a_second_line_is_kept() -> None:
    second, sign = line(5, 7, "昨天晚上下雨了", TOP_PX - 32), line(5, 7, "出口", 100)
    assert bands.in_band([*SPOKEN, second, sign]) == [*SPOKEN, second]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((), "no line comes and goes"),
        (SPOKEN[:1], "the same writing stands all the time"),
        ((line(0, 3, SPOKEN[0].text, score=0.8), line(3, 7, SPOKEN[1].text, score=0.9)), "with confidence"),
        ((line(0, 6, "第一章"), line(6, 7, "第二部分")), "fewer words"),
        ((line(0, 6.5, "今天天气真的很不错" * 3), line(7, 14, "我们一起去公园散步" * 3)), "stand too long"),
        ((line(0, 0.5, "今天天气真的很不错吧"), line(0.5, 1, "我们一起去公园散步")), "more words"),
        ([replace(one, span=one.span.shifted(20 * S)) for one in SPOKEN], "not go with the speech"),
        (
            [replace(one, box=row(one.text, y).box) for one in SPOKEN for y in range(40, 340, 60)],
            "page of text",
        ),
    ],
)
def test_what_is_no_subtitle_and_why(lines: Sequence[Line], reason: str) -> None:
    verdict = bands.verdict(lines, [span(0, 7)])
    assert not verdict.are_subtitles and reason in verdict.reason


def test_lines_that_come_and_go_with_the_speech_are_subtitles() -> None:
    verdict = bands.verdict(SPOKEN, [span(0, 4), span(5, 8)])
    assert verdict.are_subtitles and verdict.coverage == pytest.approx(6 / 7)
    assert bands.verdict(SPOKEN, []).are_subtitles


def test_a_line_at_the_top_belongs_to_the_band_at_the_bottom_when_they_take_turns() -> None:
    turn, at_once = [line(4, 5, "好了别说了", 20)], [line(5, 7, "好了别说了谢谢大家", 20)]
    speech = [span(0, 7)]
    assert bands.subtitle_bands([SPOKEN, turn], speech) == (0, 1)
    assert bands.subtitle_bands([SPOKEN, at_once], speech) == (0,)
    assert bands.subtitle_bands([turn], speech) == ()


def test_lines_above_each_other_are_one_cue_from_the_first_one_s_start_on() -> None:
    lines = [line(1, 4, "第一行", TOP_PX - 32), line(2, 4, "第二行"), line(4, 6, "第三行")]
    cues = bands.cues_of(lines)
    assert [(one.start_us, one.end_us, one.text) for one in cues] == [
        (1 * S, 4 * S, "第一行\n第二行"),
        (4 * S, 6 * S, "第三行"),
    ]


def test_pieces_of_a_few_words_are_one_with_what_follows_at_once() -> None:
    pieces = [
        (0, 1, "就是..."),
        (1, 3, "現場真的好多人來看"),
        (3, 3.5, "對。"),
        (3.5, 5, "大家都來了"),
        (5, 6, "我"),
        (7, 8, "很高興"),
    ]
    lines = [SpokenLine(span(start, end), text) for start, end, text in pieces]
    assert [one.text for one in bands.joined(lines)] == [
        "就是... 現場真的好多人來看",
        "對。",
        "大家都來了",
        "我",
        "很高興",
    ]
    assert bands.joined(lines)[0].span == span(0, 3)
    turns = [replace(lines[0], speaker="A"), replace(lines[1], speaker="B")]
    assert bands.joined(turns) == turns


def test_reading_ends_where_too_little_speech_can_still_be_covered_or_too_little_is_said() -> None:
    speech = [span(0, 40)]
    assert not bands.is_hopeless([], speech, 15 * S, 0.6)
    assert bands.is_hopeless([], speech, 17 * S, 0.6)
    titles = [line(0, 6, "第一部分"), line(6, 12, "第二部分")]
    assert bands.is_hopeless(titles, speech, 12 * S, 0.6)
    assert not bands.is_hopeless(titles[:1], speech, 6 * S, 0.6)
    assert not bands.is_hopeless(SPOKEN, speech, 17 * S, 0.6)
    assert bands.is_hopeless(SPOKEN, [span(0, 1000)], 125 * S, 0.6)
    page = [replace(one, box=row(one.text, y).box) for one in SPOKEN for y in range(40, 340, 60)]
    page += [replace(one, span=one.span.shifted(7 * S)) for one in page]
    assert bands.is_hopeless(page, speech, 14 * S, 0.6)


def test_an_hour_of_lines_takes_no_square_of_time() -> None:
    random = np.random.default_rng(3)
    texts = ["".join(map(chr, random.integers(0x4E00, 0x9FA0, 8))) for _ in range(1800)]
    lines = [line(2 * i, 2 * i + 1.8, text) for i, text in enumerate(texts)]
    begin = process_time()
    assert bands.without_standing(lines, 3600 * S) == lines
    assert bands.verdict(bands.in_band(lines), [span(0, 3600)]).are_subtitles
    assert process_time() - begin < 4


def test_a_wide_gap_between_chinese_characters_is_a_space() -> None:
    assert spaced("哟小雨小雨", [0, 8, 12, 20, 24]) == "哟小雨小雨"  # too few to know what is usual
    assert spaced("哟小雨小雨怎么回事", [0, 8, 12, 20, 24, 32, 36, 40, 44]) == "哟 小雨 小雨 怎么回事"
    assert spaced("我看OK，好的没有", [0, 4, 12, 15, 20, 28, 32, 36, 40]) == "我看OK，好的没有"
    assert spaced("", []) == ""


def test_the_detector_s_map_gives_boxes_in_pixels_of_the_picture() -> None:
    probability = np.zeros((90, 160), np.float32)
    probability[40:45, 60:100] = 0.9
    probability[70:72, 10:12] = 0.9  # too small
    probability[10:15, 10:40] = 0.4  # too faint
    (box,) = boxes_of(probability, 320, 180)
    assert box.left_px < 120 and box.right_px > 200 and box.top_px < 80 and box.bottom_px > 90
    assert box.width_px < 130 and box.height_px < 40 and box.score > 0.5
