"""Clips of acted speech, and virtual speakers made from them: another voice, microphone, room and codec."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.labels import CROSSWALK, EMOTIONS
from pipeline.voice.features import SAMPLE_RATE_HZ, statistics

Wave = NDArray[np.float32]


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


def decode(path: Path | BytesIO) -> Wave:
    """All samples of an audio file, mono 16 kHz."""
    with av.open(path if isinstance(path, BytesIO) else str(path)) as container:
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
    opus_bit_rate: int


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
        opus_bit_rate=int(random.choice([0, 0, 12_000, 24_000])),
    )


def through(channel: Channel, wave: Wave, random: np.random.Generator) -> Wave:
    """The clip as this channel would have recorded it."""
    speed = channel.speed * float(np.exp(random.uniform(-0.02, 0.02)))
    place = np.arange(0, wave.size - 1, speed)
    wave64 = np.interp(place, np.arange(wave.size), wave)
    size = 1 << int(np.ceil(np.log2(wave64.size + SAMPLE_RATE_HZ // 2)))
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    knots_hz = np.geomspace(80, 8000, channel.equaliser_db.size)
    response = 10 ** (np.interp(np.log(hz + 1), np.log(knots_hz), channel.equaliser_db) / 20)
    response = response / (1 + (hz / channel.low_pass_hz) ** 12)
    spectrum = np.fft.rfft(wave64, size) * response
    if channel.reverb_share > 0:
        tail = random.normal(size=SAMPLE_RATE_HZ // 2)
        tail *= np.exp(-6.9 * np.arange(tail.size) / SAMPLE_RATE_HZ / channel.reverb_s)
        tail *= channel.reverb_share / np.sqrt((tail**2).sum())
        tail[0] += 1
        spectrum = spectrum * np.fft.rfft(tail, size)
    wave64 = np.fft.irfft(spectrum)[: wave64.size]
    loudness = np.sqrt((wave64**2).mean()) + 1e-9
    noise = np.fft.rfft(random.normal(size=size)) / (1 + hz / 100) ** channel.noise_tilt
    hiss = np.fft.irfft(noise)[: wave64.size]
    wave64 = wave64 + hiss / hiss.std() * loudness * 10 ** (channel.noise_db / 20)
    clipped = np.clip(wave64 * 10 ** (channel.gain_db / 20), -1, 1).astype(np.float32)
    return opus(clipped, channel.opus_bit_rate) if channel.opus_bit_rate else clipped


def opus(wave: Wave, bit_rate: int) -> Wave:
    """Encoded by Opus and decoded again."""
    file = BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE_HZ)
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(wave[None], format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    return decode(file)


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
