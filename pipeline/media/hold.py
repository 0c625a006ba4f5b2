"""Pictures that stand still: where frames must be repeated for what is drawn on them to move.

A screen recording may hold one frame for minutes, and sound may go on after the last one. Real frames keep
their times; only the gaps between them are filled.
"""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.media.container import open_media, read_packets, to_us
from pipeline.types import US_PER_S, MediaInfo

# Subtitles, badges and the playhead change at most this late. Containers round times to 1 ms.
HOLD_US = 100_000
ROUNDING_US = 1_000


def longest_gap_us(times_us: Sequence[int], end_us: int) -> int:
    """The longest time without a new frame from 0 to the end of the film; 0 without frames."""
    if len(times_us) == 0:
        return 0
    return max(b - a for a, b in pairwise((min(0, times_us[0]), *times_us, max(end_us, times_us[-1]))))


def must_hold(media: MediaInfo) -> bool:
    """Whether frames have to be repeated."""
    return media.longest_gap_us > HOLD_US + ROUNDING_US


def held(times_us: Sequence[int], end_us: int) -> Iterator[tuple[int, int]]:
    """``(time of a real frame, time at which to show it)`` in order, with no gap longer than ``HOLD_US``.

    The first frame also stands before its time and the last one until the end.
    """
    first_us, last_us = times_us[0], times_us[-1]
    if first_us > HOLD_US + ROUNDING_US:
        yield from ((first_us, us) for us in range(0, first_us, HOLD_US))
    for now_us, next_us in pairwise((*times_us, max(end_us, last_us + 1))):
        yield now_us, now_us
        if next_us - now_us > HOLD_US + ROUNDING_US:
            yield from ((now_us, us) for us in range(now_us + HOLD_US, next_us - ROUNDING_US, HOLD_US))


def hold_map(times_us: Sequence[int], end_us: int) -> Iterator[str]:
    """Lines for ffmpeg's filter ``fsync``, times in microseconds.

    A line takes the first frame at or after its first number, so this stands before the frame by what
    rounding to another container's ticks may move it, and after the one before.
    """
    before = dict(zip(times_us[1:], times_us, strict=False))
    for frame_us, shown_us in held(times_us, end_us):
        slack_us = min(ROUNDING_US, (frame_us - before.get(frame_us, frame_us - 2 * ROUNDING_US)) // 2)
        yield f"{frame_us - slack_us} {shown_us} 1/{US_PER_S}"


def picture_times_us(path: Path, media: MediaInfo) -> NDArray[np.int64]:
    """Times of all frames on the media clock as their packets state them, ascending; nothing is decoded."""
    assert media.video_index is not None
    with open_media(path) as container:
        stream: Any = container.streams[media.video_index]
        packets = read_packets(container, [stream], lambda reason: None)
        stated = {p.dts if p.pts is None else p.pts for p in packets if not p.is_discard}
        times_us = [to_us(ticks, stream.time_base) for ticks in stated if ticks is not None]
    return np.unique(np.array(times_us, np.int64)) - media.clock_zero_us
