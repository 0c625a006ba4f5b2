"""Pictures whose size or pixel shape changes midway: call recordings, broadcasts, joined files.

A change comes with a key frame that brings new parameters, so of each set of parameters one key frame is
decoded and no more.
"""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.codec.context import CodecContext
from av.packet import Packet

from pipeline.media.container import MAX_PIXELS, to_us
from pipeline.media.orient import Matrix, display_size, frame_matrix, rotation_deg
from pipeline.types import US_PER_S, PictureShape

# Units of a key frame that state size and pixel shape, and those that may state a rotation among others.
UNITS = {"h264": ("7", "6"), "hevc": ("33", "39")}
# Of other codecs the head of the packet stands for all of it; that of VP8 differs in other things before.
HEADS = {"vp8": slice(3, 10)}
HEAD = slice(16)
# Key frames that differ in anything but their stated size are decoded no closer to each other.
MIN_DECODE_INTERVAL_US = US_PER_S
# A larger size must last as long before everything is shown in it: damaged parameters claim any size.
MIN_STANDING_US = US_PER_S
MAX_NAMED = 3  # changes in the sentence
# Containers that state the pixel shape once for the whole stream, which then overrules the codec's.
STATES_PIXEL_ASPECT = frozenset({"mov", "matroska"})


@dataclass(frozen=True, slots=True)
class _Shape:
    width_px: int
    height_px: int
    aspect: Fraction
    rotation_deg: int


@dataclass(eq=False)
class ShapeScan:
    """Fed with every packet of a picture stream, in file order; ``shapes`` then tells what changed."""

    stream: Any
    _seen: dict[tuple[bytes, bytes], _Shape | None] = field(default_factory=dict)
    _starts: list[tuple[int, _Shape]] = field(default_factory=list)
    _decoded_us: int = -MIN_DECODE_INTERVAL_US
    _filters: tuple[Any, ...] | None = None

    def add(self, packet: Packet[Any]) -> None:
        """Look at a packet that was read; it is left as it is."""
        if not packet.is_keyframe or packet.pts is None or packet.size == 0 or packet.is_discard:
            return
        time_us = to_us(packet.pts, self.stream.time_base)
        stated = self._stated(packet)
        if stated == (b"", b"") and self._seen:
            return  # all is as it was
        if stated not in self._seen:
            sized = stated[0] and stated[0] not in {size for size, _ in self._seen}
            if not sized and abs(time_us - self._decoded_us) < MIN_DECODE_INTERVAL_US:
                return
            self._decoded_us = time_us
            self._seen[stated] = self._decode(packet)
        if (shape := self._seen[stated]) is not None:
            self._starts.append((time_us, shape))

    def shapes(self, zero_us: int) -> tuple[PictureShape, ...]:
        """Stretches of unlike neighbours in order of time; none while the shape never changes."""
        changes: list[tuple[int, _Shape]] = []
        for time_us, shape in sorted(self._starts, key=lambda start: start[0]):
            if not changes or changes[-1][1] != shape:
                changes.append((time_us - zero_us, shape))
        if len(changes) < 2:
            return ()
        return tuple(
            PictureShape(
                start_us, s.width_px, s.height_px, s.aspect.numerator, s.aspect.denominator, s.rotation_deg
            )
            for start_us, s in [(min(0, changes[0][0]), changes[0][1]), *changes[1:]]
        )

    def _stated(self, packet: Packet[Any]) -> tuple[bytes, bytes]:
        """What a key frame says of its size, and of other things; both are empty when it says nothing."""
        codec = self.stream.codec_context.name
        if codec not in UNITS:
            return b"", bytes(packet)[HEADS.get(codec, HEAD)]
        try:
            if self._filters is None:
                self._filters = tuple(
                    BitStreamFilterContext(f"filter_units=pass_types={unit}", self.stream)
                    for unit in UNITS[codec]
                )
            # A filter takes a packet away from whoever gives it.
            size, other = (
                b"".join(bytes(unit) for unit in units.filter(Packet(bytes(packet))))
                for units in self._filters
            )
        except (av.FFmpegError, ValueError):
            return b"", b""
        return size, other

    def _decode(self, packet: Packet[Any]) -> _Shape | None:
        try:
            context: Any = CodecContext.create(self.stream.codec_context.name, "r")
            context.extradata = self.stream.codec_context.extradata
            context.thread_count = 1
            context.options = {"max_pixels": str(MAX_PIXELS)}
            frames = [*context.decode(Packet(bytes(packet))), *context.decode(None)]
        except (av.FFmpegError, ValueError):
            return None
        if not frames or frames[0].is_corrupt:
            return None
        container_says = STATES_PIXEL_ASPECT & set(self.stream.container.format.name.split(","))
        aspect = self.stream.sample_aspect_ratio if container_says else context.sample_aspect_ratio
        turn = rotation_deg(frame_matrix(frames[0]))
        return _Shape(frames[0].width, frames[0].height, aspect or Fraction(1), turn)


def shape_index(shapes: Sequence[PictureShape], time_us: int) -> int:
    """Which of the shapes, of which there is at least one, a frame at this time has."""
    return max(0, bisect_right(shapes, time_us, key=lambda shape: shape.start_us) - 1)


def shown_size(shapes: Sequence[PictureShape], end_us: int, matrix: Matrix) -> tuple[int, int] | None:
    """Width and height as shown that hold every shape which stands for long enough; None without shapes.

    A picture that is turned midway then is as large after the turn as before it. ``matrix`` is how the first
    frame is turned.
    """
    ends_us = [*(s.start_us for s in shapes[1:]), end_us]
    shown = []
    for i, (shape, stop_us) in enumerate(zip(shapes, ends_us, strict=False)):
        if i == 0 or stop_us - shape.start_us >= MIN_STANDING_US:
            aspect = Fraction(shape.aspect_width, shape.aspect_height)
            width, height = display_size(shape.width_px, shape.height_px, aspect, matrix)
            turned = (shape.rotation_deg - shapes[0].rotation_deg) % 180 == 90
            shown.append((height, width) if turned else (width, height))
    return (max(width for width, _ in shown), max(height for _, height in shown)) if shown else None


def change_sentence(shapes: Sequence[PictureShape]) -> str | None:
    """What to tell the person who runs it; None where nothing changes."""
    if not shapes:
        return None
    sizes = [
        f"{round(s.width_px * s.aspect_width / s.aspect_height)}x{s.height_px}"
        + (f" turned by {s.rotation_deg} degrees" if s.rotation_deg else "")
        for s in shapes
    ]
    changes = [f"{size} from {s.start_us / US_PER_S:.1f} s" for s, size in zip(shapes, sizes, strict=True)]
    named, left = changes[1 : 1 + MAX_NAMED], len(changes) - 1 - MAX_NAMED
    more = f" and {left} more changes" if left > 0 else ""
    return (
        f"The picture changes its shape midway ({sizes[0]}, then {', '.join(named)}{more}): "
        "each part is fitted into one frame."
    )
