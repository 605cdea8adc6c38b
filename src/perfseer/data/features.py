"""PerfGraph features (METHODS 1.2), for all graphs of a store at once.

Raw values in physical units (FLOPs, bytes); logarithms and z-scores are the normaliser's
(``data/normalisation.py``). "MAC" in the paper is bytes moved: input + weight + output bytes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perfseer.data.packed import PackedGraphs
from perfseer.data.ragged import (
    gather,
    segment_ids,
    segment_max,
    segment_mean,
    segment_median,
    segment_sum,
    stack_columns,
)
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.graphs.vocabulary import HYPERPARAMETERS

FeatureArray = npt.NDArray[np.floating[Any]]

_STATISTICS = {"total": segment_sum, "mean": segment_mean, "median": segment_median, "max": segment_max}
# v = [hp | c | m | a | p] of METHODS 1.2, then what the backward pass does and the output's shape.
NODE_COLUMNS: tuple[str, ...] = (
    *HYPERPARAMETERS,
    "flops",
    "bytes",
    "input_bytes",
    "weight_bytes",
    "output_bytes",
    "intensity",
    "flops_share",
    "bytes_share",
    "weight_share",
    "backward_flops",
    "backward_bytes",
    "output_n",
    "output_c",
    "output_h",
    "output_w",
)
# e = [sz | sp].
EDGE_COLUMNS: tuple[str, ...] = ("edge_bytes", "edge_n", "edge_c", "edge_h", "edge_w")
# u = [gp | c | m | a | b], then what METHODS 5 (improvements 4) adds: the backward pass and analytic peaks.
GLOBAL_COLUMNS: tuple[str, ...] = (
    "n_nodes",
    "n_edges",
    "density",
    *(
        f"{statistic}_{quantity}"
        for quantity in ("flops", "bytes", "weight_bytes")
        for statistic in _STATISTICS
    ),
    "mean_edge_bytes",
    "total_intensity",
    "batch_size",
    "n_parameters",
    "total_backward_flops",
    "total_backward_bytes",
    "train_only_bytes",
    "peak_infer_bytes",
    "peak_train_bytes",
)


@dataclass(frozen=True, eq=False)
class GraphFeatures:
    """Features of G graphs with V nodes and E edges altogether.

    Raw features are float64 in physical units; normalised ones float32 without a unit.

    Attributes:
        nodes: [V, len(NODE_COLUMNS)].
        edges: [E, len(EDGE_COLUMNS)].
        globals_: [G, len(GLOBAL_COLUMNS)].
        operators: [V] index into the operator vocabulary.
        edge_index: [2, E] senders and receivers, counted within their graph.
        node_ptr: [G + 1] offsets of each graph's nodes.
        edge_ptr: [G + 1] offsets of each graph's edges.
    """

    nodes: FeatureArray
    edges: FeatureArray
    globals_: FeatureArray
    operators: IntArray
    edge_index: IntArray
    node_ptr: IntArray
    edge_ptr: IntArray

    def __len__(self) -> int:
        """Number of graphs."""
        return len(self.node_ptr) - 1

    def take(self, graphs: IntArray) -> "GraphFeatures":
        """The features of the chosen graphs, in that order; a graph may be taken more than once."""
        nodes, node_ptr = gather(self.node_ptr, graphs)
        edges, edge_ptr = gather(self.edge_ptr, graphs)
        return GraphFeatures(
            nodes=self.nodes[nodes],
            edges=self.edges[edges],
            globals_=self.globals_[graphs],
            operators=self.operators[nodes],
            edge_index=self.edge_index[:, edges],
            node_ptr=node_ptr,
            edge_ptr=edge_ptr,
        )


def graph_features(graphs: PackedGraphs) -> GraphFeatures:
    """Compute all features of all graphs (METHODS 1.2); no loop over graphs, nodes or edges.

    Args:
        graphs: the packed store.

    Returns:
        Raw features, every value finite and not negative.
    """
    nodes = _node_columns(graphs)
    edges = np.empty((len(graphs["edge_bytes"]), len(EDGE_COLUMNS)))
    edges[:, 0], edges[:, 1:] = graphs["edge_bytes"], graphs["edge_shapes"]
    return GraphFeatures(
        nodes=stack_columns([nodes[name] for name in NODE_COLUMNS]),
        edges=edges,
        globals_=_globals(graphs, nodes, edges[:, 0]),
        operators=np.asarray(graphs["operators"], dtype=np.int64),
        edge_index=np.ascontiguousarray(graphs["edge_index"].T, dtype=np.int64),
        node_ptr=graphs.node_ptr,
        edge_ptr=graphs.edge_ptr,
    )


def _node_columns(graphs: PackedGraphs) -> dict[str, FloatArray]:
    """[V] per name of `NODE_COLUMNS`."""
    plain = ("flops", "input_bytes", "weight_bytes", "output_bytes", "backward_flops", "backward_bytes")
    columns = {name: np.asarray(graphs[name], dtype=np.float64) for name in plain}
    columns["bytes"] = columns["input_bytes"] + columns["weight_bytes"] + columns["output_bytes"]
    columns["intensity"] = columns["flops"] / np.maximum(columns["bytes"], 1.0)
    for share, name in (("flops", "flops"), ("bytes", "bytes"), ("weight", "weight_bytes")):
        columns[f"{share}_share"] = _share(columns[name], graphs.node_ptr)
    hyperparameters = np.asarray(graphs["hyperparameters"], dtype=np.float64)
    columns |= {name: hyperparameters[:, column] for column, name in enumerate(HYPERPARAMETERS)}
    shapes = np.asarray(graphs["output_shapes"], dtype=np.float64)
    return columns | {f"output_{axis}": shapes[:, column] for column, axis in enumerate("nchw")}


def _share(values: FloatArray, pointer: IntArray) -> FloatArray:
    """Each node's share of its graph's total; 0 where the total is 0."""
    totals = segment_sum(values, pointer)
    return values / np.where(totals > 0, totals, 1.0)[segment_ids(pointer)]


def _globals(graphs: PackedGraphs, nodes: dict[str, FloatArray], edge_bytes: FloatArray) -> FloatArray:
    """[G, len(GLOBAL_COLUMNS)]; density is E / (V (V - 1)), 0 for a single node."""
    pointer = graphs.node_ptr
    n_nodes, n_edges = np.diff(pointer), np.diff(graphs.edge_ptr)
    columns: dict[str, FloatArray] = {
        "n_nodes": n_nodes.astype(np.float64),
        "n_edges": n_edges.astype(np.float64),
        "density": n_edges / np.maximum(n_nodes * (n_nodes - 1), 1),
        "mean_edge_bytes": segment_mean(edge_bytes, graphs.edge_ptr),
    }
    for name in ("flops", "bytes", "weight_bytes"):
        columns |= {f"{word}_{name}": of(nodes[name], pointer) for word, of in _STATISTICS.items()}
    columns["total_intensity"] = columns["total_flops"] / np.maximum(columns["total_bytes"], 1.0)
    for name in ("backward_flops", "backward_bytes"):
        columns[f"total_{name}"] = segment_sum(nodes[name], pointer)
    stored = ("batch_size", "n_parameters", "train_only_bytes", "peak_infer_bytes", "peak_train_bytes")
    columns |= {name: np.asarray(graphs[name], dtype=np.float64) for name in stored}
    return stack_columns([columns[name] for name in GLOBAL_COLUMNS])
