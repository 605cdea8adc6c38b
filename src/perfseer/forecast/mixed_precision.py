"""A graph in single precision as it runs in fewer bits: narrower tensors, and autocast's casts between them.

For models that exist as graphs alone (ONNX files, exported programs): a module is captured under autocast
itself (`graphs.autocast`), which is exact. Which operator computes in how many bits follows
`predictors.memory.widths`; every operand in another precision, and every weight of a product, gets a node
that casts it.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from perfseer.graphs.perfgraph import FloatArray, IntArray, PerfGraph
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX, mask_with
from perfseer.predictors.memory.setup import MemorySetup
from perfseer.predictors.memory.widths import compute_scales, converts, traced_in_16_bits

_COPY = OPERATOR_INDEX["copy"]
_PRODUCTS = mask_with("narrow")
_BYTE_ARRAYS = ("input_bytes", "weight_bytes", "output_bytes", "backward_bytes", "edge_bytes")
_BYTE_TOTALS = ("parameter_bytes", "buffer_bytes", "peak_infer_bytes", "peak_train_bytes", "train_only_bytes")


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


def in_16_bits(graph: PerfGraph) -> PerfGraph:
    """``graph`` as its model runs with weights and inputs in 16 bits; one captured so is returned as it is.

    Exact where all its tensors are in single precision; indices and counts are taken to be narrower too.
    """
    if traced_in_16_bits(graph):
        return graph
    halved: dict[str, Any] = {name: _whole(getattr(graph, name) / 2) for name in _BYTE_ARRAYS}
    halved |= {name: getattr(graph, name) // 2 for name in _BYTE_TOTALS}
    return replace(graph, **halved)


class _Casts:
    """Nodes to insert, each before the node it serves.

    Attributes:
        reader: [C] the node served.
        edge: [C] edge that the cast interrupts; -1 for a weight or an input of the graph.
        read: [C] bytes read.
        written: [C] bytes written.
        of_weight: [C] whether a weight is cast.
        shape: [C, 4] of the tensor.
    """

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        rows = sorted(rows, key=lambda row: row[0])
        reader, edge, read, written, of_weight, shape = zip(*rows, strict=True) if rows else [()] * 6
        self.reader, self.edge = np.array(reader, dtype=np.int64), np.array(edge, dtype=np.int64)
        self.read, self.written = _whole(np.array(read)), _whole(np.array(written))
        self.of_weight = np.array(of_weight, dtype=np.bool_)
        self.shape = np.array(shape, dtype=np.int64).reshape(-1, 4)

    @classmethod
    def of(cls, graph: PerfGraph, scales: FloatArray) -> "_Casts":
        senders, receivers = graph.edge_index
        differs = np.flatnonzero((scales[senders] != scales[receivers]) & converts(graph)[receivers])
        before, after = graph.edge_bytes * scales[senders], graph.edge_bytes * scales[receivers]
        rows: list[tuple[Any, ...]] = [
            (receivers[e], e, before[e], after[e], False, graph.edge_shapes[e]) for e in differs
        ]
        narrow, bias = _PRODUCTS[graph.operators], _bias_bytes(graph)
        weights = np.where(narrow, graph.weight_bytes - bias, 0)
        outside = np.where(narrow, _read_from_outside(graph), 0)
        for tensors, of_weight in ((weights, True), (bias, True), (outside, False)):
            for v in np.flatnonzero(tensors > 0):
                nbytes = tensors[v]
                rows.append((v, -1, nbytes, nbytes / 2, of_weight, (nbytes // 4, 1, 1, 1)))
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
    edge_index = place[graph.edge_index]
    rerouted = casts.edge >= 0
    from_sender = np.stack([edge_index[0, casts.edge[rerouted]], cast_place[rerouted]])
    edge_index[0, casts.edge[rerouted]] = cast_place[rerouted]
    from_outside = np.stack([cast_place[~rerouted], place[casts.reader[~rerouted]]])
    read, written = casts.read, casts.written
    return replace(
        graph,
        operators=column(graph.operators, np.full(more, _COPY, dtype=np.int64)),
        hyperparameters=column(graph.hyperparameters, np.zeros((more, len(HYPERPARAMETERS)), dtype=np.int64)),
        output_shapes=column(graph.output_shapes, casts.shape),
        flops=column(graph.flops, zero),
        input_bytes=column(graph.input_bytes, read * ~casts.of_weight),
        weight_bytes=column(graph.weight_bytes, read * casts.of_weight),
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
