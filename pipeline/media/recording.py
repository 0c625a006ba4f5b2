"""The sound of a film, read piece by piece from the file that stage ``audio`` wrote."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


class Sound(Protocol):
    """Samples that are cut into pieces, float32 ``(size,)``: an array, or a :class:`Recording`."""

    @property
    def size(self) -> int: ...

    def __getitem__(self, piece: slice, /) -> NDArray[np.float32]: ...


class Recording:
    """A one-dimensional ``.npy`` file of which nothing stays in memory but the piece at hand.

    A mapped file would: every page that was read once counts as the process's own, 230 MB in an hour.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            npy.read_magic(file)
            (self.size,), _, self._type = npy.read_array_header_1_0(file)
            self._start = file.tell()

    def __getitem__(self, piece: slice, /) -> NDArray[np.float32]:
        first, last, _ = piece.indices(self.size)
        offset = self._start + first * self._type.itemsize
        return np.fromfile(self._path, self._type, max(0, last - first), offset=offset)
