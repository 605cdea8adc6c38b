"""Distinct nodes: repeated blocks make most nodes of a graph alike, and what is alike is computed once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perfseer.data.features import NODE_COLUMNS, GraphFeatures
from perfseer.data.ragged import offsets, segment_ids
from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray, IntArray

# Shares of the graph's totals tell equal nodes of different graphs apart, so they are left out.
DISTINCT_COLUMNS: tuple[str, ...] = tuple(name for name in NODE_COLUMNS if not name.endswith("_share"))


@dataclass(frozen=True, eq=False)
class DistinctNodes:
    """Which distinct nodes each of n rows holds, and how many of each.

    Attributes:
        first: [D] position, among all V nodes of all rows, of the first node of each kind.
        kinds: [P] kind (0 to D - 1) of each pair of a row and a kind that occurs in it, rows in order.
        counts: [P] nodes of that kind in that row, at least 1.
        ptr: [n + 1] first pair of each row.
    """

    first: IntArray
    kinds: IntArray
    counts: IntArray
    ptr: IntArray

    @classmethod
    def of(cls, features: GraphFeatures) -> "DistinctNodes":
        """Find them: two nodes are alike if their operators and all of `DISTINCT_COLUMNS` are equal.

        Args:
            features: raw features of n rows.
        """
        columns = [NODE_COLUMNS.index(name) for name in DISTINCT_COLUMNS]
        rows = np.column_stack([features.operators, features.nodes[:, columns]])
        first, kind = distinct_rows(rows)
        return cls(first, *count_kinds(features.node_ptr, kind, len(first)))


def count_kinds(node_ptr: IntArray, kind: IntArray, n_kinds: int) -> tuple[IntArray, IntArray, IntArray]:
    """Kinds of nodes by graph.

    Args:
        node_ptr: [G + 1] first node of each graph.
        kind: [V] of each node.
        n_kinds: how many there are.

    Returns:
        [P] kind of each pair of a graph and a kind that occurs in it, [P] how many nodes, [G + 1] first pair
        of each graph.
    """
    width = max(n_kinds, 1)
    pairs, counts = np.unique(segment_ids(node_ptr) * width + kind, return_counts=True)
    graph, kinds = np.divmod(pairs, width)
    return kinds, counts, offsets(np.bincount(graph, minlength=len(node_ptr) - 1))


def distinct_rows(rows: FloatArray) -> tuple[IntArray, IntArray]:
    """Position of the first of each distinct row, and the number of each row's kind.

    Rows are compared by a hash of 64 bits, ten times faster than as a whole, and then checked.
    """
    hashes = _hash(np.ascontiguousarray(rows))
    _, first, kind = np.unique(hashes, return_index=True, return_inverse=True)
    same = all(bool((column[first][kind] == column).all()) for column in rows.T)
    require(same, "two different nodes have one hash: report this, with the table of measurements")
    return first, kind


def _hash(rows: FloatArray) -> npt.NDArray[np.uint64]:
    """[n] 64 bits of each row [n, C], by multiplying and folding column by column (after splitmix64)."""
    multiplier, shift = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)
    found = np.zeros(len(rows), dtype=np.uint64)
    for number, column in enumerate(rows.T, start=1):
        found = (found ^ column.copy().view(np.uint64)) * multiplier + np.uint64(number)
        found ^= found >> shift
    return found
