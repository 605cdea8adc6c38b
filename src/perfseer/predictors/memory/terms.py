"""Peak memory of a network as a sum of named terms: arithmetic, nothing fitted."""

from dataclasses import astuple, dataclass, replace

import numpy as np

from perfseer.errors import require
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.predictors.memory.lifetimes import (
    KINDS,
    Lifetimes,
    Tensors,
    inference_lifetimes,
    input_bytes,
    trainable_bytes,
    training_lifetimes,
)
from perfseer.predictors.memory.setup import OPTIMISER_STATES, MemorySetup
from perfseer.predictors.memory.widths import compute_scales, traced_in_16_bits
from perfseer.predictors.memory.workspace import (
    Workspace,
    context_bytes,
    library_bytes,
    no_workspace,
    node_workspace,
    rounding_bytes,
    segment_bytes,
)
from perfseer.targets import Phase

MIB = 2**20
# How far the trace's own peak may correct what is inferred from the graph: beyond, one of them is wrong.
_ANCHOR_RANGE = (0.5, 2.0)


@dataclass(frozen=True)
class MemoryTerms:
    """Bytes at the moment of the peak, by what they are for.

    Attributes:
        parameters: weights as they are stored.
        buffers: batch-norm statistics and the like.
        inputs: the batch.
        optimiser: state that stays between steps.
        gradients: of the parameters, those alive at the peak.
        activations: results of operators and their gradients, max pools' indices, scores of attention.
        casts: copies in another precision: autocast's of weights and of operands.
        workspace: what libraries take while an operator runs, and what the optimiser takes for a step.
        rounding: what the allocator adds to each block.
        segments: what the allocator holds beyond the blocks it has given out.
        context: what the process holds before the first tensor.
    """

    parameters: int = 0
    buffers: int = 0
    inputs: int = 0
    optimiser: int = 0
    gradients: int = 0
    activations: int = 0
    casts: int = 0
    workspace: int = 0
    rounding: int = 0
    segments: int = 0
    context: int = 0

    @property
    def allocated_bytes(self) -> int:
        """What the network needs: the label ``mem_mib`` (docs/measurement.md)."""
        return sum(astuple(self)) - self.segments - self.context

    @property
    def held_bytes(self) -> int:
        """What the allocator holds."""
        return self.allocated_bytes + self.segments


def memory_terms(graph: PerfGraph, phase: Phase, setup: MemorySetup) -> MemoryTerms:
    """The terms of one configuration, whose batch size is the graph's.

    A graph captured under autocast, or of weights in 16 bits, is taken as it stands. Otherwise lifetimes are
    inferred at the setup's precision. The same at the trace's own setup is compared with the trace's exact
    peak, and activations are corrected by the ratio.

    Args:
        graph: captured at the batch size in question; with its backward pass for ``train``.
        phase: ``train`` or ``infer``.
        setup: how it is run.

    Raises:
        PerfseerError: training is asked of a graph whose backward pass was not traced.
    """
    require(
        phase == "infer" or graph.has_backward,
        "the memory of training is asked of a graph without its backward pass: capture it with backward=True",
    )
    if traced_in_16_bits(graph):
        setup = replace(setup, precision="fp32")  # its bytes are taken as they are
    traced = setup.traced
    variants = (False, True) if phase == "infer" else (False,)
    plain = [_lifetimes(graph, phase, traced, in_place, no_workspace(graph)) for in_place in variants]
    anchors = [_anchor(lifetimes, graph, phase, traced) for lifetimes in plain]
    chosen = int(np.argmin(np.abs(np.log(anchors))))
    lifetimes = _lifetimes(graph, phase, setup, variants[chosen], node_workspace(graph, setup))
    return _at_peak(lifetimes, anchors[chosen], graph, phase, setup)


def least_bytes(graph: PerfGraph, phase: Phase, setup: MemorySetup) -> int:
    """What is allocated at one moment whatever the allocator, the libraries and the order of operators do.

    Inference ends with weights, buffers, inputs and results. A training step also holds what the optimiser
    keeps, and in the end, instead of results, gradients.

    Args:
        graph: captured at the batch size in question.
        phase: ``train`` or ``infer``.
        setup: how it is run.
    """
    if traced_in_16_bits(graph):
        setup = replace(setup, precision="fp32")
    resident = _resident(graph, phase, setup)
    # Trained weights that no operator reads have no gradient, and no state either.
    trained = min(trainable_bytes(graph), int(graph.weight_bytes.sum())) * setup.weight_scale
    states = OPTIMISER_STATES[setup.optimiser] * trained
    kept = sum(resident.values()) - resident["optimiser"]
    results = _result_bytes(graph, setup)
    return round(kept + results) if phase == "infer" else round(kept + states + max(results, trained))


def _result_bytes(graph: PerfGraph, setup: MemorySetup) -> float:
    """Bytes of the model's results, as far as they are no part of its weights, buffers and inputs."""
    unread = np.ones(graph.n_nodes, dtype=np.bool_)
    unread[graph.edge_index[0]] = False
    scales = compute_scales(graph, setup)
    written = float((graph.output_bytes * scales)[unread].sum())
    traced = graph.peak_infer_bytes - graph.parameter_bytes - graph.buffer_bytes - input_bytes(graph)
    return min(written, max(traced, 0) * float(scales.min()))


def _lifetimes(
    graph: PerfGraph, phase: Phase, setup: MemorySetup, in_place: bool, workspace: Workspace
) -> Lifetimes:
    training = phase == "train"
    tensors = Tensors.of(graph, setup, training=training, in_place=in_place)
    return (training_lifetimes if training else inference_lifetimes)(tensors, workspace)


def _anchor(lifetimes: Lifetimes, graph: PerfGraph, phase: Phase, traced: MemorySetup) -> float:
    """Exact peak of the trace's activations over the inferred one; 1 where the trace has none."""
    alive = lifetimes.alive()
    peak = int(alive.sum(axis=0).argmax())
    activations = alive[KINDS.index("activations"), peak]
    exact = graph.peak_train_bytes if phase == "train" else graph.peak_infer_bytes
    others = alive[:, peak].sum() - activations + sum(_resident(graph, phase, traced).values())
    if activations <= 0 or exact <= others:
        return 1.0
    return float(np.clip((exact - others) / activations, *_ANCHOR_RANGE))


def _resident(graph: PerfGraph, phase: Phase, setup: MemorySetup) -> dict[str, int]:
    """Terms that do not change during the phase."""
    scale = setup.weight_scale
    states = OPTIMISER_STATES[setup.optimiser] if phase == "train" else 0
    return {
        "parameters": round(graph.parameter_bytes * scale),
        "buffers": round(graph.buffer_bytes * scale),
        "inputs": round(input_bytes(graph) * scale),
        "optimiser": round(states * trainable_bytes(graph) * scale),
    }


def _at_peak(
    lifetimes: Lifetimes, anchor: float, graph: PerfGraph, phase: Phase, setup: MemorySetup
) -> MemoryTerms:
    alive = lifetimes.alive()
    alive[KINDS.index("activations")] *= anchor
    moment = int(alive.sum(axis=0).argmax())
    changing = {kind: round(float(alive[row, moment])) for row, kind in enumerate(KINDS)}
    changing["workspace"] += library_bytes(graph, phase, setup)
    resident = _resident(graph, phase, setup)
    blocks = np.concatenate([lifetimes.at(moment), graph.weight_bytes * setup.weight_scale])
    return MemoryTerms(
        **resident,
        **changing,
        rounding=rounding_bytes(blocks, setup),
        segments=segment_bytes(blocks, setup),
        context=context_bytes(setup),
    )
