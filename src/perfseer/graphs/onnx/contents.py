"""A few elements of weights, where a question about a file cannot be answered without them.

Weights are not read otherwise. Whether two are the same, or one is filled with one number, some dozens of
elements tell.
"""

from functools import lru_cache
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from perfseer.errors import PerfseerError
from perfseer.graphs.onnx.model import Stored
from perfseer.graphs.onnx.wire import contents_of_weights

_WIDTHS = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
_SAMPLE, _FEW = 64, 12
_SEED = 0  # which elements are looked at is the same in every run

Bits = npt.NDArray[np.unsignedinteger]


class Contents:
    """Elements of the weights of one file.

    Args:
        path: an ONNX file; it is opened when first asked. None for none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] | None = None
        self._file: npt.NDArray[np.uint8] | None = None

    def is_uniform(self, name: str, stored: Stored) -> bool | None:
        """Whether all elements are one number, as before training; None where the file does not tell."""
        places = np.random.default_rng(_SEED).integers(0, max(prod(stored.shape), 1), _SAMPLE)
        found = self._elements(name, stored, places)
        return None if found is None else bool((found == found[0]).all())

    def fingerprint(self, name: str, stored: Stored, *, transposed: bool = False) -> bytes | None:
        """Some elements of a matrix, or of its transpose.

        None where the file does not tell, or all are one number. Equal matrices have equal fingerprints,
        others do not, but by a chance of one in billions.
        """
        rows, columns = stored.shape[::-1] if transposed else stored.shape
        if not rows * columns:
            return None
        i, j = _spots(rows, columns)
        found = self._elements(name, stored, j * rows + i if transposed else i * columns + j)
        return None if found is None or (found == found[0]).all() else found.tobytes()

    def _elements(self, name: str, stored: Stored, places: npt.NDArray[np.int64]) -> Bits | None:
        """Elements at flat places, as bits; None where they are not in the file in one piece."""
        width, count = _WIDTHS.get(stored.dtype), prod(stored.shape)
        if width is None or count == 0:
            return None
        if stored.values is not None:
            flat = np.ascontiguousarray(stored.values).reshape(-1)
            return np.asarray(flat.view(f"u{flat.itemsize}")[places])
        offset, size = self._where().get(name, (0, 0))
        if size != count * width or self._path is None:
            return None
        file = self._open(self._path)
        if file is None or len(file) < offset + size:
            return None
        return np.array(file[offset : offset + size].view(f"<u{width}")[places])

    def _open(self, path: Path) -> npt.NDArray[np.uint8] | None:
        if self._file is None:
            try:
                self._file = np.memmap(path, mode="r")
            except (OSError, ValueError):
                return None
        return self._file

    def _where(self) -> dict[str, tuple[int, int]]:
        if self._places is None:
            try:
                self._places = {} if self._path is None else contents_of_weights(self._path)
            except PerfseerError:
                self._places = {}
        return self._places


@lru_cache(maxsize=256)
def _spots(rows: int, columns: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which elements of a matrix are looked at."""
    generator = np.random.default_rng((_SEED, rows, columns))
    return generator.integers(0, rows, _FEW), generator.integers(0, columns, _FEW)
