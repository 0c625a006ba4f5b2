"""A copy of a film with time stamps that can be used: packets as they are, on a mended clock."""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

from pipeline.engine.disk import require_free_space
from pipeline.media.clock import Mended, PacketTimes
from pipeline.media.container import MediaError, open_media, read_packets, to_us
from pipeline.media.packets import Track
from pipeline.media.streams import inventory
from pipeline.types import US_PER_S

MENDED_FILE = "mended.media"
TICK_US = 1_000  # Matroska's: two packets of a stream are not decoded at one time
MICROSECOND = Fraction(1, US_PER_S)
# Codecs whose order of display a bit stream filter works out where the container does not say.
ORDERED_BY_FILTER = frozenset({"h264", "hevc"})
# Holds text subtitles, how a picture is turned, and nearly all codecs. For the others stands the film's own
# container; ffmpeg's NUT, which would hold any, ends the process on packets that it does not like.
MATROSKA = "matroska"
# Packets that a container may refuse, as a fraction of those read; at the beginning, of so many.
MAX_REFUSED, MIN_PACKETS = 0.2, 50
MAX_PACKET_US = 10 * US_PER_S


def media_path(inputs: Mapping[str, Path]) -> Path:
    """The file a stage reads: the mended copy beside what was probed where there is one, else the source."""
    copy = inputs["probe"] / MENDED_FILE
    return copy if copy.exists() else inputs["source"]


def write_mended(path: Path, own: str, tracks: Sequence[Track], clock: Mended, target: Path) -> int:
    """Copy ``tracks`` and the text subtitles, their times shifted; subtitles go with the film around them.

    ``own`` is the file's own format.

    Returns how many packets are so damaged that the container refused them.

    Raises:
        MediaError: no container here takes the streams; ``target`` is not there then.
        NotEnoughSpaceError: the disk has no room for the copy.
    """
    require_free_space(target.parent, path.stat().st_size)
    for container in (MATROSKA, own):
        try:
            return _copy(path, tracks, clock, target, container)
        except (av.FFmpegError, ValueError):
            target.unlink(missing_ok=True)
    raise MediaError(
        f"The time stamps of {path} can neither be used nor mended; make a new file with "
        f"`ffmpeg -i {path.name} film.mp4` and give that."
    )


def _copy(path: Path, tracks: Sequence[Track], clock: Mended, target: Path, container: str) -> int:
    rows = {
        track.stream.index: iter(_new_times(track.times, times))
        for track, times in zip(tracks, clock.streams, strict=True)
    }
    with open_media(path, whole=True) as source, av.open(str(target), "w", format=container) as copy:
        texts = {one.index for one in inventory(source).subtitles if one.is_text and container == MATROSKA}
        kept = [stream for stream in source.streams if stream.index in rows.keys() | texts]
        writers = {stream.index: copy.add_stream_from_template(stream, opaque=True) for stream in kept}
        orders = {t.stream.index: _Order(source.streams[t.stream.index]) for t in tracks if _is_unordered(t)}
        shift_us, refused = 0, 0
        for order, packet in enumerate(read_packets(source, kept, lambda reason: None), start=MIN_PACKETS):
            index = packet.stream.index
            if packet.is_discard or (not packet.size and index not in orders):
                continue
            if packet.size and index in rows:
                packet.time_base = MICROSECOND
                packet.pts, packet.dts, packet.duration, shift_us = next(rows[index])
            elif packet.size:
                moved = to_us(packet.pts or 0, packet.time_base) + shift_us
                lasting = to_us(packet.duration or 0, packet.time_base)
                packet.time_base = MICROSECOND
                packet.pts, packet.dts, packet.duration = moved, moved, lasting
            for ready in orders[index].put(packet) if index in orders else (packet,):
                ready.stream = writers[index]
                try:
                    copy.mux(ready)
                except av.FFmpegError:
                    refused += 1  # a damaged packet, which no decoder would take either
                    if refused > MAX_REFUSED * max(1, order):
                        raise
    return refused


class _Order:
    """Works out from the coded pictures of one stream in which order they are shown."""

    def __init__(self, stream: Any) -> None:
        self.filter = BitStreamFilterContext("dts2pts", stream)
        self.last_us = 0

    def put(self, packet: Any) -> Iterator[Any]:
        """Packets whose time of presentation is known now; an empty one gives the rest."""
        packet.pts = None
        for ready in self.filter.filter(packet if packet.size else None):
            ready.time_base = MICROSECOND
            # None is the very last: the filter waits for one that never comes.
            time_us = self.last_us + (ready.duration or 0) if ready.pts is None else ready.pts
            ready.pts = time_us
            self.last_us = max(self.last_us, time_us)
            yield ready


def _new_times(before: PacketTimes, after: PacketTimes) -> list[tuple[int, int, int, int]]:
    """Per packet: time of presentation, of decoding, duration, shift of the clock.

    Decode times rise and are never after presentation, whatever the file says: those of the presentation in
    order, all earlier by as much as one needs.
    """
    in_order = np.sort(after.present_us)
    ticks_us = TICK_US * np.arange(len(in_order))
    in_order = np.maximum.accumulate(in_order - ticks_us) + ticks_us
    delay_us = max(0, int((in_order - after.present_us).max(initial=0)))
    lasting = np.minimum(after.duration_us, MAX_PACKET_US)
    rows = (after.present_us, in_order - delay_us, lasting, after.decode_us - before.decode_us)
    return list(zip(*(row.tolist() for row in rows), strict=True))


def _is_unordered(track: Track) -> bool:
    return not track.is_timed and track.codec in ORDERED_BY_FILTER
