"""PerfGraph: what a model is, at one input (PerfSeer section "representation"; METHODS 1.2).

A directed acyclic graph of operators. Nodes carry hyper-parameters, compute and memory traffic of the
forward and the backward pass; edges carry the tensors that flow; the graph carries counts, totals and
analytic peak memory. "MAC" in the paper is memory-access cost in bytes: here it is ``bytes``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from perfseer.graphs.uncounted import has_unknown_flops
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATORS

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

NODE_FIELDS: tuple[str, ...] = (
    *("operators", "flops", "input_bytes", "weight_bytes", "output_bytes"),
    *("backward_flops", "backward_bytes"),
)


@dataclass(frozen=True)
class PerfGraph:
    """Operators of one model at one input, V nodes in execution order and E edges.

    Attributes:
        operators: [V] index into `vocabulary.OPERATORS`.
        hyperparameters: [V, 13] integers, columns `vocabulary.HYPERPARAMETERS`.
        output_shapes: [V, 4] shape of each node's first output as N, C, H, W (1 where absent).
        flops: [V] floating-point operations of the forward pass, two per multiply-accumulate (`costs`).
        input_bytes: [V] bytes of activations read.
        weight_bytes: [V] bytes of parameters and buffers read.
        output_bytes: [V] bytes written.
        backward_flops: [V] floating-point operations of the node's backward pass; 0 if not traced.
        backward_bytes: [V] bytes read and written by the node's backward pass; 0 if not traced.
        edge_index: [2, E] senders (row 0) and receivers (row 1); senders precede receivers.
        edge_bytes: [E] bytes of the tensor that flows.
        edge_shapes: [E, 4] its shape as N, C, H, W (1 where absent).
        batch_size: size of the first input's first dimension.
        n_parameters: trainable elements, tied weights once.
        parameter_bytes: bytes of the parameters.
        buffer_bytes: bytes of the buffers (batch-norm statistics and the like).
        peak_infer_bytes: analytic peak memory of inference by liveness (parameters, buffers, activations).
        peak_train_bytes: analytic peak memory of a training step; 0 if the backward pass was not traced.
        has_backward: whether the backward pass was traced.
        train_only_bytes: bytes moved in training by work no node owns (dropout, statistics updates,
            gradient accumulation).
        unknown: operators kept as ``other``, with their counts.
    """

    operators: IntArray
    hyperparameters: IntArray
    output_shapes: IntArray
    flops: IntArray
    input_bytes: IntArray
    weight_bytes: IntArray
    output_bytes: IntArray
    backward_flops: IntArray
    backward_bytes: IntArray
    edge_index: IntArray
    edge_bytes: IntArray
    edge_shapes: IntArray
    batch_size: int
    n_parameters: int
    parameter_bytes: int
    buffer_bytes: int
    peak_infer_bytes: int
    peak_train_bytes: int
    has_backward: bool
    train_only_bytes: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, m = len(self.operators), self.edge_index.shape[1]
        shapes = {
            **dict.fromkeys(NODE_FIELDS, (n,)),
            "hyperparameters": (n, len(HYPERPARAMETERS)),
            "output_shapes": (n, 4),
            "edge_index": (2, m),
            "edge_bytes": (m,),
            "edge_shapes": (m, 4),
        }
        for name, shape in shapes.items():
            actual = getattr(self, name).shape
            if actual != shape:
                raise ValueError(f"PerfGraph.{name} has shape {actual}, expected {shape}")
        if n == 0:
            raise ValueError("a PerfGraph needs at least one node; the traced model ran no operator")
        if m and not (self.edge_index[0] < self.edge_index[1]).all():
            raise ValueError("PerfGraph edges must run from an earlier to a later node")
        if m and not (self.edge_index.min() >= 0 and self.edge_index.max() < n):
            raise ValueError(f"PerfGraph edges must name nodes 0 to {n - 1}")
        if not (self.operators.min() >= 0 and self.operators.max() < len(OPERATORS)):
            raise ValueError(f"PerfGraph operators must be indices 0 to {len(OPERATORS) - 1}")
        for name in NODE_FIELDS[1:]:
            if getattr(self, name).min() < 0:
                raise ValueError(f"PerfGraph.{name} must not be negative")

    @property
    def n_nodes(self) -> int:
        """V."""
        return len(self.operators)

    @property
    def n_edges(self) -> int:
        """E."""
        return int(self.edge_index.shape[1])

    @property
    def density(self) -> float:
        """E / (V (V - 1)); 0 for a single node (METHODS 1.2)."""
        n = self.n_nodes
        return self.n_edges / (n * (n - 1)) if n > 1 else 0.0

    @cached_property
    def bytes(self) -> IntArray:
        """[V] memory-access cost: input + weight + output bytes."""
        return self.input_bytes + self.weight_bytes + self.output_bytes

    @cached_property
    def intensity(self) -> FloatArray:
        """[V] arithmetic intensity, FLOPs per byte moved."""
        return np.asarray(self.flops / np.maximum(self.bytes, 1), dtype=np.float64)

    @property
    def total_flops(self) -> int:
        """FLOPs of the forward pass."""
        return int(self.flops.sum())

    @property
    def total_bytes(self) -> int:
        """Bytes moved by the forward pass."""
        return int(self.bytes.sum())

    @property
    def other_share(self) -> float:
        """Share of the forward bytes moved by operators outside the vocabulary."""
        return float(self.bytes[self.operators == 0].sum() / max(self.total_bytes, 1))

    @property
    def other_flops_share(self) -> float | None:
        """Share of the forward FLOPs in operators outside the vocabulary; None where nobody can tell."""
        counted = self.flops[self.operators == 0]
        if any(map(has_unknown_flops, self.unknown)) and not counted.all():
            return None
        return float(counted.sum() / max(self.total_flops, 1))
