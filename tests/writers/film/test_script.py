from dataclasses import replace
from itertools import product

import pysubs2
import pytest

from pipeline.types import Analysis, Conflict, FilmStyle, Observation, Span, Status, Utterance
from pipeline.writers.film.bands import Band, badge_bands, badges, subtitle_bands
from pipeline.writers.film.face_boxes import faces, standing
from pipeline.writers.film.layout import Layout, covered, film_layout
from pipeline.writers.film.script import ass_script
from pipeline.writers.film.subtitles import Spoken, spoken
from pipeline.writers.fonts import Font, font_for, undrawable
from pipeline.writers.palette import ABSENT, COLOURS, CONFLICT, DARK
from tests.writers.conftest import HOSTILE, LINES, scores, with_posture


@pytest.fixture(scope="module")
def font() -> Font:
    return font_for("zh")


def events(
    analysis: Analysis, font: Font, style: str, film_style: FilmStyle = "full"
) -> list[pysubs2.SSAEvent]:
    text = ass_script(analysis, film_layout(analysis.media, 1080, 4), font, film_style)
    return [e for e in pysubs2.SSAFile.from_string(text) if e.style == style]


def one_line(event: pysubs2.SSAEvent) -> str:
    return event.plaintext.replace("\n", " ").replace("  ", " ")


def larger(analysis: Analysis, width_px: int = 640, height_px: int = 360) -> Analysis:
    """The same in a picture with room for text; boxes stay where they are."""
    return replace(analysis, media=replace(analysis.media, width_px=width_px, height_px=height_px))


def test_subtitles_have_text_and_times(analysis: Analysis, font: Font) -> None:
    shown = events(larger(analysis), font, "Subtitle")
    assert [(e.start, e.end) for e in shown] == [(0, 1000), (1000, 1400), (1900, 2700)]
    assert shown[0].plaintext == f"[happy] {LINES[0][2]}"


def test_a_subtitle_has_the_colour_and_the_name_of_what_its_words_say(analysis: Analysis, font: Font) -> None:
    layout = film_layout(larger(analysis).media, 1080, 4)
    bands = subtitle_bands(spoken(analysis), [], layout, font)
    assert [band.tint for band in bands] == [COLOURS["happy"], DARK, COLOURS["neutral"]]
    marks = [band.lines[0].split("] ")[0] if "] " in band.lines[0] else "" for band in bands]
    assert marks == ["[happy", "", "[neutral"]


def test_hostile_text_stays_text(analysis: Analysis, font: Font) -> None:
    lines = ass_script(larger(analysis), film_layout(larger(analysis).media, 1080, 4), font).splitlines()
    (line,) = [line for line in lines if "alert" in line]
    said = line.split("}", 1)[1].replace("\\N[", "[")
    assert said.count("{") == said.count("\\{") == 2 and "＼N" in said and said.endswith("next line")


@pytest.mark.parametrize(
    ("style", "drawn"),
    [
        ("full", {"Box", "Person", "Label", "Subtitle", "Badge", "Bar"}),
        ("minimal", {"Box", "Person", "Label", "Badge"}),
        ("subtitles", {"Subtitle"}),
    ],
)
def test_what_each_style_draws(analysis: Analysis, font: Font, style: FilmStyle, drawn: set[str]) -> None:
    script = ass_script(analysis, film_layout(analysis.media, 1080, 4), font, style)
    assert {e.style for e in pysubs2.SSAFile.from_string(script)} == drawn


def test_labels_carry_person_emotion_and_probability(analysis: Analysis, font: Font) -> None:
    labels = {(e.start, e.plaintext) for e in events(analysis, font, "Label")}
    assert {(0, "sad 70%"), (0, "neutral 50%"), (250, "sad 69%")} <= labels
    assert len(labels) == 7  # no label where there was no face
    assert {e.plaintext for e in events(analysis, font, "Person", "minimal")} == {"P1", "P2"}


def test_a_badge_names_nobody_where_there_is_one_person(analysis: Analysis, font: Font) -> None:
    alone = tuple(o for o in analysis.observations["face"] if o.subject != "P2")
    shown = events(replace(analysis, observations={"face": alone}), font, "Badge")
    assert one_line(shown[1]) == "◆ blend · face sad, voice angry"


def test_no_label_claims_certainty(analysis: Analysis, font: Font) -> None:
    sure = replace(analysis.observations["face"][0], scores=scores("happy", 0.9976))
    (label,) = events(replace(analysis, observations={"face": (sure,)}), font, "Label")
    assert label.plaintext == "happy >99%"


def test_the_badge_leaves_the_face_free(analysis: Analysis, font: Font) -> None:
    layout = film_layout(larger(analysis).media, 1080, 0)
    for y in (0, 100, 200, 340):
        seen = [(Span(0, 1_000_000), (200, y, 200, 160))]
        (badge,) = badge_bands(badges(analysis)[:1], (), seen, layout, font)
        assert covered(badge.box, [box for _, box in seen]) == 0


def test_a_badge_is_narrower_where_there_is_room_beside_a_face_only(analysis: Analysis, font: Font) -> None:
    layout = film_layout(larger(analysis).media, 1080, 0)
    seen = [(Span(0, 1_000_000), (0, 0, 400, 360))]
    (badge,) = badge_bands(badges(analysis)[:1], (), seen, layout, font)
    assert covered(badge.box, [seen[0][1]]) == 0 and len(badge.lines) > 1


def test_badges_name_every_conflict_with_its_times(analysis: Analysis, font: Font) -> None:
    badges = [(one_line(e), e.start, e.end) for e in events(analysis, font, "Badge")]
    assert badges == [
        ("▲ polarity · face (P1) sad, words happy · maybe tears of joy", 0, 1000),
        ("◆ blend · face (P1) sad, voice angry", 0, 1400),
        ("○ masking · face (P1) sad, words neutral · maybe plain words, visible feeling", 1900, 2700),
    ]


def all_bands(analysis: Analysis, font: Font, size: tuple[int, int]) -> tuple[Band, ...]:
    layout = film_layout(larger(analysis, *size).media, 2000, 4)
    seen = sorted((span, box) for span, _, box in standing(faces(analysis, layout)))
    subtitles = subtitle_bands(spoken(analysis), seen, layout, font)
    return (*subtitles, *badge_bands(badges(analysis), subtitles, seen, layout, font))


@pytest.mark.parametrize("size", [(360, 640), (640, 360), (1280, 720)])
def test_what_is_written_at_once_lies_apart_and_inside(
    analysis: Analysis, font: Font, size: tuple[int, int]
) -> None:
    """Three people talk at once while two conflicts last."""
    talk = [
        Utterance(Span(i * 100_000, 900_000), "and so on, and so on " * 3, "en", "file") for i in range(3)
    ]
    busy = replace(analysis, transcript=replace(analysis.transcript, utterances=tuple(talk)))
    bands = all_bands(busy, font, size)
    assert len(bands) == 3 + 3
    for a, b in product(bands, bands):
        assert a is b or not a.span.overlap_us(b.span) or covered(a.box, [b.box]) == 0
    for band in bands:
        x, y, width, height = band.box
        assert min(x, y) >= 0 and x + width <= size[0] and y + height <= size[1]


def test_badges_and_masking_have_their_colours(analysis: Analysis, font: Font) -> None:
    bands = all_bands(analysis, font, (640, 360))
    assert [b.tint for b in bands if b.style == "Badge"] == [CONFLICT, CONFLICT, ABSENT]


def page_texts(text: str, span: Span, font: Font) -> tuple[Band, ...]:
    layout = Layout(640, 360, 0, 1.0)
    return subtitle_bands([Spoken(span, text, "sad")], [], layout, font)


def test_a_long_utterance_is_shown_two_lines_at_a_time(font: Font) -> None:
    text = " ".join(f"word{i}" for i in range(90))
    pages = page_texts(text, Span(0, 30_000_000), font)
    assert len(pages) > 2 and all(len(page.lines) <= 2 for page in pages)
    assert " ".join(line.removeprefix("[sad] ") for page in pages for line in page.lines) == text
    assert all(page.lines[0].startswith("[sad] ") for page in pages)
    assert [p.span.start_us for p in pages[1:]] == [p.span.end_us for p in pages[:-1]]
    assert (pages[0].span.start_us, pages[-1].span.end_us) == (0, 30_000_000)
    assert min(page.span.duration_us for page in pages) >= 1_000_000


def test_much_said_in_a_moment_is_small_and_still_there(font: Font) -> None:
    text = "我" * 300
    pages = page_texts(text, Span(0, 400_000), font)
    assert "".join(line.removeprefix("[sad] ") for page in pages for line in page.lines) == text
    assert all(page.box[3] <= 0.5 * 360 for page in pages)


def test_an_unknown_modality_with_boxes_is_drawn(analysis: Analysis, font: Font) -> None:
    labels = [e for e in events(with_posture(analysis), font, "Label") if e.plaintext == "fear 51%"]
    assert (min(e.start for e in labels), max(e.end for e in labels)) == (0, 3000)


def test_a_user_kind_of_conflict_reading_stays_text(analysis: Analysis, font: Font) -> None:
    wild = Conflict(Span(0, 1_000_000), "blend", ("face",), 0.1, 0.1, HOSTILE, {})
    (badge,) = events(replace(larger(analysis), conflicts=(wild,)), font, "Badge")
    assert "face (P1) ?" in badge.plaintext and "alert" in badge.plaintext


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


def test_boxes_stand_still_until_the_face_moves(analysis: Analysis) -> None:
    layout = film_layout(analysis.media, 1080, 4)
    seen = [
        replace(o, evidence={"box": [20 + i % 2, 30, 50, 50]})
        for i, o in enumerate(analysis.observations["face"])
    ]
    still = replace(analysis, observations={"face": tuple(o for o in seen if o.subject == "P1")})
    assert {face.box for face in faces(still, layout)} == {(20, 30, 50, 50)}
    spans = [span for span, _, _ in standing(faces(still, layout))]
    assert spans == [Span(0, 1_250_000), Span(1_750_000, 2_000_000)]
    moved = replace(still, observations={"face": (*still.observations["face"][:2], *_far(still))})
    assert len({face.box for face in faces(moved, layout)}) == 2


def _far(analysis: Analysis) -> list[Observation]:
    return [replace(o, evidence={"box": [60, 30, 50, 50]}) for o in analysis.observations["face"][2:]]


@pytest.mark.slow
def test_an_hour_of_samples_is_written_quickly(analysis: Analysis, font: Font) -> None:
    """Work grows with the samples, not with their square."""
    some = [
        replace(o, span=Span(i * 200_000, (i + 1) * 200_000), scores=scores("sad", 0.5 + i % 40 / 100))
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


def test_nothing_found_is_an_empty_script(analysis: Analysis, font: Font) -> None:
    nothing = replace(
        analysis,
        observations={"face": (Observation("face", Span(0, 3_000_000), Status.NO_FACE),)},
        conflicts=(),
        transcript=replace(analysis.transcript, utterances=()),
    )
    for style in ("full", "minimal", "subtitles"):
        assert "Dialogue" not in ass_script(nothing, film_layout(nothing.media, 1080, 4), font, style)
