"""The sound of one clip at once, for data sets of short files; films go through ``media.audio``."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from pipeline.media.audio import SAMPLE_RATE_HZ


def read_waveform(path: Path) -> NDArray[np.float32]:
    """All samples of a file's first audio stream, float32 ``(n,)``, mono, 16 kHz.

    Raises:
        ValueError: the file is missing, damaged, or has no sound.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise ValueError(f"{path.name} has no audio stream")
            resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
            parts = [
                part.to_ndarray()[0]
                for frame in container.decode(audio=0)
                for part in resampler.resample(frame)
            ]
            parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    except (av.error.FFmpegError, OSError) as error:
        raise ValueError(f"{path.name} cannot be decoded: {error}") from None
    if not parts:
        raise ValueError(f"{path.name} holds no sound")
    return np.concatenate(parts).astype(np.float32)
