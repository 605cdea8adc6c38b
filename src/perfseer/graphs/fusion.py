"""What a compiler spares: tensors that go from one operator to the next without passing through memory.

`torch.compile` joins element-wise operators, normalisations and reductions into one kernel wherever one
feeds the other; convolutions, matrix products, attention and pooling stay kernels of their own and write what
they compute. Such a chain reads its outer inputs and writes its outer outputs, nothing in between. This is
the rule behind it, not the compiler's own decision, which also weighs sizes and registers.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.graphs.vocabulary import mask_with

_JOINED, _SHRINKING = mask_with("joins"), mask_with("shrinks")


@dataclass(frozen=True, eq=False)
class Fused:
    """Traffic of V nodes once chains run as one kernel.

    Attributes:
        input_bytes: [V] activations read from memory.
        output_bytes: [V] written to memory; 0 where all readers are of the same chain.
        silent: [V] whether a node writes nothing.
    """

    input_bytes: FloatArray
    output_bytes: FloatArray
    silent: npt.NDArray[np.bool_]


def fuse(
    operators: IntArray,
    input_bytes: FloatArray,
    output_bytes: FloatArray,
    edge_index: IntArray,
    edge_bytes: FloatArray,
) -> Fused:
    """Traffic after fusion, for the nodes of one or many graphs laid end to end; no loop over nodes.

    Args:
        operators: [V] vocabulary indices.
        input_bytes: [V] activations each node reads by itself.
        output_bytes: [V] what it writes.
        edge_index: [2, E] senders and receivers among the V nodes.
        edge_bytes: [E] bytes of the tensor that flows.
    """
    size, (senders, receivers) = len(operators), edge_index
    within = _JOINED[operators[senders]] & _JOINED[operators[receivers]]
    within &= ~_SHRINKING[operators[senders]]
    spared = np.bincount(receivers, weights=edge_bytes * within, minlength=size)
    readers = np.bincount(senders, minlength=size)
    silent = (readers > 0) & (np.bincount(senders, weights=within, minlength=size) == readers)
    return Fused(
        input_bytes=np.maximum(input_bytes - spared, 0.0),
        output_bytes=np.where(silent, 0.0, output_bytes),
        silent=silent,
    )
