"""The sound of a film as one array on the media clock."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from pipeline.engine.stage import Progress
from pipeline.media.encode import media_input, read_ffmpeg
from pipeline.records import MEDIA_FILE, read_record
from pipeline.types import US_PER_S, MediaInfo

AUDIO_FILE = "audio.npy"
SAMPLE_RATE_HZ = 16_000
SAMPLE_TYPE = np.dtype("<f4")
# Time stamps that jump by more than this are a gap (or an overlap) in the sound, less is rounding.
GAP_S = 0.01


def run(inputs: Mapping[str, Path], settings: Any, out: Path, progress: Progress) -> None:
    """Stage ``audio``: write ``audio.npy``."""
    info = read_record(inputs["probe"] / MEDIA_FILE, MediaInfo)
    write_audio(inputs["source"], info, out / AUDIO_FILE, progress)


def write_audio(path: Path, info: MediaInfo, target: Path, progress: Progress) -> None:
    """Write the sound as float32 ``(n,)``, mono, 16 kHz, sample 0 at clock 0; in constant memory.

    Zeros stand before a late start and in gaps. Without sound ``n`` is 0.

    Raises:
        EncodeError: the sound cannot be decoded.
    """
    total = info.duration_us * SAMPLE_RATE_HZ // US_PER_S
    total_bytes = max(1, total * SAMPLE_TYPE.itemsize)
    written = 0
    with target.open("wb") as file:
        _write_header(file, 0)
        if info.audio_index is not None:
            for chunk in read_ffmpeg(_as_samples(path, info)):
                file.write(chunk)
                written += len(chunk)
                progress(min(1.0, written / total_bytes))
        file.seek(0)
        _write_header(file, written // SAMPLE_TYPE.itemsize)
    progress(1.0)


def _write_header(file: IO[bytes], samples: int) -> None:
    # NumPy pads this header so that its length is the same for any number of samples.
    shape = {"descr": SAMPLE_TYPE.str, "fortran_order": False, "shape": (samples,)}
    npy.write_array_header_1_0(file, shape)


def _as_samples(path: Path, info: MediaInfo) -> Any:
    sound = media_input(path, info.clock_zero_us)[str(info.audio_index)].filter(
        "aresample",
        out_sample_rate=SAMPLE_RATE_HZ,
        out_chlayout="mono",
        out_sample_fmt="flt",
        first_pts=0,  # also makes the filter follow time stamps (its option async)
        min_hard_comp=GAP_S,
    )
    return sound.output("pipe:1", format="f32le", acodec="pcm_f32le", max_error_rate=1)
