"""What a container's packets say before its film is decoded: times, sizes, damage; a frame of each stream."""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

from pipeline.media.canvas import is_hdr
from pipeline.media.clock import PacketTimes, filled, longest_us
from pipeline.media.container import (
    LATE_STREAM,
    MAX_PIXELS,
    clock_zero_us,
    decoded,
    open_media,
    read_packets,
    to_us,
)
from pipeline.media.orient import Matrix, display_size, frame_matrix
from pipeline.media.shapes import ShapeScan
from pipeline.media.streams import Inventory, Stream, inventory
from pipeline.types import US_PER_S

# Demuxers whose duration is written in the file, not estimated from its size.
STATES_DURATION = frozenset({"mov", "matroska", "avi", "flv", "wav", "asf", "flac"})
NO_TIME_STAMP = -(1 << 63)  # AV_NOPTS_VALUE
_NO_TIME_STAMPS = 0x80  # AVFMT_NOTIMESTAMPS
HEADER_AGREES_US = 100_000
_TAGGED = re.compile(r"(\d{1,4}):(\d\d):(\d\d)\.(\d+)")
# How the files of containers begin of which libavformat reads one: mp4 and mov, flv, Matroska, AVI, ASF.
_MAGIC = tuple(
    re.compile(start, re.DOTALL)
    for start in (
        rb"\x00\x00\x00.ftyp[\x20-\x7e]{4}",
        rb"FLV\x01[\x00-\x05]\x00\x00\x00\x09",
        rb"\x1a\x45\xdf\xa3",
        rb"RIFF....AVI LIST",
        rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    )
)
SEARCHED_BYTES = 1 << 24
# Room for sums and differences of any two.
FARTHEST_US = 1 << 60


@dataclass(frozen=True, slots=True)
class Shown:
    """How a picture is shown.

    ``size`` is width and height of its first frame in square pixels, turned by ``matrix``; ``scan`` knows the
    shapes it takes later. ``hdr``: HLG or PQ.
    """

    size: tuple[int, int]
    matrix: Matrix
    hdr: bool
    scan: ShapeScan


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One picture or sound stream; times are microseconds on the container's own clock, int64 ``(n,)``.

    ``times`` are its packets', in file order; ``is_timed`` where
    the file says so. ``fps`` is frames per second as they are, 0 for fewer than two. ``can_decode``: at least
    one frame of it could be decoded; a picture then has ``shown``. ``stated_end_us`` is what the header
    promises.
    """

    stream: Stream
    codec: str
    time_base: Fraction
    times: PacketTimes
    is_timed: bool
    fps: float
    start_us: int
    stated_end_us: int | None
    can_decode: bool
    shown: Shown | None
    sample_rate_hz: int
    corrupt_packets: int

    @property
    def noun(self) -> str:
        return "picture" if self.stream.kind == "video" else "sound"

    @property
    def has_packets(self) -> bool:
        return len(self.times.present_us) > 0

    @property
    def times_us(self) -> NDArray[np.int64]:
        """Distinct times of presentation, ascending."""
        return np.unique(self.times.present_us)

    @property
    def tick_us(self) -> float:
        return float(self.time_base * US_PER_S)

    @property
    def end_us(self) -> int:
        """Where the last packet ends; the header's figure, which knows the padding, when they agree."""
        lasting = np.minimum(self.times.duration_us, longest_us(self.times.is_picture))
        read = int((self.times.present_us + lasting).max())
        stated = self.stated_end_us
        return stated if stated is not None and abs(stated - read) < HEADER_AGREES_US else read


@dataclass(frozen=True, slots=True)
class Packets:
    """All of a file's packets.

    ``complaints`` counts places in which the container could not be read, ``is_damaged`` is also true where
    packets look wrong. ``begins_late``: a stream that opening did not find, so the rest is unread.
    ``is_bare``: one coded picture stream without a container, so without times of its own.
    ``unread_recording_at``: the byte at which another file begins behind all that could be read.
    """

    streams: Inventory
    tracks: tuple[Track, ...]
    format_names: tuple[str, ...]
    zero_us: int
    promised_us: int
    complaints: int
    is_damaged: bool
    begins_late: bool
    is_bare: bool
    unread_recording_at: int | None

    @property
    def states_duration(self) -> bool:
        return bool(STATES_DURATION & set(self.format_names))


def read_all(path: Path, *, whole: bool = False) -> Packets:
    """Read every packet of a file, and decode one frame of each picture and sound stream.

    Raises:
        MediaError: the file cannot be opened.
    """
    complaints = list[str]()
    with _logged() as log, open_media(path, whole=whole) as container:
        streams = inventory(container)
        counters = {
            s.index: _Counter(container.streams[s.index]) for s in (*streams.pictures, *streams.sounds)
        }
        order, end = 0, 0
        if counters:
            chosen = [one.stream for one in counters.values()]
            for packet in read_packets(container, chosen, complaints.append):
                counters[packet.stream.index].add(packet, order)
                order += 1
                end = max(end, (packet.pos or 0) + packet.size)
        names = tuple(container.format.name.split(","))
        tracks = tuple(
            counters[stream.index].track(stream) for stream in (*streams.pictures, *streams.sounds)
        )
        named = [name for _, name, _ in log]
        read = {container.format.name, *(track.codec for track in tracks)}
        return Packets(
            streams=streams,
            tracks=tracks,
            format_names=names,
            zero_us=clock_zero_us(container),
            promised_us=int(container.duration or 0),
            complaints=len(complaints) + named.count(container.format.name),
            is_damaged=bool(complaints) or not read.isdisjoint(named),
            begins_late=LATE_STREAM in complaints,
            unread_recording_at=_another_file(path, end) if end else None,
            is_bare=bool(container.format.flags & _NO_TIME_STAMPS) and bool(streams.pictures),
        )


def _another_file(path: Path, end: int) -> int | None:
    """The byte at which another container begins soon after ``end``, as where files were joined."""
    with path.open("rb") as stream:
        stream.seek(end)
        behind = stream.read(SEARCHED_BYTES)
    starts = [match.start() for match in (magic.search(behind) for magic in _MAGIC) if match]
    return end + min(starts) if starts else None


@contextmanager
def _logged() -> Iterator[list[tuple[int, str, str]]]:
    """Errors that libav reports meanwhile: level, who, what. Silent otherwise, as PyAV is by default."""
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)  # what another file's reading said last would not be heard again
    try:
        with av.logging.Capture() as log:
            yield log
    finally:
        av.logging.set_level(before[0])
        av.logging.set_skip_repeated(before[1])


@dataclass(eq=False)
class _Counter:
    """A stream and what its packets have said so far."""

    stream: Any
    decode_ticks: list[int | None] = field(default_factory=list)
    present_ticks: list[int | None] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    corrupt: int = 0
    first_frame: Any = None
    scan: ShapeScan | None = None

    def __post_init__(self) -> None:
        if self.stream.type == "video" and self.stream.codec_context is not None:
            self.stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            self.scan = ShapeScan(self.stream)

    def add(self, packet: Packet[Any], order: int) -> None:
        if packet.size and not packet.is_discard:
            self.decode_ticks.append(packet.dts)
            self.present_ticks.append(packet.pts if packet.pts is not None else packet.dts)
            self.durations.append(max(0, packet.duration or 0))
            self.order.append(order)
            self.corrupt += packet.is_corrupt
            if self.scan is not None:
                self.scan.add(packet)
        if self.first_frame is None and self.stream.codec_context is not None:
            self.first_frame = next(iter(decoded(packet, lambda reason: None)), None)

    def track(self, stream: Stream) -> Track:
        base = self.stream.time_base
        is_timed = any(ticks is not None for ticks in self.present_ticks)
        durations = self._us(self.durations)
        if not is_timed:
            durations[durations == 0] = self._frame_us()
        has_decode = any(ticks is not None for ticks in self.decode_ticks)
        decode = self._filled(self.decode_ticks if has_decode else self.present_ticks, durations)
        present = self._filled(self.present_ticks, durations) if is_timed else decode
        # A stream's start time leaves out the encoder's priming, its first packet does not.
        start = self.stream.start_time
        first_us = int(present[0]) if len(present) else 0
        start_us = first_us if start is None else _held(to_us(start, base))
        length = self.stream.duration
        context = self.stream.codec_context
        return Track(
            stream=stream,
            codec=context.name if context is not None else "unknown codec",
            time_base=base,
            times=PacketTimes(
                stream.kind == "video", np.array(self.order, np.int64), decode, present, durations
            ),
            is_timed=is_timed,
            fps=self._fps(),
            start_us=start_us,
            stated_end_us=_held(start_us + to_us(length, base)) if length else self._tagged_end_us(),
            can_decode=self.first_frame is not None,
            shown=self._shown(),
            sample_rate_hz=int(context.sample_rate or 0)
            if stream.kind == "audio" and context is not None
            else 0,
            corrupt_packets=self.corrupt,
        )

    def _filled(self, ticks: Sequence[int | None], durations: NDArray[np.int64]) -> NDArray[np.int64]:
        known = np.array([one is not None for one in ticks], np.bool_)
        return filled(self._us(ticks), known, np.maximum(durations, self._frame_us()))

    def _us(self, ticks: Sequence[int | None]) -> NDArray[np.int64]:
        base = self.stream.time_base
        return np.array([0 if t is None else _held(to_us(_above_none(t), base)) for t in ticks], np.int64)

    def _tagged_end_us(self) -> int | None:
        """Where a Matroska stream ends by the tag that its writers leave, on the container's own clock."""
        match = _TAGGED.fullmatch(self.stream.metadata.get("DURATION", ""))
        if match is None:
            return None
        hours, minutes, seconds, fraction = match.groups()
        whole_s = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
        return whole_s * US_PER_S + int(fraction.ljust(6, "0")[:6])

    def _fps(self) -> float:
        """In exact ticks."""
        ticks = {t for t in self.present_ticks if t is not None}
        if len(ticks) < 2 or self.stream.type != "video":
            return 0.0
        return round(float((len(ticks) - 1) / ((max(ticks) - min(ticks)) * self.stream.time_base)), 6)

    def _frame_us(self) -> int:
        rate = self.stream.base_rate or self.stream.average_rate if self.stream.type == "video" else None
        return round(US_PER_S / rate) if rate else 0

    def _shown(self) -> Shown | None:
        frame = self.first_frame
        if frame is None or self.scan is None:
            return None
        matrix = frame_matrix(frame)
        aspect = self.stream.sample_aspect_ratio or Fraction(1)
        size = display_size(frame.width, frame.height, aspect, matrix)
        return Shown(size, matrix, is_hdr(frame), self.scan)


def _above_none(ticks: int) -> int:
    """``ticks``, or how far above "no time stamp" they are where libavformat has added to that (flv does)."""
    return ticks - NO_TIME_STAMP if ticks < NO_TIME_STAMP // 2 else ticks


def _held(time_us: int) -> int:
    return max(-FARTHEST_US, min(FARTHEST_US, time_us))
