"""The sound of a film as one array on the media clock."""

from __future__ import annotations  # PyAV's classes are generic to a type checker only

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from pipeline.engine.disk import require_free_space
from pipeline.engine.stage import Progress
from pipeline.media.clock import from_first_to_last
from pipeline.media.container import decoded, open_media, read_packets, to_us
from pipeline.media.encode import Complaints, EncodeError, media_input, read_ffmpeg
from pipeline.media.mend import media_path
from pipeline.records import LOSSES_FILE, MEDIA_FILE, WARNINGS_FILE, read_record, write_sentences
from pipeline.types import US_PER_S, MediaInfo

AUDIO_FILE = "audio.npy"
SAMPLE_RATE_HZ = 16_000
SAMPLE_TYPE = np.dtype("<f4")
# Time stamps that jump by more than this are a gap (or an overlap) in the sound, less is rounding.
GAP_US = 10_000
# ffmpeg's, and so that of the sound the models were trained on: keeps the power of two channels that differ.
STEREO_GAIN = np.float32(0.5**0.5)
# Two channels whose sum has less than this of the power of their difference cancel each other.
MAX_MIDDLE_POWER = 0.1
SILENT_POWER = 1e-8  # -80 dB: nothing there to cancel
# Encoders lead in and out with less than this, which decoders leave out; where films were cut and put
# together without coding them again, at every seam.
MAX_MISSING_US, MAX_MISSING = 200_000, 0.02
USUAL_FACTOR = 4  # codecs have blocks of several lengths
BLOCK = SAMPLE_RATE_HZ  # over which the power is taken

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heard:
    """What of the sound could be used. Times are microseconds on the media clock.

    ``lost_us`` are those of packets that cannot be decoded, ``packets`` counts all. ``claimed_us`` is how
    long they say they last together, ``missing_us`` how much less was decoded, ``opposed_us`` how long two
    channels cancelled each other, so that their difference was taken.
    """

    packets: int = 0
    lost_us: tuple[int, ...] = ()
    claimed_us: int = 0
    missing_us: int = 0
    opposed_us: int = 0


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``audio``: write ``audio.npy``, and what was lost or mended on the way."""
    info = read_record(inputs["probe"] / MEDIA_FILE, MediaInfo)
    path = media_path(inputs)
    heard = write_audio(path, info, out / AUDIO_FILE, progress)
    write_sentences(out / LOSSES_FILE, [_lost(heard) or _concealed(path, info)])
    write_sentences(out / WARNINGS_FILE, [_opposed(heard)])


def _opposed(heard: Heard) -> str:
    if not heard.opposed_us:
        return ""
    seconds = heard.opposed_us / US_PER_S
    return f"The two sound channels are in opposite phase for {seconds:.0f} s: their difference was read."


def _lost(heard: Heard) -> str:
    if not heard.lost_us:
        missing = f"{heard.missing_us / US_PER_S:.1f} s of the sound did not come out of the decoder."
        is_lost = heard.missing_us > max(MAX_MISSING_US, MAX_MISSING * heard.claimed_us)
        return missing if is_lost else ""
    lost = f"{len(heard.lost_us)} of {heard.packets} packets of the sound"
    return f"{lost} cannot be decoded, {from_first_to_last(heard.lost_us)}: silence stands there."


def _concealed(path: Path, info: MediaInfo) -> str:
    """A sentence where the decoder made something up. PyAV does not pass that on, so ffmpeg is asked."""
    if info.audio_index is None:
        return ""
    sound = media_input(path, info.clock_zero_us, only_sound=True)[str(info.audio_index)]
    heard = list[Complaints]()
    output = sound.output("pipe:1", format="s16le", acodec="pcm_s16le", ar=8_000, ac=1, max_error_rate=1)
    try:
        for _ in read_ffmpeg(output, heard.append):
            pass
    except EncodeError:
        return ""  # what ffmpeg makes of the file is the video's matter
    own = (f"[{info.audio_codec} @", "[aist#")
    count = sum(count for context, count in heard[0].by_context.items() if context.startswith(own))
    times = "once" if count == 1 else f"{count} times"
    return (
        f"The sound is damaged: its decoder complained {times}, and what it made up stands there."
        if count
        else ""
    )


def write_audio(path: Path, info: MediaInfo, target: Path, progress: Progress) -> Heard:
    """Write the sound as float32 ``(n,)``, mono, 16 kHz, sample 0 at clock 0; in constant memory.

    Zeros stand before a late start, in gaps and for what cannot be decoded; nothing after the end of the
    film. Without sound ``n`` is 0.

    Raises:
        MediaError: the file is gone.
        NotEnoughSpaceError: the disk has no room for it.
    """
    total = -(-info.duration_us * SAMPLE_RATE_HZ // US_PER_S)
    written, sound = 0, _Sound()
    if info.audio_index is not None:
        require_free_space(target.parent, total * SAMPLE_TYPE.itemsize)
    with target.open("wb") as file:
        _write_header(file, 0)
        for begin, samples in sound.read(path, info) if info.audio_index is not None else ():
            if begin > written:
                written = _write_zeros(file, written, min(begin, total))
            fresh = samples[max(0, written - begin) : max(0, total - begin)]
            file.write(fresh.astype(SAMPLE_TYPE).tobytes())
            written += len(fresh)
            progress(min(1.0, written / max(1, total)))
        file.seek(0)
        _write_header(file, written)
    progress(1.0)
    claimed_us = sound.claimed_us()
    return Heard(
        sound.packets,
        tuple(sound.lost_us),
        claimed_us,
        claimed_us - sound.decoded_us,
        sound.opposed * US_PER_S // SAMPLE_RATE_HZ,
    )


def _write_header(file: IO[bytes], samples: int) -> None:
    # NumPy pads this header so that its length is the same for any number of samples.
    shape = {"descr": SAMPLE_TYPE.str, "fortran_order": False, "shape": (samples,)}
    npy.write_array_header_1_0(file, shape)


def _write_zeros(file: IO[bytes], begin: int, end: int) -> int:
    for at in range(begin, end, BLOCK):
        file.write(bytes(SAMPLE_TYPE.itemsize * (min(end, at + BLOCK) - at)))
    return max(begin, end)


@dataclass(slots=True)
class _Sound:
    """Reads one sound stream: runs of frames that follow each other, each resampled as one."""

    packets: int = 0
    durations_us: list[int] = field(default_factory=list)
    decoded_us: int = 0
    lost_us: list[int] = field(default_factory=list)
    opposed: int = 0

    def claimed_us(self) -> int:
        """How long all packets say they last together; one that lasts through a pause counts as usual."""
        durations = np.array(self.durations_us or [0], np.int64)
        return int(np.minimum(durations, USUAL_FACTOR * int(np.median(durations))).sum())

    def read(self, path: Path, info: MediaInfo) -> Iterator[tuple[int, Samples]]:
        """Mono samples and the index of the first one, in order of time but for overlaps in the file."""
        current: _Run | None = None
        for frame, time_us in self._frames(path, info):
            if current is None or not current.continues(frame, time_us):
                if current is not None:
                    yield from self._mixed(current, current.end())
                current = _Run(frame, time_us)
            yield from self._mixed(current, current.add(frame))
        if current is not None:
            yield from self._mixed(current, current.end())

    def _frames(self, path: Path, info: MediaInfo) -> Iterator[tuple[Any, int | None]]:
        """Decoded frames with their time on the media clock, None where the file gives none."""
        with open_media(path) as container:
            stream: Any = container.streams[info.audio_index or 0]
            for packet in read_packets(container, [stream], lambda reason: None):
                damage = list[str]()
                self.packets += packet.size > 0
                if not packet.is_discard:
                    self.durations_us.append(to_us(packet.duration or 0, stream.time_base))
                for frame in decoded(packet, damage.append):
                    self.decoded_us += frame.samples * US_PER_S // frame.sample_rate
                    known = frame.pts is not None and frame.time_base is not None
                    yield frame, to_us(frame.pts, frame.time_base) - info.clock_zero_us if known else None
                if damage and packet.size:
                    ticks = packet.pts if packet.pts is not None else packet.dts or 0
                    self.lost_us.append(max(0, to_us(ticks, stream.time_base) - info.clock_zero_us))

    def _mixed(self, run: _Run, blocks: Iterator[Samples]) -> Iterator[tuple[int, Samples]]:
        for block in blocks:
            begin = run.begin + run.given
            run.given += block.shape[1]
            mono, is_opposed = as_mono(block)
            self.opposed += is_opposed * block.shape[1]
            if begin < 0:
                mono, begin = mono[-begin:], 0
            yield begin, mono


def as_mono(block: Samples) -> tuple[Samples, bool]:
    """The sum of channels ``(c, n)`` as ``(n,)``, and whether they cancel: then it is their difference."""
    if len(block) == 1:
        return block[0], False
    middle, side = ((block[0] + sign * block[1]) * STEREO_GAIN for sign in (1, -1))
    side_power = float(np.mean(side**2)) if side.size else 0.0
    if side_power > SILENT_POWER and float(np.mean(middle**2)) < MAX_MIDDLE_POWER * side_power:
        return side, True
    return middle, False


class _Run:
    """Frames of one form that follow each other without a gap."""

    def __init__(self, frame: Any, time_us: int | None) -> None:
        self.form = _form(frame)
        self.begin_us = time_us or 0
        self.read = 0  # samples at the frames' own rate
        self.begin = round(self.begin_us * SAMPLE_RATE_HZ / US_PER_S)
        self.given = 0
        layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
        self.resampler = av.AudioResampler("fltp", layout, SAMPLE_RATE_HZ)
        self.waiting: list[Samples] = []

    def continues(self, frame: Any, time_us: int | None) -> bool:
        """Whether a frame has this form and begins where the run ends."""
        end_us = self.begin_us + self.read * US_PER_S // self.form[-1]
        return self.form == _form(frame) and (time_us is None or abs(time_us - end_us) <= GAP_US)

    def add(self, frame: Any) -> Iterator[Samples]:
        """Take a frame; gives blocks ``(c, BLOCK)`` that are ready."""
        self.read += frame.samples
        self.waiting += [part.to_ndarray() for part in self.resampler.resample(frame)]
        if sum(part.shape[1] for part in self.waiting) >= BLOCK:
            ready = np.concatenate(self.waiting, axis=1)
            whole = ready.shape[1] // BLOCK * BLOCK
            self.waiting = [ready[:, whole:]]
            yield from np.split(ready[:, :whole], whole // BLOCK, axis=1)

    def end(self) -> Iterator[Samples]:
        """The rest, ``(c, n)``."""
        self.waiting += [part.to_ndarray() for part in self.resampler.resample(None)]
        if self.waiting:
            yield np.concatenate(self.waiting, axis=1)


def _form(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate
