"""One canvas for a whole film: every frame upright, with square pixels and in the colours of BT.709.

The canvas is the size that ``MediaInfo`` states. A frame of another shape is fitted into it, centred on
black, by one rule for decoded frames and for ffmpeg, so that a box in display pixels means the same place
everywhere. Pictures in HLG or PQ are tone-mapped by libswscale in both.
"""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from av.filter import Graph
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from pipeline.media.hold import ROUNDING_US
from pipeline.media.orient import UPRIGHT, display_size, frame_matrix, oriented, turn_matrix
from pipeline.media.shapes import shape_index
from pipeline.types import US_PER_S, MediaInfo

# Transfer characteristics of ITU-T H.273: PQ (SMPTE ST 2084) and HLG (ARIB STD-B67).
HDR_TRANSFERS = frozenset({16, 18})
# The perceptual intent is the one that maps tones; the others clip what is brighter than white.
TO_BT709 = ":".join(
    (
        "out_color_matrix=bt709:out_primaries=bt709:out_transfer=bt709",
        "out_range=tv:intent=perceptual",
    )
)


# Sides of a film are even, so a picture that fills its canvas may seem to miss it by this much.
EVEN_SIDES_PX = 3


class Canvas:
    """Makes RGB images of the decoded frames of one picture stream."""

    def __init__(self, info: MediaInfo, stream: Any, max_side_px: int | None) -> None:
        self._info = info
        self._aspect: Fraction = stream.sample_aspect_ratio or Fraction(1)
        self._size, self.scale = canvas_size(info, max_side_px)
        self._reformatter = VideoReformatter()
        self._tone_map = ToneMap()

    def image(self, frame: Any, time_us: int) -> NDArray[np.uint8]:
        """uint8 ``(h, w, 3)``, contiguous; ``scale`` image pixels per display pixel."""
        matrix, aspect = frame_matrix(frame), self._aspect
        if self._info.shapes:
            shape = self._info.shapes[shape_index(self._info.shapes, time_us)]
            aspect = Fraction(shape.aspect_width, shape.aspect_height)
            # A picture may say only once that it is turned.
            matrix = turn_matrix(shape.rotation_deg) if matrix == UPRIGHT else matrix
        shown = display_size(frame.width, frame.height, aspect, matrix)
        fills = shown == (self._info.width_px, self._info.height_px)
        left, top, width, height = (0, 0, *self._size) if fills else fitted(shown, self._size)
        stored = (width, height) if matrix[0] else (height, width)
        sdr = self._tone_map.sdr(frame) if is_hdr(frame) else frame
        rgb = self._reformatter.reformat(sdr, *stored, format="rgb24", interpolation="AREA")
        image = oriented(np.asarray(rgb.to_ndarray(), np.uint8), matrix)
        if (width, height) == self._size:
            return image
        canvas = np.zeros((self._size[1], self._size[0], 3), np.uint8)
        canvas[top : top + height, left : left + width] = image
        return canvas


class ToneMap:
    """Turns frames in HLG or PQ into 8-bit BT.709."""

    def __init__(self) -> None:
        self._graph: Any = None
        self._fits: tuple[int, int, str] | None = None

    def sdr(self, frame: Any) -> Any:
        """The same picture as ``yuv420p`` in BT.709."""
        fits = (frame.width, frame.height, frame.format.name)
        if fits != self._fits:
            graph = Graph()
            source = graph.add_buffer(
                width=fits[0], height=fits[1], format=frame.format, time_base=frame.time_base
            )
            nodes = (graph.add("scale", TO_BT709), graph.add("format", "yuv420p"), graph.add("buffersink"))
            graph.link_nodes(source, *nodes).configure()
            self._graph, self._fits = graph, fits
        self._graph.push(frame)
        return self._graph.pull()


def is_hdr(frame: Any) -> bool:
    """Whether a decoded ``av.VideoFrame`` has to be tone-mapped."""
    return int(frame.color_trc) in HDR_TRANSFERS


def canvas_size(info: MediaInfo, max_side_px: int | None) -> tuple[tuple[int, int], float]:
    """Width and height of the images, and image pixels per display pixel."""
    longer = max(info.width_px, info.height_px)
    scale = 1.0 if max_side_px is None or longer <= max_side_px else max_side_px / longer
    return (max(1, round(info.width_px * scale)), max(1, round(info.height_px * scale))), scale


def fitted(shown: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, width and height of a picture that is shown as large as the canvas allows, in its middle."""
    scale = min(canvas[0] / shown[0], canvas[1] / shown[1])
    width, height = (
        max(1, min(whole, round(side * scale))) for side, whole in zip(shown, canvas, strict=True)
    )
    return (canvas[0] - width) // 2, (canvas[1] - height) // 2, width, height


def canvas_filters(media: MediaInfo, width_px: int, height_px: int, apart: bool) -> str:
    """The same for ffmpeg: filters that put a picture, which ffmpeg turned upright, on a canvas of this size.

    They keep nothing from frame to frame: ffmpeg makes them anew when size or rotation change, so they have
    to be ``apart``, in a graph of their own, where that may be. It takes the pixel shape from the beginning
    of the film, so changes of it are told by their times.
    """
    changing = len({(s.aspect_width, s.aspect_height) for s in media.shapes}) > 1
    # In units of the canvas: 1 fills it, more is wider.
    wide = f"(iw/ih*{_pixel_aspect(media) if changing else 'sar'}*{height_px}/{width_px})"
    fills = f"lt(abs({wide}-1),{EVEN_SIDES_PX}/{min(width_px, height_px)})"
    width = f"if({fills}+gte({wide},1),{width_px},max(2,2*round({width_px}*{wide}/2)))"
    height = f"if({fills}+lte({wide},1),{height_px},max(2,2*round({height_px}/{wide}/2)))"
    when = "frame" if changing else "init"
    return ",".join(
        (
            *((f"scale={TO_BT709}",) if media.hdr else ()),
            f"scale=w='{width}':h='{height}':eval={when}:out_range=tv",
            f"pad=w={width_px}:h={height_px}:x='(ow-iw)/2':y='(oh-ih)/2':eval={when}",
            "setsar=r=1",
            "format=pix_fmts=yuv420p",
            # Without it times that go from graph to graph are rounded to the mean frame rate.
            *(("setpts=PTS:strip_fps=1",) if apart else ()),
        )
    )


def _pixel_aspect(media: MediaInfo) -> str:
    """Width by height of an upright pixel as an expression of ``t``: a sum, since nesting has a limit."""
    turn = 1 if media.rotation_deg in (0, 180) else -1
    aspects = [(s.aspect_width / s.aspect_height) ** turn for s in media.shapes]
    steps = (
        # Earlier by less than a frame, since t is rounded to the container's ticks.
        f"+gte(t,{(shape.start_us - ROUNDING_US) / US_PER_S})*({after - before})"
        for shape, (before, after) in zip(media.shapes[1:], pairwise(aspects), strict=True)
        if after != before
    )
    return f"({aspects[0]}{''.join(steps)})"
