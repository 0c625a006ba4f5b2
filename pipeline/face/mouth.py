"""How much a mouth changes between two sightings of one face: no landmarks, no model.

Chung and Zisserman ("Out of time", ACCV 2016 workshops) learn whether a mouth goes with a sound; here only
the amount of change is measured, which tells a still mouth from a moving one and nothing about which words.
"""

import math
from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.face.backends import Image
from pipeline.face.crop import MARGIN, tight

FACE_PX = 64
MOUTH = np.s_[40:60, 18:46]  # rows, columns of the upright face's square: from under the nose to the chin
FACE = np.s_[12:60, 8:56]
# Detectors place one face a few pixels apart from frame to frame: the mouth is looked for within this reach.
REACH_PX = 4
# Noise and codec blocks lie under the first blur, light and shade over the second (deviations, pixels).
FINE_PX, COARSE_PX = 1.2, 8.0
# Pairs this far apart: a syllable's length, so that a speaking mouth is met in another shape. Much closer
# pairs would show less change, much wider ones another pose of the head.
PAIR_US, LEAST_PAIR_US, MOST_PAIR_US = 200_000, 120_000, 400_000

# A smaller face loses the fine part of what moves, about as the root of its side below this many pixels:
# judged on five talking persons brought down in size.
FULL_PX = 96.0


@dataclass(frozen=True, slots=True)
class Face:
    """What is kept of a sighting: grey values (64, 64) without noise and shading; the square's side."""

    values: NDArray[np.float32]
    side_px: float


def prepared(crop: Image) -> Face:
    """The face in a stored crop."""
    grey = cv2.cvtColor(tight(crop, FACE_PX), cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = cv2.GaussianBlur(grey, (0, 0), FINE_PX)
    values = np.asarray(fine - cv2.GaussianBlur(fine, (0, 0), COARSE_PX), np.float32)
    return Face(values, len(crop) / MARGIN)


def change(before: Face, now: Face) -> float:
    """Mean squared change of the mouth over the face's variance, ≥ 0: 0 for the same picture, moved or not.

    The mouth is brought into register with itself by the best translation, so a moving head drops out. Small
    faces, which show less of it, have theirs raised.
    """
    rows, columns = MOUTH
    around = before.values[
        rows.start - REACH_PX : rows.stop + REACH_PX, columns.start - REACH_PX : columns.stop + REACH_PX
    ]
    mouth = np.ascontiguousarray(now.values[MOUTH])
    squares = cv2.matchTemplate(np.ascontiguousarray(around), mouth, cv2.TM_SQDIFF)
    variance = (before.values[FACE].var() + now.values[FACE].var()) / 2
    shown = min(1.0, math.sqrt(min(before.side_px, now.side_px) / FULL_PX))
    return float(max(0.0, squares.min()) / mouth.size / max(float(variance), 1.0) / shown)


@dataclass(slots=True)
class Mouth:
    """One person's mouth over time."""

    _recent: deque[tuple[int, Face]] = field(default_factory=deque)

    def step(self, time_us: int, face: Face) -> float | None:
        """Change since the sighting nearest to ``PAIR_US`` ago; None without one. Times must ascend."""
        while self._recent and time_us - self._recent[0][0] > MOST_PAIR_US:
            self._recent.popleft()
        lags = [(abs(time_us - at - PAIR_US), at, earlier) for at, earlier in self._recent]
        lags = [one for one in lags if time_us - one[1] >= LEAST_PAIR_US]
        self._recent.append((time_us, face))
        return change(min(lags, key=lambda one: one[:2])[2], face) if lags else None
