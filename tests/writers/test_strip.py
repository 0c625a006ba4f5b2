from dataclasses import replace

from pipeline.types import MediaInfo
from pipeline.writers.facts import lanes
from pipeline.writers.fonts import font_for
from pipeline.writers.layout import film_layout
from pipeline.writers.palette import ABSENT, CONFLICT, HATCH, colour, rgb
from pipeline.writers.strip import panel, strip_image
from tests.writers.conftest import make_analysis, with_posture


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
