"""Clips of acted speech, and virtual speakers made from them: another voice, microphone and room."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import fft

from pipeline.labels import CROSSWALK, EMOTIONS
from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.voice.features import statistics

Wave = NDArray[np.float32]
TAIL_SAMPLES = SAMPLE_RATE_HZ // 3  # longest echo kept


@dataclass(frozen=True, slots=True)
class Clips:
    """Rows of the manifest: one corpus name, speaker, emotion index and split per clip."""

    paths: tuple[Path, ...]
    corpus: NDArray[np.str_]
    speaker: NDArray[np.str_]
    emotion: NDArray[np.int64]
    split: NDArray[np.str_]


def read_manifest(folder: Path) -> Clips:
    """Clips named in ``manifest.csv``; "calm" counts as neutral."""
    rows = pd.read_csv(folder / "manifest.csv", encoding="utf-8")
    canonical = [CROSSWALK[emotion] for emotion in rows["emotion"]]
    return Clips(
        paths=tuple(folder / name for name in rows["file"]),
        corpus=rows["set"].to_numpy(dtype=str),
        speaker=(rows["set"] + "/" + rows["speaker"].astype(str)).to_numpy(dtype=str),
        emotion=np.array([EMOTIONS.index(str(name)) for name in canonical], dtype=np.int64),
        split=rows["split"].to_numpy(dtype=str),
    )


def decode(path: Path) -> Wave:
    """All samples of an audio file, mono 16 kHz."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
        parts = [
            part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)
        ]
        parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(parts).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Channel:
    """One virtual speaker in one room: what is done to all of a speaker's clips alike."""

    speed: float
    gain_db: float
    equaliser_db: NDArray[np.float64]
    reverb_s: float
    reverb_share: float
    noise_db: float
    noise_tilt: float
    low_pass_hz: float


def random_channel(random: np.random.Generator) -> Channel:
    """Mild settings more often than harsh ones."""
    return Channel(
        speed=float(np.exp(random.uniform(-0.13, 0.13))),
        gain_db=float(random.normal(0, 5)),
        equaliser_db=random.normal(0, 3, 8),
        reverb_s=float(random.uniform(0.1, 0.6)),
        reverb_share=float(random.choice([0.0, random.uniform(0.0, 0.5)])),
        noise_db=float(random.uniform(-65, -25)),
        noise_tilt=float(random.uniform(0, 1)),
        low_pass_hz=float(random.choice([8000.0, random.uniform(3400, 8000)])),
    )


def through(channel: Channel, wave: Wave, random: np.random.Generator) -> Wave:
    """The clip as this channel would have recorded it."""
    speed = channel.speed * float(np.exp(random.uniform(-0.02, 0.02)))
    place = np.arange(0, wave.size - 1, speed)
    faster = np.interp(place, np.arange(wave.size), wave).astype(np.float32)
    size = fft.next_fast_len(faster.size + TAIL_SAMPLES, real=True)
    hz = fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    knots_hz = np.geomspace(80, 8000, channel.equaliser_db.size)
    response = 10 ** (np.interp(np.log(hz + 1), np.log(knots_hz), channel.equaliser_db) / 20)
    response = response / (1 + (hz / channel.low_pass_hz) ** 12)
    spectrum = fft.rfft(faster, size) * response.astype(np.float32)
    if channel.reverb_share > 0:
        tail = random.standard_normal(TAIL_SAMPLES, dtype=np.float32)
        tail *= np.exp(-6.9 * np.arange(tail.size) / SAMPLE_RATE_HZ / channel.reverb_s).astype(np.float32)
        tail *= channel.reverb_share / np.sqrt((tail**2).sum())
        tail[0] += 1
        spectrum = spectrum * fft.rfft(tail, size)
    heard = fft.irfft(spectrum, size)[: faster.size]
    colour = ((1 + hz / 100) ** -channel.noise_tilt).astype(np.float32)
    noise = fft.rfft(random.standard_normal(size, dtype=np.float32)) * colour
    hiss = fft.irfft(noise, size)[: faster.size]
    loudness = np.sqrt((heard**2).mean()) + 1e-9
    heard = heard + hiss / hiss.std() * loudness * 10 ** (channel.noise_db / 20)
    loud: Wave = np.clip(heard * 10 ** (channel.gain_db / 20), -1, 1).astype(np.float32)
    return loud


def features(clips: Clips, copies: int, seed: int) -> NDArray[np.float32]:
    """Features of the clips as they are, then of virtual recordings of them, (1 + copies, clips, n)."""
    speakers = sorted(set(clips.speaker))
    table: list[list[NDArray[np.float32]]] = [[] for _ in range(1 + copies)]
    generators = np.random.default_rng(seed).spawn(copies)
    channels = [{speaker: random_channel(random) for speaker in speakers} for random in generators]
    for path, speaker in zip(clips.paths, clips.speaker, strict=True):
        wave = decode(path)
        table[0].append(statistics(wave))
        for copy, random in enumerate(generators):
            table[copy + 1].append(statistics(through(channels[copy][str(speaker)], wave, random)))
    return np.array(table, dtype=np.float32)
