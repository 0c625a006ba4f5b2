"""What a container holds, measured from its packets, in display terms.

The media clock reads 0 at the container's start time: the earliest start of its streams, which is what
ffmpeg subtracts from every time stamp by default when it transcodes. So a film made by ffmpeg, the frames
and the sound agree.
"""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from numpy.typing import NDArray

from pipeline.engine.stage import Progress
from pipeline.media.canvas import is_hdr
from pipeline.media.container import (
    MediaError,
    OnDamage,
    clock_zero_us,
    decoded,
    open_media,
    read_packets,
    to_us,
)
from pipeline.media.hold import longest_gap_us
from pipeline.media.orient import display_size, frame_matrix, rotation_deg
from pipeline.media.shapes import ShapeScan, change_sentence, shown_size
from pipeline.models.cards import file_sha256
from pipeline.records import MEDIA_FILE, WARNINGS_FILE, write_record
from pipeline.types import US_PER_S, MediaInfo, PictureShape, SubtitleStream

__all__ = ["MediaError", "probe", "run"]

# Subtitles stored as text; the others are pictures of text.
TEXT_SUBTITLES = frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"})
# Demuxers whose duration is written in the file, not estimated from its size.
STATES_DURATION = frozenset({"mov", "matroska", "avi", "flv", "wav", "asf", "flac"})
LOSS_TOLERANCE_US = 250_000  # a whole file's header and packets differ by less
HEADER_AGREES_US = 100_000


def probe(path: Path) -> MediaInfo:
    """Measure a media file.

    ``rotation_deg`` is the clockwise quarter turn from stored to shown. ``duration_us`` ends where the last
    readable packet ends. A cover picture is no video. ``subtitle_streams`` are those that hold text.

    Raises:
        MediaError: nothing in the file can be used; one sentence says why and what to do.
    """
    with open_media(path) as container:
        damage: list[str] = []
        tracks = [_Track(stream) for stream in _chosen_streams(container)]
        _measure(container, tracks, damage.append)
        usable = [track for track in tracks if track.first_frame is not None]
        video = next((track for track in usable if track.kind == "video"), None)
        audio = next((track for track in usable if track.kind == "audio"), None)
        _refuse(path, tracks, video, audio)
        zero_us = clock_zero_us(container)
        duration_us = max(track.end_us() for track in usable) - zero_us
        times_us = video.times_us() if video else np.zeros(0, np.int64)
        shapes = video.shapes.shapes(zero_us) if video and video.shapes else ()
        width_px, height_px, turn_deg = _shown(video, shapes, duration_us)
        return MediaInfo(
            sha256=file_sha256(path),
            duration_us=duration_us,
            width_px=width_px,
            height_px=height_px,
            fps=video.fps() if video else 0.0,
            variable_frame_rate=video is not None and varies(times_us, video.tick_us()),
            has_video=video is not None,
            has_audio=audio is not None,
            video_start_us=int(times_us[0]) - zero_us if video else 0,
            audio_start_us=audio.start_us() - zero_us if audio else 0,
            rotation_deg=turn_deg,
            video_codec=video.stream.codec_context.name if video else None,
            audio_codec=audio.stream.codec_context.name if audio else None,
            subtitle_streams=_text_subtitles(container),
            warnings=(
                *(
                    f"The {t.noun} ({t.codec}) cannot be decoded and is left out."
                    for t in tracks
                    if t not in usable
                ),
                *_losses(container, usable, len(damage)),
                *filter(None, [change_sentence(shapes)]),
            ),
            clock_zero_us=zero_us,
            video_index=video.stream.index if video else None,
            audio_index=audio.stream.index if audio else None,
            longest_gap_us=longest_gap_us((times_us - zero_us).tolist(), duration_us),
            shapes=shapes,
            hdr=video is not None and is_hdr(video.first_frame),
        )


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``probe``: write ``media.json``, and the warnings in it for the person who runs it."""
    info = probe(inputs["source"])
    write_record(out / MEDIA_FILE, info)
    if info.warnings:
        (out / WARNINGS_FILE).write_text("\n".join(info.warnings) + "\n", encoding="utf-8")
    progress(1.0)


def varies(times_us: NDArray[np.int64], tick_us: float) -> bool:
    """Whether the frame interval varies by more than what rounding to the container's ticks explains."""
    if len(times_us) < 3:
        return False
    intervals = np.diff(times_us)
    usual = float(np.median(intervals))
    return bool(np.abs(intervals - usual).max() > max(1.5 * tick_us, 0.02 * usual))


@dataclass(eq=False)
class _Track:
    """One stream and what its packets say; times are microseconds on the container's own clock."""

    stream: Any
    ticks: list[int] = field(default_factory=list)
    end_ticks: int | None = None
    first_frame: Any = None
    shapes: ShapeScan | None = None

    def __post_init__(self) -> None:
        if self.kind == "video" and self.stream.codec_context is not None:
            self.shapes = ShapeScan(self.stream)

    @property
    def kind(self) -> str:
        return str(self.stream.type)

    @property
    def noun(self) -> str:
        return "picture" if self.kind == "video" else "sound"

    @property
    def codec(self) -> str:
        context = self.stream.codec_context
        return context.name if context else "unknown codec"

    def add(self, packet: Packet[Any], on_damage: OnDamage) -> None:
        ticks = packet.pts if packet.pts is not None else packet.dts
        if ticks is not None and not packet.is_discard:
            self.ticks.append(ticks)
            end = ticks + (packet.duration or 0)
            self.end_ticks = end if self.end_ticks is None else max(end, self.end_ticks)
        if self.shapes is not None:
            self.shapes.add(packet)
        if self.first_frame is None and self.stream.codec_context is not None:
            self.first_frame = next(iter(decoded(packet, on_damage)), None)

    def times_us(self) -> NDArray[np.int64]:
        """Distinct packet times, ascending."""
        base = self.stream.time_base
        return np.array([to_us(ticks, base) for ticks in sorted(set(self.ticks))], np.int64)

    def fps(self) -> float:
        """Frames per second as they are, in exact ticks; 0 for fewer than two frames."""
        ticks = set(self.ticks)
        if len(ticks) < 2:
            return 0.0
        return round(float((len(ticks) - 1) / ((max(ticks) - min(ticks)) * self.stream.time_base)), 6)

    def tick_us(self) -> float:
        return float(self.stream.time_base * US_PER_S)

    def start_us(self) -> int:
        # A stream's start time leaves out the encoder's priming, its first packet does not.
        start = self.stream.start_time
        return to_us(self.ticks[0] if start is None else start, self.stream.time_base)

    def stated_end_us(self) -> int | None:
        if not self.stream.duration:
            return None
        return self.start_us() + to_us(self.stream.duration, self.stream.time_base)

    def end_us(self) -> int:
        """Where the last packet ends; the header's figure, which knows the padding, when they agree."""
        assert self.end_ticks is not None
        read, stated = to_us(self.end_ticks, self.stream.time_base), self.stated_end_us()
        return stated if stated is not None and abs(stated - read) < HEADER_AGREES_US else read


def _chosen_streams(container: InputContainer) -> list[Stream]:
    """The film's picture and sound: of several the one a player takes; a cover picture is none."""
    chosen: list[Stream] = []
    best = container.streams.best("video")
    films = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if films:
        chosen.append(best if best in films else films[0])
    if (sound := container.streams.best("audio")) is not None:
        chosen.append(sound)
    return chosen


def _measure(container: InputContainer, tracks: list[_Track], on_damage: OnDamage) -> None:
    by_index = {track.stream.index: track for track in tracks}
    if by_index:
        for packet in read_packets(container, [track.stream for track in tracks], on_damage):
            by_index[packet.stream_index].add(packet, on_damage)


def _refuse(path: Path, tracks: list[_Track], video: _Track | None, audio: _Track | None) -> None:
    if not tracks:
        raise MediaError(f"{path} holds neither picture nor sound; give a video.")
    if not any(track.ticks for track in tracks):
        raise MediaError(f"{path} is a video of length zero: its streams are empty; copy or export it again.")
    if video is None and audio is None:
        codecs = " and ".join(f"{track.noun} {track.codec}" for track in tracks)
        raise MediaError(f"Nothing in {path} can be decoded ({codecs}); convert it to H.264 and AAC first.")
    if video is not None and audio is None and len(video.ticks) == 1:
        raise MediaError(f"{path} is a single image, not a video; give a video.")


def _shown(video: _Track | None, shapes: tuple[PictureShape, ...], duration_us: int) -> tuple[int, int, int]:
    """Width, height and clockwise turn as shown; zeros without a picture. With several shapes all fit."""
    if video is None:
        return 0, 0, 0
    frame = video.first_frame
    matrix = frame_matrix(frame)
    aspect = video.stream.sample_aspect_ratio or Fraction(1)
    first = display_size(frame.width, frame.height, aspect, matrix)
    return *(shown_size(shapes, duration_us, matrix) or first), rotation_deg(matrix)


def _text_subtitles(container: InputContainer) -> tuple[SubtitleStream, ...]:
    return tuple(
        SubtitleStream(stream.index, stream.codec_context.name, stream.language)
        for stream in container.streams.subtitles
        if stream.codec_context is not None and stream.codec_context.name in TEXT_SUBTITLES
    )


def _losses(container: InputContainer, usable: list[_Track], damaged_packets: int) -> tuple[str, ...]:
    """One sentence when the header promises more than can be read, else one when packets are damaged."""
    stated = dict[str, int]()
    if STATES_DURATION & set(container.format.name.split(",")):
        zero_us = clock_zero_us(container)
        for track in usable:
            end_us = track.stated_end_us()
            # A container's own duration may count from 0 (Matroska), a stream's end is on its clock.
            promised_us = (int(container.duration or 0) if end_us is None else end_us) - zero_us
            read_us = track.end_us() - zero_us
            if promised_us - read_us > LOSS_TOLERANCE_US:
                stated[f"the {track.noun} only up to {read_us / US_PER_S:.1f} s"] = promised_us
    if stated:
        return (
            f"The file is cut off: its header promises {max(stated.values()) / US_PER_S:.1f} s, "
            f"but {' and '.join(stated)} can be read.",
        )
    if damaged_packets:
        return (f"{damaged_packets} damaged packets of the file were passed over.",)
    return ()
