"""Mini-batches for networks that sum over neighbours: who adds up to whom, sorted once for all batches."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from perfseer.data.features import FeatureArray
from perfseer.data.ragged import gather, offsets, segment_ids
from perfseer.graphs.perfgraph import IntArray


@dataclass(frozen=True, eq=False)
class Links:
    """Which of N rows add up to each of M results, and the reverse; int32.

    Attributes:
        senders: [E] rows to be added, results one after the other.
        ptr: [M + 1] offsets of each result's senders.
        receivers: [E] results that each row adds to, rows one after the other.
        back_ptr: [N + 1] offsets of each row's receivers.
    """

    senders: torch.Tensor
    ptr: torch.Tensor
    receivers: torch.Tensor
    back_ptr: torch.Tensor

    @cached_property
    def shares(self) -> torch.Tensor:
        """[M, 1] float32 one over the number of senders of each result; 1 where it has none."""
        return self.ptr.diff().clamp(min=1).unsqueeze(1).float().reciprocal()


@dataclass(frozen=True, eq=False)
class LinkedBatch:
    """B graphs laid end to end, V nodes altogether.

    Attributes:
        nodes: [V, C + F] one-hot type (all zero for none), then features; float32.
        neighbours: from nodes to nodes.
        members: from nodes to the graphs they are in.
        statics: [B, S] features of the graphs, float32.
    """

    nodes: torch.Tensor
    neighbours: Links
    members: Links
    statics: torch.Tensor


class LinkedGraphs(NamedTuple):
    """G graphs with V nodes and E edges altogether, as a network is to see them.

    Attributes:
        types: [V] column of the one-hot code; ``n_types`` for a node that has none.
        n_types: C.
        features: [V, F] normalised.
        edge_index: [2, E] senders and receivers, counted within their graph.
        node_ptr: [G + 1] offsets of each graph's nodes.
        edge_ptr: [G + 1] offsets of each graph's edges.
        statics: [G, S] normalised.
    """

    types: IntArray
    n_types: int
    features: FeatureArray
    edge_index: IntArray
    node_ptr: IntArray
    edge_ptr: IntArray
    statics: FeatureArray


class LinkedSource:
    """Mini-batches of rows over `LinkedGraphs`. Edges are sorted once, here.

    Args:
        graphs: the graphs in use.
        rows: [n] which of them belongs to each row.
    """

    def __init__(self, graphs: LinkedGraphs, rows: IntArray) -> None:
        self._rows = rows
        self._n_types = graphs.n_types
        self._types = torch.from_numpy(np.ascontiguousarray(graphs.types, dtype=np.int64))
        self._features = torch.from_numpy(np.ascontiguousarray(graphs.features, dtype=np.float32))
        self._statics = torch.from_numpy(np.ascontiguousarray(graphs.statics, dtype=np.float32))
        self._node_ptr, self._edge_ptr = graphs.node_ptr, graphs.edge_ptr
        starts = graphs.node_ptr[:-1][segment_ids(graphs.edge_ptr)]
        senders, receivers = graphs.edge_index
        n_nodes = int(graphs.node_ptr[-1])
        # Nodes of later graphs come later, so sorting by node keeps each graph's edges together.
        self._senders = senders[np.argsort(starts + receivers, kind="stable")]
        self._in_degree = np.bincount(starts + receivers, minlength=n_nodes)
        self._receivers = receivers[np.argsort(starts + senders, kind="stable")]
        self._out_degree = np.bincount(starts + senders, minlength=n_nodes)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._rows)

    def batch(self, rows: npt.ArrayLike) -> LinkedBatch:
        """The graphs of the given rows, in that order.

        Args:
            rows: [B] row numbers; may repeat.

        Raises:
            IndexError: there is no such row.
        """
        graphs = self._rows[np.asarray(rows, dtype=np.int64)]
        chosen, node_ptr = gather(self._node_ptr, graphs)
        edges, edge_ptr = gather(self._edge_ptr, graphs)
        first = node_ptr[:-1][segment_ids(edge_ptr)]
        nodes = torch.from_numpy(chosen)
        codes = F.one_hot(self._types[nodes], self._n_types + 1)[:, : self._n_types].float()
        return LinkedBatch(
            nodes=torch.cat([codes, self._features[nodes]], dim=1),
            neighbours=_links(
                self._senders[edges] + first,
                offsets(self._in_degree[chosen]),
                self._receivers[edges] + first,
                offsets(self._out_degree[chosen]),
            ),
            members=_links(
                np.arange(len(chosen)), node_ptr, segment_ids(node_ptr), np.arange(len(chosen) + 1)
            ),
            statics=self._statics[torch.from_numpy(graphs)],
        )


def _links(*arrays: IntArray) -> Links:
    return Links(*(torch.from_numpy(array.astype(np.int32)) for array in arrays))
