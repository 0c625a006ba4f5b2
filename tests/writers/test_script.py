from dataclasses import replace

import pysubs2
import pytest

from pipeline.types import Analysis, Conflict, MediaInfo, Observation, Span, Status, Utterance
from pipeline.writers.fonts import Font, font_for, undrawable
from pipeline.writers.layout import covered, film_layout, place_label
from pipeline.writers.script import ass_script, ass_time, escaped, faces, joined
from tests.writers.conftest import HOSTILE, LINES, scores, with_posture


@pytest.fixture(scope="module")
def font() -> Font:
    return font_for("zh")


def events(analysis: Analysis, font: Font, style: str) -> list[pysubs2.SSAEvent]:
    text = ass_script(analysis, film_layout(analysis.media, 1080, 4), font)
    return [e for e in pysubs2.SSAFile.from_string(text) if e.style == style]


def media(width_px: int, height_px: int) -> MediaInfo:
    return MediaInfo("", 1, width_px, height_px, 25, False, True, False, 0, 0)


def test_subtitles_have_text_and_times(analysis: Analysis, font: Font) -> None:
    shown = events(analysis, font, "Subtitle")
    assert [(e.start, e.end) for e in shown] == [(0, 1000), (1000, 1400), (1900, 2700)]
    assert shown[0].plaintext.endswith(LINES[0][2])


def test_a_subtitle_is_marked_by_what_its_words_say(analysis: Analysis, font: Font) -> None:
    marks = [
        e.plaintext.split("  ")[0] if "●" in e.plaintext else "" for e in events(analysis, font, "Subtitle")
    ]
    assert marks == ["● happy", "", "● neutral"]


def test_hostile_text_stays_text(analysis: Analysis, font: Font) -> None:
    lines = ass_script(analysis, film_layout(analysis.media, 1080, 4), font).splitlines()
    (line,) = [line for line in lines if "alert" in line]
    said = line.split("{\\r}", 1)[1]
    assert "\\N" not in said and said.count("{") == said.count("\\{") == 2 and said.endswith("next line")


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("a\\Nb", "a＼Nb"),
        ("a\\b", "a\\b"),
        ("{\\b1}x", "\\{\\b1\\}x"),
        ("\\{", "＼\\{"),
        ("", ""),
        ("a\nb", "a b"),
    ],
)
def test_escaped(text: str, drawn: str) -> None:
    assert escaped(text) == drawn


@pytest.mark.parametrize(
    ("time_us", "text"),
    [(0, "0:00:00.00"), (208_333, "0:00:00.20"), (3_661_999_999, "1:01:01.99"), (-5, "0:00:00.00")],
)
def test_a_time_is_cut_so_that_its_frame_is_covered(time_us: int, text: str) -> None:
    assert ass_time(time_us) == text


def test_labels_carry_person_emotion_and_probability(analysis: Analysis, font: Font) -> None:
    labels = [e.plaintext for e in events(analysis, font, "Label")]
    assert labels[:2] == ["P2 neutral 50%", "P1 sad 70%"] or labels[:2] == ["P1 sad 70%", "P2 neutral 50%"]
    assert len(labels) == 7  # no label where there was no face


def test_boxes_stand_still_until_the_face_moves(analysis: Analysis) -> None:
    layout = film_layout(analysis.media, 1080, 4)
    seen = [
        replace(o, evidence={"box": [20 + i % 2, 30, 50, 50]})
        for i, o in enumerate(analysis.observations["face"])
    ]
    still = replace(analysis, observations={"face": tuple(o for o in seen if o.subject == "P1")})
    assert {face.box for face in faces(still, layout)} == {(20, 30, 50, 50)}
    assert [f.span for f in joined(faces(still, layout))] == [Span(0, 1_250_000), Span(1_750_000, 2_000_000)]
    moved = replace(still, observations={"face": (*still.observations["face"][:2], *_far(still))})
    assert len({face.box for face in faces(moved, layout)}) == 2


def _far(analysis: Analysis) -> list[Observation]:
    return [replace(o, evidence={"box": [60, 30, 50, 50]}) for o in analysis.observations["face"][2:]]


def test_a_label_never_covers_a_face_when_there_is_room() -> None:
    layout = film_layout(media(1280, 720), 1080, 4)
    for face in [
        (500, 0, 200, 250),
        (500, 300, 200, 420),
        (0, 0, 200, 720),
        (1080, 0, 200, 720),
        (600, 300, 80, 90),
    ]:
        x, y = place_label((190, 40), face, [face], (layout.width_px, layout.height_px))
        assert covered((x, y, 190, 40), [face]) == 0
        assert 0 <= x <= 1280 - 190 and 0 <= y <= 720 - 40


def test_a_label_avoids_the_other_face() -> None:
    own, other = (500, 300, 200, 200), (480, 100, 240, 195)
    x, y = place_label((190, 40), own, [own, other], (1280, 720))
    assert covered((x, y, 190, 40), [own, other]) == 0


def test_a_label_stays_in_a_frame_that_a_face_fills() -> None:
    x, y = place_label((190, 40), (0, 0, 1280, 720), [(0, 0, 1280, 720)], (1280, 720))
    assert 0 <= x <= 1280 - 190 and 0 <= y <= 720 - 40


@pytest.mark.parametrize("size", [(1281, 721), (333, 777), (160, 120), (3840, 2160), (720, 1280), (2, 2)])
def test_sides_are_even_and_no_taller_than_asked(size: tuple[int, int]) -> None:
    layout = film_layout(media(*size), 720, 4)
    assert not any(n % 2 for n in (layout.width_px, layout.height_px, layout.panel_px))
    assert layout.height_px <= 720 + 1 and layout.width_px / layout.height_px == pytest.approx(
        size[0] / size[1], rel=0.02
    )


def test_720_lines_grow_by_120() -> None:
    assert film_layout(media(1280, 720), 1080, 4).panel_px == 120


def test_the_badge_leaves_the_face_free(analysis: Analysis, font: Font) -> None:
    def badge(box: list[int]) -> str:
        seen = Observation("face", Span(0, 1_000_000), Status.OK, scores("sad", 1.0), evidence={"box": box})
        spot = replace(analysis, observations={"face": (seen,)}, conflicts=analysis.conflicts[2:])
        return events(spot, font, "Badge")[0].text

    assert "\\an8" in badge([60, 60, 40, 40]) and "\\an2" in badge([60, 0, 40, 40])


def test_badges_name_every_conflict_with_its_times(analysis: Analysis, font: Font) -> None:
    badges = [(e.plaintext, e.start, e.end) for e in events(analysis, font, "Badge")]
    assert badges == [
        ("▲ polarity · face sad, words happy · maybe tears of joy", 0, 1000),
        ("◆ blend · face sad, voice angry", 0, 1400),
        ("○ masking · face sad, words neutral · maybe plain words, visible feeling", 1900, 2700),
    ]


def test_an_unknown_modality_with_boxes_is_drawn(analysis: Analysis, font: Font) -> None:
    labels = [e.plaintext for e in events(with_posture(analysis), font, "Label")]
    assert labels.count("P1 fear 51%") == len(analysis.moments)


def test_a_user_kind_of_conflict_reading_stays_text(analysis: Analysis, font: Font) -> None:
    wild = Conflict(Span(0, 1), "blend", ("face",), 0.1, 0.1, HOSTILE, {})
    (badge,) = events(replace(analysis, conflicts=(wild,)), font, "Badge")
    assert "face ?" in badge.plaintext and "alert" in badge.plaintext


def test_glyphs(font: Font) -> None:
    assert undrawable(["简体繁體かな한글 abc ▲◆○●·\n"], font) == ""
    assert undrawable(["a\U000f0001b"], font) == "\U000f0001"


@pytest.mark.parametrize(
    ("language", "family"),
    [("zh", "SC"), (None, "SC"), ("zh-TW", "TC"), ("ja", "JP"), ("ko", "KR"), ("en", "SC")],
)
def test_shapes_follow_the_language(language: str | None, family: str) -> None:
    assert font_for(language).family == f"Noto Sans CJK {family}"
    assert font_for(language).sized(20).getname()[0] == f"Noto Sans CJK {family}"


def test_an_hour_of_samples_is_written_quickly(analysis: Analysis, font: Font) -> None:
    """Work grows with the samples, not with their square."""
    some = [
        replace(o, span=Span(i * 200_000, (i + 1) * 200_000))
        for i, o in enumerate(analysis.observations["face"][:1] * 2000)
    ]
    talk = Utterance(Span(0, 1), "x", "en", "file")
    long = replace(
        analysis,
        observations={"face": tuple(some)},
        transcript=replace(analysis.transcript, utterances=(talk,)),
        conflicts=analysis.conflicts * 100,
    )
    script = ass_script(long, film_layout(long.media, 1080, 4), font)
    assert script.count(",Label,") == 2000
