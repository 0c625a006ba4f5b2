"""What a voice sounds like, as numbers that tell speakers apart: Resemblyzer's encoder.

Wan et al. (2018), "Generalized end-to-end loss for speaker verification", ICASSP: three LSTM layers over a mel
spectrogram, the last hidden state through a linear layer.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.models.known import checked_files, known_for
from pipeline.models.torch_file import read_arrays

Array = NDArray[np.float32]

FRAME_SAMPLES = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms
MEL_BANDS = 40
LAYERS = 3
HIDDEN = 256
EMBEDDING = 256
TARGET_RMS = 10 ** (-30 / 20)  # -30 dB of full scale, the level the encoder was trained at


@cache
def _hann() -> NDArray[np.float64]:
    """Periodic Hann window, ``(FRAME_SAMPLES,)``."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES)


@cache
def _mel_filters() -> NDArray[np.float64]:
    """Slaney's mel triangles of equal area from 0 Hz to 8 kHz, ``(bins, MEL_BANDS)``."""
    edges_hz = _hz(np.linspace(0.0, _mel(SAMPLE_RATE_HZ / 2), MEL_BANDS + 2))
    bins_hz = np.fft.rfftfreq(FRAME_SAMPLES, 1 / SAMPLE_RATE_HZ)[:, None]
    rising = (bins_hz - edges_hz[:-2]) / (edges_hz[1:-1] - edges_hz[:-2])
    falling = (edges_hz[2:] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])
    triangles: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    return triangles * (2.0 / (edges_hz[2:] - edges_hz[:-2]))


# Linear up to 1 kHz, logarithmic above (Slaney's Auditory Toolbox).
_HZ_PER_MEL = 200.0 / 3
_BREAK_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0


def _mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _HZ_PER_MEL
    return float(_BREAK_HZ / _HZ_PER_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    break_mel = _BREAK_HZ / _HZ_PER_MEL
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, break_mel) - break_mel))
    return np.where(mel < break_mel, mel * _HZ_PER_MEL, above)


def mel_spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mel power of 25 ms every 10 ms, ``(1 + n // 160, 40)``, no logarithm; 16 kHz mono in.

    Equal to ``librosa.feature.melspectrogram`` (centred frames, zeros beyond the ends).
    """
    padded = np.pad(samples, FRAME_SAMPLES // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME_SAMPLES)[::HOP_SAMPLES]
    spectrum = fft.rfft(frames * _hann())
    power = spectrum.real**2 + spectrum.imag**2
    return (power @ _mel_filters()).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Encoder:
    """Weights of the encoder, float32. Per layer: from the input ``(in, 4 * HIDDEN)``, from the state
    ``(HIDDEN, 4 * HIDDEN)``, and the bias ``(4 * HIDDEN,)``; gates in the order input, forget, cell, output.
    """

    layers: tuple[tuple[Array, Array, Array], ...]
    projection: Array
    offset: Array


def load_encoder() -> Encoder:
    """The fetched encoder. Raises ModelError: it is not on this machine, or is not what was published."""
    path = checked_files(known_for("resemblyzer"))["pretrained.pt"]
    arrays = read_arrays(path, "model_state")
    layers = tuple(
        (
            np.ascontiguousarray(arrays[f"lstm.weight_ih_l{i}"].T),
            np.ascontiguousarray(arrays[f"lstm.weight_hh_l{i}"].T),
            arrays[f"lstm.bias_ih_l{i}"] + arrays[f"lstm.bias_hh_l{i}"],
        )
        for i in range(LAYERS)
    )
    return Encoder(layers, np.ascontiguousarray(arrays["linear.weight"].T), arrays["linear.bias"])


def hidden_states(encoder: Encoder, mels: Array) -> Array:
    """Last state of the last layer, ``(windows, HIDDEN)``, of ``(windows, frames, MEL_BANDS)``."""
    sequence = np.ascontiguousarray(mels.transpose(1, 0, 2))
    for from_input, from_state, bias in encoder.layers:
        sequence = _lstm(sequence, from_input, from_state, bias)
    return sequence[-1]


def _lstm(sequence: Array, from_input: Array, from_state: Array, bias: Array) -> Array:
    """One layer over ``(frames, windows, in)``: its states, ``(frames, windows, HIDDEN)``."""
    frames, windows, width = sequence.shape
    gates = (sequence.reshape(-1, width) @ from_input + bias).reshape(frames, windows, -1)
    state = np.zeros((windows, HIDDEN), np.float32)
    cell = np.zeros_like(state)
    states = np.empty((frames, windows, HIDDEN), np.float32)
    # A sigmoid is half a tanh, which is computed of all gates at once.
    scale = np.full(4 * HIDDEN, 0.5, np.float32)
    scale[2 * HIDDEN : 3 * HIDDEN] = 1.0
    for frame in range(frames):
        activated = np.tanh((gates[frame] + state @ from_state) * scale)
        keep_in, keep, new, out = (activated[:, i * HIDDEN : (i + 1) * HIDDEN] for i in range(4))
        cell = 0.5 * ((keep + 1) * cell + (keep_in + 1) * new)
        state = 0.5 * (out + 1) * np.tanh(cell)
        states[frame] = state
    return states
