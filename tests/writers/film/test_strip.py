from dataclasses import replace
from itertools import combinations, pairwise
from time import process_time
from typing import TYPE_CHECKING

import pytest

from pipeline.labels import EMOTIONS
from pipeline.types import Analysis, MediaInfo, Observation, Span, Status
from pipeline.writers.facts import lanes
from pipeline.writers.film.layout import film_layout
from pipeline.writers.film.sampled import sampled_lanes
from pipeline.writers.film.strip import panel, strip_image, ticks
from pipeline.writers.fonts import font_for
from pipeline.writers.palette import ABSENT, CONFLICT, HATCH, LETTERS, colour, rgb
from tests.writers.conftest import make_analysis, scores, with_posture

if TYPE_CHECKING:
    from PIL.Image import Image


def big() -> MediaInfo:
    return replace(make_analysis().media, width_px=1280, height_px=720)


def test_the_strip_shows_each_lane_in_its_colour() -> None:
    analysis = make_analysis()
    font, layout = font_for("zh"), film_layout(big(), 1080, 4)
    place = panel(layout, lanes(analysis), font)
    image_ = strip_image(analysis, layout, font).convert("RGB")
    assert image_.size == (1280, layout.panel_px)

    def at(time_us: int, row: int) -> tuple[int, ...]:
        return image_.getpixel((place.x(time_us, 3_000_000), place.mark_px + row * place.lane_px + 3))

    assert [at(60_000, row) for row in range(4)] == [rgb(colour(e)) for e in ("sad", "angry", "happy", "sad")]
    assert {at(1_650_000 + 2_000 * i, 1) for i in range(40)} == {rgb(ABSENT), rgb(HATCH)}
    assert image_.getpixel((place.x(350_000, 3_000_000), place.mark_px // 2)) == rgb(CONFLICT)


def test_a_fourth_lane_appears() -> None:
    analysis = with_posture(make_analysis())
    layout = film_layout(big(), 1080, 5)
    place = panel(layout, lanes(analysis), font_for("zh"))
    image_ = strip_image(analysis, layout, font_for("zh")).convert("RGB")
    at = (place.x(60_000, 3_000_000), place.mark_px + 3 * place.lane_px + 3)
    assert image_.getpixel(at) == rgb(colour("fear"))


@pytest.mark.parametrize(
    ("seconds", "width_px"), [(3, 500), (28, 1180), (3600, 1100), (3600, 240), (90_000, 300)]
)
def test_times_stand_at_a_round_step_with_room_between(seconds: int, width_px: int) -> None:
    found = [us / 1e6 for us in ticks(seconds * 1_000_000, width_px, 50.0)]
    steps = {b - a for a, b in pairwise(found)}
    assert found[0] == 0 and found[-1] <= seconds and len(steps) <= 1
    assert all(step / seconds * width_px >= 80 for step in steps)
    assert seconds in (3, 90_000) or len(found) >= 3


def test_a_film_without_length_has_an_axis() -> None:
    assert list(ticks(0, 500, 50.0)) == [0]


def marks(kind: str) -> "Image":
    base = make_analysis()
    conflict = replace(base.conflicts[0], kind=kind, span=Span(1_000_000, 2_000_000))
    analysis = replace(base, conflicts=(conflict,))
    layout = film_layout(big(), 1080, 4)
    place = panel(layout, lanes(analysis), font_for("zh"))
    left = place.x(1_000_000, 3_000_000)
    whole = strip_image(analysis, layout, font_for("zh"))
    return whole.crop((left, 0, place.x(2_000_000, 3_000_000), place.mark_px)).convert("L")


def test_kinds_of_conflict_are_told_apart_without_colour() -> None:
    """By their pattern to the left of the sign, and by the sign."""
    from PIL import ImageChops

    images = [marks(kind) for kind in ("polarity", "blend", "masking")]
    for a, b in combinations(images, 2):
        sign = (a.width // 2 - 8, 0, a.width // 2 + 8, a.height)
        for area in (sign, (10, 0, a.width // 2 - 20, a.height)):
            assert ImageChops.difference(a.crop(area), b.crop(area)).getextrema()[1] > 100


def test_letters_in_the_panel_are_readable() -> None:
    """At least 2.4 % of the shorter side, and never under 9 pixels; the names of emotions fit their slots."""
    font = font_for("en")
    for size in ((640, 360), (360, 640), (1280, 720), (1920, 1080), (1080, 1920)):
        layout = film_layout(replace(big(), width_px=size[0], height_px=size[1]), 1920, 4)
        place = panel(layout, lanes(make_analysis()), font)
        assert place.font_px >= max(9, 0.0235 * layout.unit_px)
        widest = max(font.width_px(f"{LETTERS[e]} {e}", place.font_px) for e in EMOTIONS)
        assert widest + 0.7 * place.font_px <= 1.12 * place.slot(0)[2]


def test_an_hour_of_changes_is_drawn_at_once() -> None:
    base = make_analysis()
    many = tuple(
        replace(base.conflicts[i % 3], span=Span(i * 1_800_000, i * 1_800_000 + 900_000)) for i in range(2000)
    )
    moments = tuple(
        replace(base.moments[i % 5], span=Span(i * 600_000, (i + 1) * 600_000)) for i in range(6000)
    )
    media = replace(big(), duration_us=3_600_000_000)
    analysis = replace(base, media=media, moments=moments, conflicts=many)
    begin = process_time()
    layout = film_layout(media, 1080, 4)
    image_ = strip_image(analysis, layout, font_for("zh"))
    assert process_time() - begin < 5
    place = panel(layout, lanes(analysis), font_for("zh"))
    lanes_ = image_.crop((place.left_px, place.mark_px, 1270, place.lanes_end_px))
    counted = {tint: count for count, tint in lanes_.getcolors(1 << 16)}
    assert counted.get(rgb(CONFLICT), 0) < 0.01 * lanes_.width * lanes_.height  # the lanes are not hidden


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (100, 20), (20, 400)])
def test_a_picture_of_a_few_pixels_has_a_strip(size: tuple[int, int]) -> None:
    layout = film_layout(replace(big(), width_px=size[0], height_px=size[1]), 1080, 5)
    assert strip_image(with_posture(make_analysis()), layout, font_for("zh")).size == (
        size[0],
        layout.panel_px,
    )


def test_a_word_in_a_lane_stands_beside_the_lines_of_conflicts() -> None:
    """In the middle of its block a line would go through it."""
    base = make_analysis()
    long = replace(base.moments[0], span=Span(0, 3_000_000))
    cut = replace(base.conflicts[1], span=Span(0, 1_500_000))
    analysis = replace(base, moments=(long,), fused=(), observations={}, conflicts=(cut,))
    layout = film_layout(big(), 1080, 4)
    place = panel(layout, lanes(analysis), font_for("zh"))

    def word(analysis: Analysis) -> "Image":
        drawn = strip_image(analysis, layout, font_for("zh")).convert("L")
        lane = drawn.crop((place.left_px, place.mark_px + 2, 1270, place.mark_px + place.lane_px - 2))
        white = lane.point(lambda grey: 255 * (grey > 225))
        return white.crop(white.getbbox())

    whole = word(replace(analysis, conflicts=()))
    assert whole.width > place.font_px
    assert word(analysis).tobytes() == whole.tobytes()


def test_a_lane_shows_what_its_channel_says_at_the_time() -> None:
    """The moment is sad by majority; a badge may be about the second in which the face was happy."""
    base = make_analysis()
    seen = tuple(
        Observation(
            "face",
            Span(i * 200_000, (i + 1) * 200_000),
            Status.OK,
            scores("happy" if 5 <= i < 10 else "sad", 0.9),
            None,
            who,
        )
        for i in range(10)
        for who in ("P1", "P2")
        if who == "P1" or i < 5
    )
    seen = tuple(replace(o, scores=scores("fear", 0.9)) if o.subject == "P2" else o for o in seen)
    analysis = replace(
        base,
        observations={"face": seen},
        moments=(replace(base.moments[0], span=Span(0, 3_000_000)),),
        conflicts=(),
    )
    columns = 30
    face, *others = sampled_lanes(analysis, columns)
    told = [(span.start_us, span.end_us, said.key) for span, said in face.stretches]
    assert told == [  # of P1, from whom the moment is read
        (0, 1_000_000, "sad"),
        (1_000_000, 2_000_000, "happy"),
        (2_000_000, 3_000_000, "not_observed"),
    ]
    assert others == list(lanes(analysis))[1:]
    layout = film_layout(big(), 1080, 4)
    place = panel(layout, lanes(analysis), font_for("zh"))
    image_ = strip_image(analysis, layout, font_for("zh"))
    at = (place.x(1_100_000, 3_000_000), place.mark_px + 3)
    assert image_.getpixel(at) == rgb(colour("happy"))


def test_a_flickering_lane_is_drawn_in_blocks_that_can_be_told_apart() -> None:
    base = make_analysis()
    seen = tuple(
        Observation(
            "face", Span(i * 40_000, (i + 1) * 40_000), Status.OK, scores(("sad", "happy")[i % 2], 0.9)
        )
        for i in range(75)
    )
    layout = film_layout(big(), 1080, 4)
    place = panel(layout, lanes(base), font_for("zh"))
    moments = (replace(base.moments[0], span=Span(0, 3_000_000), by_modality={}),)
    flicker = replace(
        base, moments=moments, observations={"face": seen}, media=replace(big(), duration_us=60_000_000)
    )
    face = sampled_lanes(flicker, place.columns)[0]
    assert 1 < len(face.stretches) < 8


def test_windows_that_overlap_say_what_they_say_on_average() -> None:
    """Two lean one way, one is sure of another: what is compared is the mean, not the count."""
    base = make_analysis()
    windows = ((0, 900_000, "sad", 0.3), (300_000, 1_200_000, "sad", 0.3), (600_000, 1_500_000, "angry", 0.9))
    heard = tuple(
        Observation("voice", Span(a, b), Status.OK, scores(emotion, p), quality=0.5)
        for a, b, emotion, p in windows
    )
    moments = (replace(base.moments[0], span=Span(0, 3_000_000)),)
    voice = sampled_lanes(replace(base, moments=moments, observations={"voice": heard}), 30)[1]
    assert [(span.start_us, span.end_us, said.key) for span, said in voice.stretches] == [
        (0, 600_000, "sad"),
        (600_000, 1_500_000, "angry"),
        (1_500_000, 3_000_000, "not_observed"),
    ]
