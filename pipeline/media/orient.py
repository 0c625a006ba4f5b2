"""From stored pixels to what a player shows: rotation, mirroring, non-square pixels."""

import struct
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = tuple[int, int, int, int]
UPRIGHT: Matrix = (1, 0, 0, 1)


def frame_matrix(frame: Any) -> Matrix:
    """How a decoded ``av.VideoFrame`` is turned to be shown."""
    side_data = frame.side_data.get("DISPLAYMATRIX")
    return quarter_matrix(None if side_data is None else bytes(side_data))


def quarter_matrix(display_matrix: bytes | None) -> Matrix:
    """The nearest quarter turn (with mirroring) of a container's display matrix.

    ``(a, b, c, d)`` sends a stored point ``(x, y)`` to ``(a x + c y, b x + d y)``, y pointing down
    (ISO/IEC 14496-12, section 6.2.2); ``display_matrix`` holds nine native 32-bit integers.
    """
    if not display_matrix:
        return UPRIGHT
    a, b, _, c, d, *_ = struct.unpack("=9i", display_matrix[:36])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
    return (0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0)


def rotation_deg(matrix: Matrix) -> int:
    """Clockwise turn from stored to shown: 0, 90, 180 or 270; a mirror image counts by its first axis."""
    a, b, _, _ = matrix
    return {(1, 0): 0, (0, 1): 90, (-1, 0): 180, (0, -1): 270}[(a, b)]


def turn_matrix(rotation_deg: int) -> Matrix:
    """The turn that :func:`rotation_deg` tells, without mirroring."""
    turns = {0: UPRIGHT, 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
    return turns[rotation_deg]


def oriented(image: NDArray[np.uint8], matrix: Matrix) -> NDArray[np.uint8]:
    """Turn a stored ``(h, w, c)`` image the way it is shown; contiguous."""
    a, b, c, d = matrix
    turned = image if a else image.transpose(1, 0, 2)
    rows, columns = (d, a) if a else (b, c)
    return np.ascontiguousarray(turned[::rows, ::columns])


def display_size(width_px: int, height_px: int, pixel_aspect: Fraction, matrix: Matrix) -> tuple[int, int]:
    """Width and height as shown. Non-square pixels are made square by the stored width."""
    square = (max(1, round(width_px * pixel_aspect)), height_px)
    return square if matrix[0] else (square[1], square[0])
