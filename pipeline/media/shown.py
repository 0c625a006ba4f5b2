"""Single frames out of a film: what a player shows at given times, without decoding all that lies between."""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from av import FFmpegError

from pipeline.media.canvas import Canvas
from pipeline.media.container import MediaError, decoded, open_media, read_packets, to_us
from pipeline.media.frames import Frame
from pipeline.types import US_PER_S, MediaInfo

# A time no further off is decoded up to: a seek would go back to a key frame.
NEAR_US = 3 * US_PER_S
# Where a search begins, before the time asked for: some containers land behind it, so the last is very far.
BACK_US = (0, 10 * US_PER_S, 1_000_000 * US_PER_S)

Timed = tuple[int, Any]  # a decoded frame with its time on the media clock


def frames_shown(
    path: Path, info: MediaInfo, times_us: Sequence[int], max_height_px: int | None = None
) -> Iterator[Frame | None]:
    """For each time, in rising order, the last frame at or before it, upright and with square pixels.

    A time before the first frame gets the first one; None where nothing could be decoded. A picture higher
    than ``max_height_px`` is scaled down to it.

    Raises:
        MediaError: the file has no picture, or is gone.
        ValueError: the times do not rise.
    """
    if any(b < a for a, b in pairwise(times_us)):
        raise ValueError("times to show must rise")
    if info.video_index is None:
        raise MediaError(f"{path} has no picture.")
    shrink = 1.0 if max_height_px is None else min(1.0, max_height_px / info.height_px)
    with open_media(path) as container:
        stream: Any = container.streams[info.video_index]
        stream.thread_type = "AUTO"
        canvas = Canvas(info, stream, max(1, round(max(info.width_px, info.height_px) * shrink)))
        coming: Iterator[Timed] = iter(())
        now: Timed | None = None
        for time_us in times_us:
            if now is None or not now[0] <= time_us <= now[0] + NEAR_US:
                now, coming = None, _before(container, stream, info.clock_zero_us, time_us)
            for later in coming:
                if now is not None and later[0] > time_us:
                    coming = chain((later,), coming)
                    break
                now = later
            if now is None:
                yield None
                continue
            yield Frame(now[0], canvas.image(now[1], now[0]), canvas.scale)


def _before(container: Any, stream: Any, zero_us: int, time_us: int) -> Iterator[Timed]:
    """Frames from some key frame at or before a time; from the film's beginning when it has none."""
    for back_us in BACK_US:
        target = (time_us - back_us + zero_us) / (stream.time_base * US_PER_S)
        try:
            container.seek(int(target), stream=stream)
        except FFmpegError:
            continue
        frames = _decoded(container, stream, zero_us)
        first = next(frames, None)
        if first is not None and (first[0] <= time_us or back_us == BACK_US[-1]):
            return chain((first,), frames)
    return iter(())


def _decoded(container: Any, stream: Any, zero_us: int) -> Iterator[Timed]:
    """Whole frames in order of time; damaged ones are passed over."""
    last_us: int | None = None
    for packet in read_packets(container, [stream], lambda reason: None):
        for frame in decoded(packet, lambda reason: None):
            if frame.pts is None or frame.is_corrupt:
                continue
            time_us = to_us(frame.pts, stream.time_base) - zero_us
            if last_us is None or time_us > last_us:
                last_us = time_us
                yield time_us, frame
