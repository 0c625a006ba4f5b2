"""Writing a small film: frame times, stretches of sound, turn and pixel shape as asked for.

Films flash white and beep at ``MARKER_S`` on the media clock; their picture has a red upper left quarter, so
that a wrong turn shows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

MARKER_S = 2.0
MARKER_LENGTH_S = 0.3
BEEP_HZ = 1_000
LENGTH_S = 3.0
RATE_HZ = 48_000
AAC_FRAME = 1_024
MILLISECOND = Fraction(1, 1000)
ENCODER_OPTIONS = {
    "libx264": {"preset": "veryfast", "x264-params": "threads=1"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
}

Picture = Callable[[float, int, int], NDArray[np.uint8]]


@dataclass(frozen=True)
class Film:
    """What to write. ``frame_times`` count ``time_base`` units; ``sound`` are stretches in seconds."""

    frame_times: Sequence[int]
    time_base: Fraction
    sound: tuple[tuple[float, float], ...] = ((0.0, LENGTH_S),)
    stored_size: tuple[int, int] = (160, 120)
    pixel_aspect: Fraction = Fraction(1)
    rotation_deg: int = 0  # clockwise, from stored to shown
    container_start_s: float = 0.0  # what the container's clock reads when the media clock reads 0
    mirrored: bool = False
    silent: bool = False
    codec: str = "libx264"
    audio_codec: str = "aac"
    picture: Picture | None = None
    options: tuple[tuple[str, str], ...] = ()


def constant(fps: Fraction | int, length_s: float = LENGTH_S) -> Film:
    """A film of evenly spaced frames."""
    count = int(length_s * fps)
    return Film([1000 * i for i in range(count)], 1 / (Fraction(fps) * 1000))


def marker_picture(time_s: float, width: int, height: int) -> NDArray[np.uint8]:
    """Grey with a red upper left quarter and a moving bar; white during the marker."""
    image = np.full((height, width, 3), 70, np.uint8)
    if MARKER_S - 1e-4 <= time_s < MARKER_S + MARKER_LENGTH_S:
        image[:] = 255
        return image
    image[: height // 2, : width // 2] = (200, 20, 20)
    bar = int(time_s * 30) % (width - 8)
    image[-8:, bar : bar + 8] = 140
    return image


def marker_sound(start_s: float, end_s: float, silent: bool = False) -> NDArray[np.float32]:
    """A stretch of the sound track: a faint hum, and a beep during the marker."""
    times_s = np.arange(round(start_s * RATE_HZ), round(end_s * RATE_HZ)) / RATE_HZ
    if silent:
        return np.zeros(len(times_s), np.float32)
    loud = (times_s >= MARKER_S) & (times_s < MARKER_S + MARKER_LENGTH_S)
    hum = 0.003 * np.sin(2 * np.pi * 110 * times_s)
    return np.where(loud, 0.6 * np.sin(2 * np.pi * BEEP_HZ * times_s), hum).astype(np.float32)


def write_film(path: Path, film: Film) -> Path:
    """Encode a film; the container is chosen by the suffix."""
    with av.open(f"file:{path}", "w", options=dict(film.options)) as container:
        video = add_video(container, film) if film.frame_times else None
        audio = container.add_stream(film.audio_codec, rate=RATE_HZ, layout="mono") if film.sound else None
        packets = [
            *(_video_packets(video, film) if video else ()),
            *(_audio_packets(audio, film) if audio else ()),
        ]
        container.start_encoding()
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def add_video(container: av.container.OutputContainer, film: Film) -> av.VideoStream:
    """The picture stream of a film that is being written."""
    options = ENCODER_OPTIONS[film.codec]
    usual = Fraction(int(np.median(np.diff(film.frame_times))) if len(film.frame_times) > 1 else 1)
    stream = container.add_stream(film.codec, rate=1 / (usual * film.time_base), options=options)
    stream.width, stream.height = film.stored_size
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = film.time_base
    stream.codec_context.sample_aspect_ratio = film.pixel_aspect
    stream.codec_context.gop_size = 25
    if film.rotation_deg or film.mirrored:
        stream.set_display_rotation(-film.rotation_deg, hflip=film.mirrored)
    return stream


def _video_packets(stream: av.VideoStream, film: Film) -> Iterator[av.Packet]:
    width, height = film.stored_size
    draw = film.picture or marker_picture
    square = (round(width * film.pixel_aspect), height)
    shown = square if film.rotation_deg % 180 == 0 else square[::-1]
    for ticks in film.frame_times:
        upright = draw(float(ticks * film.time_base), *shown)
        if film.mirrored:
            upright = upright[:, ::-1]
        stored = np.ascontiguousarray(np.rot90(upright, film.rotation_deg // 90))
        frame = av.VideoFrame.from_ndarray(stored, "rgb24").reformat(width, height, "yuv420p")
        frame.pts, frame.time_base = ticks + round(film.container_start_s / film.time_base), film.time_base
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _audio_packets(stream: av.AudioStream, film: Film) -> Iterator[av.Packet]:
    for start_s, end_s in film.sound:
        samples = marker_sound(start_s, end_s, film.silent)
        for first in range(0, len(samples), AAC_FRAME):
            chunk = samples[None, first : first + AAC_FRAME]
            frame = av.AudioFrame.from_ndarray(chunk, "fltp", "mono")
            frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
            frame.pts = round((start_s + film.container_start_s) * RATE_HZ) + first
            yield from stream.encode(frame)
    yield from stream.encode(None)
