"""Arrays out of a file that PyTorch saved before version 1.6, without PyTorch: its import takes seconds and 200 MB.

Nothing in the file can run code: only containers, numbers and arrays are built, all else is refused.
"""

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.models.cards import ModelError

MAGIC = 0x1950A86A20F9469CFC6C
TYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8", "IntStorage": "<i4"}


class _Reader(pickle.Unpickler):
    """Builds tensors as (storage key, offset, shape, strides) until the storages are read."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.types: dict[str, str] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in TYPES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a file of arrays")

    def persistent_load(self, pid: Any) -> str:
        kind, storage_type, key = pid[:3]
        if kind != "storage":
            raise pickle.UnpicklingError(f"{kind} is no part of a file of arrays")
        self.types[str(key)] = TYPES[storage_type]
        return str(key)


class _Tensor:
    def __init__(
        self, storage: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
    ) -> None:
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides


def read_arrays(path: Path, part: str) -> Mapping[str, NDArray[np.floating[Any]]]:
    """The arrays under the key ``part`` of the saved dictionary, by name.

    Raises:
        ModelError: the file is not of that layout.
    """
    try:
        with path.open("rb") as file:
            if _Reader(file).load() != MAGIC:
                raise pickle.UnpicklingError("another layout")
            _Reader(file).load(), _Reader(file).load()  # version of the layout; sizes of integers
            reader = _Reader(file)
            tensors: Mapping[str, _Tensor] = reader.load()[part]
            storages = {}
            for key in _Reader(file).load():
                count = int(np.fromfile(file, "<i8", 1)[0])
                storages[str(key)] = np.fromfile(file, reader.types[str(key)], count)
        return {name: _view(tensor, storages[tensor.storage]) for name, tensor in tensors.items()}
    except (OSError, ValueError, KeyError, IndexError, EOFError, AttributeError, pickle.UnpicklingError) as error:
        raise ModelError(f"{path} cannot be read; delete it and run `emotion-pipeline models pull`") from error


def _view(tensor: _Tensor, storage: NDArray[Any]) -> NDArray[Any]:
    strides = tuple(step * storage.itemsize for step in tensor.strides)
    flat = storage[tensor.offset :]
    needed = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.strides, strict=True))
    if flat.size <= needed:
        raise ValueError("an array is longer than what is stored")
    return np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False).copy()
