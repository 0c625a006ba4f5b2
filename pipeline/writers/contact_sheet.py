"""A contact sheet: faces with what surrounds them, each with its time, person and emotion below."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING

from pipeline.engine.stage import Progress
from pipeline.types import MediaInfo
from pipeline.writers.facts import one_line, percent
from pipeline.writers.fonts import Font, drawable
from pipeline.writers.palette import ABSENT, DARK, LETTERS, colour, ink

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

CONTEXT = 2.4  # side of the cut-out per longer side of the box
CELL_PX, LEAST_CELL_PX, SHEET_PX = 320, 80, 8_000


@dataclass(frozen=True, slots=True)
class Shot:
    """One cell; ``image`` is the whole frame, None when it cannot be read; ``box`` is in display pixels."""

    image: "Image | None"
    box: tuple[float, float, float, float]
    time_code: str
    person: str | None
    person_tint: str | None
    emotion: str
    probability: float


@dataclass(frozen=True, slots=True)
class _Letters:
    font: Font
    size_px: int

    @property
    def pad_px(self) -> int:
        return max(2, self.size_px // 4)

    @property
    def line_px(self) -> int:
        return round(1.75 * self.size_px)

    def width_px(self, text: str) -> int:
        """Of a chip with this text."""
        return self.font.width_px(text, self.size_px) + 2 * self.pad_px

    def fitting(self, text: str, width_px: int) -> str:
        """Any text on one line, cut to the width of a chip with an ellipsis."""
        cut = drawable(one_line(text)[:200], self.font)
        if self.width_px(cut) <= width_px:
            return cut
        while cut and self.width_px(f"{cut}…") > width_px:
            cut = cut[:-1]
        return f"{cut}…"


def contact_sheet(
    shots: Iterable[Shot], count: int, media: MediaInfo, font: Font, progress: Progress
) -> "Image":
    """``count`` shots in reading order; a frame in the emotion's colour, time, person and emotion below."""
    from PIL import Image, ImageDraw

    columns = ceil(sqrt(count))
    cell_px = max(LEAST_CELL_PX, min(CELL_PX, SHEET_PX // columns))
    letters = _Letters(font, max(9, cell_px // 16))
    caption_px, edge_px, gap_px = 2 * letters.line_px + letters.pad_px, max(2, cell_px // 64), cell_px // 20
    across, down = cell_px + gap_px, cell_px + caption_px + gap_px
    size = (columns * across + gap_px, ceil(count / columns) * down + gap_px)
    sheet = Image.new("RGB", size, DARK)
    draw = ImageDraw.Draw(sheet)
    for i, shot in enumerate(shots):
        left, top = gap_px + i % columns * across, gap_px + i // columns * down
        draw.rectangle((left, top, left + cell_px - 1, top + cell_px - 1), fill=colour(shot.emotion))
        inner_px = cell_px - 2 * edge_px
        if shot.image is None:
            inner = Image.new("RGB", (inner_px, inner_px), ABSENT)
        else:
            inner = cut_out(shot.image, shot.box, shot.image.width / media.width_px, inner_px)
        sheet.paste(inner, (left + edge_px, top + edge_px))
        _caption(draw, shot, (left, top + cell_px, cell_px), letters)
        progress((i + 1) / count)
    return sheet


def cut_out(image: "Image", box: tuple[float, float, float, float], scale: float, side_px: int) -> "Image":
    """A square around the middle of a box, moved into the picture, as large as it is or as asked for."""
    from PIL import Image

    x, y, width, height = (side * scale for side in box)
    side = max(1, min(round(CONTEXT * max(width, height)), image.width, image.height))
    left = round(min(max(0.0, x + width / 2 - side / 2), image.width - side))
    top = round(min(max(0.0, y + height / 2 - side / 2), image.height - side))
    around = (left, top, left + side, top + side)
    return image.resize((side_px, side_px), Image.Resampling.LANCZOS, box=around)


def _caption(draw: "ImageDraw", shot: Shot, place: tuple[int, int, int], letters: _Letters) -> None:
    """First line: time and person; second line: the emotion, its letter first, and its probability."""
    left, top, width = place
    first, second = top + letters.pad_px, top + letters.pad_px + letters.line_px
    _chip(draw, (left, first), shot.time_code, DARK, letters)
    if shot.person:
        name = letters.fitting(shot.person, width // 2)
        x = left + width - letters.width_px(name)
        _chip(draw, (x, first), name, shot.person_tint or ABSENT, letters)
    tint = colour(shot.emotion)
    draw.rectangle((left, second, left + width - 1, second + letters.line_px - 3), fill=tint)
    _chip(
        draw,
        (left, second),
        f"{LETTERS[shot.emotion]}  {shot.emotion}  {percent(shot.probability)}",
        tint,
        letters,
    )


def _chip(draw: "ImageDraw", at: tuple[int, int], text: str, tint: str, letters: _Letters) -> None:
    x, y = at
    draw.rectangle((x, y, x + letters.width_px(text) - 1, y + letters.line_px - 3), fill=tint)
    middle = (x + letters.pad_px, y + letters.line_px // 2 - 1)
    draw.text(middle, text, fill=ink(tint), font=letters.font.sized(letters.size_px), anchor="lm")
