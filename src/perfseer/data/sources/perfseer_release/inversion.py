"""PerfGraphs to graphs as the release has them.

Units are those of the release as far as its one quoted value tells them, and the live reproduction, whose
extractor was written beside the data: bytes of inputs and outputs, but elements of weights, which
``input_size_with_weight`` adds to the elements of the input; ``bytes``, a text, is all of it in bytes. What
neither tells is our choice: channels of several inputs are added up for Concat, else they are those of the
first; width and height of a tensor [N, C] are 0; the intensity is FLOPs per byte.

A Flatten is put before a Gemm that reads an image, as ONNX has it. A max pool's indices, which ONNX has not,
stay among its ``bytes``.

What a PerfGraph has and the format has not, so that writing and reading again loses it: several tensors
between the same two nodes (one edge remains), tensors that are not the first output of their producer (its
shape remains), elements of other than four bytes, which ATen operators were unknown, frozen or tied
parameters. All else comes back equal for networks of the search space, the derived numbers included.
"""

import math
from collections.abc import Sequence
from typing import Any

from perfseer.data.sources.perfseer_release.conversion import ARGUMENTS, MEMORY
from perfseer.data.sources.perfseer_release.derivation import FLOAT_BYTES, INDEX_BYTES
from perfseer.data.sources.perfseer_release.raw import RawGraph
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX, mask_with, onnx_type

_CONV, _CONCAT, _LINEAR, _MAX_POOL = (
    OPERATOR_INDEX[name] for name in ("conv", "concat", "linear", "max_pool")
)
_MAKES_IMAGE, _MAKES_VECTOR = mask_with("makes_image"), mask_with("makes_vector")
_KERNEL, _GROUPS, _BIAS = (
    HYPERPARAMETERS.index(name) for name in ("conv_kernel", "conv_groups", "conv_bias")
)

_Shape = tuple[int, int, int, int]  # N, C, H, W; H and W are 0 for a tensor [N, C]


def to_raw(graph: PerfGraph, input_shape: Sequence[int] | None = None) -> RawGraph:
    """A PerfGraph as the release would have it.

    Args:
        graph: nodes in topological order.
        input_shape: C, H, W of one sample; without it, the model's input is taken to have the proportions of
            the output of the node that reads it.

    Returns:
        The graph, features in the order of nodes; edges by receiver, then sender.
    """
    writer = _Writer(graph, input_shape)
    for node in range(graph.n_nodes):
        writer.add(node)
    return RawGraph(tuple(writer.features), tuple(writer.edges))


class _Writer:
    """Features and edges so far."""

    def __init__(self, graph: PerfGraph, input_shape: Sequence[int] | None) -> None:
        self.features: list[dict[str, Any]] = []
        self.edges: list[tuple[int, int]] = []
        self._input_shape = input_shape
        self._operators = graph.operators.tolist()
        self._arguments = graph.hyperparameters.tolist()
        self._out_shapes = graph.output_shapes.tolist()
        costs = (graph.flops, graph.input_bytes, graph.weight_bytes, graph.output_bytes)
        self._costs = [column.tolist() for column in costs]
        self._senders: list[list[int]] = [[] for _ in self._operators]
        for receiver, sender in sorted({(r, s) for s, r in zip(*graph.edge_index.tolist(), strict=True)}):
            self._senders[receiver].append(sender)
        self._positions: list[int] = []  # of each node among the features
        self._shapes: list[_Shape] = []  # of what each node hands on

    def add(self, node: int) -> None:
        """The node, after a Flatten if it needs one."""
        operator, senders = self._operators[node], self._senders[node]
        shape = self._shape(node)
        sources = [
            self._flatten(sender)
            if operator == _LINEAR and self._shapes[sender][2]
            else self._positions[sender]
            for sender in senders
        ]
        flops, read, weights, written = (column[node] for column in self._costs)
        # of the indices that our max pools write, nothing is handed on
        tensor = written - (math.prod(self._out_shapes[node]) * INDEX_BYTES if operator == _MAX_POOL else 0)
        sizes = (read, weights, written, tensor if tensor > 0 else written)
        source_shapes = [self._shapes[sender] for sender in senders]
        if operator == _LINEAR:
            source_shapes = [_flat(each) for each in source_shapes]
        source_shapes = source_shapes or [self._model_input(node)]
        memory = _memory(_joined(source_shapes, added=operator == _CONCAT), shape, sizes)
        self._positions.append(len(self.features))
        self._shapes.append(shape)
        self._append(onnx_type(operator), self._arguments[node], memory, flops, sources)

    def _append(
        self, kind: str, arguments: Sequence[int], memory: dict[str, Any], flops: int, sources: Sequence[int]
    ) -> None:
        moved = int(memory["bytes"])
        self.edges.extend((source, len(self.features)) for source in sorted(sources))
        self.features.append(
            {
                "type": kind,
                "args": dict(zip(ARGUMENTS, arguments, strict=True)),
                "memory_info": memory,
                "flops": flops,
                "arith_intensity": flops / max(moved, 1),
            }
        )

    def _flatten(self, sender: int) -> int:
        """A Flatten of what ``sender`` hands on; returns its position."""
        shape = self._shapes[sender]
        nbytes = self.features[self._positions[sender]]["memory_info"]["output_size"]
        memory = _memory(shape, _flat(shape), (nbytes, 0, nbytes, nbytes))
        self._append("Flatten", [0] * len(ARGUMENTS), memory, 0, [self._positions[sender]])
        return len(self.features) - 1

    def _shape(self, node: int) -> _Shape:
        """Height and width are 0 where the tensor is no image: after a Gemm, until something makes one."""
        n, channels, height, width = self._out_shapes[node]
        operator, senders = self._operators[node], self._senders[node]
        image = height * width > 1 or bool(_MAKES_IMAGE[operator])
        if not image and not _MAKES_VECTOR[operator]:
            image = any(self._shapes[sender][2] for sender in senders)
        return (n, channels, height, width) if image else (n, channels, 0, 0)

    def _model_input(self, node: int) -> _Shape:
        """Shape of the model's input, which ``node`` reads."""
        n, channels, height, width = self._out_shapes[node]
        if self._input_shape is not None and len(self._input_shape) == 3:
            return (n, *self._input_shape)
        _, read, weights, _ = (column[node] for column in self._costs)
        arguments = self._arguments[node]
        if self._operators[node] == _CONV:
            per_output = weights // FLOAT_BYTES // channels - arguments[_BIAS]
            channels = max(per_output * arguments[_GROUPS] // max(arguments[_KERNEL] ** 2, 1), 1)
        pixels = max(read // (FLOAT_BYTES * n * channels), 1)
        rows = max(round(math.sqrt(pixels * height / width)), 1)
        return n, channels, rows, pixels // rows


def _flat(shape: _Shape) -> _Shape:
    return shape[0], shape[1] * max(shape[2], 1) * max(shape[3], 1), 0, 0


def _joined(shapes: Sequence[_Shape], *, added: bool) -> _Shape:
    """One shape for all inputs."""
    n, channels, height, width = shapes[0]
    return n, sum(shape[1] for shape in shapes) if added else channels, height, width


def _memory(read: _Shape, written: _Shape, sizes: tuple[int, int, int, int]) -> dict[str, Any]:
    """``memory_info``; ``sizes`` are bytes read, of weights, written, and of the tensor handed on."""
    inputs, weights, outputs, tensor = sizes
    _, input_channels, input_h, input_w = read
    n, output_channels, output_h, output_w = written
    elements = weights // FLOAT_BYTES
    values = (
        *(str(inputs + weights + outputs), elements, n, inputs // FLOAT_BYTES + elements, inputs),
        *(input_channels, input_w, input_h),
        *(tensor, output_channels, output_w, output_h),
    )
    return dict(zip(MEMORY, values, strict=True))
