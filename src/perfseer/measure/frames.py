"""What passes between a process and its child: requests of ours, answers that are plain data.

An answer comes from a process that read a stranger's file, so it is JSON and arrays of numbers and never a
pickle. One message: eight bytes with the length of the JSON, the JSON, then the arrays end to end.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]
_LENGTH_BYTES = 8
# A graph of ten million nodes fits; more than that no model has.
_MOST_JSON_BYTES, _MOST_ARRAY_BYTES = 2**28, 2**32
_PIECE_BYTES = 2**20


@dataclass(frozen=True)
class Frame:
    """One message.

    Attributes:
        value: JSON-ready.
        arrays: of 64-bit integers.
    """

    value: Any
    arrays: Sequence[Array] = field(default=())


def write_frame(descriptor: int, frame: Frame) -> None:
    """Write a message whole.

    Raises:
        OSError: nobody reads it.
        ValueError: the value is not JSON-ready.
    """
    shapes = [list(array.shape) for array in frame.arrays]
    # ASCII, so that text which is no UTF-8 passes as well
    text = json.dumps({"value": frame.value, "shapes": shapes}, allow_nan=False).encode("ascii")
    write_bytes(descriptor, len(text).to_bytes(_LENGTH_BYTES, "little") + text)
    for array in frame.arrays:
        write_bytes(descriptor, np.ascontiguousarray(array, dtype=np.int64).tobytes())


def read_frame(read: Callable[[int], bytes | bytearray]) -> Frame:
    """Read a message whole.

    Args:
        read: gives exactly so many bytes.

    Raises:
        ValueError: it is no message, or larger than any can be.
    """
    length = int.from_bytes(read(_LENGTH_BYTES), "little")
    if length > _MOST_JSON_BYTES:
        raise ValueError(f"a message of {length} bytes")
    said = json.loads(read(length))
    shapes = said["shapes"]
    good = all(isinstance(size, int) and size >= 0 for shape in shapes for size in shape)
    if not good or sum(8 * prod(shape) for shape in shapes) > _MOST_ARRAY_BYTES:
        raise ValueError(f"arrays of the shapes {shapes}")
    arrays = [np.frombuffer(read(8 * prod(shape)), dtype=np.int64).reshape(shape) for shape in shapes]
    return Frame(said["value"], arrays)


def write_bytes(descriptor: int, content: bytes) -> None:
    """Write all of it.

    Raises:
        OSError: nobody reads it.
    """
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view[:_PIECE_BYTES]) :]
