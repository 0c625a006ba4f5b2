"""Persons seen in a film: one sample per sampled frame, numbered and steadied over time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.face.backends import Box, Point
from pipeline.records import BOX_KEY, FRAME_TIME_KEY, JAW_OPEN_KEY, LIP_GAP_KEY, MOUTH_MOTION_KEY


@dataclass(frozen=True, slots=True)
class FaceSample:
    """One person in one sampled frame. Box, landmarks and size are in display pixels.

    ``followed`` says that the detector missed the face in this frame and its looks alone told where it was.
    The crop is ``crop_length`` bytes of ``crops.bin`` from ``crop_offset``. ``mouth_motion`` ≥ 0 is how much
    the mouth changed since the person's sighting some 200 ms before (``mouth.change``); None without one.
    ``jaw_open`` and ``lip_gap`` are the mouth's opening (``backends.FaceShape``), and ``shape_row`` the row
    of ``shapes.npy`` that holds the whole shape; None where it was not measured.
    """

    time_us: int
    track: str
    box: Box
    landmarks: tuple[Point, ...] | None
    detector_score: float
    followed: bool
    size_px: float
    sharpness: float
    frontality: float
    quality: float
    crop_offset: int
    crop_length: int
    mouth_motion: float | None = None
    jaw_open: float | None = None
    lip_gap: float | None = None
    shape_row: int | None = None

    def evidence(self) -> dict[str, Any]:
        """What an observation says about the frame it rests on."""
        mouth = {
            MOUTH_MOTION_KEY: self.mouth_motion,
            JAW_OPEN_KEY: self.jaw_open,
            LIP_GAP_KEY: self.lip_gap,
        }
        return {
            BOX_KEY: [round(side, 1) for side in self.box],
            FRAME_TIME_KEY: self.time_us,
            "detector_score": self.detector_score,
            "followed": self.followed,
            "size_px": self.size_px,
            "sharpness": self.sharpness,
            "frontality": self.frontality,
            **{key: value for key, value in mouth.items() if value is not None},
        }


def numbered(samples: Iterable[FaceSample]) -> tuple[FaceSample, ...]:
    """Persons called P1, P2, … by first appearance, then from left to right; samples by time, then person."""
    ordered = sorted(samples, key=lambda one: (one.time_us, one.box, one.track))
    names: dict[str, int] = {}
    for one in ordered:
        names.setdefault(one.track, len(names) + 1)
    ordered.sort(key=lambda one: (one.time_us, names[one.track]))
    return tuple(replace(one, track=f"P{names[one.track]}") for one in ordered)


def smoothed(
    times_us: NDArray[np.int64], values: NDArray[np.float64], weights: NDArray[np.float64], width_us: int
) -> NDArray[np.float64]:
    """Weighted mean of rows (n, k) around each time, under a Gaussian of deviation ``width_us`` / 2.

    Rows further off than ``width_us`` play no part; a width of 0 returns the values as they are.
    """
    if width_us == 0:
        return values
    result = np.empty_like(values)
    for row, time in enumerate(times_us):
        low, high = np.searchsorted(times_us, (time - width_us, time + width_us + 1))
        offset = (times_us[low:high] - time) / (width_us / 2)
        share = np.exp(-0.5 * offset**2) * weights[low:high]
        total = share.sum()
        result[row] = share @ values[low:high] / total if total > 0 else values[row]
    return result
