"""Faces hidden for sharing: where and when they are, and how film and stills hide them.

Faces are known at sampled times only. What lies between is covered by the hull of the boxes around it, wider
where a face moves; gaps are held. A face that no channel has found is not hidden.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engine.stage import Progress
from pipeline.records import ANALYSIS_FILE, read_record, write_records
from pipeline.types import Analysis, MediaInfo, Observation, Span
from pipeline.writers.layout import Layout

if TYPE_CHECKING:
    from PIL.Image import Image

BLUR_FILE = "blur.jsonl"

# Shares of a face's width and height added around the detector's box, which ends at brows, cheeks and chin.
SIDE, ABOVE, BELOW = 0.3, 0.4, 0.3
# A face that moves between two sightings may go further and come back: so much of the way is added.
OVERSHOOT = 0.5
# One person, or another in the same place, unseen for no longer is held; else for this long on either side.
HELD_US, AROUND_US = 4_000_000, 1_000_000
# A region stands as long as this makes it no wider: it does not tremble, and libass has less to look through.
GROWTH, LONGEST_US = 1.2, 3_000_000
# People tell well-known faces from short clips at 10 x 10 pixels and more, moving ones better than still ones
# (Lander, Bruce & Hill 2001, Applied Cognitive Psychology 15, 101-116): the largest face gets fewer. Smoothed
# cells would be easier to see through than ones with edges, for people and for Haar cascades alike: on a made
# film of 36 frames and two faces these find 0 faces in 5 cells with edges, 4 in 6, 31 in 5 smoothed ones.
CELLS_ACROSS = 5
LEAST_CELL_PX = 4
# Mosaic and mask are made on a picture smaller by this, of the part of the picture that holds regions.
SMALLER = 4


@dataclass(frozen=True, slots=True)
class Region:
    """Something to hide for a while: ``box`` (left, top, width, height) in display pixels of the source.

    ``face_px`` is the longer side of the largest face under it.
    """

    span: Span
    box: tuple[int, int, int, int]
    face_px: int


@dataclass(frozen=True, slots=True)
class _Edges:
    left: float
    top: float
    right: float
    bottom: float

    def hull(self, other: "_Edges") -> "_Edges":
        return _Edges(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def meets(self, other: "_Edges") -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        return across > 0 and min(self.bottom, other.bottom) > max(self.top, other.top)


@dataclass(frozen=True, slots=True)
class _Cover:
    """A stretch of time with what is hidden in it; a sighting is one as well."""

    span: Span
    edges: _Edges
    face_px: int


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``blur``: ``blur.jsonl``, empty when no face was found."""
    analysis = read_record(inputs["analysis"] / ANALYSIS_FILE, Analysis)
    write_records(out / BLUR_FILE, Region, regions(analysis))
    progress(1.0)


def regions(analysis: Analysis) -> tuple[Region, ...]:
    """What to hide, from every observation of any modality that has a box; in order of time."""
    media = analysis.media
    persons: dict[tuple[str, str | None], list[_Cover]] = {}
    for modality in analysis.modalities:
        for one in analysis.observations.get(modality, ()):
            if one.evidence.get("box"):
                persons.setdefault((modality, one.subject), []).append(_sighting(one))
    tracks = [run for seen in persons.values() for run in _runs(sorted(seen, key=lambda c: c.span))]
    covers = [*(cover for track in tracks for cover in _track(track, media)), *_bridges(tracks)]
    found = (_region(cover, media) for cover in covers)
    return tuple(sorted((r for r in found if r is not None), key=lambda r: (r.span, r.box)))


def at(found: Iterable[Region], time_us: int) -> tuple[Region, ...]:
    """The regions over a frame of this time."""
    return tuple(r for r in found if r.span.start_us <= time_us < r.span.end_us)


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
        f"Dialogue: 0,{_ass_time(r.span.start_us)},{_ass_time(r.span.end_us + 9_999)},Mask,0,0,0,"
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


def _sighting(one: Observation) -> _Cover:
    x, y, width, height = (float(side) for side in one.evidence["box"])
    edges = _Edges(x - SIDE * width, y - ABOVE * height, x + (1 + SIDE) * width, y + (1 + BELOW) * height)
    time_us = int(one.evidence.get("time_us", one.span.start_us))
    span = Span(min(time_us, one.span.start_us), max(time_us, one.span.end_us))
    return _Cover(span, edges, ceil(max(width, height)))


def _runs(seen: Sequence[_Cover]) -> Iterator[list[_Cover]]:
    """Sightings of one person in order of time, parted where the gap is too long to be held."""
    run = list(seen[:1])
    for before, after in pairwise(seen):
        if after.span.start_us - before.span.end_us > HELD_US:
            yield run
            run = []
        run.append(after)
    yield run


def _track(seen: Sequence[_Cover], media: MediaInfo) -> Iterator[_Cover]:
    """One person without a long gap: from a while before the first sighting to a while after the last."""
    first, last = seen[0], seen[-1]
    before = Span(first.span.start_us - AROUND_US, first.span.start_us)
    after = Span(last.span.end_us, last.span.end_us + AROUND_US)
    between = (_between(a, b) for a, b in pairwise(seen))
    yield from _joined(
        [replace(first, span=before), *between, replace(last, span=Span(last.span.start_us, after.end_us))]
    )


def _between(a: _Cover, b: _Cover) -> _Cover:
    """From the beginning of one sighting to that of the next: both, and what lies between and around."""
    both = a.edges.hull(b.edges)
    across = OVERSHOOT * abs(a.edges.left + a.edges.right - b.edges.left - b.edges.right) / 2
    down = OVERSHOOT * abs(a.edges.top + a.edges.bottom - b.edges.top - b.edges.bottom) / 2
    wider = _Edges(both.left - across, both.top - down, both.right + across, both.bottom + down)
    end_us = max(a.span.end_us, b.span.start_us)
    return _Cover(Span(a.span.start_us, end_us), wider, max(a.face_px, b.face_px))


def _joined(covers: Sequence[_Cover]) -> Iterator[_Cover]:
    """Neighbours in time as one cover while it stays about as large as each of them."""
    open_ = covers[0]
    least = open_.edges
    for cover in covers[1:]:
        both = open_.edges.hull(cover.edges)
        smaller = _Edges(
            0, 0, min(_width(least), _width(cover.edges)), min(_height(least), _height(cover.edges))
        )
        alike = _width(both) <= GROWTH * smaller.right and _height(both) <= GROWTH * smaller.bottom
        if alike and cover.span.end_us - open_.span.start_us <= LONGEST_US:
            span = Span(open_.span.start_us, max(open_.span.end_us, cover.span.end_us))
            open_ = _Cover(span, both, max(open_.face_px, cover.face_px))
            least = smaller
            continue
        yield open_
        open_, least = cover, cover.edges
    yield open_


def _bridges(tracks: Sequence[Sequence[_Cover]]) -> Iterator[_Cover]:
    """Where one track ends and another begins near it soon after: a face that was lost and found anew."""
    begins = sorted((track[0] for track in tracks), key=lambda c: c.span)
    for track in tracks:
        last = track[-1]
        for first in begins:
            gap_us = first.span.start_us - last.span.end_us
            if 0 < gap_us <= HELD_US and first.edges.meets(last.edges):
                yield replace(_between(last, first), span=Span(last.span.end_us, first.span.start_us))


def _region(cover: _Cover, media: MediaInfo) -> Region | None:
    """In whole pixels, inside film and picture; None when nothing is left."""
    start_us, end_us = max(0, cover.span.start_us), min(media.duration_us, cover.span.end_us)
    left, top = max(0, floor(cover.edges.left)), max(0, floor(cover.edges.top))
    width = min(media.width_px, ceil(cover.edges.right)) - left
    height = min(media.height_px, ceil(cover.edges.bottom)) - top
    if start_us >= end_us or width <= 0 or height <= 0:
        return None
    return Region(Span(start_us, end_us), (left, top, width, height), cover.face_px)


def _width(edges: _Edges) -> float:
    return edges.right - edges.left


def _height(edges: _Edges) -> float:
    return edges.bottom - edges.top


def _cells(side_px: int, cell: int) -> int:
    return max(1, side_px // cell)


def _ass_time(time_us: int) -> str:
    hundredths = time_us // 10_000
    minutes, rest = divmod(hundredths, 6_000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"


def _drawing(region: Region, scale: float, part: _Part) -> str:
    """A box as an ASS drawing, in output pixels. Square corners: round ones would bare a face at the edge."""
    x, y, right, bottom = _corners(region, scale)
    left, top, right, bottom = x - part.left, y - part.top, right - part.left, bottom - part.top
    return f"m {left} {top} l {right} {top} {right} {bottom} {left} {bottom}"


def _corners(region: Region, scale: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom, outwards to whole pixels."""
    x, y, width, height = region.box
    return floor(x * scale), floor(y * scale), ceil((x + width) * scale), ceil((y + height) * scale)
