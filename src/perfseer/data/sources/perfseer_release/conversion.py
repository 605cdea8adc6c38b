"""Published graphs to PerfGraphs; `inversion` goes back.

What the release has is taken as it stands: operators, the thirteen arguments, FLOPs (its authors' count, not
torch's), bytes, shapes, edges. What it lacks is derived (`derivation`). Flatten is a view, so it is no node
of a PerfGraph: its edges are joined.

``bytes`` leads: the weights of a node are what remains of it without input and output. In the one value of
the release that was quoted, "282594816" (the stem's convolution at batch 128 and 3 x 224 x 224 pixels),
77,070,336 bytes of input and 205,520,896 of output leave 3,584: four for each of 32 x 3 x 3 x 3 weights and
32 biases. Sizes given as numbers of elements are told from bytes by the shapes and read as fp32.
"""

import heapq
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from perfseer.data.sources.perfseer_release.derivation import FLOAT_BYTES, Forward, derive
from perfseer.data.sources.perfseer_release.raw import RawGraph
from perfseer.data.sources.perfseer_release.wording import printable
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import IntArray, PerfGraph
from perfseer.graphs.vocabulary import HYPERPARAMETERS, ONNX_VIEWS, OPERATOR_INDEX, onnx_index

# The thirteen arguments in the order of `vocabulary.HYPERPARAMETERS`.
ARGUMENTS: tuple[str, ...] = (
    *("conv_kernel_size", "conv_stride", "conv_padding", "conv_dilation", "conv_groups", "conv_bias"),
    *("linear_in_features", "linear_out_features", "linear_bias"),
    *("pool_kernel_size", "pool_stride", "pool_padding", "pool_ceil_mode"),
)
# 16 TiB; larger numbers are no sizes, and sums of them over the largest graph would leave 64 bits.
LARGEST = 2**44
# FLOPs of a node; the whole of the release's largest network has 2.3e13 forward.
MOST_FLOPS = 2**48
_MOST_DIGITS = 30
_CYCLE = "its edges form a cycle; a network's operators cannot"

_KERNEL, _GROUPS, _CONV_BIAS, _LINEAR_IN, _LINEAR_OUT, _LINEAR_BIAS, _POOL_KERNEL, _POOL_STRIDE = (
    HYPERPARAMETERS.index(name)
    for name in (
        *("conv_kernel", "conv_groups", "conv_bias"),
        *("linear_in", "linear_out", "linear_bias"),
        *("pool_kernel", "pool_stride"),
    )
)
_CONV, _LINEAR, _MAX_POOL, _GLOBAL_POOL = (
    OPERATOR_INDEX[name] for name in ("conv", "linear", "max_pool", "global_avg_pool")
)


class _Sizes(NamedTuple):
    """``memory_info`` as numbers, fields as published."""

    bytes: int
    weight_size: int
    batch_size: int
    input_size_with_weight: int
    input_size: int
    input_channels: int
    input_w: int
    input_h: int
    output_size: int
    output_channels: int
    output_w: int
    output_h: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the output: N, C, H, W; 1 where the release has 0."""
        return self.batch_size or 1, self.output_channels or 1, self.output_h or 1, self.output_w or 1


MEMORY: tuple[str, ...] = _Sizes._fields


class _Node(NamedTuple):
    """One published node as numbers; arguments in the order of `ARGUMENTS`."""

    type: str
    operator: int
    arguments: list[int]
    sizes: _Sizes
    shape: tuple[int, int, int, int]
    flops: int


def to_perfgraph(raw: RawGraph, name: str) -> PerfGraph:
    """A published graph as a PerfGraph.

    Args:
        raw: as read; values may be numbers, texts of numbers, or None.
        name: of the graph, for messages.

    Returns:
        The graph; nodes in the published order wherever that is topological, edges by receiver, then sender.
        ``unknown`` counts ONNX types outside the vocabulary.

    Raises:
        PerfseerError: a value is no number or out of range, an edge names no node, edges form a cycle, a view
            has several inputs, or there is no node but views.
    """
    nodes = [_node(feature, position, name) for position, feature in enumerate(raw.features)]
    kept, edges = _without_views(nodes, _checked_edges(raw, name), name)
    order = _topological(len(kept), edges, name)
    nodes = [kept[position] for position in order]
    ranks = {position: rank for rank, position in enumerate(order)}
    edges = sorted(((ranks[s], ranks[r], source) for s, r, source in edges), key=lambda edge: edge[1::-1])
    forward = _forward(nodes, edges)
    return _assemble(nodes, edges, forward)


def _node(feature: Mapping[str, Any], position: int, name: str) -> _Node:
    kind, arguments, memory = feature.get("type"), feature.get("args"), feature.get("memory_info")
    if not (isinstance(kind, str) and isinstance(arguments, Mapping) and isinstance(memory, Mapping)):
        raise PerfseerError(
            f"{name}: node {position} lacks type, args or memory_info; it is no graph of the PerfSeer release"
        )
    try:
        numbers = [v if type(v) is int else _integer(v) for v in map(arguments.get, ARGUMENTS)]
        sizes = [v if type(v) is int else _integer(v) for v in map(memory.get, _Sizes._fields)]
        flops = _integer(feature.get("flops"))
        values = (*numbers, *sizes)
    except (ValueError, OverflowError) as error:
        raise PerfseerError(f"{name}: node {position} ({printable(kind)}) has {error}") from error
    if min(values) < 0 or max(values) > LARGEST or not 0 <= flops <= MOST_FLOPS:
        raise PerfseerError(f"{name}: node {position} ({printable(kind)}) has a number below 0 or too large")
    memory_info = _Sizes(*sizes)
    return _Node(kind, onnx_index(kind), numbers, memory_info, memory_info.shape, flops)


def _integer(value: Any) -> int:
    """A number or the text of one, rounded; 0 for None and ""; of a size per dimension the largest."""
    if type(value) is int:
        return value
    if value is None or value == "":
        return 0
    if isinstance(value, list | tuple):
        return max(map(_integer, value), default=0)
    if isinstance(value, str) and value.isdecimal() and len(value) < _MOST_DIGITS:
        return int(value)
    try:
        number = float(value)
    except (ValueError, TypeError):
        raise ValueError(f"{printable(repr(value))} where a number should be") from None
    if not math.isfinite(number):
        raise ValueError(f"{number} where a size should be")
    return round(number)


# sender, receiver, and the node whose output flows (a view passes its own shape on)
_Edge = tuple[int, int, "_Node"]


def _checked_edges(raw: RawGraph, name: str) -> list[tuple[int, int]]:
    n = len(raw.features)
    for sender, receiver in raw.edges:
        require(
            0 <= sender < n and 0 <= receiver < n,
            f"{name}: edge {sender} -> {receiver} of a graph of {n} nodes",
        )
    return sorted(set(raw.edges))


def _without_views(
    nodes: list[_Node], edges: list[tuple[int, int]], name: str
) -> tuple[list[_Node], list[_Edge]]:
    """Nodes that are no views, and edges between them, with the last view's own tensor where it has one."""
    kept = [position for position, node in enumerate(nodes) if node.type not in ONNX_VIEWS]
    require(bool(kept), f"{name}: a graph without nodes, or of nothing but views")
    number = {position: index for index, position in enumerate(kept)}
    if len(kept) == len(nodes):
        return nodes, [(sender, receiver, nodes[sender]) for sender, receiver in edges]
    shown = _shown(nodes, number, edges, name)
    joined = {}
    for sender, receiver in edges:
        source = shown.get(sender, number.get(sender))
        if receiver in number and source is not None:
            tensor = nodes[sender] if nodes[sender].sizes.output_size else nodes[kept[source]]
            joined[source, number[receiver]] = tensor
    return [nodes[position] for position in kept], [(s, r, tensor) for (s, r), tensor in joined.items()]


def _shown(
    nodes: Sequence[_Node], number: Mapping[int, int], edges: Sequence[tuple[int, int]], name: str
) -> dict[int, int | None]:
    """The kept node behind every view, by position; None where that is the model's input."""
    before: dict[int, int] = {}
    for sender, receiver in edges:
        if receiver not in number:
            kind = printable(nodes[receiver].type)
            require(receiver not in before, f"{name}: node {receiver} ({kind}) has several inputs")
            before[receiver] = sender
    shown: dict[int, int | None] = {}
    for position in range(len(nodes)):
        path: dict[int, None] = {}
        current: int | None = position
        while current is not None and current not in number and current not in shown:
            require(current not in path, f"{name}: {_CYCLE}")
            path[current] = None
            current = before.get(current)
        source = None if current is None else shown.get(current, number.get(current))
        shown.update(dict.fromkeys(path, source))
    return shown


def _topological(n: int, edges: Sequence[_Edge], name: str) -> Sequence[int]:
    """Positions in topological order, as close to the published one as it allows."""
    if all(sender < receiver for sender, receiver, _ in edges):
        return range(n)
    waiting = [0] * n
    after: list[list[int]] = [[] for _ in range(n)]
    for sender, receiver, _ in edges:
        waiting[receiver] += 1
        after[sender].append(receiver)
    ready = [position for position, count in enumerate(waiting) if count == 0]
    order = []
    while ready:
        position = heapq.heappop(ready)
        order.append(position)
        for receiver in after[position]:
            waiting[receiver] -= 1
            if waiting[receiver] == 0:
                heapq.heappush(ready, receiver)
    require(len(order) == n, f"{name}: {_CYCLE}")
    return order


def _forward(nodes: Sequence[_Node], edges: Sequence[_Edge]) -> Forward:
    """Bytes in one unit, and edges by receiver."""
    unit = _unit(sum(node.sizes.output_size for node in nodes), sum(math.prod(node.shape) for node in nodes))
    senders: list[list[int]] = [[] for _ in nodes]
    edge_bytes: list[list[int]] = [[] for _ in nodes]
    for sender, receiver, source in edges:
        senders[receiver].append(sender)
        edge_bytes[receiver].append(source.sizes.output_size * unit)
    traffic = _traffic(nodes, unit)
    last = nodes[-1].shape
    return Forward(
        operators=[node.operator for node in nodes],
        flops=[node.flops for node in nodes],
        input_bytes=[read for read, _ in traffic],
        weight_bytes=[weights for _, weights in traffic],
        tensor_bytes=[node.sizes.output_size * unit for node in nodes],
        channels=[node.shape[1] for node in nodes],
        bias_bytes=[_bias_bytes(node) for node in nodes],
        senders=senders,
        edge_bytes=edge_bytes,
        output_is_flat=last[2] * last[3] == 1,
        batch_size=nodes[0].shape[0],
    )


def _traffic(nodes: Sequence[_Node], unit: int) -> list[tuple[int, int]]:
    """Bytes of input and of weights; what ``bytes`` has beyond input and output goes to the one there is.

    Only a max pool writes more than it hands on, in our own exports: its indices.
    """
    implied = [(node.sizes.weight_size, _implied_weights(node)) for node in nodes]
    weighed = [(size, elements) for size, elements in implied if elements]
    weight_unit = _unit(sum(size for size, _ in weighed), sum(elements for _, elements in weighed))
    traffic = []
    for node in nodes:
        sizes = node.sizes
        read, rest = sizes.input_size * unit, sizes.bytes - (sizes.input_size + sizes.output_size) * unit
        if sizes.weight_size:
            traffic.append((read, rest if rest > 0 else sizes.weight_size * weight_unit))
        else:
            traffic.append((read + (max(rest, 0) if node.operator != _MAX_POOL else 0), 0))
    return traffic


def _unit(total: int, elements: int) -> int:
    """Bytes per unit of sizes that add up to ``total`` for so many elements."""
    return FLOAT_BYTES if 0 < total < 2 * elements else 1


def _implied_weights(node: _Node) -> int:
    """Elements of weights that shapes and arguments imply; 0 for operators other than products."""
    arguments = node.arguments
    if node.operator == _LINEAR:
        return arguments[_LINEAR_OUT] * (arguments[_LINEAR_IN] + arguments[_LINEAR_BIAS])
    if node.operator != _CONV:
        return 0
    per_output = node.sizes.input_channels * arguments[_KERNEL] ** 2 // max(arguments[_GROUPS], 1)
    return node.shape[1] * (per_output + arguments[_CONV_BIAS])


def _bias_bytes(node: _Node) -> int:
    biased = node.arguments[_CONV_BIAS] or node.arguments[_LINEAR_BIAS]
    return FLOAT_BYTES * node.shape[1] if biased else 0


def _hyperparameters(node: _Node) -> list[int]:
    """The arguments; a global pool without any has its input's side, as capture writes it."""
    if node.operator != _GLOBAL_POOL or node.arguments[_POOL_KERNEL]:
        return node.arguments
    filled = list(node.arguments)
    filled[_POOL_KERNEL] = filled[_POOL_STRIDE] = max(node.sizes.input_h, node.sizes.input_w)
    return filled


def _assemble(nodes: Sequence[_Node], edges: Sequence[_Edge], forward: Forward) -> PerfGraph:
    written = [
        max(node.sizes.bytes - read - weights, tensor)
        for node, read, weights, tensor in zip(
            nodes, forward.input_bytes, forward.weight_bytes, forward.tensor_bytes, strict=True
        )
    ]
    return PerfGraph(
        operators=_integers(forward.operators),
        hyperparameters=_integers([_hyperparameters(node) for node in nodes]),
        output_shapes=_integers([node.shape for node in nodes]),
        flops=_integers(forward.flops),
        input_bytes=_integers(forward.input_bytes),
        weight_bytes=_integers(forward.weight_bytes),
        output_bytes=_integers(written),
        edge_index=_integers([edge[:2] for edge in edges]).reshape(-1, 2).T,
        edge_bytes=_integers([nbytes for row in forward.edge_bytes for nbytes in row]),
        edge_shapes=_integers([source.shape for _, _, source in edges]).reshape(-1, 4),
        batch_size=forward.batch_size,
        has_backward=True,
        **derive(forward)._asdict(),
        unknown=dict(Counter(printable(node.type) for node in nodes if node.operator == 0)),
    )


def _integers(values: Sequence[Any]) -> IntArray:
    return np.asarray(values, dtype=np.int64)
