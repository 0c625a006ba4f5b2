"""Where things stand in the film: pure geometry in output pixels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.types import MediaInfo

Box = tuple[int, int, int, int]  # left, top, width, height


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
    def text_px(self) -> int:
        return max(11, round(0.046 * self.unit_px))

    @property
    def label_px(self) -> int:
        return max(10, round(0.036 * self.unit_px))


def film_layout(media: MediaInfo, max_height_px: int, lane_count: int) -> Layout:
    """Square pixels, even sides (4:2:0 needs them), no enlarging; 120 lines of panel per 720, four lanes."""
    scale = min(1.0, max_height_px / media.height_px)
    width, height = _even(media.width_px * scale), _even(media.height_px * scale)
    panel = _even(max(56, min(width, height) / 6) * (2 + lane_count) / 6)
    return Layout(width, height, panel, scale)


def place_label(
    size: tuple[int, int], around: Box, faces: Sequence[Box], frame: tuple[int, int]
) -> tuple[int, int]:
    """Left top corner of a label: above, below, right or left of its box, whichever covers least face."""
    width, height = size
    left, top, box_width, box_height = around
    places = [
        (left, top - height),
        (left, top + box_height),
        (left + box_width, top),
        (left - width, top),
    ]
    inside = [(_clamp(x, 0, frame[0] - width), _clamp(y, 0, frame[1] - height)) for x, y in places]
    return min(inside, key=lambda at: covered((*at, width, height), faces))


def covered(area: Box, faces: Iterable[Box]) -> int:
    """Pixels of faces under an area."""
    left, top, width, height = area
    total = 0
    for x, y, w, h in faces:
        across = min(left + width, x + w) - max(left, x)
        down = min(top + height, y + h) - max(top, y)
        total += max(0, across) * max(0, down)
    return total


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, max(low, high)))


def _even(value: float) -> int:
    return max(2, 2 * round(value / 2))
