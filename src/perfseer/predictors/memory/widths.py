"""In how many bits each operator computes: autocast's rules on a PerfGraph.

Under autocast a convolution or a matrix product computes in 16 bits whatever it is given, a normalisation
over features, a softmax or a loss in 32, and everything else in the widest of its operands (torch's
documentation, "Autocast Op Reference"). Weights stay in 32 bits, so adding or multiplying by one widens the
result. Which operators of group ``elementwise`` autocast widens (powers, logarithms) a PerfGraph does not
tell: they follow their operands.
"""

import numpy as np
import numpy.typing as npt

from perfseer.graphs.perfgraph import FloatArray, PerfGraph
from perfseer.graphs.vocabulary import mask_with
from perfseer.predictors.memory.setup import MemorySetup

BoolArray = npt.NDArray[np.bool_]


_NARROW, _WIDE = mask_with("narrow"), mask_with("wide")
# With a weight among their operands these give 32 bits; batch norm keeps its input's.
_PROMOTING = mask_with("promotes")


def converts(graph: PerfGraph) -> BoolArray:
    """[V] operators that convert operands of another precision first; others read what they are given."""
    return np.asarray((_NARROW | _WIDE)[graph.operators])


def compute_scales(graph: PerfGraph, setup: MemorySetup) -> FloatArray:
    """[V] bytes of an element of each node's operands and result per byte of the same in fp32."""
    if not setup.autocast:
        return np.full(graph.n_nodes, setup.weight_scale)
    return np.where(_is_wide(graph), 1.0, 0.5)


def _is_wide(graph: PerfGraph) -> BoolArray:
    operators, (senders, receivers) = graph.operators, graph.edge_index
    narrow, wide = _NARROW[operators], _WIDE[operators]
    with_producer = np.zeros(graph.n_nodes, dtype=np.bool_)
    with_producer[receivers] = True
    widened = _PROMOTING[operators] & (graph.weight_bytes > 0)
    values = ((wide | widened | ~with_producer) & ~narrow).tolist()
    following = ~(narrow | wide)[receivers]
    # In the order of receivers, so that a sender is settled before it is read.
    order = np.argsort(receivers, kind="stable")
    order = order[following[order]]
    for sender, receiver in zip(senders[order].tolist(), receivers[order].tolist(), strict=True):
        values[receiver] = values[receiver] or values[sender]
    return np.array(values, dtype=np.bool_)


def traced_in_16_bits(graph: PerfGraph) -> bool:
    """Whether the graph was captured under autocast, or of a network whose weights are in 16 bits."""
    products = _NARROW[graph.operators]
    elements = graph.output_shapes[products].prod(axis=1)
    return bool((2 * elements == graph.output_bytes[products]).any())
