"""Opening a container and reading its packets, damaged or not."""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from pipeline.types import US_PER_S

# A demuxer that fails this often in a row has lost the thread for good.
MAX_READ_ERRORS = 16
# Playlists and plain text that libavformat would also "play".
TEXT_FORMATS = frozenset({"hls", "dash", "concat", "sdp", "imf", "tty"})

# Bytes and microseconds in which libavformat looks for streams.
_LOOK_EVERYWHERE = {"probesize": str(1 << 40), "analyzeduration": str(24 * 3600 * US_PER_S)}
# 8192 x 8192; 8K video has half of it. A damaged header may ask for gigabytes.
MAX_PIXELS = 1 << 26

LATE_STREAM = "a stream begins late"

OnDamage = Callable[[str], None]


class MediaError(ValueError):
    """A file that cannot be used; the message is one sentence for the person who gave it."""


def media_url(path: Path) -> str:
    """``path`` so that libav reads it as a file whatever its name: a colon, a leading dash."""
    return f"file:{path}"


def open_media(path: Path, *, whole: bool = False) -> InputContainer:
    """Open a file for reading; nothing but local files is ever followed.

    ``whole`` looks for streams in all of it, which takes as long as reading it: some begin late.

    Raises:
        MediaError: no such file, a folder, an empty file, not a media file, or one cut off before its index.
    """
    if path.is_dir():
        raise MediaError(f"{path} is a folder; give one video file.")
    try:
        with path.open("rb") as stream:
            head = stream.read(12)
    except FileNotFoundError:
        raise MediaError(f"There is no file {path}; check the name and the folder.") from None
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror}); check its access rights.") from None
    if not head:
        raise MediaError(f"{path} is empty (0 bytes); copy or download it again.")
    options = {"protocol_whitelist": "file", **(_LOOK_EVERYWHERE if whole else {})}
    try:
        container: InputContainer = av.open(media_url(path), metadata_errors="replace", options=options)
    except (av.FFmpegError, ValueError, OSError):
        raise MediaError(_unreadable(path, head)) from None
    if container.format.name in TEXT_FORMATS:
        container.close()
        raise MediaError(_unreadable(path, head))
    return container


def clock_zero_us(container: InputContainer) -> int:
    """The container's own time at which the media clock reads 0: where its earliest stream starts."""
    return int(container.start_time or 0)


def _unreadable(path: Path, head: bytes) -> str:
    if head[4:8] == b"ftyp":
        return (
            f"{path} is cut off: the index at its end (moov) is missing, so nothing in it can be read; "
            "copy or record it again."
        )
    return f"{path} is not a video or sound file that can be read; give one such as .mp4, .mov or .mkv."


def read_packets(
    container: InputContainer, streams: Sequence[Stream], on_damage: OnDamage
) -> Iterator[Packet[Any]]:
    """Packets of ``streams`` in file order, then one empty packet per stream to flush its decoder.

    A packet that cannot be read is reported to ``on_damage`` and passed over. A stream that begins so late
    that opening the file did not find it (flv, ts) is the end, reported as ``LATE_STREAM``. Of an empty
    packet only ``packet.stream`` is right: its ``stream_index`` is 0 whatever the stream.
    """
    errors = 0
    while True:
        try:
            for packet in container.demux(*streams):
                errors = 0
                yield packet
            return
        except IndexError:  # PyAV looks the new stream up among those it knows
            on_damage(LATE_STREAM)
            errors = MAX_READ_ERRORS
        except av.FFmpegError as error:
            on_damage(error.strerror or type(error).__name__)
            errors += 1
        if errors >= MAX_READ_ERRORS:
            yield from (_flush_packet(stream) for stream in streams)
            return


def _flush_packet(stream: Stream) -> Packet[Any]:
    packet: Packet[Any] = Packet()
    packet.stream = stream
    return packet


def to_us(ticks: int, time_base: Fraction) -> int:
    """A container time stamp in microseconds, rounded to the nearest."""
    # Whole-number arithmetic: Fractions are slow and hours of microseconds do not fit a float exactly.
    base = time_base.denominator
    return (2 * ticks * time_base.numerator * US_PER_S + base) // (2 * base)


def decoded(packet: Packet[Any], on_damage: OnDamage) -> list[Any]:
    """Frames that a packet completes; none, and a report, when it is damaged."""
    try:
        return list(packet.decode())
    except av.error.EOFError:
        return []  # the decoder was flushed before
    except av.FFmpegError as error:
        on_damage(error.strerror or type(error).__name__)
        return []
