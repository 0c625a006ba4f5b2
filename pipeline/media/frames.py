"""Decoded frames, one at a time, as a player shows them and at the container's own times."""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

from pipeline.media.canvas import Canvas
from pipeline.media.container import MediaError, OnDamage, decoded, open_media, read_packets, to_us
from pipeline.types import US_PER_S, MediaInfo

ALL = "all"
# Containers round time stamps (Matroska to 1 ms), so a frame may lie this far before its grid point.
GRID_TOLERANCE_US = 1_000
# Packets held back to see their neighbours in display order; more than codecs reorder by.
LOOKAHEAD_PACKETS = 32


@dataclass(frozen=True, slots=True)
class Frame:
    """``image`` is uint8 ``(h, w, 3)`` RGB, upright; one display pixel is ``scale`` image pixels."""

    time_us: int
    image: NDArray[np.uint8]
    scale: float = 1.0


def iter_frames(
    path: Path,
    info: MediaInfo,
    sample_fps: float | Literal["all"],
    max_side_px: int | None = None,
    on_damage: OnDamage = lambda reason: None,
) -> Iterator[Frame]:
    """Frames in order of time, in constant memory.

    Sampling takes the first frame at or after each point of the grid ``k / sample_fps`` on the media clock, a
    frame once at most; frames not taken are neither converted nor, where nothing refers to them, decoded.
    ``max_side_px`` shrinks images whose longer side is larger. Each damaged packet is passed over and
    reported to ``on_damage``.

    Raises:
        MediaError: the file has no picture, or is gone.
    """
    if info.video_index is None:
        raise MediaError(f"{path} has no picture.")
    period_us = None if sample_fps == ALL else Fraction(US_PER_S) / Fraction(sample_fps)
    with open_media(path) as container:
        stream: Any = container.streams[info.video_index]
        stream.thread_type = "AUTO"
        base = stream.time_base
        canvas = Canvas(info, stream, max_side_px)
        packets: Iterator[Packet[Any]] = read_packets(container, [stream], on_damage)
        if period_us is not None:
            packets = _hinted(packets, stream, period_us, info.clock_zero_us)
        due, last_us = 0, -1
        for frame in chain.from_iterable(decoded(packet, on_damage) for packet in packets):
            if frame.pts is None:
                continue
            time_us = to_us(frame.pts, base) - info.clock_zero_us
            if time_us <= last_us:
                continue
            last_us = time_us
            if period_us is not None:
                if (slot := grid_slot(time_us, period_us)) < due:
                    continue
                due = slot + 1
            yield Frame(time_us, canvas.image(frame, time_us), canvas.scale)


def ahead(frames: Iterator[Frame], most: int = 4) -> Iterator[Frame]:
    """The same frames, decoded in a thread of their own while the reader works; at most ``most`` wait."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode") as decoder:
        coming = deque(decoder.submit(next, frames, None) for _ in range(most))
        while (frame := coming.popleft().result()) is not None:
            coming.append(decoder.submit(next, frames, None))
            yield frame


def grid_slot(time_us: int, period_us: Fraction) -> int:
    """Index of the last grid point at or before a time."""
    return int((time_us + GRID_TOLERANCE_US) // period_us)


def _hinted(
    packets: Iterator[Packet[Any]], stream: Any, period_us: Fraction, zero_us: int
) -> Iterator[Packet[Any]]:
    """Tell the decoder, packet by packet, which frames it may leave out when no other frame refers to them.

    A packet is wanted when no other one lies between its grid point and itself. Neighbours beyond the
    look-ahead could only make it look wanted, never the reverse, so no sample is lost.
    """
    base = stream.time_base
    window: deque[Packet[Any]] = deque()
    slots: deque[tuple[int, int]] = deque(maxlen=2 * LOOKAHEAD_PACKETS + 1)

    def release() -> Packet[Any]:
        packet = window.popleft()
        wanted = True
        if packet.pts is not None:
            slot = grid_slot(to_us(packet.pts, base) - zero_us, period_us)
            earlier = [s for pts, s in slots if pts < packet.pts]
            wanted = not earlier or max(earlier) < slot
        stream.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
        return packet

    for packet in packets:
        window.append(packet)
        if packet.pts is not None:
            slots.append((packet.pts, grid_slot(to_us(packet.pts, base) - zero_us, period_us)))
        if len(window) > LOOKAHEAD_PACKETS:
            yield release()
    while window:
        yield release()
