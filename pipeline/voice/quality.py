"""How far a window of speech can be trusted, from its length, the speech in it and the noise under it."""

import numpy as np

from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.records import SPEECH_SHARE_KEY
from pipeline.voice.backends import Samples

FRAME_SAMPLES = 320  # 20 ms
SPOKEN_DB = 30.0  # frames this far under the loud ones are pauses
FULL_SNR_DB = 25.0  # a quiet room and a near microphone
NO_SNR_DB = 3.0
AUDIBLE_DB = -60.0  # of full scale; below it codecs leave little but their own noise


def window_quality(samples: Samples, window_s: float) -> tuple[float, dict[str, float]]:
    """Quality in [0, 1] of a window taken from speech, and what it was made of.

    Three things multiplied: the share of its frames that are spoken (the others are pauses); its length
    against a whole window, by the square root, since errors shrink so; how far loud frames stand over quiet
    ones, from ``NO_SNR_DB`` to ``FULL_SNR_DB``, never under a quarter. A window too quiet to hear has 0.
    """
    whole = samples[: samples.size - samples.size % FRAME_SAMPLES].astype(np.float64)
    if whole.size == 0:
        return 0.0, {SPEECH_SHARE_KEY: 0.0, "snr_db": 0.0, "level_db": -120.0}
    frames_db = 10 * np.log10((whole.reshape(-1, FRAME_SAMPLES) ** 2).mean(axis=1) + 1e-12)
    loud_db, quiet_db = np.percentile(frames_db, (90, 10))
    level_db = 10 * np.log10((whole**2).mean() + 1e-12)
    share = (frames_db > loud_db - SPOKEN_DB).mean()
    clean = np.clip((loud_db - quiet_db - NO_SNR_DB) / (FULL_SNR_DB - NO_SNR_DB), 0.25, 1)
    length = min(1.0, samples.size / SAMPLE_RATE_HZ / window_s) ** 0.5
    quality = float(share * clean * length) if level_db > AUDIBLE_DB else 0.0
    evidence = {
        SPEECH_SHARE_KEY: round(float(share), 4),
        "snr_db": round(float(loud_db - quiet_db), 1),
        "level_db": round(float(level_db), 1),
    }
    return round(quality, 4), evidence
