"""Arrays out of a file that ``torch.save`` wrote, without PyTorch, whose import takes seconds and 200 MB.

Nothing in the file can run code: only dictionaries, numbers and arrays are built, all else is refused.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.models.cards import ModelError

TYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8", "IntStorage": "<i4"}


def read_arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """The saved arrays by name.

    Raises:
        ModelError: the file is not of that layout.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            reader = _Reader(archive, names[0].removesuffix("data.pkl"))
            arrays = reader.load()
            return {str(name): array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    except (
        *(OSError, ValueError, KeyError, IndexError, EOFError, AttributeError, TypeError),
        *(pickle.UnpicklingError, zipfile.BadZipFile),
    ) as error:
        raise ModelError(
            f"{path} cannot be read; delete it and run `emotion-pipeline models pull`"
        ) from error


class _Reader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(folder + "data.pkl")))
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _array
        if module == "torch" and name in TYPES:
            return TYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a file of arrays")

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        kind, numbers, key = pid[:3]
        if kind != "storage":
            raise pickle.UnpicklingError(f"{kind} is no part of a file of arrays")
        return np.frombuffer(self._archive.read(f"{self._folder}data/{key}"), numbers)


def _array(
    storage: NDArray[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> NDArray[Any]:
    last = sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides), default=0) < 0 or storage.size <= offset + last:
        raise ValueError("an array is longer than what is stored")
    in_bytes = tuple(step * storage.itemsize for step in strides)
    view = np.lib.stride_tricks.as_strided(storage[offset:], shape, in_bytes, writeable=False)
    return np.ascontiguousarray(view)
