"""Mini-batches of graphs as index operations over flat tensors: no object per graph, no collate loop."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from perfseer.data.dataset import Dataset
from perfseer.data.normalisation import FeatureNormaliser
from perfseer.data.ragged import gather, segment_ids


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """B graphs laid end to end, V nodes and E edges altogether; normalised float32 features.

    Attributes:
        nodes: [V, Fn].
        operators: [V] int64 index into the operator vocabulary.
        edges: [E, Fe].
        edge_index: [2, E] int64 senders and receivers, counted within the batch.
        globals_: [B, Fg].
        node_graph: [V] int64 graph of each node, ascending.
        edge_graph: [E] int64 graph of each edge, ascending.
        n_graphs: B.
        ptr: [B + 1] int64 offsets of each graph's nodes.
    """

    nodes: torch.Tensor
    operators: torch.Tensor
    edges: torch.Tensor
    edge_index: torch.Tensor
    globals_: torch.Tensor
    node_graph: torch.Tensor
    edge_graph: torch.Tensor
    n_graphs: int
    ptr: torch.Tensor

    def to(self, device: torch.device | str) -> "GraphBatch":
        """The same batch on another device."""
        moved = {
            name: value.to(device) if isinstance(value, torch.Tensor) else value
            for name, value in vars(self).items()
        }
        return GraphBatch(**moved)


class BatchSource:
    """Mini-batches of a dataset's rows.

    Features of the graphs in use are normalised once, here.

    Args:
        dataset: the rows to draw from.
        normaliser: fitted on training graphs.
    """

    def __init__(self, dataset: Dataset, normaliser: FeatureNormaliser) -> None:
        used, self._graphs = np.unique(dataset.graph_rows, return_inverse=True)
        features = normaliser.transform(dataset.features.take(used))
        self._node_ptr, self._edge_ptr = features.node_ptr, features.edge_ptr
        names = ("nodes", "edges", "globals_", "operators", "edge_index")
        self._nodes, self._edges, self._globals, self._operators, self._edge_index = (
            torch.from_numpy(np.ascontiguousarray(getattr(features, name))) for name in names
        )

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._graphs)

    def batch(self, rows: npt.ArrayLike) -> GraphBatch:
        """The graphs of the given rows, in that order, each graph's nodes in execution order.

        Args:
            rows: [B] row numbers of the dataset; may repeat.

        Raises:
            IndexError: there is no such row.
        """
        graphs = self._graphs[np.asarray(rows, dtype=np.int64)]
        node_rows, node_ptr = gather(self._node_ptr, graphs)
        edge_rows, edge_ptr = gather(self._edge_ptr, graphs)
        nodes, edges = torch.from_numpy(node_rows), torch.from_numpy(edge_rows)
        ptr = torch.from_numpy(node_ptr)
        edge_graph = torch.from_numpy(segment_ids(edge_ptr))
        return GraphBatch(
            nodes=self._nodes.index_select(0, nodes),
            operators=self._operators.index_select(0, nodes),
            edges=self._edges.index_select(0, edges),
            edge_index=self._edge_index.index_select(1, edges).add_(ptr[edge_graph]),
            globals_=self._globals.index_select(0, torch.from_numpy(graphs)),
            node_graph=torch.from_numpy(segment_ids(node_ptr)),
            edge_graph=edge_graph,
            n_graphs=len(graphs),
            ptr=ptr,
        )
