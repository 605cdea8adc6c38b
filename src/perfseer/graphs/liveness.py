"""Analytic peak memory: which tensors are alive at which moment of a trace.

A tensor lives from the operator that writes it to the last operator that reads it. In a training step the
last reader of an activation is an operator of the backward pass wherever autograd saved it, so saved
tensors need no rule of their own. Allocator rounding, workspaces of kernels and the framework's own
context are not counted: this is the memory of the tensors, a lower bound of what a device shows.
"""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

# The training step is SGD with momentum: one buffer the size of each trainable parameter.
OPTIMISER_STATES_PER_PARAMETER = 1


class Ledger:
    """Birth, last use and size of every storage of a trace, by the moment (event number) they happen.

    Storages that were never written are not in the ledger.

    Args:
        resident: storages alive throughout and counted apart (parameters, buffers, inputs); ignored here.
    """

    def __init__(self, resident: Collection[int] = ()) -> None:
        self._resident = frozenset(resident)
        self._lives: dict[int, list[int]] = {}  # birth, last use, bytes

    def write(self, storage: int, moment: int, nbytes: int) -> None:
        """A storage of ``nbytes`` bytes is written at ``moment``; the first write is its birth."""
        if storage not in self._resident:
            self._lives.setdefault(storage, [moment, moment, nbytes])[1] = moment

    def read(self, storage: int, moment: int) -> None:
        """A storage is read at ``moment``."""
        if storage in self._lives:
            self._lives[storage][1] = moment

    def forget(self, storage: int) -> None:
        """The storage does not exist in this phase."""
        self._lives.pop(storage, None)

    def peak_bytes(self) -> int:
        """Largest number of bytes alive at one moment."""
        return peak_bytes(*np.array(list(self._lives.values()), dtype=np.int64).reshape(-1, 3).T)


def peak_bytes(
    births: npt.NDArray[np.int64], last_uses: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]
) -> int:
    """Largest sum of sizes over all moments; a storage is alive from its birth to its last use, inclusive.

    Args:
        births: [S] moment of the first write.
        last_uses: [S] moment of the last read or write, not before the birth.
        sizes: [S] bytes.

    Returns:
        Peak in bytes; 0 without storages. O(S + moments).
    """
    if len(births) == 0:
        return 0
    change = np.zeros(int(last_uses.max()) + 2, dtype=np.int64)
    np.add.at(change, births, sizes)
    np.add.at(change, last_uses + 1, -sizes)
    return int(change.cumsum().max())
