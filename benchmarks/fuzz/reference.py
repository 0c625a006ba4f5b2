"""What a plain decoder gets out of a file: ffmpeg, told nothing about it."""

import re
import subprocess
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
WINDOW = RATE_HZ // 100
QUIET = 1e-4  # below this a window of sound counts as a gap; the whole files are never that quiet
MAX_SOUND_S = 60
LIMIT_S = 15.0
_STATED = re.compile(rb"Duration: (\d+):(\d\d):(\d\d\.\d+)")


@dataclass(frozen=True, slots=True)
class Decoded:
    """``times_s`` of the decoded frames in file order; ``sound_windows`` of 10 ms that are not silent.

    ``complaints`` are what ffmpeg printed as errors; ``stated_s`` is the duration in the header; ``ended`` is
    False when ffmpeg did not end in time or wrote more than can be, so that nothing is known.
    """

    times_s: tuple[float, ...]
    sound_windows: int
    complaints: int
    stated_s: float | None
    ended: bool = True

    def slots(self, sample_fps: float | None) -> int:
        """How many frames a reader gets that takes the first one of each slot; all of them with None."""
        if sample_fps is None:
            return len(self.times_s)
        return len({int((time_s + 1e-3) * sample_fps) for time_s in self.times_s})


def decode(path: Path) -> Decoded:
    """Decode picture and sound apart from one another."""
    picture = _ffmpeg(path, "-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base:v", "demux")
    picture = [*picture, "-c:v", "wrapped_avframe", "-f", "framecrc", "pipe:1"]
    sound = [*_ffmpeg(path, "-map", "0:a:0"), "-ac", "1", "-ar", str(RATE_HZ), "-f", "f32le", "pipe:1"]
    frames, frame_errors, frames_ended = _output(picture, 1 << 24)
    samples, sound_errors, sound_ended = _output(sound, MAX_SOUND_S * RATE_HZ * 4)
    return Decoded(
        tuple(frame_times(frames.decode("ascii", "replace").splitlines())),
        loud_windows(np.frombuffer(samples[: len(samples) // 4 * 4], "<f4")),
        frame_errors + sound_errors,
        stated_s(path),
        frames_ended and sound_ended,
    )


def frame_times(lines: Iterable[str]) -> list[float]:
    """Times in the output of ffmpeg's ``framecrc``."""
    tick_s, times = 1.0, []
    for line in lines:
        if line.startswith("#tb 0:"):
            above, below = line.split(":")[1].split("/")
            tick_s = int(above) / int(below)
        elif line and not line.startswith("#"):
            times.append(int(line.split(",")[2]) * tick_s)
    return times


def loud_windows(samples: NDArray[np.float32]) -> int:
    """How many whole windows of 10 ms hold a sample that is not silent."""
    whole = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    return int((np.abs(np.nan_to_num(whole)) > QUIET).any(axis=1).sum()) if len(whole) else 0


def stated_s(path: Path) -> float | None:
    """The duration ffmpeg reads from the header; None where there is none."""
    from pipeline.media.encode import ffmpeg_exe

    argv = [ffmpeg_exe(), "-hide_banner", "-nostdin", "-i", f"file:{path}"]
    try:
        printed = subprocess.run(argv, capture_output=True, timeout=LIMIT_S, check=False).stderr
    except subprocess.TimeoutExpired:
        return None
    match = _STATED.search(printed)
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None


def _ffmpeg(path: Path, *arguments: str) -> list[str]:
    from pipeline.media.encode import ffmpeg_exe

    start = [ffmpeg_exe(), "-hide_banner", "-nostdin", "-v", "error", "-threads", "1"]
    return [*start, "-i", f"file:{path}", "-max_error_rate", "1", *arguments]


def _output(argv: Sequence[str], max_bytes: int) -> tuple[bytes, int, bool]:
    """What a program writes, how many lines of errors, and whether it came to its end within the bounds."""
    child = subprocess.Popen(list(argv), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None and child.stderr is not None
    lines: list[bytes] = []
    errors = child.stderr
    listener = threading.Thread(target=lambda: lines.extend(errors), daemon=True)
    listener.start()
    timer = threading.Timer(LIMIT_S, child.kill)
    timer.start()
    data = child.stdout.read(max_bytes)
    whole = not child.stdout.read(1)
    if not whole:
        child.kill()
    child.wait()
    timer.cancel()
    listener.join()
    child.stdout.close()
    errors.close()
    missing = [line for line in lines if b"matches no streams" in line or b"Error opening output" in line]
    return data, len(lines) - len(missing), whole and child.returncode >= 0
