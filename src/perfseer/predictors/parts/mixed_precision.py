"""A graph in single precision as it runs under autocast: narrower tensors, and the casts between them.

For models that exist as graphs alone (ONNX files, exported programs): a module is captured under autocast
itself (`graphs.autocast`), which is exact. Which operator computes in how many bits follows
`predictors.memory.widths`; every operand in another precision, and every weight of a product, gets a node
that casts it.
"""

from dataclasses import replace

import numpy as np

from perfseer.graphs.perfgraph import FloatArray, IntArray, PerfGraph
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX, mask_with
from perfseer.predictors.memory.setup import MemorySetup
from perfseer.predictors.memory.widths import compute_scales, converts, traced_in_16_bits

_COPY = OPERATOR_INDEX["copy"]
_PRODUCTS = mask_with("narrow")


def under_autocast(graph: PerfGraph, setup: MemorySetup) -> PerfGraph:
    """``graph`` as autocast runs it; a graph that was captured so already is returned as it is.

    Exact in FLOPs, parameters and edges between operators; casts and bytes are those of the rules above.
    Peak memory stays that of single precision.

    Args:
        graph: captured in single precision.
        setup: says that it runs under autocast.
    """
    if not setup.autocast or traced_in_16_bits(graph):
        return graph
    scales = compute_scales(graph, setup)
    casts = _Casts.of(graph, scales)
    return _with_casts(_narrowed(graph, scales, casts), casts)


class _Casts:
    """Nodes to insert, each before the node it serves.

    Attributes:
        reader: [C] the node served.
        sender: [C] whose tensor is cast; -1 for a weight or an input of the graph.
        edge: [C] edge that the cast interrupts; -1 likewise.
        read: [C] bytes read.
        written: [C] bytes written.
        of_weight: [C] whether a weight is cast.
        shape: [C, 4] of the tensor.
    """

    def __init__(self, rows: list[tuple[int, int, int, float, float, bool, tuple[int, ...]]]) -> None:
        rows = sorted(rows, key=lambda row: row[0])
        columns = list(zip(*rows, strict=True)) if rows else [()] * 7
        self.reader, self.sender, self.edge = (np.array(columns[i], dtype=np.int64) for i in range(3))
        self.read, self.written = (np.rint(np.array(columns[i], dtype=np.float64)) for i in (3, 4))
        self.of_weight = np.array(columns[5], dtype=np.bool_)
        self.shape = np.array(columns[6], dtype=np.int64).reshape(-1, 4)

    @classmethod
    def of(cls, graph: PerfGraph, scales: FloatArray) -> "_Casts":
        senders, receivers = graph.edge_index
        differs = np.flatnonzero((scales[senders] != scales[receivers]) & converts(graph)[receivers])
        rows = [
            (
                int(receivers[e]),
                int(senders[e]),
                int(e),
                float(graph.edge_bytes[e] * scales[senders[e]]),
                float(graph.edge_bytes[e] * scales[receivers[e]]),
                False,
                tuple(graph.edge_shapes[e].tolist()),
            )
            for e in differs
        ]
        narrow = _PRODUCTS[graph.operators]
        bias = _bias_bytes(graph)
        for weights in (np.where(narrow, graph.weight_bytes - bias, 0), bias):
            for v in np.flatnonzero(weights > 0):
                nbytes = float(weights[v])
                rows.append((int(v), -1, -1, nbytes, nbytes / 2, True, (int(nbytes / 4), 1, 1, 1)))
        outside = _read_from_outside(graph)
        for v in np.flatnonzero(narrow & (outside > 0)):
            nbytes = float(outside[v])
            rows.append((int(v), -1, -1, nbytes, nbytes / 2, False, (int(nbytes / 4), 1, 1, 1)))
        return cls(rows)


def _bias_bytes(graph: PerfGraph) -> IntArray:
    """[V] bytes of the bias among the weights of convolutions and linear layers, a tensor of its own."""
    column = {name: graph.hyperparameters[:, number] for number, name in enumerate(HYPERPARAMETERS)}
    linear = column["linear_bias"] * column["linear_out"]
    return np.minimum(4 * (linear + column["conv_bias"] * graph.output_shapes[:, 1]), graph.weight_bytes)


def _read_from_outside(graph: PerfGraph) -> FloatArray:
    """[V] bytes of the graph's own inputs that each node reads."""
    inner = np.bincount(graph.edge_index[1], weights=graph.edge_bytes, minlength=graph.n_nodes)
    return np.maximum(graph.input_bytes - inner, 0.0)


def _narrowed(graph: PerfGraph, scales: FloatArray, casts: _Casts) -> PerfGraph:
    """The same nodes and edges with the bytes of their precision, operands as they come out of the casts."""
    senders, receivers = graph.edge_index
    carried = scales[senders].copy()
    interrupted = casts.edge[casts.edge >= 0]
    carried[interrupted] = scales[receivers[interrupted]]
    inner = np.bincount(receivers, weights=graph.edge_bytes, minlength=graph.n_nodes)
    moved = np.bincount(receivers, weights=graph.edge_bytes * carried, minlength=graph.n_nodes)
    # A tensor that is read twice stands on two edges but is read once.
    share = np.minimum(graph.input_bytes / np.maximum(inner, 1), 1.0)
    narrow = _PRODUCTS[graph.operators]
    outside = _read_from_outside(graph) * np.where(narrow, 0.5, 1.0)
    return replace(
        graph,
        input_bytes=_whole(moved * share + outside),
        weight_bytes=_whole(graph.weight_bytes * np.where(narrow, 0.5, 1.0)),
        output_bytes=_whole(graph.output_bytes * scales),
        backward_bytes=_whole(graph.backward_bytes * scales),
        edge_bytes=_whole(graph.edge_bytes * carried),
    )


def _with_casts(graph: PerfGraph, casts: _Casts) -> PerfGraph:
    """Insert the casts; every node keeps its place in the order of execution."""
    n, more = graph.n_nodes, len(casts.reader)
    before = np.searchsorted(casts.reader, np.arange(n), side="right")
    place = np.arange(n) + before
    cast_place = casts.reader + np.arange(more)
    order = np.argsort(np.concatenate([place, cast_place]), kind="stable")

    def column(values: IntArray, added: IntArray) -> IntArray:
        return np.concatenate([values, added])[order]

    zero = np.zeros(more, dtype=np.int64)
    weight, other = casts.of_weight, ~casts.of_weight
    edge_index = place[graph.edge_index]
    rerouted = casts.edge >= 0
    edge_index[0, casts.edge[rerouted]] = cast_place[rerouted]
    from_sender = np.stack([place[casts.sender[rerouted]], cast_place[rerouted]])
    from_outside = np.stack([cast_place[~rerouted], place[casts.reader[~rerouted]]])
    read, written = casts.read.astype(np.int64), casts.written.astype(np.int64)
    return replace(
        graph,
        operators=column(graph.operators, np.full(more, _COPY, dtype=np.int64)),
        hyperparameters=column(graph.hyperparameters, np.zeros((more, len(HYPERPARAMETERS)), dtype=np.int64)),
        output_shapes=column(graph.output_shapes, casts.shape),
        flops=column(graph.flops, zero),
        input_bytes=column(graph.input_bytes, read * other),
        weight_bytes=column(graph.weight_bytes, read * weight),
        output_bytes=column(graph.output_bytes, written),
        backward_flops=column(graph.backward_flops, zero),
        # The gradient of a cast is a cast the other way.
        backward_bytes=column(graph.backward_bytes, (read + written) * graph.has_backward),
        edge_index=np.concatenate([edge_index, from_sender, from_outside], axis=1),
        edge_bytes=np.concatenate([graph.edge_bytes, read[rerouted], written[~rerouted]]),
        edge_shapes=np.concatenate([graph.edge_shapes, casts.shape[rerouted], casts.shape[~rerouted]]),
    )


def _whole(values: FloatArray | IntArray) -> IntArray:
    return np.rint(values).astype(np.int64)
