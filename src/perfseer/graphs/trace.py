"""What a run leaves behind: operators, edges, memory events, and whose work the backward pass is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from perfseer.graphs.liveness import Ledger
from perfseer.graphs.vocabulary import Hyperparameters

Shape = tuple[int, int, int, int]

NO_OWNER = -1  # of an event or an autograd function: no node


@dataclass(slots=True)
class NodeRecord:
    """One forward operator as traced; fields as in `PerfGraph`."""

    name: str
    operator: int
    hyperparameters: Hyperparameters
    shape: Shape
    flops: int
    input_bytes: int
    weight_bytes: int
    output_bytes: int
    storage: int


@dataclass
class Trace:
    """Everything a run left behind.

    Attributes:
        inference: births and last uses of the forward pass alone.
        training: births and last uses of the whole training step.
        nodes: forward operators in execution order.
        edges: sender, receiver, bytes and shape of every tensor that flows.
        sequences: autograd's counter after each forward event, never falling.
        owners: node of each forward event; -1 for work that only training does.
        backward: autograd's sequence number, bytes moved and FLOPs of every operator of the backward pass.
        train_only_bytes: bytes moved by work no node owns.
        forward_end: autograd's counter when the forward pass ended.
    """

    inference: Ledger
    training: Ledger
    nodes: list[NodeRecord] = field(default_factory=list)
    edges: list[tuple[int, int, int, Shape]] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    backward: list[tuple[int, int, int]] = field(default_factory=list)
    train_only_bytes: int = 0
    forward_end: int = 0


def drop_saved_copies(trace: Trace, outputs: set[int]) -> None:
    """Autograd copies the input of some in-place operators: a clone nobody reads is not a node."""
    senders = {edge[0] for edge in trace.edges}
    dead = {
        i
        for i, node in enumerate(trace.nodes)
        if node.name == "clone" and i not in senders and node.storage not in outputs
    }
    if not dead:
        return
    for i in dead:
        node = trace.nodes[i]
        trace.train_only_bytes += node.input_bytes + node.weight_bytes + node.output_bytes
        trace.inference.forget(node.storage)
    kept = {old: new for new, old in enumerate(i for i in range(len(trace.nodes)) if i not in dead)}
    trace.nodes = [trace.nodes[i] for i in kept]
    trace.edges = [(kept[s], kept[r], b, shape) for s, r, b, shape in trace.edges if r in kept]
    events = [
        (s, kept.get(o, o)) for s, o in zip(trace.sequences, trace.owners, strict=True) if o not in dead
    ]
    trace.sequences, trace.owners = [s for s, _ in events], [o for _, o in events]


def attribute_backward(trace: Trace) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Give the backward pass's work to the forward nodes.

    An autograd function with number s was made by the first forward event whose counter is beyond s (views
    go to the operator that reads them; those after the last operator to that one).

    Returns:
        [V] FLOPs, [V] bytes, and the bytes no node owns (loss, gradient accumulation).
    """
    n = len(trace.nodes)
    flops, moved = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    if not trace.backward:
        return flops, moved, 0
    work = integers(trace.backward)
    events = np.searchsorted(integers(trace.sequences), work[:, 0], side="right")
    owners = integers([*trace.owners, n - 1])[events]
    owners[(work[:, 0] < 0) | (work[:, 0] >= trace.forward_end)] = -1
    owned = owners >= 0
    np.add.at(moved, owners[owned], work[owned, 1])
    # FLOPs must add up: recomputation (checkpointing) has numbers of its own and goes to the last node
    np.add.at(flops, np.where(owned, owners, n - 1), work[:, 2])
    return flops, moved, int(work[~owned, 1].sum())


def integers(values: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Rows of numbers as an int64 array."""
    return np.asarray(values, dtype=np.int64)
