"""The timeline under the film: every lane over the whole film, drawn once; and its playhead."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.labels import EMOTIONS
from pipeline.types import Analysis
from pipeline.writers.facts import Lane, lanes, ranked, thinned
from pipeline.writers.fonts import Font
from pipeline.writers.layout import Layout
from pipeline.writers.palette import ABSENT, CONFLICT, HATCH, LETTERS, colour, ink, is_emotion

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

BACKGROUND, TEXT, PLAYHEAD_PX = "#181818", "#F0F0F0", 4


@dataclass(frozen=True, slots=True)
class Panel:
    """Where things stand inside the strip."""

    left_px: int  # of the lanes: the names stand before it
    width_px: int  # of the lanes, the whole film
    mark_px: int  # height of the row of conflict marks
    lane_px: int
    font_px: int

    def x(self, time_us: int, duration_us: int) -> int:
        """Column of a time."""
        return self.left_px + round(self.width_px * min(1.0, max(0.0, time_us / max(1, duration_us))))


def panel(layout: Layout, shown: tuple[Lane, ...], font: Font) -> Panel:
    """Rows: marks, one per lane, legend. The legend is as high as a lane."""
    row = layout.panel_px / (len(shown) + 2)
    font_px = max(8, round(0.72 * row))
    names = max(font.width_px(lane.display.noun, font_px) for lane in shown)
    left = min(names + font_px, layout.width_px // 3)
    return Panel(left, layout.width_px - left - font_px // 2, round(0.8 * row), round(1.05 * row), font_px)


def strip_image(analysis: Analysis, layout: Layout, font: Font) -> "Image":
    """RGB image, ``panel_px`` high and as wide as the film."""
    from PIL import Image, ImageDraw

    shown = lanes(analysis)
    place = panel(layout, shown, font)
    image = Image.new("RGB", (layout.width_px, layout.panel_px), BACKGROUND)
    draw = ImageDraw.Draw(image)
    for row, lane in enumerate(shown):
        _draw_lane(draw, lane, row, (place, analysis.media.duration_us), font)
    _draw_marks(draw, analysis, place)
    _draw_legend(draw, place, layout, place.mark_px + len(shown) * place.lane_px, font)
    return image


def playhead_image(layout: Layout, place: Panel, lane_count: int) -> "Image":
    """RGBA: a white line with dark edges over marks and lanes."""
    from PIL import Image

    height = place.mark_px + lane_count * place.lane_px
    image = Image.new("RGBA", (PLAYHEAD_PX, min(height, layout.panel_px)), "#000000")
    image.paste("#FFFFFF", (1, 0, PLAYHEAD_PX - 1, image.height))
    return image


def _draw_lane(draw: "ImageDraw", lane: Lane, row: int, scale: tuple[Panel, int], font: Font) -> None:
    place, duration_us = scale
    top = place.mark_px + row * place.lane_px
    middle = top + place.lane_px // 2
    draw.text((place.font_px // 3, middle), lane.display.noun, TEXT, font.sized(place.font_px), anchor="lm")
    for span, said in thinned(lane.stretches, duration_us, place.width_px // 2):
        left, right = place.x(span.start_us, duration_us), place.x(span.end_us, duration_us)
        gap = 2 if right - left > 4 else 1
        area = (left, top + 1, max(left, right - gap), top + place.lane_px - 2)
        draw.rectangle(area, colour(said.key))
        if not is_emotion(said.key):
            _hatch(draw, area)
        elif font.width_px(said.key, place.font_px) < right - left - 4:
            at = ((left + right) / 2, middle)
            draw.text(at, said.key, ink(colour(said.key)), font.sized(place.font_px), anchor="mm")
        elif font.width_px(LETTERS[said.key], place.font_px) < right - left - 2:
            at = ((left + right) / 2, middle)
            draw.text(at, LETTERS[said.key], ink(colour(said.key)), font.sized(place.font_px), anchor="mm")


def _hatch(draw: "ImageDraw", area: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = area
    height = bottom - top
    for x in range(left - height, right, 8):
        start, end = max(left, x), min(right, x + height)
        if start < end:
            draw.line((start, bottom - (start - x), end, bottom - (end - x)), HATCH, 2)


def _draw_marks(draw: "ImageDraw", analysis: Analysis, place: Panel) -> None:
    """A bar as long as the conflict, thinner for masking; at least 3 pixels, so that none gets lost."""
    for conflict in reversed(ranked(analysis.conflicts)):
        left = place.x(conflict.span.start_us, analysis.media.duration_us)
        right = place.x(conflict.span.end_us, analysis.media.duration_us)
        masking = conflict.kind == "masking"
        height = place.mark_px // 4 if masking else 3 * place.mark_px // 4
        area = (left, place.mark_px - height - 1, max(right - 2, left + 2), place.mark_px - 2)
        draw.rectangle(area, ABSENT if masking else CONFLICT)


def _draw_legend(draw: "ImageDraw", place: Panel, layout: Layout, top: int, font: Font) -> None:
    gap = place.font_px // 2
    side = round(0.8 * place.font_px)
    words = [f"{LETTERS[e]} {e}" for e in EMOTIONS]
    needed = sum(font.width_px(word, place.font_px) + side + 2 * gap for word in words)
    size = max(6, min(place.font_px, place.font_px * (layout.width_px - gap) // needed))
    x, middle = float(gap), (top + layout.panel_px) // 2
    for emotion, word in zip(EMOTIONS, words, strict=True):
        block = round(0.8 * size)
        draw.rectangle((x, middle - block // 2, x + block, middle + block // 2), colour(emotion))
        draw.text((x + block + size / 3, middle), word, TEXT, font.sized(size), anchor="lm")
        x += block + font.width_px(word, size) + size
