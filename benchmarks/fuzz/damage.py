"""What is done to a whole media file: thirteen kinds of damage, each with many variants from a seed.

Ten change bytes, blind to what they mean; three (``jump_times``, ``bad_sound``, in part ``joined``) go packet
by packet, so that the container stays sound and what it carries does not.
"""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import av

EXTREMES = (0x00000000, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x00000001, 0x0000FFFF, 0x01000000)
HEADER_BYTES = 1024
S_PER_H = 3600
# An AAC element that claims 30 channels in front, as many at the sides and behind.
MANY_CHANNELS = bytes([0xA0, 0x4F, 0xFF, 0xFF, 0xFF]) + bytes([0xFF]) * 20

Bytes = Callable[[bytes, Random], bytes]
Edit = Callable[[Any, str, int], Any]


def cut_end(data: bytes, random: Random) -> bytes:
    """Cut off behind a point in the file."""
    return data[: int(len(data) * random.uniform(0.05, 0.97))]


def cut_head(data: bytes, random: Random) -> bytes:
    """The beginning is missing."""
    return data[max(1, int(len(data) * random.uniform(0.001, 0.6))) :]


def zero_block(data: bytes, random: Random) -> bytes:
    """A block of zeros."""
    begin, end = _block(data, random)
    return data[:begin] + bytes(end - begin) + data[end:]


def noise_block(data: bytes, random: Random) -> bytes:
    """A block of chance bytes."""
    begin, end = _block(data, random)
    return data[:begin] + random.randbytes(end - begin) + data[end:]


def flip_bits(data: bytes, random: Random) -> bytes:
    """Single bits turned over, thinly, over the whole file."""
    result = bytearray(data)
    every = 10 ** random.uniform(2.3, 4.3)
    for _ in range(max(1, int(len(data) / every))):
        result[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(result)


def drop_block(data: bytes, random: Random) -> bytes:
    """A block is missing."""
    begin, end = _block(data, random)
    return data[:begin] + data[end:]


def repeat_block(data: bytes, random: Random) -> bytes:
    """A block comes twice."""
    begin, end = _block(data, random)
    return data[:end] + data[begin:]


def swap_blocks(data: bytes, random: Random) -> bytes:
    """Two neighbouring blocks have changed places."""
    begin, end = _block(data, random)
    middle = (begin + end) // 2
    return data[:begin] + data[middle:end] + data[begin:middle] + data[end:]


def extreme_header(data: bytes, random: Random) -> bytes:
    """One to three fields of the header (of an .mp4: of its index) set to extreme values."""
    result = bytearray(data)
    index = data.find(b"moov")
    begin, end = (index, len(data)) if index > len(data) // 2 else (max(0, index), index + 3 * HEADER_BYTES)
    if index < 0:
        begin, end = 0, HEADER_BYTES
    for _ in range(random.randint(1, 3)):
        at = random.randrange(begin, min(end, len(data) - 4))
        value, size = random.choice(EXTREMES), random.choice((1, 2, 4))
        result[at : at + size] = value.to_bytes(4, "big")[:size]
    return bytes(result)


def junk_around(data: bytes, random: Random) -> bytes:
    """Chance bytes before or behind the file, or zeros, or text."""
    size = int(10 ** random.uniform(1, 5))
    junk = random.choice(
        (random.randbytes(size), bytes(size), b"<html>502 Bad Gateway</html>\n" * (size // 29))
    )
    return junk + data if random.random() < 0.5 else data + junk


def joined(data: bytes, random: Random) -> bytes:
    """Two recordings joined byte by byte, as recorders and ``cat`` do."""
    return data[: int(len(data) * random.choice((1.0, 1.0, 0.7)))] + data


def jump_times(whole: Path, target: Path, random: Random) -> None:
    """Time stamps jump: an hour, a day, a few seconds, in one stream or both, for good or in one packet."""
    jump_s = random.choice((3, 20, S_PER_H, S_PER_H, 27 * S_PER_H))
    if whole.suffix == ".avi":  # fills a gap with empty packets, one a frame
        jump_s = min(jump_s, 60)
    kinds = random.choice((("video",), ("audio",), ("video", "audio"), ("video", "audio")))
    from_s, outlier = random.uniform(1, 5), random.random() < 0.3

    def edit(packet: Any, kind: str, number: int) -> Any:
        if kind in kinds and packet.dts is not None:
            late_s = float(packet.dts * packet.time_base) - from_s
            if late_s >= 0 and (not outlier or late_s < 0.05):
                shift = round(jump_s / packet.time_base)
                packet.dts += shift
                packet.pts = packet.pts + shift if packet.pts is not None else None
        return packet

    rewritten(whole, target, edit)


def bad_sound(whole: Path, target: Path, random: Random) -> None:
    """A stretch of sound packets hold noise, nothing, a wrong beginning, or claim odd channels."""
    begin, length = random.uniform(0.05, 0.8), random.uniform(0.05, 0.5)
    how = random.choice(("noise", "short", "beginning", "channels", "gone"))

    def edit(packet: Any, kind: str, number: int) -> Any:
        if kind != "audio" or not begin <= _fraction(packet) < begin + length:
            return packet
        if how == "gone":
            return None
        data = bytes(packet)
        if how == "noise":
            changed = random.randbytes(len(data))
        elif how == "short":
            changed = data[: max(1, len(data) // 10)]
        elif how == "beginning":
            changed = random.randbytes(min(4, len(data))) + data[4:]
        else:
            changed = (MANY_CHANNELS + data)[: max(len(data), len(MANY_CHANNELS))]
        return _with_payload(packet, changed)

    rewritten(whole, target, edit)


def _fraction(packet: Any) -> float:
    from benchmarks.fuzz.containers import SECONDS

    return float((packet.pts or 0) * packet.time_base) / SECONDS


def _with_payload(packet: Any, data: bytes) -> Any:
    changed = av.Packet(data)
    changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
    changed.duration, changed.is_keyframe = packet.duration, packet.is_keyframe
    return changed


def rewritten(whole: Path, target: Path, edit: Edit) -> None:
    """``whole`` with its packets as ``edit`` gives them back; those a container cannot take are left out."""
    options = {"fflags": "+bitexact"}
    if whole.suffix == ".mp4":
        options["movflags"] = "+faststart"
    form = "vob" if whole.suffix == ".mpg" else None
    # A muxer may also refuse to end a file that holds such packets: it then lacks its index.
    with (
        contextlib.suppress(av.FFmpegError),
        av.open(str(whole)) as source,
        av.open(str(target), "w", format=form, options=options) as result,
    ):
        streams = [stream for stream in source.streams if stream.type in ("video", "audio")]
        copies = {stream.index: result.add_stream_from_template(stream, opaque=True) for stream in streams}
        numbers = dict.fromkeys(copies, 0)
        for packet in source.demux(streams):
            if packet.dts is None:
                continue
            stream = packet.stream
            changed = edit(packet, stream.type, numbers[stream.index])
            numbers[stream.index] += 1
            if changed is None:
                continue
            changed.stream = copies[stream.index]
            try:
                result.mux(changed)
            except (av.FFmpegError, ValueError, OverflowError):
                continue


def _block(data: bytes, random: Random) -> tuple[int, int]:
    """Where a block of 1 to 35 % of the file lies, beyond its first hundredth."""
    size = max(1, int(len(data) * random.choice((0.01, 0.03, 0.1, 0.2, 0.35))))
    begin = random.randrange(len(data) // 100, max(len(data) // 100 + 1, len(data) - size))
    return begin, begin + size


ON_BYTES: Mapping[str, Bytes] = {
    made.__name__: made
    for made in (
        cut_end,
        cut_head,
        zero_block,
        noise_block,
        flip_bits,
        drop_block,
        repeat_block,
        swap_blocks,
        extreme_header,
        junk_around,
        joined,
    )
}
ON_PACKETS: Mapping[str, Callable[[Path, Path, Random], None]] = {
    made.__name__: made for made in (jump_times, bad_sound)
}
DAMAGES = (*ON_BYTES, *ON_PACKETS)


def damaged(whole: Path, target: Path, damage: str, random: Random) -> None:
    """Write the damaged copy of a whole file."""
    if damage in ON_PACKETS:
        ON_PACKETS[damage](whole, target, random)
    else:
        target.write_bytes(ON_BYTES[damage](whole.read_bytes(), random))
