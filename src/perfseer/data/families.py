"""Many networks at many batch sizes at once: `graphs.batch_family` over packed graphs, array by array."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perfseer.data.packed import EDGE_ARRAYS, GRAPH_ARRAYS, NODE_ARRAYS, PackedGraphs, narrow
from perfseer.data.ragged import gather, segment_ids
from perfseer.errors import require
from perfseer.graphs.batch_family import AFFINE, CONVEX, STRUCTURE
from perfseer.graphs.perfgraph import IntArray

BoolArray = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.integer[Any]]
_KINDS = dict.fromkeys(NODE_ARRAYS, "nodes") | dict.fromkeys(EDGE_ARRAYS, "edges")


@dataclass(frozen=True, eq=False)
class PackedFamilies:
    """F networks, each captured at two batch sizes from 2 on.

    Attributes:
        low: F graphs at the smaller batch sizes.
        high: the same networks at the greater ones.
        whole: [F] whether the two are of one family; of those that are not, no other batch size is known.
        slopes: what one more sample adds, per array of `batch_family.AFFINE` with any that is not 0.
    """

    low: PackedGraphs
    high: PackedGraphs
    whole: BoolArray
    slopes: Mapping[str, Integers]

    @classmethod
    def of(cls, low: PackedGraphs, high: PackedGraphs) -> "PackedFamilies":
        """Pair graph i of ``low`` with graph i of ``high``; what that takes says `graphs.batch_family`.

        Raises:
            PerfseerError: the numbers of graphs differ, or a batch size is below 2 or not the greater one.
        """
        require(len(low) == len(high), f"{len(low)} graphs cannot be paired with {len(high)}")
        sizes = _int64(low["batch_size"]), _int64(high["batch_size"])
        require(
            bool(((sizes[0] >= 2) & (sizes[0] < sizes[1])).all()),
            "batch families need captures at two batch sizes from 2 on, the smaller one first",
        )
        aligned = (np.diff(low.node_ptr) == np.diff(high.node_ptr)) & (
            np.diff(low.edge_ptr) == np.diff(high.edge_ptr)
        )
        # A graph without its like is paired with itself, so that all arrays stay aligned.
        twins = PackedGraphs.concatenate([low, high]).take(np.arange(len(low)) + len(low) * aligned)
        whole = aligned & _same_structure(low, twins)
        slopes = {}
        for name in AFFINE:
            slope, odd = _slopes(low, twins, name, sizes[1] - sizes[0])
            whole &= ~odd
            if slope.any():
                slopes[name] = narrow(slope)
        return cls(low, high, whole, slopes)

    def __len__(self) -> int:
        """Number of networks."""
        return len(self.low)

    def at(self, families: IntArray, batch_sizes: IntArray) -> PackedGraphs:
        """K graphs; exact but for peak memory, see `graphs.batch_family`.

        Args:
            families: [K] which network; may repeat.
            batch_sizes: [K] samples, at least 2.

        Raises:
            PerfseerError: a batch size is below 2, or two captures were not of one family.
        """
        require(bool((batch_sizes >= 2).all()), "batch 1 is no member of a batch family: capture it")
        require(bool(self.whole[families].all()), "a network's captures are not of one family")
        result = self.low.take(families)
        more = batch_sizes - _int64(self.low["batch_size"])[families]
        arrays = dict(result.arrays)
        for name, slope in self.slopes.items():
            chosen, owner = _places(self.low, families, name)
            added = slope[chosen] * _column(more[owner], slope)
            arrays[name] = narrow(arrays[name] + added)
        arrays |= {name: narrow(self._peaks(name, families, more)) for name in CONVEX}
        arrays["batch_size"] = narrow(batch_sizes)
        return PackedGraphs(arrays, result.node_ptr, result.edge_ptr, result.unknown)

    def _peaks(self, name: str, families: IntArray, more: IntArray) -> IntArray:
        low, high = (_int64(graphs[name])[families] for graphs in (self.low, self.high))
        sizes = [_int64(graphs["batch_size"])[families] for graphs in (self.low, self.high)]
        return np.asarray(low + (high - low) * more // (sizes[1] - sizes[0]))


def _same_structure(low: PackedGraphs, high: PackedGraphs) -> BoolArray:
    """[F] whether what `STRUCTURE` names is equal."""
    same = np.array([low.unknown.get(i) == high.unknown.get(i) for i in range(len(low))], dtype=bool)
    for name in STRUCTURE:
        if name != "unknown":
            same &= ~_any(low, name, np.asarray(low[name]) != np.asarray(high[name]))
    return same


def _slopes(low: PackedGraphs, high: PackedGraphs, name: str, span: IntArray) -> tuple[IntArray, BoolArray]:
    """What one more sample adds to every value, and [F] where that is no whole number or negative."""
    _, owner = _places(low, np.arange(len(low)), name)
    gained = _int64(high[name]) - _int64(low[name])
    slope, rest = np.divmod(gained, _column(span[owner], gained))
    return slope, _any(low, name, (rest != 0) | (slope < 0))


def _places(graphs: PackedGraphs, chosen: IntArray, name: str) -> tuple[IntArray, IntArray]:
    """Of the chosen graphs: positions in the array called ``name``, and which of them each belongs to."""
    if name in GRAPH_ARRAYS:
        return chosen, np.arange(len(chosen))
    places, pointer = gather(graphs.node_ptr if _KINDS[name] == "nodes" else graphs.edge_ptr, chosen)
    return places, segment_ids(pointer)


def _any(graphs: PackedGraphs, name: str, flags: BoolArray) -> BoolArray:
    """[G] whether any value of a graph is flagged."""
    _, owner = _places(graphs, np.arange(len(graphs)), name)
    by_row = flags.any(axis=tuple(range(1, flags.ndim)))
    return np.asarray(np.bincount(owner[by_row], minlength=len(graphs)) > 0)


def _column(values: IntArray, like: Integers) -> IntArray:
    """[N] shaped to multiply an array [N, ...]."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _int64(values: Integers) -> IntArray:
    return np.asarray(values, dtype=np.int64)
