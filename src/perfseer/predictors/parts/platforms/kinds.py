"""The nodes of graphs as a learner of their times sees them: what each is and moves, and which are alike.

Repeated blocks, and the same block in other networks, make most nodes alike. Each kind is described once and
counted in every graph: 19,000 timm results hold four million nodes of three hundred thousand kinds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perfseer.data.features import NODE_COLUMNS, GraphFeatures
from perfseer.data.ragged import segment_ids
from perfseer.graphs.fusion import fuse
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.predictors.parts.distinct import count_kinds, distinct_rows
from perfseer.predictors.parts.tabular import operator_types

# Of a neighbour that is not there: the graph's own input or output.
OUTSIDE = len(OPERATORS)
# Whole numbers that make a kind: two nodes are alike if all of them are equal.
_CODES: tuple[str, ...] = ("operator_type", "producer", "consumer", "silent")
_COUNTS: tuple[str, ...] = (
    *(name for name in NODE_COLUMNS if name.startswith(("conv_", "linear_", "pool_", "output_"))),
    *("flops", "weight_bytes", "backward_flops", "backward_bytes"),
    *("fused_input_bytes", "fused_output_bytes"),
    "input_bytes",
)
KIND_COLUMNS: tuple[str, ...] = (*_CODES, *_COUNTS)


@dataclass(frozen=True, eq=False)
class NodeKinds:
    """K kinds of nodes and how many of each G graphs hold.

    Attributes:
        columns: [K, len(KIND_COLUMNS)] what each kind is.
        kinds: [P] kind of each pair of a graph and a kind that occurs in it, graphs in order.
        counts: [P] nodes of that kind in that graph, at least 1.
        ptr: [G + 1] first pair of each graph.
        node_kind: [V] kind of every node.
        node_ptr: [G + 1] first node of each graph.
    """

    columns: FloatArray
    kinds: IntArray
    counts: IntArray
    ptr: IntArray
    node_kind: IntArray
    node_ptr: IntArray

    @classmethod
    def of(cls, features: GraphFeatures) -> "NodeKinds":
        """Find the kinds of the nodes of G graphs.

        Args:
            features: raw features, bytes in the precision the graph was captured in.
        """
        columns = _node_columns(features)
        first, kind = distinct_rows(columns)
        kinds, counts, ptr = count_kinds(features.node_ptr, kind, len(first))
        return cls(columns[first], kinds, counts, ptr, kind, features.node_ptr)

    def column(self, name: str) -> FloatArray:
        """[K] one of `KIND_COLUMNS`."""
        return self.columns[:, KIND_COLUMNS.index(name)]

    def codes(self, name: str) -> IntArray:
        """[K] one of the columns that are codes, as integers."""
        return self.column(name).astype(np.int64)


def _node_columns(features: GraphFeatures) -> FloatArray:
    """[V, len(KIND_COLUMNS)] of every node."""
    node: dict[str, npt.NDArray[Any]] = {
        name: features.nodes[:, number] for number, name in enumerate(NODE_COLUMNS)
    }
    shift = features.node_ptr[segment_ids(features.edge_ptr)]
    edge_index = np.asarray(features.edge_index) + shift
    edge_bytes = np.asarray(features.edges[:, 0], dtype=np.float64)
    fused = fuse(
        features.operators,
        np.asarray(node["input_bytes"], dtype=np.float64),
        np.asarray(node["output_bytes"], dtype=np.float64),
        edge_index,
        edge_bytes,
    )
    producer, consumer = _neighbours(features.operators, edge_index, edge_bytes)
    node |= {
        "operator_type": operator_types(features),
        "producer": producer,
        "consumer": consumer,
        "silent": fused.silent,
        "fused_input_bytes": fused.input_bytes,
        "fused_output_bytes": fused.output_bytes,
    }
    return np.column_stack([node[name] for name in KIND_COLUMNS]).astype(np.float64)


def _neighbours(
    operators: IntArray, edge_index: IntArray, edge_bytes: FloatArray
) -> tuple[IntArray, IntArray]:
    """[V] operator of the producer of each node's largest input, and of its first reader."""
    senders, receivers = edge_index
    producer, consumer = np.full(len(operators), OUTSIDE), np.full(len(operators), OUTSIDE)
    order = np.argsort(edge_bytes, kind="stable")  # assigned last wins: the largest
    producer[receivers[order]] = operators[senders[order]]
    consumer[senders[::-1]] = operators[receivers[::-1]]
    return producer, consumer
