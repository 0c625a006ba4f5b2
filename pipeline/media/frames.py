"""Decoded frames, one at a time, as a player shows them and at the container's own times."""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.media.canvas import Canvas
from pipeline.media.clock import from_first_to_last
from pipeline.media.container import MediaError, decoded, open_media, read_packets, to_us
from pipeline.types import US_PER_S, MediaInfo

ALL = "all"
# Containers round time stamps (Matroska to 1 ms), so a frame may lie this far before its grid point.
GRID_TOLERANCE_US = 1_000
# A packet whose time is this many frame intervals from any decoded frame's has given no frame: the second
# field of an interlaced frame and pictures that are never shown lie nearer.
LOST_INTERVALS = 0.75


@dataclass(frozen=True, slots=True)
class Frame:
    """``image`` is uint8 ``(h, w, 3)`` RGB, upright; one display pixel is ``scale`` image pixels."""

    time_us: int
    image: NDArray[np.uint8]
    scale: float = 1.0


@dataclass(slots=True)
class DecodingLog:
    """What was there to decode and what came of it: times in µs on the media clock, as they are met."""

    packets_us: list[int] = field(default_factory=list)
    frames_us: list[int] = field(default_factory=list)
    damaged_us: list[int] = field(default_factory=list)

    def lost_us(self) -> NDArray[np.int64]:
        """Times of packets that gave no frame, int64 ``(n,)``, ascending."""
        packets, frames = np.unique(self.packets_us).astype(np.int64), np.unique(self.frames_us)
        if not len(packets) or len(frames) < 2:
            return packets[len(frames) :]
        after = np.clip(np.searchsorted(frames, packets), 1, len(frames) - 1)
        distance = np.minimum(np.abs(packets - frames[after]), np.abs(packets - frames[after - 1]))
        lost: NDArray[np.int64] = packets[distance > LOST_INTERVALS * np.median(np.diff(frames))]
        return lost

    def losses(self) -> list[str]:
        """A sentence about pictures that could not be decoded, and one about those that came out damaged."""
        total = len(set(self.packets_us))
        return [
            f"{len(times_us)} of {total} pictures, {from_first_to_last(times_us)}: {what}."
            for times_us, what in (
                (self.lost_us().tolist(), "these cannot be decoded, and no face was looked for in them"),
                (self.damaged_us, "these are damaged or rest on others that are, as where a file is cut off"),
            )
            if times_us
        ]


def iter_frames(
    path: Path,
    info: MediaInfo,
    sample_fps: float | Literal["all"],
    max_side_px: int | None = None,
    log: DecodingLog | None = None,
) -> Iterator[Frame]:
    """Frames in order of time, in constant memory.

    Sampling takes the first frame at or after each point of the grid ``k / sample_fps`` on the media clock, a
    frame once at most; frames not taken are decoded, so that ``log`` knows of each whether it could be, and
    not converted. ``max_side_px`` shrinks images whose longer side is larger. Damaged packets are passed
    over.

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
        log = DecodingLog() if log is None else log
        due, last_us = 0, -1
        for frame in _decoded(container, stream, info.clock_zero_us, log):
            if frame.pts is None:
                continue
            time_us = to_us(frame.pts, base) - info.clock_zero_us
            if time_us <= last_us:
                continue
            last_us = time_us
            log.frames_us.append(time_us)
            if frame.is_corrupt:
                log.damaged_us.append(time_us)
            if period_us is not None:
                if (slot := grid_slot(time_us, period_us)) < due:
                    continue
                due = slot + 1
            yield Frame(time_us, canvas.image(frame, time_us), canvas.scale)


def _decoded(container: Any, stream: Any, zero_us: int, log: DecodingLog) -> Iterator[Any]:
    for packet in read_packets(container, [stream], lambda reason: None):
        ticks = packet.pts if packet.pts is not None else packet.dts
        if packet.size and not packet.is_discard and ticks is not None:
            log.packets_us.append(to_us(ticks, stream.time_base) - zero_us)
        yield from decoded(packet, lambda reason: None)


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
