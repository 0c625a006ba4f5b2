"""Cuts between shots, from sampled frames: colour histograms, as in PySceneDetect's histogram detector.

The threshold adapts: a cut must stand out from the changes around it (the idea of PySceneDetect's adaptive
detector), so that a fast camera is not one cut after another. Dissolves longer than a sampling period and
jumps within one unchanged scene are not found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

Histogram = NDArray[np.float32]

SAMPLED_PX = 96  # of the longer side: enough for a histogram
BINS = (12, 4, 4)  # hue, saturation, value
# Over nine real clips at 5 frames a second consecutive frames of one shot differ by at most .23, the last
# frame of one clip and the first of another by at least .63 (90 ordered pairs).
LEAST_DISTANCE = 0.4
TIMES_AROUND = 2.5
NEIGHBOURS = 5  # on either side


def histograms(image: NDArray[np.uint8]) -> Histogram:
    """Colour histograms of the four quarters of an RGB image, (4, bins); each sums to 1."""
    step = max(1, max(image.shape[:2]) // SAMPLED_PX)
    hsv = cv2.cvtColor(np.ascontiguousarray(image[::step, ::step]), cv2.COLOR_RGB2HSV)
    height, width = ((side + 1) // 2 for side in hsv.shape[:2])
    quarters = (hsv[:height, :width], hsv[:height, -width:], hsv[-height:, :width], hsv[-height:, -width:])
    counts = [
        cv2.calcHist([np.ascontiguousarray(one)], [0, 1, 2], None, BINS, [0, 180, 0, 256, 0, 256]).ravel()
        for one in quarters
    ]
    return np.array([one / one.sum() for one in counts], np.float32)


def distance(a: Histogram, b: Histogram) -> float:
    """Share of colour that is another, in [0, 1]: 1 - intersection (Swain & Ballard 1991, IJCV 7)."""
    return float(1.0 - np.minimum(a, b).sum(axis=1).mean())


def cut_indices(to_last: Sequence[float], to_second_last: Sequence[float]) -> list[int]:
    """Frames that begin a new shot.

    ``to_last[i]`` is the distance of frame i to frame i - 1 and ``to_second_last[i]`` to frame i - 2; where
    there is no such frame the value is not read. One odd frame between two alike ones is a flash, no shot.
    """
    found = []
    for i in range(1, len(to_last)):
        around = [*to_last[max(1, i - NEIGHBOURS) : i], *to_last[i + 1 : i + 1 + NEIGHBOURS]]
        usual = float(np.median(around)) if around else 0.0
        over = [to_last[i], *to_second_last[max(2, i) : i + 2]]
        if min(over) >= LEAST_DISTANCE and to_last[i] >= TIMES_AROUND * usual:
            found.append(i)
    return found


@dataclass(slots=True)
class CutFinder:
    """Takes frames in order of time, keeps two numbers of each."""

    _times_us: list[int] = field(default_factory=list)
    _last: list[Histogram] = field(default_factory=list)  # at most two
    _to_last: list[float] = field(default_factory=list)
    _to_second_last: list[float] = field(default_factory=list)

    def step(self, time_us: int, image: NDArray[np.uint8]) -> None:
        """Look at one RGB frame."""
        now = histograms(image)
        self._times_us.append(time_us)
        self._to_last.append(distance(now, self._last[-1]) if self._last else 0.0)
        self._to_second_last.append(distance(now, self._last[0]) if len(self._last) == 2 else 0.0)
        self._last = [*self._last[-1:], now]

    def finish(self) -> NDArray[np.int64]:
        """Times in µs of the first frame after each cut."""
        cuts = cut_indices(self._to_last, self._to_second_last)
        return np.array([self._times_us[i] for i in cuts], np.int64)
