"""Tables and contact sheets as pictures, in the packaged font: Chinese can be read anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.writers.facts import one_line
from pipeline.writers.fonts import Font, drawable, font_for
from pipeline.writers.palette import colour, ink, is_emotion

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

EM_PX, SMALL_PX = 17, 14
PAD_PX = 7
LINE_PX = round(EM_PX * 1.45)
MOST_LINES = 3
NOT_FIRST = "，。！？、；：…”’）》」』"  # no line of Chinese begins with one of these
INK, QUIET, RULE, BAND = "#1c1c1c", "#5a5a5a", "#d8d8d8", "#f5f5f3"
FACE_PX = 132
FACE_COLUMNS = 7


@dataclass(frozen=True, slots=True)
class Face:
    """One picture of a contact sheet. ``right``: whether the answer was; ``fact`` is one short line."""

    image: "Image"
    true: str
    predicted: str
    fact: str

    @property
    def right(self) -> bool:
        return self.true == self.predicted


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], widest_px: int = 620, title: str = ""
) -> "Image":
    """A table whose columns are as wide as their content, at most ``widest_px``; long cells are wrapped.

    Cells that name an emotion are drawn in its colour; columns of numbers stand to the right.
    """
    font = font_for("zh")
    cells = [[wrapped(drawable(one_line(cell), font), font, widest_px) for cell in row] for row in rows]
    heads = [[drawable(one_line(cell), font)] for cell in header]
    columns = list(zip(heads, *cells, strict=True))
    numeric = [any(_is_number(cell) for cell in column[1:]) for column in zip(header, *rows, strict=True)]
    widths = [
        max(font.width_px(line, EM_PX) for lines in column for line in lines) + 2 * PAD_PX
        for column in columns
    ]
    heights = [max(len(lines) for lines in row) * LINE_PX + PAD_PX for row in [heads, *cells]]
    top = LINE_PX + 2 * PAD_PX if title else PAD_PX
    width = max(sum(widths), font.width_px(title, EM_PX)) + 2 * PAD_PX
    image, pen = _canvas(width, top + sum(heights) + PAD_PX)
    if title:
        _write(pen, (2 * PAD_PX, PAD_PX), title, font.sized(EM_PX), INK)
    y = top
    for number, (row, height) in enumerate(zip([heads, *cells], heights, strict=True)):
        if number % 2:
            pen.rectangle((PAD_PX, y, width - PAD_PX, y + height - 1), fill=BAND)
        x = PAD_PX
        for lines, column_width, right in zip(row, widths, numeric, strict=True):
            _draw_cell(pen, (x, y), column_width, lines, font, head=number == 0, right=right)
            x += column_width
        y += height
        if number == 0:
            pen.line((PAD_PX, y - 1, width - PAD_PX, y - 1), fill=INK)
    return image


def contact_sheet(faces: Sequence[Face], title: str) -> "Image":
    """Faces in rows with the label, the answer and a fact beneath each; a coloured frame names the answer."""
    font = font_for("zh")
    columns = max(1, min(FACE_COLUMNS, len(faces)))
    cell_width, cell_height = FACE_PX + 2 * PAD_PX, FACE_PX + 3 * LINE_PX + 2 * PAD_PX
    rows = -(-len(faces) // columns)
    top = LINE_PX + 2 * PAD_PX
    width = max(columns * cell_width, font.width_px(title, EM_PX)) + 2 * PAD_PX
    image, pen = _canvas(width, top + rows * cell_height + PAD_PX)
    _write(pen, (2 * PAD_PX, PAD_PX), title, font.sized(EM_PX), INK)
    for place, face in enumerate(faces):
        x = PAD_PX + place % columns * cell_width + PAD_PX
        y = top + place // columns * cell_height
        frame = colour(face.predicted)
        pen.rectangle((x - 3, y - 3, x + FACE_PX + 2, y + FACE_PX + 2), fill=frame)
        image.paste(_square(face.image), (x, y))
        first = f"{face.true}" if face.right else f"labelled {face.true}"
        second = "" if face.right else f"answered {face.predicted}"
        lines = [line for line in (first, second, face.fact) if line]
        for number, line in enumerate(lines):
            at = (x, y + FACE_PX + 4 + number * (LINE_PX - 3))
            _write(pen, at, line, font.sized(SMALL_PX), QUIET if line == face.fact else INK)
    return image


def save(image: "Image", path: Path) -> None:
    """Write a PNG whose bytes depend on the picture alone."""
    image.save(path, format="PNG")


def wrapped(text: str, font: Font, widest_px: int, most_lines: int = MOST_LINES) -> list[str]:
    """Text in lines no wider than ``widest_px``; what does not fit ends in an ellipsis.

    Lines break at blanks where there are any in their second half, else anywhere, as Chinese does.
    """
    lines: list[str] = []
    rest = text
    while rest and len(lines) < most_lines:
        if font.width_px(rest, EM_PX) <= widest_px:
            lines.append(rest)
            rest = ""
            break
        fits = _fitting(rest, font, widest_px)
        blank = rest.rfind(" ", fits // 2, fits + 1)
        cut = blank if blank > 0 else fits
        if cut > 1 and rest[cut] in NOT_FIRST:
            cut -= 1
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if rest:
        last = lines[-1]
        lines[-1] = last[: _fitting(f"{last}…", font, widest_px) - 1].rstrip() + "…"
    return lines or [""]


def _fitting(text: str, font: Font, widest_px: int) -> int:
    """How many characters from the first on fit, at least 1 (widths grow with every character)."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if font.width_px(text[:middle], EM_PX) <= widest_px:
            low = middle
        else:
            high = middle - 1
    return low


def _canvas(width: int, height: int) -> "tuple[Image, ImageDraw]":
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, height), "white")
    return image, ImageDraw.Draw(image)


def _draw_cell(
    pen: "ImageDraw",
    at: tuple[int, int],
    width: int,
    lines: Sequence[str],
    font: Font,
    *,
    head: bool,
    right: bool,
) -> None:
    x, y = at
    if not head and is_emotion(lines[0]):
        fill = colour(lines[0])
        chip = font.width_px(lines[0], EM_PX) + PAD_PX
        box = (x + PAD_PX // 2, y + 4, x + PAD_PX // 2 + chip, y + LINE_PX + 2)
        pen.rounded_rectangle(box, radius=5, fill=fill)
        _write(pen, (x + PAD_PX, y + 3), lines[0], font.sized(EM_PX), ink(fill))
        return
    for number, line in enumerate(lines):
        indent = width - PAD_PX - font.width_px(line, EM_PX) if right else PAD_PX
        _write(pen, (x + indent, y + 3 + number * LINE_PX), line, font.sized(EM_PX), QUIET if head else INK)


def _is_number(text: str) -> bool:
    return bool(text) and set(text) <= set("0123456789.,%")


def _write(pen: "ImageDraw", at: tuple[int, int], text: str, font: "FreeTypeFont", tint: str) -> None:
    pen.text(at, text, font=font, fill=tint)


def _square(image: "Image") -> "Image":
    from PIL import Image

    side = max(image.size)
    whole = Image.new("RGB", (side, side), RULE)
    whole.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return whole.resize((FACE_PX, FACE_PX), Image.Resampling.LANCZOS)
