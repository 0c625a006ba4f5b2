"""Where things stand in the film: pure geometry in output pixels."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray

from pipeline.types import MediaInfo

Box = tuple[int, int, int, int]  # left, top, width, height

# Height of a lane: its share of the mean of height and shorter side, and the least that can be read.
LANE_SHARE, LEAST_LANE_PX = 0.031, 11.8
# Heights of the panel's other rows in lanes: conflict marks, time axis, legend with bars of probability.
MARKS_ROW, AXIS_ROW, LEGEND_ROW = 0.85, 0.85, 1.5
NEAREST = 6  # faces, and as many other things, whose corners are tried for a label
LEGEND_WIDTH = 39  # in lanes, of a legend in one row


@dataclass(frozen=True, slots=True)
class Layout:
    """Output size. The picture is ``width_px`` x ``height_px``; the panel with the lanes grows below it."""

    width_px: int
    height_px: int
    panel_px: int
    scale: float  # output pixels per display pixel

    @property
    def unit_px(self) -> int:
        """The shorter side: what a text must be sized by to be read on a phone held either way."""
        return min(self.width_px, self.height_px)

    @property
    def frame(self) -> tuple[int, int]:
        """Size of the picture."""
        return self.width_px, self.height_px

    @property
    def text_px(self) -> int:
        return max(11, round(0.046 * self.unit_px))

    @property
    def label_px(self) -> int:
        return max(10, round(0.036 * self.unit_px))

    @property
    def lane_px(self) -> float:
        """Height of a lane in the panel."""
        return max(LEAST_LANE_PX, LANE_SHARE * math.sqrt(self.unit_px * self.height_px))

    @property
    def legend_rows(self) -> int:
        """The names of seven emotions need two rows in a picture that is narrow or held upright."""
        return 1 if self.width_px >= LEGEND_WIDTH * self.lane_px else 2

    @property
    def margin_px(self) -> int:
        """Between what is written and the edge of the picture."""
        return max(2, round(0.02 * self.unit_px))


def film_layout(media: MediaInfo, max_height_px: int, lane_count: int) -> Layout:
    """Square pixels, even sides (4:2:0 needs them), no enlarging; no panel without lanes."""
    scale = min(1.0, max_height_px / media.height_px)
    width, height = _even(media.width_px * scale), _even(media.height_px * scale)
    bare = Layout(width, height, 0, scale)
    panel = _even(bare.lane_px * panel_rows(bare, lane_count)) if lane_count else 0
    return replace(bare, panel_px=panel)


def panel_rows(layout: Layout, lane_count: int) -> float:
    """Height of the panel in lanes."""
    return MARKS_ROW + lane_count + AXIS_ROW + layout.legend_rows * LEGEND_ROW


def place_label(
    size: tuple[int, int],
    around: Box,
    faces: Sequence[Box],
    frame: tuple[int, int],
    taken: Sequence[Box] = (),
) -> tuple[int, int]:
    """Left top corner of a label: above, below, right or left of its box, where it covers nothing.

    Otherwise the free place nearest to its box, and where there is none, the one that covers least face.
    """
    width, height = size
    left, top, box_width, box_height = around
    right, bottom = left + box_width, top + box_height
    beside = [
        *((left, top - height), (left, bottom), (right, top), (left - width, top)),
        *((right - width, top - height), (right - width, bottom)),
    ]

    best = min((_inside(at, size, frame) for at in beside), key=lambda at: _cost(at, size, faces, taken))
    if _cost(best, size, faces, taken) == (0, 0):
        return best
    near = [*nearest(around, faces), *nearest(around, taken)]
    return _least_covering([best, *_corners(size, near, frame)], size, around, faces, taken)


def _cost(
    at: tuple[int, int], size: tuple[int, int], faces: Sequence[Box], taken: Sequence[Box]
) -> tuple[int, int]:
    return covered((*at, *size), faces), covered((*at, *size), taken)


def nearest(to: Box, boxes: Iterable[Box]) -> list[Box]:
    """The ``NEAREST`` boxes by distance of their middles: a label far from its face belongs to nobody."""

    def far(box: Box) -> int:
        across, down = 2 * (box[0] - to[0]) + box[2] - to[2], 2 * (box[1] - to[1]) + box[3] - to[3]
        return across * across + down * down

    return nsmallest(NEAREST, boxes, key=far)


def _least_covering(
    places: Sequence[tuple[int, int]],
    size: tuple[int, int],
    around: Box,
    faces: Sequence[Box],
    taken: Sequence[Box],
) -> tuple[int, int]:
    """The place that covers least face, then least of what is taken, then the nearest; all in arrays, since
    a crowd has hundreds of places at every sampled frame.
    """
    at = np.array(places, np.int64)
    middle = (around[0] + around[2] // 2, around[1] + around[3] // 2)
    far = np.abs(at + np.array(size) // 2 - np.array(middle)).sum(axis=1)
    order = np.lexsort((far, _covered_by(at, size, taken), _covered_by(at, size, faces)))
    return places[int(order[0])]


def _covered_by(at: NDArray[np.int64], size: tuple[int, int], boxes: Sequence[Box]) -> NDArray[np.int64]:
    """Like :func:`covered`, (n,) pixels for left top corners (n, 2)."""
    box = np.array(boxes, np.int64).reshape(-1, 4)
    low, high = box[:, :2], box[:, :2] + box[:, 2:]
    inside = np.minimum(at[:, None] + np.array(size), high) - np.maximum(at[:, None], low)
    pixels: NDArray[np.int64] = np.maximum(inside, 0).prod(axis=2).sum(axis=1)
    return pixels


def _corners(
    size: tuple[int, int], obstacles: Sequence[Box], frame: tuple[int, int]
) -> list[tuple[int, int]]:
    """Where something of a size touches edges on two sides: if it fits anywhere, it fits in one of these."""
    width, height = size
    across = {0, frame[0] - width, *(x for b in obstacles for x in (b[0] - width, b[0] + b[2]))}
    down = {0, frame[1] - height, *(y for b in obstacles for y in (b[1] - height, b[1] + b[3]))}
    inside = {_inside((x, y), size, frame) for x in across for y in down}
    return sorted(inside)


def place_band(
    size: tuple[int, int],
    faces: Sequence[tuple[Box, int]],
    taken: Sequence[Box],
    layout: Layout,
    at_top: bool,
) -> Box:
    """A block of text in the middle of the picture's foot or head: where it lies on no other text, then on
    least face (``faces`` with how long each is there), then as near as possible to where it belongs.
    """
    width, height = size
    margin = layout.margin_px
    head, foot = margin, layout.height_px - height - margin
    home, away = (head, foot) if at_top else (foot, head)
    # How far from where it belongs: on other text by the distance, then at the other edge, then at a face.
    tops = {home: 0, away: layout.height_px // 2}
    for _, y, _, h in taken:
        for top in (y - height - margin, y + h + margin):
            tops[top] = min(tops.get(top, layout.height_px), abs(top - home))
    if faces:
        _, y, _, h = hull(box for box, _ in faces)
        tops = dict.fromkeys((y - height - margin, y + h + margin), layout.height_px) | tops
    lefts = ((layout.width_px - width) // 2, margin, layout.width_px - width - margin)

    def cost(at: tuple[int, int]) -> tuple[int, int, int, int]:
        area = (*_inside(at, size, layout.frame), width, height)
        on_faces = sum(weight * covered(area, (box,)) for box, weight in faces)
        return covered(area, taken), on_faces, abs(at[0] - lefts[0]), tops[at[1]]

    places = [(x, y) for x in lefts for y in tops if head <= y <= foot] or [(lefts[0], home)]
    return (*_inside(min(places, key=cost), size, layout.frame), width, height)


def hull(boxes: Iterable[Box]) -> Box:
    """The least box around one box or more."""
    corners = [(x, y, x + width, y + height) for x, y, width, height in boxes]
    left, top = min(c[0] for c in corners), min(c[1] for c in corners)
    return left, top, max(c[2] for c in corners) - left, max(c[3] for c in corners) - top


def covered(area: Box, faces: Iterable[Box]) -> int:
    """Pixels of faces under an area."""
    left, top, width, height = area
    total = 0
    for x, y, w, h in faces:
        across = min(left + width, x + w) - max(left, x)
        down = min(top + height, y + h) - max(top, y)
        if across > 0 and down > 0:
            total += across * down
    return total


def _inside(at: tuple[int, int], size: tuple[int, int], frame: tuple[int, int]) -> tuple[int, int]:
    return _clamp(at[0], 0, frame[0] - size[0]), _clamp(at[1], 0, frame[1] - size[1])


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, max(low, high)))


def _even(value: float) -> int:
    return max(2, 2 * round(value / 2))
