"""A few frames out of a long video at the price of a few: those that can be decoded by themselves."""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av

from pipeline.media.canvas import Canvas
from pipeline.media.container import MediaError, open_media, to_us
from pipeline.media.frames import Frame
from pipeline.types import US_PER_S, MediaInfo

# A seek that lands before a key frame reads so far for it.
MAX_PACKETS = 300
BT709_TRANSFER = 1  # of ITU-T H.273


def key_frames(
    path: Path, info: MediaInfo, times_us: Sequence[int], max_side_px: int | None = None
) -> list[Frame]:
    """The key frames at or before some times, near them without an index; each once and in order of time.

    Fewer than asked for where key frames are far apart, none where the file cannot be searched. Pictures in
    HLG or PQ are not tone-mapped, which would cost seconds whatever their number: paler than they are shown.

    Raises:
        MediaError: the file has no picture, or is gone.
    """
    if info.video_index is None:
        raise MediaError(f"{path} has no picture.")
    frames: dict[int, Frame] = {}
    with open_media(path) as container:
        stream: Any = container.streams[info.video_index]
        # Threads that decode ahead would hold the frame back.
        stream.thread_type = "NONE"
        canvas = Canvas(info, stream, max_side_px)
        for wanted_us in sorted(times_us):
            try:
                container.seek(_ticks(wanted_us + info.clock_zero_us, stream), stream=stream)
                frame = _first(container, stream)
            except (av.FFmpegError, IndexError, ValueError):
                continue
            if frame is None:
                continue
            time_us = to_us(frame.pts, stream.time_base) - info.clock_zero_us
            if time_us not in frames:
                frame.color_trc = BT709_TRANSFER
                frames[time_us] = Frame(time_us, canvas.image(frame, time_us), canvas.scale)
    return [frames[time_us] for time_us in sorted(frames)]


def _ticks(time_us: int, stream: Any) -> int:
    base = stream.time_base
    return int(time_us * base.denominator // (base.numerator * US_PER_S))


def _first(container: Any, stream: Any) -> Any:
    for count, packet in enumerate(container.demux(stream)):
        if count > MAX_PACKETS:
            return None
        if packet.is_keyframe and packet.size and not packet.is_discard:
            frames = [*stream.codec_context.decode(packet), *stream.codec_context.decode(None)]
            return next((f for f in frames if f.pts is not None and not f.is_corrupt), None)
    return None
