"""What a voice sounds like, as numbers that tell speakers apart: the published encoder CAM++ on onnxruntime.

Its graph ships with the package, with a projection that takes off what a mood changes; its weights are
fetched. Both come together when it is loaded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.media.recording import Sound
from pipeline.models.cards import WEIGHTS, shipped_card, shipped_weights
from pipeline.models.known import checked_files, known_for
from pipeline.models.torch_file import read_arrays
from pipeline.types import US_PER_S, ModelCard, Span

MODEL_ID = "speakers_compact"
BACKEND = "campplus"
WEIGHTS_FILE = "campplus_cn_en_common.pt"
FRAME_SAMPLES = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms
FFT_SAMPLES = 512
MEL_BANDS = 80
LOWEST_HZ = 20.0
PREEMPHASIS = 0.97
FLOOR = 1.1920929e-07  # the smallest float32 step at 1: what Kaldi takes the logarithm of in silence
RMS = 0.05  # -26 dB of full scale, as speech is recorded: far above the floor
WINDOW_FRAMES = 158  # of 1.6 s


@cache
def _taper() -> NDArray[np.float64]:
    """Kaldi's "povey" window, ``(FRAME_SAMPLES,)``."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_SAMPLES) / (FRAME_SAMPLES - 1))
    return np.asarray(hann**0.85)


@cache
def _mel_filters() -> NDArray[np.float64]:
    """Triangles that are straight on the mel scale from 20 Hz to 8 kHz, ``(bins, MEL_BANDS)``."""
    edges = np.linspace(_mel(LOWEST_HZ), _mel(SAMPLE_RATE_HZ / 2), MEL_BANDS + 2)
    bins = _mel(np.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE_HZ))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    filters[-1] = 0.0  # Kaldi leaves the highest bin out
    return filters


def _mel(hz: Any) -> Any:
    return 1127.0 * np.log1p(np.asarray(hz) / 700.0)


def log_mels(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithm of mel power every 10 ms, ``(1 + (n - 400) // 160, 80)``, less its mean over time.

    ``samples`` are 16 kHz mono, at least 400 of them, at any level. Kaldi's ``fbank`` without dither, of
    samples brought to one level.
    """
    loudness = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    levelled = samples.astype(np.float64) * (RMS / max(loudness, 1e-9))
    frames = np.lib.stride_tricks.sliding_window_view(levelled, FRAME_SAMPLES)
    frames = frames[::HOP_SAMPLES]
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames - PREEMPHASIS * np.column_stack([frames[:, :1], frames[:, :-1]])
    spectrum = fft.rfft(frames * _taper(), FFT_SAMPLES)
    power = (spectrum.real**2 + spectrum.imag**2) @ _mel_filters()
    logs = np.log(np.maximum(power, FLOOR))
    centred: NDArray[np.float32] = (logs - logs.mean(axis=0)).astype(np.float32)
    return centred


@dataclass(frozen=True, slots=True)
class Encoder:
    """A loaded encoder; the weights are kept since the session only points at them."""

    session: Any
    weights: Sequence[Any]
    card: ModelCard


def is_here() -> bool:
    """Whether the fetched weights are on this machine."""
    return known_for(BACKEND).is_here


def load_encoder(folder: Path = WEIGHTS) -> Encoder:
    """The encoder, with the shipped graph or that of a training's ``folder``.

    Raises:
        ModelError: the weights are not on this machine, or not what was published.
    """
    card = shipped_card(MODEL_ID, folder)
    return encoder_of(shipped_weights(card, folder).read_bytes(), card)


def encoder_of(graph: bytes, shipped: ModelCard | None = None) -> Encoder:
    """A graph with the fetched weights; ``shipped`` is the card of what the graph adds. Raises ModelError."""
    import onnxruntime

    from pipeline.models.session import session

    known = known_for(BACKEND)
    arrays = read_arrays(checked_files(known)[WEIGHTS_FILE])
    named = {name: values for name, values in arrays.items() if values.dtype == np.float32}
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in named.values()]
    card = known.card()
    if shipped is not None:
        card = replace(
            card,
            licence=f"{card.licence}. {shipped.licence}",
            revision=f"{card.revision} + {shipped.id} {shipped.revision}",
            notes=f"{card.notes} {shipped.notes}",
        )
    return Encoder(session(graph, dict(zip(named, values, strict=True))), values, card)


def encode(encoder: Encoder, audio: Sound, windows: Sequence[Span]) -> Iterator[NDArray[np.float32]]:
    """One vector per window of ``audio``, in order; a window shorter than the encoder's is repeated.

    One window a run: what comes out must not depend on the windows beside it.
    """
    for window in windows:
        first, last = (at * SAMPLE_RATE_HZ // US_PER_S for at in (window.start_us, window.end_us))
        samples = np.array(audio[first:last], dtype=np.float32)
        if samples.size < FRAME_SAMPLES:
            samples = np.pad(samples, (0, FRAME_SAMPLES - samples.size))
        mels = log_mels(samples)
        mels = np.tile(mels, (-(-WINDOW_FRAMES // len(mels)), 1))[None, :WINDOW_FRAMES]
        vector: NDArray[np.float32] = encoder.session.run(["vectors"], {"mels": mels})[0][0]
        yield vector
