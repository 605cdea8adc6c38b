"""Graphs of NAS-Bench-201 cells, all at once: a few array operations for 15,625 cells.

The network (Dong and Yang, 2020): a stem to 16 channels, three stages of five equal cells at 16, 32 and 64
channels and 32, 16 and 8 pixels, a residual block of stride 2 before the second and third stage, a linear
layer. A node stands for all repetitions of one operation in the network and carries their summed work.

A cell's convolution is ReLU, convolution and batch norm: its FLOPs are the convolution's, its bytes those of
all three kernels. Backward passes are not described: only inference was measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from perfseer.data.packed import PackedGraphs
from perfseer.graphs.perfgraph import IntArray
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX

BoolArray = npt.NDArray[np.bool_]
# Edges between a cell's four states, in the order of the cell strings: senders before receivers.
EDGES: tuple[tuple[int, int], ...] = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPERATIONS: tuple[str, ...] = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
STAGES: tuple[tuple[int, int], ...] = ((16, 32), (32, 16), (64, 8))  # channels, pixels along a side
CELLS_PER_STAGE = 5
N_CLASSES = 10
_ITEM_BYTES = 4
# Alive at the peak: the cell's four states and one operation's result, in the first stage.
_PEAK_TENSORS = 5


@dataclass(frozen=True)
class Layer:
    """One occurrence in the network, for a batch of one.

    Attributes:
        channels: in and out.
        pixels: height times width, in and out.
        weights: elements of the convolution or linear layer; 0 without one.
        norm: whether batch norm follows.
        relu: whether ReLU precedes.
    """

    channels: tuple[int, int]
    pixels: tuple[int, int]
    weights: int = 0
    norm: bool = False
    relu: bool = False

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.weights * self.pixels[1]

    @property
    def elements_read(self) -> int:
        """Activations read by all its kernels."""
        return self._input * (1 + self.relu) + self._output * self.norm

    @property
    def elements_written(self) -> int:
        """Activations written by all its kernels."""
        return self._input * self.relu + self._output * (1 + self.norm)

    @property
    def _input(self) -> int:
        return self.channels[0] * self.pixels[0]

    @property
    def _output(self) -> int:
        return self.channels[1] * self.pixels[1]


@dataclass(frozen=True)
class Kind:
    """One kind of node: an operator and every place in the network where it stands.

    Attributes:
        operator: of the vocabulary.
        layers: its occurrences.
        hyperparameters: names of `vocabulary.HYPERPARAMETERS` to values; others are 0.
        biases: elements of biases in all occurrences.
    """

    operator: str
    layers: tuple[Layer, ...]
    hyperparameters: Mapping[str, int] = field(default_factory=dict)
    biases: int = 0

    @property
    def n_parameters(self) -> int:
        """Trainable elements; batch norm has two per channel."""
        return self.biases + sum(layer.weights + 2 * layer.norm * layer.channels[1] for layer in self.layers)

    @property
    def n_buffers(self) -> int:
        """Elements of batch norm's running mean and variance."""
        return sum(2 * layer.norm * layer.channels[1] for layer in self.layers)

    def columns(self) -> dict[str, int | list[int]]:
        """Node fields of a PerfGraph for a batch of one, and the node's parameters and buffers."""
        size = round(self.layers[0].pixels[1] ** 0.5)
        return {
            "operators": OPERATOR_INDEX[self.operator],
            "hyperparameters": [self.hyperparameters.get(name, 0) for name in HYPERPARAMETERS],
            "output_shapes": [1, self.layers[0].channels[1], size, size],
            "flops": 2 * sum(layer.macs for layer in self.layers),
            "input_bytes": _ITEM_BYTES * sum(layer.elements_read for layer in self.layers),
            "weight_bytes": _ITEM_BYTES * (self.n_parameters + self.n_buffers),
            "output_bytes": _ITEM_BYTES * sum(layer.elements_written for layer in self.layers),
            "n_parameters": self.n_parameters,
            "n_buffers": self.n_buffers,
        }


def _in_cells(kernel: int = 0) -> tuple[Layer, ...]:
    """All occurrences of one edge's operation: a convolution with ``kernel``, or one without weights."""
    return tuple(
        Layer((c, c), (size**2, size**2), kernel**2 * c * c, norm=kernel > 0, relu=kernel > 0)
        for c, size in STAGES
        for _ in range(CELLS_PER_STAGE)
    )


def _in_reductions(kernel: int, *, first: bool, bare: bool = False) -> tuple[Layer, ...]:
    """A layer of both residual blocks: the strided one from the stage before, or one within the stage."""
    return tuple(
        Layer(
            (before if first else after, after),
            (size**2 * (1 if bare or not first else 4), size**2),
            kernel**2 * (before if first else after) * after,
            norm=not bare,
            relu=not bare,
        )
        for (before, _), (after, size) in pairwise(STAGES)
    )


def _convolution(kernel: int, stride: int = 1) -> dict[str, int]:
    given = {"conv_kernel": kernel, "conv_stride": stride, "conv_padding": kernel // 2}
    return {**given, "conv_dilation": 1, "conv_groups": 1}


_FIRST, _LAST = STAGES[0], STAGES[-1]
KINDS: dict[str, Kind] = {
    "none": Kind("mul", _in_cells()),
    "nor_conv_1x1": Kind("conv", _in_cells(1), _convolution(1)),
    "nor_conv_3x3": Kind("conv", _in_cells(3), _convolution(3)),
    "avg_pool_3x3": Kind("avg_pool", _in_cells(), {"pool_kernel": 3, "pool_stride": 1, "pool_padding": 1}),
    "stem": Kind(
        "conv",
        (Layer((3, _FIRST[0]), (_FIRST[1] ** 2,) * 2, 9 * 3 * _FIRST[0], norm=True),),
        _convolution(3),
    ),
    "reduction_first": Kind("conv", _in_reductions(3, first=True), _convolution(3, 2)),
    "reduction_second": Kind("conv", _in_reductions(3, first=False), _convolution(3)),
    "shortcut_pool": Kind(
        "avg_pool",
        tuple(Layer((before, before), (4 * size**2, size**2)) for (before, _), (_, size) in pairwise(STAGES)),
        {"pool_kernel": 2, "pool_stride": 2},
    ),
    "shortcut_conv": Kind("conv", _in_reductions(1, first=True, bare=True), _convolution(1)),
    # The head's batch norm and ReLU come before the pooling and count with it.
    "pooling": Kind(
        "global_avg_pool",
        (
            Layer((_LAST[0],) * 2, (_LAST[1] ** 2,) * 2, norm=True),
            Layer((_LAST[0],) * 2, (_LAST[1] ** 2, 1)),
        ),
    ),
    "linear": Kind(
        "linear",
        (Layer((_LAST[0], N_CLASSES), (1, 1), _LAST[0] * N_CLASSES),),
        {"linear_in": _LAST[0], "linear_out": N_CLASSES, "linear_bias": 1},
        biases=N_CLASSES,
    ),
}
_KIND_NAMES: tuple[str, ...] = tuple(KINDS)
_BEFORE = ("stem", "reduction_first", "reduction_second", "shortcut_pool", "shortcut_conv")
_AFTER = ("pooling", "linear")


def cell_flows(operations: IntArray, ran: BoolArray) -> tuple[BoolArray, BoolArray]:
    """[n, 6] which edges are nodes, and [n, 6, 6] which node's result reaches which other.

    Args:
        operations: [n, 6] index into `OPERATIONS` of each of `EDGES`.
        ran: [n, 6] whether the edge's operation counts.
    """
    skips = operations == OPERATIONS.index("skip_connect")
    nodes = ran & ~skips
    joined = _joined(skips)
    flows = np.zeros((*nodes.shape, len(EDGES)), dtype=bool)
    for sender, (_, left) in enumerate(EDGES):
        for receiver, (entered, _) in enumerate(EDGES):
            flows[:, sender, receiver] = nodes[:, sender] & nodes[:, receiver] & joined[:, left, entered]
    return nodes, flows


def cell_graphs(operations: IntArray, ran: BoolArray, batch_size: int) -> PackedGraphs:
    """The cell alone: a node for each operation that ran; a skip joins what is before it to what follows.

    Args:
        operations: as in `cell_flows`.
        ran: likewise.
        batch_size: images per batch.

    Returns:
        n graphs; a cell without operations has neither nodes nor edges, and no `PerfGraph` of its own.
    """
    nodes, flows = cell_flows(operations, ran)
    return _pack(_kinds(operations), nodes, flows, batch_size)


def network_graphs(operations: IntArray, ran: BoolArray, batch_size: int) -> PackedGraphs:
    """The cell within its network: stem and residual blocks before it, pooling and linear layer after it.

    Arguments as in `cell_graphs`.
    """
    n, first, last = len(operations), len(_BEFORE), len(_BEFORE) + len(EDGES)
    inner, inner_flows = cell_flows(operations, ran)
    cell = slice(first, last)
    names = (*_BEFORE, *("none",) * len(EDGES), *_AFTER)
    kinds = np.tile([_KIND_NAMES.index(name) for name in names], (n, 1))
    kinds[:, cell] = _kinds(operations)
    nodes = np.ones(kinds.shape, dtype=bool)
    nodes[:, cell] = inner
    flows = np.zeros((n, len(names), len(names)), dtype=bool)
    for sender, receiver in ((0, 1), (1, 2), (0, 3), (3, 4), (last, last + 1)):
        flows[:, sender, receiver] = True
    flows[:, cell, cell] = inner_flows
    for exit_of_reduction in (2, 4):
        flows[:, exit_of_reduction, cell] = inner & ~inner_flows.any(axis=1)
        flows[:, exit_of_reduction, last] = ~inner.any(axis=1)
    flows[:, cell, last] = inner & ~inner_flows.any(axis=2)
    return _pack(kinds, nodes, flows, batch_size)


def _kinds(operations: IntArray) -> IntArray:
    """[n, 6] index into `KINDS` of each edge's operation; that of a skip is never used."""
    table = [_KIND_NAMES.index(name) if name in KINDS else 0 for name in OPERATIONS]
    return np.asarray(np.array(table)[operations])


def _joined(skips: BoolArray) -> BoolArray:
    """[n, 4, 4] which states are one another, or joined by skips alone."""
    joined = np.tile(np.eye(4, dtype=bool), (len(skips), 1, 1))
    for edge, (sender, receiver) in enumerate(EDGES):
        joined[:, :, receiver] |= joined[:, :, sender] & skips[:, edge, np.newaxis]
    return joined


def _pack(kinds: IntArray, nodes: BoolArray, flows: BoolArray, batch_size: int) -> PackedGraphs:
    """Flat arrays of n graphs.

    Args:
        kinds: [n, S] index into `KINDS` of every possible node.
        nodes: [n, S] which of them there are.
        flows: [n, S, S] edges between them.
        batch_size: images per batch.
    """
    chosen = kinds[nodes]
    table = {name: np.array(column) for name, column in _table().items()}
    scaled = ("flops", "input_bytes", "output_bytes")
    arrays: dict[str, IntArray] = {
        name: column[chosen] * (batch_size if name in scaled else 1) for name, column in table.items()
    }
    arrays["output_shapes"][:, 0] = batch_size
    arrays["backward_flops"] = arrays["backward_bytes"] = np.zeros_like(arrays["flops"])
    arrays |= _edges(nodes, flows, arrays["output_shapes"])
    arrays |= _totals(kinds, nodes, table, batch_size)
    return PackedGraphs.from_flat(arrays, nodes.sum(axis=1), flows.sum(axis=(1, 2)))


def _table() -> dict[str, Sequence[int | list[int]]]:
    columns = [kind.columns() for kind in KINDS.values()]
    return {name: [column[name] for column in columns] for name in columns[0]}


def _edges(nodes: BoolArray, flows: BoolArray, output_shapes: IntArray) -> dict[str, IntArray]:
    """Edges of all graphs; the tensor that flows is the sender's result in the stage it first stands in."""
    graph, sender, receiver = np.nonzero(flows)
    within = np.cumsum(nodes, axis=1) - 1
    first = np.concatenate([[0], np.cumsum(nodes.sum(axis=1))[:-1]])
    shapes = output_shapes[first[graph] + within[graph, sender]]
    return {
        "edge_index": np.stack([within[graph, sender], within[graph, receiver]], axis=1),
        "edge_shapes": shapes,
        "edge_bytes": _ITEM_BYTES * shapes.prod(axis=1),
    }


def _totals(
    kinds: IntArray, nodes: BoolArray, table: Mapping[str, IntArray], batch_size: int
) -> dict[str, IntArray]:
    """[n] what a PerfGraph says of the whole graph."""
    n = len(kinds)
    parameters = (table["n_parameters"][kinds] * nodes).sum(axis=1)
    buffers = _ITEM_BYTES * (table["n_buffers"][kinds] * nodes).sum(axis=1)
    activations = _PEAK_TENSORS * _ITEM_BYTES * batch_size * _FIRST[0] * _FIRST[1] ** 2
    nothing = np.zeros(n, dtype=np.int64)
    return {
        "batch_size": np.full(n, batch_size, dtype=np.int64),
        "n_parameters": parameters,
        "parameter_bytes": _ITEM_BYTES * parameters,
        "buffer_bytes": buffers,
        "peak_infer_bytes": _ITEM_BYTES * parameters + buffers + activations,
        "peak_train_bytes": nothing,
        "has_backward": nothing,
        "train_only_bytes": nothing,
    }
