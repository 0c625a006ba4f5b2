from dataclasses import replace

import pytest

from pipeline.labels import EMOTIONS
from pipeline.types import Scores, Span
from pipeline.writers.facts import Verdict, lanes
from pipeline.writers.film.face_boxes import Face
from pipeline.writers.film.layout import Layout, film_layout
from pipeline.writers.film.probabilities import Bars, bar_events, bars
from pipeline.writers.film.strip import Panel, panel
from pipeline.writers.fonts import Font, font_for
from tests.writers.conftest import make_analysis, scores


@pytest.fixture(scope="module")
def font() -> Font:
    return font_for("en")


def face(start: int, end: int, who: str | None, found: Scores | None) -> Face:
    return Face(Span(start, end), "face", who, (0, 0, 9, 9), Verdict("sad", 0.5), found)


def placed(font: Font, width_px: int, height_px: int) -> tuple[Layout, Panel]:
    media = replace(make_analysis().media, width_px=width_px, height_px=height_px)
    layout = film_layout(media, 1080, 4)
    return layout, panel(layout, lanes(make_analysis()), font)


def test_of_those_present_it_is_the_person_seen_longest() -> None:
    seen = [
        face(0, 10, "P1", scores("sad", 0.8)),
        face(0, 10, "P2", scores("happy", 0.8)),
        face(10, 20, "P2", scores("happy", 0.8)),
        face(20, 30, "P1", scores("sad", 0.8)),
        face(30, 60, "P2", scores("angry", 0.5)),
    ]
    assert [(b.span, b.subject) for b in bars(seen, "face")] == [
        (Span(0, 20), "P2"),
        (Span(20, 30), "P1"),
        (Span(30, 60), "P2"),
    ]


def test_equal_bars_are_one_and_a_face_that_is_not_read_has_none() -> None:
    seen = [
        face(0, 10, "P1", scores("sad", 0.80)),
        face(10, 20, "P1", scores("sad", 0.805)),
        face(20, 30, "P1", None),
        face(30, 40, "P1", scores("sad", 0.80)),
    ]
    assert [b.span for b in bars(seen, "face")] == [Span(0, 20), Span(30, 40)]
    assert bars(seen, "posture") == ()


@pytest.mark.parametrize("size", [(1280, 720), (360, 640)])
def test_a_bar_is_as_long_as_its_probability(font: Font, size: tuple[int, int]) -> None:
    layout, place = placed(font, *size)
    lengths = tuple(50 if e == "sad" else 25 if e == "angry" else 0 for e in EMOTIONS)
    lines = list(
        bar_events([Bars(Span(0, 10), "P1", "P1 face", lengths)], {"P1": "#B8A1E3"}, layout, place, font)
    )
    drawn = " ".join(lines)
    full = place.slot(EMOTIONS.index("sad"))[2]
    assert f"m 0 0 l {full} 0 " in drawn and f"m 0 0 l {round(full / 2)} 0 " in drawn
    assert lines[-1].endswith("}P1 face") and "&H00E3A1B8" in lines[-1]
    assert len(lines) == 1 + place.legend_rows


def test_slots_lie_side_by_side_inside_the_panel(font: Font) -> None:
    for size in ((1280, 720), (640, 360), (360, 640), (320, 240), (1920, 1080)):
        layout, place = placed(font, *size)
        for index in range(len(EMOTIONS)):
            left, top, width = place.slot(index)
            assert left + width <= layout.width_px and width > 0
            assert place.legend_top_px < top <= layout.panel_px - place.bar_px


def test_bars_say_whose_they_are_and_from_which_channel(font: Font) -> None:
    layout, place = placed(font, 360, 640)
    found = [bars([face(0, 10, who, scores("sad", 0.8))], "face") for who in ("P1", None, "a long name")]
    names = [list(bar_events(one, {}, layout, place, font))[-1].split("}")[1] for one in found]
    assert names == ["P1 face", "face", "a long name face"]


def test_a_long_name_keeps_off_the_bars(font: Font) -> None:
    layout, place = placed(font, 640, 360)
    one = Bars(Span(0, 10), "P1", "P1 facial thermography", (0,) * 7)
    (line,) = bar_events([one], {}, layout, place, font)
    size_px = float(line.split("\\fscx")[1].split("\\")[0]) / 100 * layout.label_px
    width_px = font.width_px(one.name, 100) * size_px / 100
    assert place.font_px // 3 + width_px <= place.left_px
