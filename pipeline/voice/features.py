"""What the compact voice model hears: contours of a window (energy, pitch, spectrum) and their statistics.

Products of matrices are in float64, so the figures do not hang on the thread count of a BLAS. A window
becomes one row of ``len(FEATURE_NAMES)`` numbers, the finer ones and the picture from ``details``. Pitch
follows Boersma (1993), "Accurate short-term analysis of the fundamental frequency", Proc. IFA 17: the
autocorrelation of a windowed frame over that of its window.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.media.audio import SAMPLE_RATE_HZ
from pipeline.voice.details import CHANNELS, DETAILS, RATES_HZ, STEPS, Frames, details, picture

Array = NDArray[np.float64]

HOP_SAMPLES = 160
FRAME_SAMPLES = 640  # 40 ms: two periods of a 50 Hz voice fit, harmonics of a speaking voice stay apart
FFT_SAMPLES = 1024
MEL_BANDS = 40
CEPSTRA = 16
PITCH_RANGE_HZ = (70.0, 500.0)
VOICED_STRENGTH = 0.45
ACTIVE_BELOW_PEAK = 8.0  # natural-log units (about 35 dB) under the loud frames: quieter ones are pauses
MIN_SAMPLES = FRAME_SAMPLES + 16 * HOP_SAMPLES

_GROUPS = 6
_SPECTRAL = (
    "centroid", "spread", "rolloff", "flux", "flatness", "low_over_high",
    *(f"group{i}" for i in range(_GROUPS)),
)  # fmt: skip
CONTOURS = ("energy", *(f"cepstrum{i}" for i in range(1, CEPSTRA + 1)), *_SPECTRAL)
_FUNCTIONALS = ("mean", "std", "p10", "p50", "p90", "delta_std", "skew")
_PITCH = (
    "mean", "std", "p10", "p50", "p90", "range", "delta_mean", "delta_std", "slope", "start", "end", "curve",
    "rise_share", "jitter", "strength_mean", "strength_std", "strength_p90",
)  # fmt: skip
_VOICED_ENERGY = ("shimmer", "voiced_mean", "voiced_std", "slope", "start", "end")
_RHYTHM = ("voiced_share", "active_share", "voiced_runs_per_s", "voiced_run_mean_s", "voiced_run_std_s",
           "pause_mean_s", "peaks_per_s", "active_s")  # fmt: skip
_MODULATED = 5
# Figures come first, then a small picture of the window, step by step.
_FIGURES = (
    *(f"{contour}_{f}" for contour in CONTOURS for f in _FUNCTIONALS),
    *(f"voiced_{contour}" for contour in CONTOURS[1:]),
    *(f"pitch_{f}" for f in _PITCH),
    *(f"energy_{f}" for f in _VOICED_ENERGY),
    *_RHYTHM,
    *(f"modulation{group}_{low}hz" for group in range(_MODULATED) for low, _ in RATES_HZ),
    *(f"{group}{i}" for group, (_, count) in DETAILS.items() for i in range(count)),
)
FIGURES = len(_FIGURES)
FEATURE_NAMES: tuple[str, ...] = (
    *_FIGURES,
    *(f"picture{step}_{channel}" for step in range(STEPS) for channel in range(CHANNELS)),
)


@cache
def _hann() -> NDArray[np.float32]:
    return np.hanning(FRAME_SAMPLES).astype(np.float32)


@cache
def _window_autocorrelation() -> Array:
    """Of the analysis window, at the lags of :func:`pitch`."""
    spectrum = np.abs(np.fft.rfft(_hann().astype(np.float64), 2 * FFT_SAMPLES)) ** 2
    correlation = np.fft.irfft(spectrum)[:FRAME_SAMPLES:2]
    return np.asarray(np.maximum(correlation / correlation[0], 0.05))


@cache
def _mel_filters() -> Array:
    """Triangles on the HTK mel scale from 50 Hz to 7.6 kHz, (bins, bands)."""
    edges_mel = np.linspace(_mel(50.0), _mel(7600.0), MEL_BANDS + 2)
    edges_hz = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins_hz = np.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE_HZ)[:, None]
    rising = (bins_hz - edges_hz[:-2]) / (edges_hz[1:-1] - edges_hz[:-2])
    falling = (edges_hz[2:] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling))


def _mel(hz: float) -> float:
    return 2595.0 * float(np.log10(1.0 + hz / 700.0))


@cache
def _dct() -> Array:
    """Orthonormal DCT-II of the mel bands, coefficients 1 to CEPSTRA, (bands, cepstra)."""
    bands = np.arange(MEL_BANDS)[:, None] + 0.5
    cosines: Array = np.cos(np.pi / MEL_BANDS * bands * np.arange(1, CEPSTRA + 1))
    return cosines * float(np.sqrt(2 / MEL_BANDS))


def spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power spectrum of 40 ms frames every 10 ms, (frames, 513); shorter input is padded with zeros.

    Hum and offset under 45 Hz are left out.
    """
    wave = samples if samples.size >= MIN_SAMPLES else np.pad(samples, (0, MIN_SAMPLES - samples.size))
    frames = np.lib.stride_tricks.sliding_window_view(wave, FRAME_SAMPLES)[::HOP_SAMPLES]
    padded = np.zeros((len(frames), FFT_SAMPLES), np.float32)
    np.multiply(frames, _hann(), out=padded[:, :FRAME_SAMPLES])
    spectrum = fft.rfft(padded, overwrite_x=True)  # seven times as fast as numpy's on many frames
    power = np.asarray(spectrum.real**2 + spectrum.imag**2, dtype=np.float32)
    power[:, :3] = 0
    return power


def pitch(power: NDArray[np.float32]) -> tuple[Array, Array]:
    """Pitch in semitones above 55 Hz and its strength in [0, 1], per frame.

    The autocorrelation is taken at 8 kHz, of the lower half of the spectrum: that is where a voice repeats.
    """
    rate_hz = SAMPLE_RATE_HZ / 2
    shortest, longest = (int(rate_hz / hz) for hz in PITCH_RANGE_HZ[::-1])
    correlation = fft.irfft(power[:, : FFT_SAMPLES // 4 + 1])[:, : longest + 2]
    correlation /= np.maximum(correlation[:, :1], 1e-9)
    correlation /= _window_autocorrelation()[: longest + 2]
    # A small cost per octave keeps a period from being read as two.
    cost = 0.02 * np.log2(np.arange(shortest, longest + 1) / shortest)
    best = (correlation[:, shortest : longest + 1] - cost).argmax(axis=1) + shortest
    rows = np.arange(len(best))
    left, middle, right = (correlation[rows, best + step] for step in (-1, 0, 1))
    bend = np.minimum(left - 2 * middle + right, -1e-9)
    shift = np.clip(0.5 * (left - right) / bend, -0.5, 0.5)
    semitones = 12.0 * np.log2(rate_hz / (best + shift) / 55.0)
    return semitones.astype(np.float64), np.clip(middle, 0.0, 1.0).astype(np.float64)


def _spectral(mel_power: Array) -> Array:
    """Shape of each frame's spectrum on the mel bands, (frames, len(_SPECTRAL)); independent of gain."""
    share = mel_power / mel_power.sum(axis=1, keepdims=True)
    place = np.linspace(0, 1, MEL_BANDS)
    centroid = share @ place
    spread = np.sqrt(np.maximum(share @ place**2 - centroid**2, 0.0))
    rolloff = (np.cumsum(share, axis=1) < 0.85).sum(axis=1) / MEL_BANDS
    root = np.sqrt(share)
    flux = np.r_[0.0, np.sqrt(((root[1:] - root[:-1]) ** 2).sum(axis=1))]
    log_share = np.log(share)
    flatness = log_share.mean(axis=1)
    groups = [np.log(group.sum(axis=1)) for group in np.array_split(share, _GROUPS, axis=1)]
    low, high = share[:, : MEL_BANDS // 2].sum(axis=1), share[:, MEL_BANDS // 2 :].sum(axis=1)
    return np.stack([centroid, spread, rolloff, flux, flatness, np.log(low / high), *groups], axis=1)


def _functionals(contours: Array) -> Array:
    mean, std = contours.mean(axis=0), contours.std(axis=0)
    p10, p50, p90 = np.percentile(contours, (10, 50, 90), axis=0)
    delta_std = np.diff(contours, axis=0).std(axis=0) if len(contours) > 1 else np.zeros_like(mean)
    skew = (((contours - mean) / np.maximum(std, 1e-6)) ** 3).mean(axis=0)
    return np.stack([mean, std, p10, p50, p90, delta_std, np.clip(skew, -5, 5)], axis=1).ravel()


def _runs(flags: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False].astype(np.int8)))
    return edges[::2], edges[1::2]


def _line(values: Array) -> tuple[float, float, float, float]:
    """Slope over the window (-1 to 1), mean of the first and last third minus the mean, and curvature."""
    place = np.linspace(-1, 1, len(values))
    centred = values - values.mean()
    third = max(1, len(values) // 3)
    start, end = centred[:third].mean(), centred[-third:].mean()
    return float((centred * place).sum() / (place**2).sum()), float(start), float(end), float(start + end)


def _pitch_statistics(semitones: Array, strength: Array, voiced: NDArray[np.bool_]) -> Array:
    spoken = semitones[voiced]
    p10, p50, p90 = np.percentile(spoken, (10, 50, 90))
    within = voiced[1:] & voiced[:-1]
    steps = np.diff(semitones)[within]
    steps = steps[np.abs(steps) < 4] if steps.size else steps
    steps = steps if steps.size > 1 else np.zeros(2)
    slope, start, end, curve = _line(np.clip(spoken, p50 - 12, p50 + 12))
    return np.array(
        [spoken.mean(), spoken.std(), p10, p50, p90, p90 - p10, np.abs(steps).mean(), steps.std(), slope,
         start, end, curve, (steps > 0).mean(), np.abs(np.diff(steps)).mean(), strength.mean(),
         strength.std(), np.percentile(strength, 90)]
    )  # fmt: skip


def _rhythm(energy: Array, active: NDArray[np.bool_], voiced: NDArray[np.bool_]) -> Array:
    seconds = len(energy) * HOP_SAMPLES / SAMPLE_RATE_HZ
    starts, ends = _runs(voiced)
    lengths_s = (ends - starts) * HOP_SAMPLES / SAMPLE_RATE_HZ
    pause_starts, pause_ends = _runs(~active)
    pauses_s = (pause_ends - pause_starts) * HOP_SAMPLES / SAMPLE_RATE_HZ
    smooth = np.convolve(energy, np.hanning(9) / np.hanning(9).sum(), mode="same")
    peaks = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:]) & active[1:-1]
    return np.array(
        [voiced.mean(), active.mean(), len(starts) / seconds, lengths_s.mean() if len(starts) else 0.0,
         lengths_s.std() if len(starts) else 0.0, pauses_s.mean() if len(pauses_s) else 0.0,
         peaks.sum() / seconds, np.log(active.sum() * HOP_SAMPLES / SAMPLE_RATE_HZ + 0.1)]
    )  # fmt: skip


def _modulation(log_mel: Array) -> Array:
    """How strongly groups of mel bands move at 0.5 to 25 Hz, (groups x rates)."""
    groups = log_mel.reshape(len(log_mel), _MODULATED, -1).mean(axis=2)
    centred = (groups - groups.mean(axis=0)) * np.hanning(len(groups) + 2)[1:-1, None]
    size = max(512, 1 << (len(groups) - 1).bit_length())
    spectrum = np.abs(np.fft.rfft(centred, size, axis=0)) ** 2 / len(groups)
    rates_hz = np.fft.rfftfreq(size, HOP_SAMPLES / SAMPLE_RATE_HZ)
    rows = [spectrum[(rates_hz >= low) & (rates_hz < high)].mean(axis=0) for low, high in RATES_HZ]
    return np.asarray(np.log(np.stack(rows) + 1e-4).T.ravel())


def statistics(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """One row of features for a window of 16 kHz mono; finite for any finite input, silence included."""
    power = spectrogram(samples)
    energy = np.log(power.sum(axis=1, dtype=np.float64) + 1e-6)
    loud = np.percentile(energy, 95)
    active = energy > loud - ACTIVE_BELOW_PEAK
    first, last = np.flatnonzero(active)[[0, -1]] if active.any() else (0, len(energy) - 1)
    if last - first < 8:
        first, last = 0, len(energy) - 1
    power, energy, active = power[first : last + 1], energy[first : last + 1], active[first : last + 1]
    semitones, strength = pitch(power)
    voiced = (strength > VOICED_STRENGTH) & active
    if voiced.sum() < 6:
        voiced = np.ones(len(energy), bool)
    mel_power = power.astype(np.float64) @ _mel_filters() + 1e-4
    log_mel = np.log(mel_power)
    contours = np.column_stack([energy, log_mel @ _dct(), _spectral(mel_power)])
    frames = Frames(power, log_mel, contours, semitones, strength, active, voiced)
    spoken = energy[voiced]
    slope, start, end, _ = _line(spoken)
    voiced_energy = [np.abs(np.diff(spoken)).mean(), spoken.mean(), spoken.std(), slope, start, end]
    row = np.concatenate(
        [
            _functionals(contours[frames.used]),
            contours[voiced][:, 1:].mean(axis=0),
            _pitch_statistics(semitones, strength, voiced),
            voiced_energy,
            _rhythm(energy, active, voiced),
            _modulation(log_mel),
            details(frames),
            picture(frames),
        ]
    )
    return row.astype(np.float32)
