"""Faces hidden for sharing: how film and stills hide what ``regions`` tells."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engine.stage import Progress
from pipeline.records import ANALYSIS_FILE, WARNINGS_FILE, read_record, write_records
from pipeline.types import Analysis
from pipeline.writers.facts import time_code
from pipeline.writers.film.ass import ass_time
from pipeline.writers.film.layout import Layout
from pipeline.writers.regions import Region, at, regions, unseen

if TYPE_CHECKING:
    from PIL.Image import Image

BLUR_FILE = "blur.jsonl"

# Brain potentials (P300) still told familiar faces from others at 21 and at 11 pixels per face, not at 6
# (Hanso, Bachmann & Murd 2010, Psychology 1, 199-208): the largest face gets fewer. Cells keep their edges,
# which hide more than smoothing does (Costen, Parker & Craw 1994, Perception 23, 129-146). Haar cascades
# agree: on a made film of 36 frames with two faces they find 0 in 5 cells with edges, 4 in 6 of them, 31 in 5
# smoothed ones.
CELLS_ACROSS = 5
LEAST_CELL_PX = 4
# Mosaic and mask are made on a picture smaller by this, of the part of the picture that holds regions.
SMALLER = 4
MOST_NAMED = 5  # stretches in the warning


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``blur``: ``blur.jsonl``, and one warning where faces may be bare."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    hidden = regions(analysis)
    write_records(out / BLUR_FILE, Region, hidden)
    if warning := _warning(analysis, hidden):
        (out / WARNINGS_FILE).write_text(f"{warning}\n", encoding="utf-8")
    progress(1.0)


def _warning(analysis: Analysis, hidden: Sequence[Region]) -> str:
    """Where to look before the film is shared; nothing when every face was followed."""
    if not hidden and analysis.media.has_video:
        return "no face was found, so nothing is blurred: look at the film before you share it"
    lost = unseen(analysis)
    if not lost:
        return ""
    named = ", ".join(f"{time_code(s.start_us)}-{time_code(s.end_us)}" for s in lost[:MOST_NAMED])
    more = f" and {len(lost) - MOST_NAMED} more stretches" if len(lost) > MOST_NAMED else ""
    return f"a face was out of sight and may be bare at {named}{more}: look there before you share the film"


def cell_px(found: Iterable[Region], scale: float) -> int:
    """Side of a mosaic cell in pixels of a picture with ``scale`` pixels per display pixel.

    One for the whole film, by its largest face; smaller faces have fewer cells.
    """
    largest = max((r.face_px for r in found), default=0)
    return max(LEAST_CELL_PX, ceil(largest * scale / CELLS_ACROSS))


def mask_script(found: Sequence[Region], layout: Layout) -> str:
    """An ASS script that draws the regions white, for the part of the picture that :func:`blurred` hides in.

    Starts are cut to hundredths of a second and ends rounded up, so that no frame slips out.
    """
    part = _part(found, layout)
    head = (
        *("[Script Info]", "ScriptType: v4.00+", f"PlayResX: {part.width}", f"PlayResY: {part.height}"),
        *("ScaledBorderAndShadow: yes", "YCbCr Matrix: None", "", "[V4+ Styles]"),
        "Format: Name, Fontname, Fontsize, PrimaryColour, Outline, Shadow, Alignment",
        *("Style: Mask,Sans,10,&H00FFFFFF,0,0,7", "", "[Events]"),
        "Format: Layer, Start, End, Style, MarginL, MarginR, MarginV, Text",
    )
    events = (
        f"Dialogue: 0,{ass_time(r.span.start_us)},{ass_time(r.span.end_us + 9_999)},Mask,0,0,0,"
        f"{{\\pos(0,0)\\p1}}{_drawing(r, layout.scale, part)}"
        for r in found
    )
    return "\n".join([*head, *events, ""])


def blurred(stream: Any, script: str, layout: Layout, found: Sequence[Region]) -> Any:
    """An ffmpeg-python picture with the regions ``found`` in the whole film hidden.

    ``stream`` has the layout's size and is yuv420p; ``script`` names the file that holds :func:`mask_script`
    of the same regions, in the folder that ffmpeg runs in. Mask and mosaic are made of the stream's own
    frames, so no frame time is touched and none can be missed.
    """
    import ffmpeg

    if not found:
        return stream
    part, cell = _part(found, layout), cell_px(found, layout.scale)
    picture, copy = _both(stream)
    copy = copy.filter("crop", w=part.width, h=part.height, x=part.left, y=part.top, exact=1)
    less = (max(2, part.width // SMALLER), max(2, part.height // SMALLER))
    # The format keeps the mask's grey from reaching back through the split.
    copy = copy.filter("scale", w=less[0], h=less[1], flags="area").filter("format", pix_fmts="yuv420p")
    small, to_mask = _both(copy)
    cells = small.filter("scale", w=_cells(part.width, cell), h=_cells(part.height, cell), flags="area")
    mosaic = cells.filter("scale", w=less[0], h=less[1], flags="neighbor").filter(
        "format", pix_fmts="yuv420p"
    )
    # Whatever the range of the grey and however thin the edge, a drawn pixel hides wholly.
    mask = (
        to_mask.filter("format", pix_fmts="gray")
        .filter("lutyuv", y=0)
        .filter("ass", filename=script)
        .filter("lutyuv", y="255*gt(val,8)")
    )
    merged = ffmpeg.filter([mosaic, mask], "alphamerge")
    hidden = merged.filter("scale", w=part.width, h=part.height, flags="neighbor")
    return picture.overlay(hidden, x=part.left, y=part.top, format="yuv420", eval="init")


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of the output picture that holds all regions; its corner is even, as 4:2:0 needs."""

    left: int
    top: int
    width: int
    height: int


def _part(found: Sequence[Region], layout: Layout) -> _Part:
    corners = [_corners(r, layout.scale) for r in found] or [(0, 0, layout.width_px, layout.height_px)]
    left, top = (min(c[i] for c in corners) // SMALLER * SMALLER for i in (0, 1))
    right, bottom = (-(-max(c[i] for c in corners) // SMALLER) * SMALLER for i in (2, 3))
    return _Part(left, top, min(right, layout.width_px) - left, min(bottom, layout.height_px) - top)


def _both(stream: Any) -> tuple[Any, Any]:
    twice = stream.split()
    return twice[0], twice[1]


def blurred_image(image: "Image", found: Sequence[Region], time_us: int, scale: float) -> "Image":
    """An RGB still of ``scale`` pixels per display pixel, taken at ``time_us``, hidden like the film.

    ``found`` are the regions of the whole film, since its largest face decides the cell.
    """
    from PIL import Image, ImageDraw

    here = at(found, time_us)
    if not here:
        return image
    cell = cell_px(found, scale)
    few = (_cells(image.width, cell), _cells(image.height, cell))
    mosaic = image.resize(few, Image.Resampling.BOX).resize(image.size, Image.Resampling.NEAREST)
    mask = Image.new("L", image.size)
    draw = ImageDraw.Draw(mask)
    for region in here:
        left, top, right, bottom = _corners(region, scale)
        draw.rectangle((left, top, right - 1, bottom - 1), fill=255)
    return Image.composite(mosaic, image, mask)


def _cells(side_px: int, cell: int) -> int:
    return max(1, side_px // cell)


def _drawing(region: Region, scale: float, part: _Part) -> str:
    """A box as an ASS drawing, in output pixels. Square corners: round ones would bare a face at the edge."""
    x, y, right, bottom = _corners(region, scale)
    left, top, right, bottom = x - part.left, y - part.top, right - part.left, bottom - part.top
    return f"m {left} {top} l {right} {top} {right} {bottom} {left} {bottom}"


def _corners(region: Region, scale: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom, outwards to whole pixels."""
    x, y, width, height = region.box
    return floor(x * scale), floor(y * scale), ceil((x + width) * scale), ceil((y + height) * scale)
