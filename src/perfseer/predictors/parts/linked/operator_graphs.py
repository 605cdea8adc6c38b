"""BRP-NAS's reading of a graph: nodes are types of operators, between an input, an output and a global node.

METHODS 3. A convolution's type includes its kernel. What a type is, training decides: one that training never
showed has no column of its own, so that its row of the one-hot code is zero.
"""

from dataclasses import dataclass

import numpy as np

from perfseer.data.features import NODE_COLUMNS, FeatureArray, GraphFeatures
from perfseer.data.links import LinkedGraphs
from perfseer.data.ragged import offsets, segment_ids
from perfseer.graphs.perfgraph import IntArray, PerfGraph
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX, OPERATORS

# Nodes added to every graph after its operators, in this order; their types follow those of operators.
ENDS: tuple[str, ...] = ("input", "output", "global")
_INPUT, _OUTPUT, _GLOBAL = range(len(ENDS))
_CONV = OPERATOR_INDEX["conv"]
_KERNEL = "conv_kernel"


@dataclass(frozen=True)
class OperatorTypes:
    """Types of operators that occur in training graphs.

    Attributes:
        names: ascending, for example ``avg_pool``, ``conv 1x1``, ``conv 3x3``.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, features: GraphFeatures) -> "OperatorTypes":
        """Types of all nodes of raw features."""
        kinds = np.unique(_kinds(features.operators, features.nodes[:, NODE_COLUMNS.index(_KERNEL)]))
        return cls(tuple(sorted(_name(int(kind)) for kind in kinds)))

    @property
    def n_columns(self) -> int:
        """Columns of the one-hot code: types of operators, then `ENDS`."""
        return len(self.names) + len(ENDS)

    def columns(self, features: GraphFeatures) -> IntArray:
        """[V] column of each node of raw features; `n_columns` where training showed no such type."""
        kinds = _kinds(features.operators, features.nodes[:, NODE_COLUMNS.index(_KERNEL)])
        distinct, nodes = np.unique(kinds, return_inverse=True)
        known = {name: column for column, name in enumerate(self.names)}
        of_kind = [known.get(_name(int(kind)), self.n_columns) for kind in distinct]
        return np.array(of_kind, dtype=np.int64)[nodes]

    def unseen(self, graph: PerfGraph) -> dict[str, int]:
        """Types of ``graph`` that training never showed, with their nodes."""
        kernels = graph.hyperparameters[:, HYPERPARAMETERS.index(_KERNEL)]
        kinds, counts = np.unique(_kinds(graph.operators, kernels), return_counts=True)
        nodes = {_name(int(kind)): int(count) for kind, count in zip(kinds, counts, strict=True)}
        return {name: count for name, count in nodes.items() if name not in self.names}


def _kinds(operators: IntArray, kernels: FeatureArray | IntArray) -> IntArray:
    """[V] operator and, for convolutions, kernel as one number."""
    return operators + len(OPERATORS) * np.where(operators == _CONV, kernels, 0).astype(np.int64)


def _name(kind: int) -> str:
    kernel, operator = divmod(kind, len(OPERATORS))
    return f"{OPERATORS[operator]} {kernel}x{kernel}" if kernel else OPERATORS[operator]


def with_ends(features: GraphFeatures, types: OperatorTypes, inputs: FeatureArray) -> LinkedGraphs:
    """Graphs with `ENDS` and the links that BRP-NAS gives them; no loop over graphs or nodes.

    Args:
        features: raw features of G graphs; a graph may have no nodes.
        types: of training graphs.
        inputs: [V, F] normalised features of the nodes, F >= 0; those of `ENDS` are 0.

    Returns:
        Graphs without statics. ``input`` sends to the nodes without predecessors, those without successors
        send to ``output`` (``input`` itself in a graph without nodes), every node sends to itself and to
        ``global``.
    """
    graph_of = segment_ids(features.node_ptr)
    sizes = np.diff(features.node_ptr)
    node_ptr = offsets(sizes + len(ENDS))
    places = np.arange(len(graph_of)) + len(ENDS) * graph_of
    columns = np.tile(np.arange(len(types.names), types.n_columns), len(sizes))
    joined = np.empty(node_ptr[-1], dtype=np.int64)
    joined[places] = types.columns(features)
    joined[np.setdiff1d(np.arange(node_ptr[-1]), places, assume_unique=True)] = columns
    rows = np.zeros((node_ptr[-1], inputs.shape[1]), dtype=np.float32)
    rows[places] = inputs
    edges = _edges(features, graph_of, sizes)
    graphs, senders, receivers = edges[:, np.argsort(edges[0], kind="stable")]
    return LinkedGraphs(
        types=joined,
        n_types=types.n_columns,
        features=rows,
        edge_index=np.stack([senders, receivers]),
        node_ptr=node_ptr,
        edge_ptr=offsets(np.bincount(graphs, minlength=len(sizes))),
        statics=np.zeros((len(sizes), 0), dtype=np.float32),
    )


def _edges(features: GraphFeatures, graph_of: IntArray, sizes: IntArray) -> IntArray:
    """[3, E] graph, sender and receiver of every link, the latter two counted within their graph."""
    local = np.arange(len(graph_of)) - features.node_ptr[graph_of]
    edge_graph = segment_ids(features.edge_ptr)
    starts = features.node_ptr[edge_graph]
    first, last = (
        np.bincount(starts + ends, minlength=len(graph_of)) == 0 for ends in features.edge_index[::-1]
    )
    bare = np.flatnonzero(sizes == 0)
    every_graph = segment_ids(offsets(sizes + len(ENDS)))
    every_node = np.arange(len(every_graph)) - offsets(sizes + len(ENDS))[every_graph]
    to_global = every_node < sizes[every_graph] + _GLOBAL
    hears = every_graph[to_global]
    parts = [
        (edge_graph, *features.edge_index),
        (graph_of[first], sizes[graph_of[first]] + _INPUT, local[first]),
        (graph_of[last], local[last], sizes[graph_of[last]] + _OUTPUT),
        (bare, sizes[bare] + _INPUT, sizes[bare] + _OUTPUT),
        (every_graph, every_node, every_node),
        (hears, every_node[to_global], sizes[hears] + _GLOBAL),
    ]
    return np.concatenate([np.stack(part) for part in parts], axis=1)
