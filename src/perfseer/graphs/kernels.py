"""Graphs as kernels: groups of operators that a device runs as one (nn-Meter, MobiSys'21; METHODS 2.1).

Everything here is array operations over the nodes of many graphs at once; the work is linear in nodes and
edges, whatever the graphs are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.graphs.perfgraph import FloatArray, IntArray, PerfGraph
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX, OPERATORS, names_with

MultipleOutputs = Literal["never", "first", "all"]

# The vocabulary, with convolutions told apart as nn-Meter does; grouped ones are neither of its two kinds.
KERNEL_OPERATORS: tuple[str, ...] = (*OPERATORS, "dwconv", "grouped_conv")
CONVOLUTIONS: tuple[str, ...] = ("conv", "dwconv", "grouped_conv")
# Work of a training step that no node stands for.
OPTIMISER = "optimiser"
# Operators that may follow within a kernel: they keep the shape, so the first one's configuration says all.
FOLLOWERS: tuple[str, ...] = names_with("follows")

# What a kernel is, all integers; 0 where it has no such argument. Sizes are those of the input. ``inputs``
# are tensors read; ``c1`` to ``c4`` the channels of what a concatenation joins, greatest first, the last one
# the sum of the rest. An optimiser has ``inputs`` tensors of ``channels_in`` elements.
CONFIGURATION: tuple[str, ...] = (
    *("batch", "height", "width", "channels_in", "channels_out", "kernel", "stride", "groups"),
    *("inputs", "c1", "c2", "c3", "c4", "itemsize"),
)
# What it costs, analytically: FLOPs and bytes of the forward and of the backward pass.
COSTS: tuple[str, ...] = ("flops", "bytes", "weight_bytes", "backward_flops", "backward_bytes")
_NODE_COSTS = ("flops", "input_bytes", "weight_bytes", "output_bytes", "backward_flops", "backward_bytes")
# Passes over the parameters of SGD with momentum: reads weight, gradient, momentum; writes weight, momentum.
_OPTIMISER_PASSES = 5


@dataclass(frozen=True)
class FusionRules:
    """Which operators a device runs as one kernel.

    Attributes:
        pairs: (producer, consumer) that fuse, names of `KERNEL_OPERATORS`.
        multiple_outputs: what happens where several operators read a producer: none fuses with it, the
            first or all of them.
    """

    pairs: frozenset[tuple[str, str]] = frozenset()
    multiple_outputs: MultipleOutputs = "never"

    def table(self) -> npt.NDArray[np.bool_]:
        """[K, K] whether producer and consumer, by `KERNEL_OPERATORS`, become one kernel."""
        found = np.zeros((len(KERNEL_OPERATORS),) * 2, dtype=bool)
        for producer, consumer in self.pairs:
            if consumer in FOLLOWERS:
                found[KERNEL_OPERATORS.index(producer), KERNEL_OPERATORS.index(consumer)] = True
        return found

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` turns into equal rules."""
        return {"pairs": sorted(map(list, self.pairs)), "multiple_outputs": self.multiple_outputs}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FusionRules":
        """Read what `to_json` gave."""
        return cls(frozenset((first, second) for first, second in value["pairs"]), value["multiple_outputs"])


@dataclass(frozen=True, eq=False)
class Nodes:
    """V nodes and E edges of G graphs laid end to end; edges count nodes through all graphs.

    Attributes:
        operators: [V] index into the vocabulary.
        hyperparameters: [V, 13] as in `PerfGraph`.
        output_shapes: [V, 4] N, C, H, W.
        costs: name to [V]: flops; input, weight and output bytes; backward FLOPs and bytes.
        graphs: [V] which graph each node belongs to, not decreasing.
        edge_index: [2, E] senders and receivers.
        edge_shapes: [E, 4] N, C, H, W.
        n_parameters: [G] trainable elements.
    """

    operators: IntArray
    hyperparameters: IntArray
    output_shapes: IntArray
    costs: Mapping[str, IntArray]
    graphs: IntArray
    edge_index: IntArray
    edge_shapes: IntArray
    n_parameters: IntArray

    @classmethod
    def of(cls, graphs: Sequence[PerfGraph]) -> "Nodes":
        """Lay graphs end to end, in the order given; at least one."""
        sizes = np.array([graph.n_nodes for graph in graphs], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        edges = [graph.edge_index + start for graph, start in zip(graphs, starts, strict=True)]
        return cls(
            operators=np.concatenate([graph.operators for graph in graphs]),
            hyperparameters=np.concatenate([graph.hyperparameters for graph in graphs]),
            output_shapes=np.concatenate([graph.output_shapes for graph in graphs]),
            costs={name: np.concatenate([getattr(graph, name) for graph in graphs]) for name in _NODE_COSTS},
            graphs=np.repeat(np.arange(len(graphs)), sizes),
            edge_index=np.concatenate(edges, axis=1),
            edge_shapes=np.concatenate([graph.edge_shapes for graph in graphs]),
            n_parameters=np.array([graph.n_parameters for graph in graphs], dtype=np.int64),
        )

    def __len__(self) -> int:
        """Number of nodes."""
        return len(self.operators)

    def hyperparameter(self, name: str) -> IntArray:
        """[V] one hyper-parameter."""
        return self.hyperparameters[:, HYPERPARAMETERS.index(name)]

    def is_operator(self, name: str) -> npt.NDArray[np.bool_]:
        """[V] whether a node is of the vocabulary's operator ``name``."""
        return np.asarray(self.operators == OPERATOR_INDEX[name])


def kernels_of(nodes: Nodes, rules: FusionRules) -> pd.DataFrame:
    """All kernels of all graphs, optimiser steps included.

    Args:
        nodes: of G graphs.
        rules: of the device; a group grows from a producer as long as they hold, never into an operator that
            reads several tensors.

    Returns:
        One row per kernel: ``graph``, ``name`` (operators joined by ``+``, categorical), `CONFIGURATION` of
        its first operator, and `COSTS` of all of it.
    """
    columns = _configurations(nodes)
    kinds = _kinds(nodes, columns)
    roots = _roots(nodes, kinds, rules)
    first = np.flatnonzero(roots == np.arange(len(nodes)))
    table = pd.DataFrame({name: values[first] for name, values in columns.items()})
    for name, values in _costs(nodes, roots).items():
        table[name] = values[first]
    names = _names(kinds, roots, first)
    optimisers = _optimisers(nodes, columns["itemsize"])
    table.insert(0, "graph", nodes.graphs[first])
    table = pd.concat([table, optimisers], ignore_index=True)
    table.insert(1, "name", pd.Series([*names, *[OPTIMISER] * len(optimisers)], dtype="category"))
    return table


def _configurations(nodes: Nodes) -> dict[str, IntArray]:
    """[V] per name of `CONFIGURATION`."""
    out, receivers = nodes.output_shapes, nodes.edge_index[1]
    inputs = np.bincount(receivers, minlength=len(nodes))
    read = np.zeros_like(out)
    # The greatest of several inputs, so that the order of edges does not matter.
    np.maximum.at(read, receivers, nodes.edge_shapes)
    linear, concat = nodes.is_operator("linear"), nodes.is_operator("concat")
    stride = nodes.hyperparameter("conv_stride") + nodes.hyperparameter("pool_stride")
    itemsize = _itemsize(nodes)
    fed = inputs > 0  # what reads the model's input has no edge
    height, width = (
        np.where(fed, read[:, axis], out[:, axis] * np.maximum(stride, 1)) * ~linear + linear
        for axis in (2, 3)
    )
    channels_in = np.where(fed, read[:, 1], _channels_of_weights(nodes, itemsize))
    parts = _parts(nodes, concat)
    return {
        "batch": np.where(linear, _linear_rows(nodes), out[:, 0]),
        "height": height,
        "width": width,
        "channels_in": np.select(
            [linear, concat], [nodes.hyperparameter("linear_in"), parts.sum(axis=1)], channels_in
        ),
        "channels_out": np.where(linear, nodes.hyperparameter("linear_out"), out[:, 1]),
        "kernel": nodes.hyperparameter("conv_kernel") + nodes.hyperparameter("pool_kernel"),
        "stride": stride,
        "groups": nodes.hyperparameter("conv_groups"),
        "inputs": np.maximum(inputs, 1),
        **{f"c{number + 1}": parts[:, number] for number in range(4)},
        "itemsize": itemsize,
    }


def _itemsize(nodes: Nodes) -> IntArray:
    """[V] bytes of an activation's element: those of the first node's output, for all of its graph."""
    first = np.searchsorted(nodes.graphs, nodes.graphs)
    elements = nodes.output_shapes[first].prod(axis=1)
    return np.clip(np.rint(nodes.costs["output_bytes"][first] / elements), 1, 8).astype(np.int64)


def _linear_rows(nodes: Nodes) -> IntArray:
    """[V] rows a linear layer multiplies: all of its output but the last dimension."""
    elements = nodes.output_shapes.prod(axis=1)
    return np.asarray(elements // np.maximum(nodes.hyperparameter("linear_out"), 1))


def _channels_of_weights(nodes: Nodes, itemsize: IntArray) -> IntArray:
    """[V] input channels that a convolution's weights imply; the output's for other operators."""
    out = np.maximum(nodes.output_shapes[:, 1], 1)
    per_output = nodes.costs["weight_bytes"] // itemsize // out - nodes.hyperparameter("conv_bias")
    area = np.maximum(nodes.hyperparameter("conv_kernel"), 1) ** 2
    implied = np.maximum(nodes.hyperparameter("conv_groups") * per_output // area, 1)
    return np.asarray(np.where(nodes.is_operator("conv"), implied, out))


def _parts(nodes: Nodes, concat: npt.NDArray[np.bool_]) -> IntArray:
    """[V, 4] channels of what a concatenation joins, greatest first, the rest summed into the last."""
    parts = np.zeros((len(nodes), 4), dtype=np.int64)
    edges = np.flatnonzero(concat[nodes.edge_index[1]])
    receivers, channels = nodes.edge_index[1, edges], nodes.edge_shapes[edges, 1]
    order = np.lexsort((-channels, receivers))
    ranks = np.minimum(_ranks(receivers[order]), 3)
    np.add.at(parts, (receivers[order], ranks), channels[order])
    return parts


def _ranks(groups: IntArray) -> IntArray:
    """[N] position of each element within its run of equal ``groups``, from 0."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))


def _kinds(nodes: Nodes, columns: Mapping[str, IntArray]) -> IntArray:
    """[V] index into `KERNEL_OPERATORS`."""
    grouped = nodes.is_operator("conv") & (columns["groups"] > 1)
    depthwise = grouped & (columns["groups"] == columns["channels_in"])
    kinds = np.where(grouped, KERNEL_OPERATORS.index("grouped_conv"), nodes.operators)
    return np.where(depthwise, KERNEL_OPERATORS.index("dwconv"), kinds)


def _roots(nodes: Nodes, kinds: IntArray, rules: FusionRules) -> IntArray:
    """[V] first node of the kernel that each node belongs to."""
    parents = np.arange(len(nodes))
    senders, receivers = nodes.edge_index
    joins = rules.table()[kinds[senders], kinds[receivers]]
    joins &= np.bincount(receivers, minlength=len(nodes))[receivers] == 1
    if rules.multiple_outputs == "never":
        joins &= np.bincount(senders, minlength=len(nodes))[senders] == 1
    elif rules.multiple_outputs == "first":
        first = np.full(len(nodes), len(nodes))
        np.minimum.at(first, senders, receivers)
        joins &= first[senders] == receivers
    parents[receivers[joins]] = senders[joins]
    # Every round halves the way to the root.
    while not np.array_equal(above := parents[parents], parents):
        parents = above
    return parents


def _names(kinds: IntArray, roots: IntArray, first: IntArray) -> list[str]:
    """Name of each kernel, in the order of ``first`` (nodes that are roots)."""
    order = np.argsort(roots, kind="stable")
    kernels = np.searchsorted(first, roots[order])
    ranks = _ranks(kernels)
    sequences = np.full((len(first), int(ranks.max()) + 1), -1)
    sequences[kernels, ranks] = kinds[order]
    keys = np.zeros(len(first), dtype=np.int64)
    for column in sequences.T:
        keys, _ = pd.factorize(keys * (len(KERNEL_OPERATORS) + 1) + column + 1)
    _, examples = np.unique(keys, return_index=True)
    words = ["+".join(KERNEL_OPERATORS[kind] for kind in row if kind >= 0) for row in sequences[examples]]
    return [words[key] for key in keys]


def _costs(nodes: Nodes, roots: IntArray) -> dict[str, FloatArray]:
    """[V] per name of `COSTS`, at the roots; bytes between the operators of a kernel are not moved."""
    summed = {
        name: np.bincount(roots, weights=nodes.costs[name], minlength=len(nodes)) for name in _NODE_COSTS
    }
    last = np.zeros(len(nodes), dtype=np.int64)
    np.maximum.at(last, roots, np.arange(len(nodes)))
    moved = nodes.costs["input_bytes"] + summed["weight_bytes"] + nodes.costs["output_bytes"][last]
    return {name: np.asarray(summed[name], dtype=np.float64) for name in COSTS if name != "bytes"} | {
        "bytes": np.asarray(moved, dtype=np.float64)
    }


def _optimisers(nodes: Nodes, itemsize: IntArray) -> pd.DataFrame:
    """The optimiser step of every graph that has parameters: tensors and elements."""
    weighted = nodes.costs["weight_bytes"] > 0
    biased = nodes.hyperparameter("conv_bias") + nodes.hyperparameter("linear_bias")
    per_node = weighted * (1 + np.where(nodes.is_operator("batch_norm"), 1, biased))
    tensors = np.bincount(nodes.graphs, weights=per_node, minlength=len(nodes.n_parameters))
    rows = np.flatnonzero(nodes.n_parameters > 0)
    count = np.maximum(tensors[rows].astype(np.int64), 1)
    values = {
        "channels_in": -(-nodes.n_parameters[rows] // count),
        "inputs": count,
        "itemsize": itemsize[np.searchsorted(nodes.graphs, rows)],
    }
    table = pd.DataFrame({"graph": rows, **dict.fromkeys(CONFIGURATION, 0)} | values, index=range(len(rows)))
    return table.assign(**optimiser_costs(table))


def optimiser_costs(configuration: Mapping[str, Any] | pd.DataFrame) -> dict[str, Any]:
    """`COSTS` of a step of SGD with momentum over the tensors of ``configuration``, numbers or columns."""
    held = 1.0 * configuration["channels_in"] * configuration["inputs"] * configuration["itemsize"]
    return dict.fromkeys(COSTS, 0.0) | {"weight_bytes": held, "bytes": _OPTIMISER_PASSES * held}
