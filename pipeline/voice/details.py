"""Finer statistics of a window: course, movement, harmonics and resonances of the voice, and a small picture.

Every group is a function of :class:`Frames`; ``DETAILS`` says which there are and how many figures each has.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BIN_HZ = 15.625  # of the spectrum: 16 kHz over 1024 samples
HOP_S = 0.01
RATES_HZ = ((0.5, 2), (2, 4), (4, 6), (6, 9), (9, 14), (14, 25))
RESONANCES_HZ = ((200, 1000), (900, 2600), (2000, 3800), (3500, 5500))
STEPS = 64  # of the small picture, whatever the length of the window
CHANNELS = 24
CENTROID = 17  # columns of the contours: energy, 16 cepstra, then the shape of the spectrum from here on
FLUX = 20


@dataclass(frozen=True)
class Frames:
    """What is known of each 10 ms of a window, from its first active frame to its last.

    ``power`` (frames, 513) float32, ``log_mel`` (frames, 40), ``contours`` (frames, 29); the rest (frames,).
    """

    power: NDArray[np.float32]
    log_mel: Array
    contours: Array
    semitones: Array
    strength: Array
    active: NDArray[np.bool_]
    voiced: NDArray[np.bool_]

    @cached_property
    def used(self) -> NDArray[np.bool_]:
        """Active frames, or all where hardly any is."""
        return self.active if self.active.sum() > 8 else np.ones_like(self.active)

    @cached_property
    def voiced_power(self) -> Array:
        """Power of voiced frames, never 0."""
        return np.asarray(self.power[self.voiced].astype(np.float64) + 1e-6)

    @cached_property
    def voiced_amplitude(self) -> Array:
        """Its root, up to the highest range of resonances."""
        return np.sqrt(self.voiced_power[:, : int(RESONANCES_HZ[-1][1] / BIN_HZ) + 1])

    @cached_property
    def melody(self) -> Array:
        """Semitones of voiced frames, at most an octave from their median."""
        spoken = self.semitones[self.voiced]
        middle = np.median(spoken)
        return np.clip(spoken, middle - 12, middle + 12)

    @cached_property
    def drawn(self) -> Array:
        """The melody against its median, drawn through unvoiced frames."""
        melody = self.melody
        places = np.flatnonzero(self.voiced)
        return np.interp(np.arange(len(self.voiced)), places, melody - np.median(melody))


@cache
def _cosines(size: int, count: int) -> Array:
    waves = np.cos(np.pi / size * (np.arange(size) + 0.5)[:, None] * np.arange(1, count + 1))
    return np.asarray(waves * 2 / size)


def _course(values: Array, count: int) -> Array:
    """The first cosines of a contour: rise or fall, arch, wave and so on."""
    return values @ _cosines(len(values), count)


def levels(frames: Frames) -> Array:
    """How far apart quiet and loud are."""
    found = np.percentile(frames.contours[frames.used, 0], (5, 25, 50, 75, 95))
    return np.asarray(found - found[2])


def thirds(frames: Frames) -> Array:
    """First and last third of the window against all of it: energy, low cepstra, centroid, flux."""
    columns = frames.contours[frames.used][:, [*range(7), CENTROID, FLUX]]
    first, _, last = np.array_split(columns, 3)
    mean = columns.mean(axis=0)
    return np.concatenate([first.mean(axis=0) - mean, last.mean(axis=0) - mean])


def bends(frames: Frames) -> Array:
    """How sharply each contour turns."""
    return np.asarray(np.abs(np.diff(frames.contours, n=2, axis=0)).mean(axis=0))


def voiced_spread(frames: Frames) -> Array:
    """Standard deviation of all contours but energy over voiced frames."""
    return np.asarray(frames.contours[frames.voiced][:, 1:].std(axis=0))


def unvoiced(frames: Frames) -> Array:
    """Energy and cepstra of what is active but not voiced, against what is voiced."""
    hiss = frames.active & ~frames.voiced
    columns = frames.contours[:, :CENTROID]
    mean = columns[hiss].mean(axis=0) if hiss.sum() > 3 else columns.mean(axis=0)
    return np.asarray(mean - columns[frames.voiced].mean(axis=0))


def courses(frames: Frames) -> Array:
    """The course of pitch, energy and centroid through the window."""
    energy, centroid = frames.contours[:, 0], frames.contours[:, CENTROID]
    louder = np.maximum(energy - energy[frames.used].mean(), -8)
    return np.concatenate(
        [_course(frames.drawn, 6), _course(louder, 6), _course(centroid - centroid[frames.used].mean(), 4)]
    )


def melody(frames: Frames) -> Array:
    """Pitch against its own median: quantiles, where its top and bottom lie, end and beginning."""
    pitch = frames.melody - np.median(frames.melody)
    places, size = np.flatnonzero(frames.voiced), len(frames.voiced)
    drawn, sixth = frames.drawn, max(1, size // 6)
    top, bottom = places[pitch.argmax()] / size, places[pitch.argmin()] / size
    ends = (drawn[-sixth:].mean(), drawn[:sixth].mean())
    return np.array([*np.percentile(pitch, (5, 25, 75, 95)), top, bottom, *ends])


def vibrato(frames: Frames) -> Array:
    """How strongly pitch moves at 0.5 to 25 Hz."""
    centred = (frames.drawn - frames.drawn.mean()) * np.hanning(len(frames.voiced) + 2)[1:-1]
    size = max(512, 1 << (centred.size - 1).bit_length())
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2 / centred.size
    rates = np.fft.rfftfreq(size, HOP_S)
    found = [spectrum[(rates >= low) & (rates < high)].mean() for low, high in RATES_HZ]
    return np.log(np.array(found) + 1e-3)


def together(frames: Frames) -> Array:
    """Correlations of pitch, energy, centroid and the first two cepstra over voiced frames."""
    columns = [frames.contours[frames.voiced, at] for at in (0, CENTROID, 1, 2)]
    rows = np.stack([frames.melody, *columns])
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows /= np.sqrt((rows**2).sum(axis=1, keepdims=True)) + 1e-6
    return np.asarray((rows @ rows.T)[np.triu_indices(5, 1)])


def resonances(frames: Frames) -> Array:
    """Where the energy lies in the ranges of the first formants (kHz), mean and spread over voiced frames."""
    found = []
    for low, high in RESONANCES_HZ:
        bins = np.arange(int(low / BIN_HZ) + 1, int(high / BIN_HZ) + 1)
        loud = frames.voiced_amplitude[:, bins[0] : bins[-1] + 1]
        place = loud @ (bins * BIN_HZ / 1000) / loud.sum(axis=1)
        found += [place.mean(), place.std()]
    return np.array(found)


def harmonics(frames: Frames) -> Array:
    """Harmonics against each other, against the formant ranges and against what lies between them (logs).

    Mean and spread over voiced frames: how pressed, breathy or hoarse a voice is.
    """
    power = frames.voiced_power
    first = 55 * 2 ** (frames.semitones[frames.voiced] / 12) / BIN_HZ
    multiples: Array = np.arange(1.0, 13.0)

    def beside(places: Array, step: int = 0) -> Array:
        bins = np.clip(np.round(first[:, None] * places).astype(int), 1, 511) + step
        return np.asarray(np.take_along_axis(power, bins, axis=1))

    def loudest(low_hz: float, high_hz: float) -> Array:
        return np.asarray(np.log(power[:, int(low_hz / BIN_HZ) + 1 : int(high_hz / BIN_HZ) + 1].max(axis=1)))

    peaks = np.maximum(np.maximum(beside(multiples), beside(multiples, -1)), beside(multiples, 1))
    tones, gaps = np.log(peaks).T, np.log(beside(multiples + 0.5)).T
    low, middle, high = loudest(300, 1000), loudest(2000, 3500), loudest(3500, 5500)
    columns = [tones[0] - tones[1], tones[0] - low, tones[0] - middle, low - middle, low - high]
    columns.append(tones[1] - tones[3])
    columns += [(tones[a:b] - gaps[a:b]).mean(axis=0) for a, b in ((0, 3), (3, 7), (7, 12))]
    table = np.stack(columns, axis=1)
    return np.concatenate([table.mean(axis=0), table.std(axis=0)])


def tilts(frames: Frames) -> Array:
    """Slope of the spectrum over low, middle and high mel bands, mean and spread over voiced frames."""
    found = []
    for bands in np.array_split(frames.log_mel[frames.voiced], 3, axis=1):
        place = np.linspace(-1, 1, bands.shape[1])
        slope = (bands - bands.mean(axis=1, keepdims=True)) @ place / (place**2).sum()
        found += [slope.mean(), slope.std()]
    return np.array(found)


def loudness(frames: Frames) -> Array:
    """Loudness as compressed mel power: level, variation, quantiles, and how fast it rises and falls."""
    loud = np.exp(0.3 * frames.log_mel).sum(axis=1)
    used, steps = loud[frames.used], np.diff(loud) / loud.mean()
    up, down = steps[steps > 0], -steps[steps < 0]
    speed = [part.mean() if part.size else 0.0 for part in (up, down)]
    quantiles = np.log(np.percentile(loud, (20, 50, 80)))
    return np.array([np.log(used.mean()), used.std() / used.mean(), *quantiles, *speed])


def syllables(frames: Frames) -> Array:
    """Voiced peaks of energy: how many a second, how even, and how pitch steps from one to the next."""
    energy, drawn = frames.contours[:, 0], frames.drawn
    smooth = np.convolve(energy, np.hanning(11) / np.hanning(11).sum())[5 : 5 + len(energy)]
    top = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:]) & frames.voiced[1:-1]
    peaks = np.flatnonzero(top) + 1
    seconds = len(energy) * HOP_S
    if len(peaks) < 2:
        return np.array([len(peaks) / seconds, 0.3, 0, 0, np.log(seconds), 0, 0, 0, 0, 0])
    gaps_s, pitch = np.diff(peaks) * HOP_S, drawn[peaks]
    return np.array(
        [len(peaks) / seconds, gaps_s.mean(), gaps_s.std(), smooth[peaks].std(), np.log(seconds),
         pitch.std(), np.abs(np.diff(pitch)).mean(), pitch[-1] - pitch[0], pitch.max(), pitch.min()]
    )  # fmt: skip


DETAILS: Mapping[str, tuple[Callable[[Frames], Array], int]] = {
    "level": (levels, 5),
    "third": (thirds, 18),
    "bend": (bends, 29),
    "voiced_std": (voiced_spread, 28),
    "unvoiced": (unvoiced, 17),
    "course": (courses, 16),
    "melody": (melody, 8),
    "vibrato": (vibrato, 6),
    "together": (together, 10),
    "resonance": (resonances, 8),
    "harmonic": (harmonics, 18),
    "tilt": (tilts, 6),
    "loudness": (loudness, 7),
    "syllable": (syllables, 10),
}


def details(frames: Frames) -> Array:
    """All groups in one row."""
    return np.concatenate([measure(frames) for measure, _ in DETAILS.values()])


def picture(frames: Frames) -> Array:
    """The window in ``STEPS`` even parts, one after the other, ``CHANNELS`` figures each.

    20 pairs of mel bands, energy, pitch, its strength, how far voiced: the mean over the frames of a part; a
    part may be shorter than a frame.
    """
    size = len(frames.voiced)
    bands = frames.log_mel.reshape(size, -1, 2).mean(axis=2)
    pitch = frames.drawn + np.median(frames.semitones[frames.voiced])
    columns = np.column_stack([bands, frames.contours[:, 0], pitch, frames.strength, frames.voiced])
    so_far = np.vstack([np.zeros(columns.shape[1]), np.cumsum(columns, axis=0)])
    edges = np.linspace(0, size, STEPS + 1)
    before = np.minimum(edges.astype(int), size - 1)
    at_edges = so_far[before] + (edges - before)[:, None] * columns[before]
    return np.asarray(np.diff(at_edges, axis=0) * STEPS / size).ravel()
