"""The timeline under the film: every lane over the whole film, drawn once; and its playhead."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.labels import EMOTIONS
from pipeline.types import ALARMS, US_PER_S, Analysis, Conflict
from pipeline.writers.facts import Lane, lanes, ranked, thinned, time_code
from pipeline.writers.film.layout import AXIS_ROW, MARKS_ROW, Layout, panel_rows
from pipeline.writers.film.sampled import sampled_lanes
from pipeline.writers.fonts import Font
from pipeline.writers.palette import ABSENT, CONFLICT, DARK, HATCH, LETTERS, colour, ink, is_emotion

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

LEAST_BLOCK = 0.7  # heights of a letter: narrower, and a lane that changes with every frame is a flicker
TEXT, DIM, GROOVE = "#F0F0F0", "#B8B8B8", "#3A3A3A"
LINED = 2  # lanes' heights that a conflict must be long for lines, else many would hide what is under them
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000)


@dataclass(frozen=True, slots=True)
class Panel:
    """Where things stand inside the strip."""

    left_px: int  # of the lanes: the names stand before it
    width_px: int  # of the lanes, the whole film
    mark_px: int  # height of the row of conflict marks
    lane_px: int
    lane_count: int
    axis_px: int  # height of the time axis
    legend_px: int  # height of one row of the legend
    legend_rows: int
    font_px: int

    def x(self, time_us: int, duration_us: int) -> int:
        """Column of a time."""
        return self.left_px + round(self.width_px * min(1.0, max(0.0, time_us / max(1, duration_us))))

    @property
    def columns(self) -> int:
        """Blocks of a lane that flickers which can still be told apart."""
        return max(1, round(self.width_px / (LEAST_BLOCK * self.font_px)))

    @property
    def playhead_px(self) -> int:
        return max(4, 2 * round(0.09 * self.lane_px))

    @property
    def lanes_end_px(self) -> int:
        return self.mark_px + self.lane_count * self.lane_px

    @property
    def legend_top_px(self) -> int:
        return self.lanes_end_px + self.axis_px

    @property
    def legend_columns(self) -> int:
        return -(-len(EMOTIONS) // self.legend_rows)

    @property
    def bar_px(self) -> int:
        """Height of a bar of probability."""
        return max(3, round(0.24 * self.legend_px))

    def baseline(self, row: int) -> int:
        """Of what is written in a lane."""
        return _baseline(self.mark_px + (row + 0.5) * self.lane_px, self.font_px)

    def slot(self, index: int) -> tuple[int, int, int]:
        """Left, top (inside the strip) and full width of the bar of one emotion."""
        row, column = divmod(index, self.legend_columns)
        pitch = self.width_px / self.legend_columns
        left = self.left_px + round(column * pitch)
        top = self.legend_top_px + (row + 1) * self.legend_px - self.bar_px - max(1, self.bar_px // 3)
        return left, top, max(1, round(pitch - max(3.0, 0.06 * pitch)))


def panel(layout: Layout, shown: tuple[Lane, ...], font: Font) -> Panel:
    """Rows: marks, one per lane, time axis, legend with bars."""
    row = layout.panel_px / panel_rows(layout, len(shown))
    font_px = max(8, round(0.78 * row))
    names = max((font.width_px(lane.display.noun, font_px) for lane in shown), default=0)
    left = min(names + font_px, layout.width_px // 3)
    mark, lane, axis = round(MARKS_ROW * row), int(row), round(AXIS_ROW * row)
    legend = (layout.panel_px - mark - len(shown) * lane - axis) // layout.legend_rows
    width = max(1, layout.width_px - left - font_px // 2)
    return Panel(left, width, mark, lane, len(shown), axis, legend, layout.legend_rows, font_px)


def strip_image(analysis: Analysis, layout: Layout, font: Font) -> "Image":
    """RGB image, ``panel_px`` high and as wide as the film."""
    from PIL import Image, ImageDraw

    place = panel(layout, lanes(analysis), font)
    shown = sampled_lanes(analysis, place.columns)
    image = Image.new("RGB", (layout.width_px, layout.panel_px), DARK)
    draw = ImageDraw.Draw(image)
    blocks = [_blocks(lane, analysis.media.duration_us, place) for lane in shown]
    for row, lane in enumerate(shown):
        _draw_name(draw, lane, row, place, font)
        _draw_blocks(draw, blocks[row], row, place)
    _draw_axis(draw, place, analysis.media.duration_us, font)
    lines = _draw_conflicts(draw, analysis, place)
    for row, in_row in enumerate(blocks):
        _draw_words(draw, (_clear(block, lines) for block in in_row), place.baseline(row), place, font)
    _draw_legend(draw, place, font)
    return image


def playhead_image(place: Panel) -> "Image":
    """RGBA: a white line with dark edges over marks and lanes."""
    from PIL import Image

    image = Image.new("RGBA", (place.playhead_px, place.lanes_end_px), "#000000")
    image.paste("#FFFFFF", (1, 0, image.width - 1, image.height))
    return image


def ticks(duration_us: int, width_px: int, label_px: float) -> Iterator[int]:
    """Times of the axis in µs, at a round step, with room for a label of that width at each."""
    fits = (s for s in STEPS_S if s * US_PER_S / max(1, duration_us) * width_px >= 1.6 * label_px)
    step_us = next(fits, STEPS_S[-1]) * US_PER_S
    return iter(range(0, duration_us + 1, step_us))


@dataclass(frozen=True, slots=True)
class _Block:
    """Columns of a lane with one colour; ``right`` is the first of the next block."""

    left: int
    right: int
    key: str


def _blocks(lane: Lane, duration_us: int, place: Panel) -> list[_Block]:
    stretches = thinned(lane.stretches, duration_us, max(1, place.width_px // 2))
    return [
        _Block(place.x(span.start_us, duration_us), place.x(span.end_us, duration_us), said.key)
        for span, said in stretches
    ]


def _draw_name(draw: "ImageDraw", lane: Lane, row: int, place: Panel, font: Font) -> None:
    name = _shortened(lane.display.noun, place.left_px - place.font_px // 3, place.font_px, font)
    draw.text((place.font_px // 3, place.baseline(row)), name, TEXT, font.sized(place.font_px), anchor="ls")


def _draw_blocks(draw: "ImageDraw", blocks: Sequence[_Block], row: int, place: Panel) -> None:
    top = place.mark_px + row * place.lane_px
    for block in blocks:
        gap = 2 if block.right - block.left > 4 else 1
        area = (block.left, top + 1, max(block.left, block.right - gap), top + place.lane_px - 2)
        draw.rectangle(area, colour(block.key))
        if not is_emotion(block.key):
            _hatch(draw, area)


def _clear(block: _Block, lines: Sequence[int]) -> _Block:
    """The widest part of a block that no line of a conflict cuts."""
    inside = lines[bisect_right(lines, block.left) : bisect_left(lines, block.right)]
    left, right = max(pairwise((block.left, *inside, block.right)), key=lambda part: part[1] - part[0])
    return _Block(left, right, block.key)


def _draw_words(draw: "ImageDraw", blocks: Iterable[_Block], baseline: int, place: Panel, font: Font) -> None:
    """In each block the emotion, or its letter where there is less room."""
    for block in blocks:
        if not is_emotion(block.key):
            continue
        for text in (block.key, LETTERS[block.key]):
            if font.width_px(text, place.font_px) < block.right - block.left - 3:
                at, on = ((block.left + block.right) / 2, baseline), ink(colour(block.key))
                draw.text(at, text, on, font.sized(place.font_px), anchor="ms")
                break


def _baseline(middle: float, font_px: int) -> int:
    """Of text whose capitals and descenders stand evenly around a line; the font's own middle lies higher."""
    return round(middle + 0.28 * font_px)


def _shortened(name: str, width_px: int, font_px: int, font: Font) -> str:
    while len(name) > 1 and font.width_px(name, font_px) > width_px:
        name = name[:-2] + "…"
    return name


def _hatch(draw: "ImageDraw", area: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = area
    height = bottom - top
    for x in range(left - height, right, max(6, round(0.4 * height))):
        start, end = max(left, x), min(right, x + height)
        if start < end:
            draw.line((start, bottom - (start - x), end, bottom - (end - x)), HATCH, max(2, height // 10))


def _draw_axis(draw: "ImageDraw", place: Panel, duration_us: int, font: Font) -> None:
    longest = font.width_px(_clock(duration_us), place.font_px)
    top = place.lanes_end_px
    for time_us in ticks(duration_us, place.width_px, longest):
        x, text = place.x(time_us, duration_us), _clock(time_us)
        draw.line((x, top - 1, x, top + max(2, place.axis_px // 5)), TEXT)
        half = font.width_px(text, place.font_px) / 2
        middle = min(max(x, place.left_px + half), place.left_px + place.width_px - half)
        at = (middle, _baseline(top + 0.6 * place.axis_px, place.font_px))
        draw.text(at, text, DIM, font.sized(place.font_px), anchor="ms")


def _clock(time_us: int) -> str:
    return time_code(time_us)[:-2]


def _draw_conflicts(draw: "ImageDraw", analysis: Analysis, place: Panel) -> list[int]:
    """A bar as long as the conflict with a sign for its kind; where it is long, lines down through the lanes.

    Polarity is solid, blend striped, masking hollow. At least 3 pixels, so that none gets lost; of signs that
    would lie on each other, the one of the stronger evidence is drawn. Returned are the columns of the lines.
    """
    free: list[tuple[float, float]] = []
    lines: set[int] = set()
    strongest_last = list(reversed(ranked(analysis.conflicts)))
    areas = {id(c): _mark(c, analysis.media.duration_us, place) for c in strongest_last}
    for conflict in strongest_last:
        left, top, right, bottom = areas[id(conflict)]
        alarm = conflict.kind in ALARMS
        tint = CONFLICT if alarm else ABSENT
        if alarm and right - left >= LINED * place.lane_px:
            lines |= {left, right}
            for x in (left, right):
                draw.rectangle((x - 2, place.mark_px, x + 1, place.lanes_end_px - 1), DARK)
                draw.rectangle((x - 1, place.mark_px, x, place.lanes_end_px - 1), CONFLICT)
        draw.rectangle((left, top, right, bottom), tint if alarm else DARK, tint)
        if conflict.kind == "blend":
            for x in range(left + 3, right, 6):
                draw.line((x, top, x, bottom), DARK, 2)
    size = place.mark_px - 3
    for conflict in reversed(strongest_last):
        left, _, right, _ = areas[id(conflict)]
        middle = (left + right) / 2
        if all(abs(middle - other) > size + 2 for other, _ in free):
            free.append((middle, size))
            _draw_sign(draw, conflict.kind, middle, place.mark_px / 2 - 0.5, size)
    return sorted(lines)


def _mark(conflict: Conflict, duration_us: int, place: Panel) -> tuple[int, int, int, int]:
    left, right = (place.x(t, duration_us) for t in (conflict.span.start_us, conflict.span.end_us))
    height = max(3, round(0.42 * place.mark_px))
    top = (place.mark_px - height) // 2
    return left, top, max(right - 2, left + 2), top + height - 1


def _draw_sign(draw: "ImageDraw", kind: str, x: float, y: float, size: float) -> None:
    """Triangle, diamond or ring, as in the badge."""
    r = size / 2
    if kind not in ALARMS:
        draw.ellipse((x - r, y - r, x + r, y + r), DARK, "#FFFFFF", max(1, round(size / 7)))
        return
    corners = [(x, y - r), (x + r, y), (x, y + r), (x - r, y)]
    if kind == "polarity":
        corners = [(x, y - r), (x + r, y + r), (x - r, y + r)]
    draw.polygon(corners, "#FFFFFF", "#000000")


def _draw_legend(draw: "ImageDraw", place: Panel, font: Font) -> None:
    """Letter and name of each emotion above the groove of its bar, all in one size."""
    block = round(0.62 * place.font_px)
    room = place.slot(0)[2] - block - 3
    words = [f"{LETTERS[e]} {e}" for e in EMOTIONS]
    size = place.font_px
    while size > 6 and max(font.width_px(word, size) for word in words) > room:
        size -= 1
    for i, (emotion, word) in enumerate(zip(EMOTIONS, words, strict=True)):
        left, top, width = place.slot(i)
        middle = top - (place.legend_px - place.bar_px) / 2
        draw.rectangle((left, middle - block / 2, left + block, middle + block / 2), colour(emotion))
        at = (left + block + 3, _baseline(middle, size))
        draw.text(at, word, TEXT, font.sized(size), anchor="ls")
        draw.rectangle((left, top, left + width - 1, top + place.bar_px - 1), GROOVE)
