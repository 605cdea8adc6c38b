"""Depth of graphs: nodes on the longest path, for all graphs at once."""

import numpy as np

from perfseer.data.features import GraphFeatures
from perfseer.data.ragged import gather, offsets, segment_ids, segment_max
from perfseer.graphs.perfgraph import IntArray


def graph_depths(features: GraphFeatures, graphs: IntArray) -> IntArray:
    """Nodes on the longest path of each of the chosen graphs.

    Level by level over the edges of all graphs together: as many array operations as the deepest graph has
    levels, and every edge is looked at once.

    Args:
        features: of all graphs.
        graphs: [n] graph numbers; may repeat.

    Returns:
        [n] depths; a graph of one node has depth 1.
    """
    node_ptr = offsets(np.diff(features.node_ptr)[graphs])
    edges, edge_ptr = gather(features.edge_ptr, graphs)
    senders, receivers = features.edge_index[:, edges] + node_ptr[segment_ids(edge_ptr)]
    levels = _levels(senders, receivers, int(node_ptr[-1]))
    return segment_max(levels.astype(np.float64), node_ptr).astype(np.int64)


def _levels(senders: IntArray, receivers: IntArray, n_nodes: int) -> IntArray:
    """[V] nodes on the longest path that ends in each node: it is ready once all its senders are done."""
    leaving = receivers[np.argsort(senders, kind="stable")]
    leaving_ptr = offsets(np.bincount(senders, minlength=n_nodes))
    waiting = np.bincount(receivers, minlength=n_nodes)
    levels = np.zeros(n_nodes, dtype=np.int64)
    ready, level = np.flatnonzero(waiting == 0), 0
    while len(ready):
        level += 1
        levels[ready] = level
        positions, _ = gather(leaving_ptr, ready)
        reached, times = np.unique(leaving[positions], return_counts=True)
        waiting[reached] -= times
        ready = reached[waiting[reached] == 0]
    return levels
