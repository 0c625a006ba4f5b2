"""Short made clips of sound, and voices that differ by emotion and speaker in ways a model can learn."""

import wave
from pathlib import Path

import numpy as np

RATE_HZ = 16_000
PITCH_HZ = {"angry": 260, "sad": 110, "happy": 320, "disgust": 150, "neutral": 190, "calm": 190}


def write_wave(path: Path, sound: np.ndarray) -> Path:
    """Write mono 16 kHz samples in [-1, 1] as a wave file of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def voiced(emotion: str, speaker: int, take: int, seconds: float = 0.4) -> np.ndarray:
    """A buzz whose pitch tells the emotion; every speaker is somewhat higher than the one before."""
    random = np.random.default_rng([speaker, take, PITCH_HZ[emotion]])
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    hz = PITCH_HZ[emotion] * (1 + 0.05 * speaker) * (1 + 0.05 * np.sin(2 * np.pi * 4 * time + take))
    phase = 2 * np.pi * np.cumsum(hz) / RATE_HZ
    buzz = sum(np.sin(k * phase) / k for k in range(1, 6)) * 0.1
    return np.asarray(buzz + random.normal(0, 0.003, time.size))
