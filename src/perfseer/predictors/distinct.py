"""Distinct nodes: repeated blocks make most nodes of a graph alike, and what is alike is computed once."""

from dataclasses import dataclass

import numpy as np

from perfseer.data.features import NODE_COLUMNS, GraphFeatures
from perfseer.data.ragged import offsets, segment_ids
from perfseer.graphs.perfgraph import IntArray

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
        # One opaque value per row compares as a whole, several times faster than column by column.
        keys = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
        _, first, kind = np.unique(keys, return_index=True, return_inverse=True)
        pairs, counts = np.unique(segment_ids(features.node_ptr) * len(first) + kind, return_counts=True)
        row, kinds = np.divmod(pairs, max(len(first), 1))
        return cls(first, kinds, counts, offsets(np.bincount(row, minlength=len(features))))
