"""Speech and films for the tests of the voice room; no sound file is needed."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.records import write_record, write_records
from pipeline.types import MediaInfo, Span

RATE_HZ = 16_000
# In a process of its own: started anew in a process that has used it before, the library sometimes crashes.
SAY = """
import sys
from tests.made.speech import say
wave, rate_hz = say(sys.argv[1])
sys.stdout.buffer.write(rate_hz.to_bytes(4, "little") + wave.tobytes())
"""
ROOT = Path(__file__).parents[2]


@cache
def spoken(text: str) -> NDArray[np.float32]:
    """``text`` in English as 16 kHz mono samples."""
    said = subprocess.run([sys.executable, "-c", SAY, text], cwd=ROOT, capture_output=True, check=True)
    rate_hz, wave = int.from_bytes(said.stdout[:4], "little"), np.frombuffer(said.stdout[4:], np.float32)
    at = np.arange(0, wave.size - 1, rate_hz / RATE_HZ)
    return np.interp(at, np.arange(wave.size), wave).astype(np.float32)


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * RATE_HZ), np.float32)


def film(
    folder: Path,
    audio: NDArray[np.float32],
    speech: tuple[Span, ...] = (),
    has_audio: bool = True,
    duration_us: int | None = None,
) -> dict[str, Path]:
    """Inputs of the voice stages, as the stages before them would have left them."""
    inputs = {name: folder / name for name in ("probe", "audio", "speech")}
    for path in (*inputs.values(), folder / "out"):
        path.mkdir(parents=True)
    info = MediaInfo(
        sha256="0" * 64,
        duration_us=audio.size * 1_000_000 // RATE_HZ if duration_us is None else duration_us,
        width_px=64,
        height_px=48,
        fps=25.0,
        variable_frame_rate=False,
        has_video=True,
        has_audio=has_audio,
        video_start_us=0,
        audio_start_us=0,
    )
    write_record(inputs["probe"] / "media.json", info)
    np.save(inputs["audio"] / "audio.npy", audio)
    write_records(inputs["speech"] / "speech.jsonl", Span, speech)
    return inputs
