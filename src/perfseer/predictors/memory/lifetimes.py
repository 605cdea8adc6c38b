"""Which tensors of a PerfGraph are alive when, in inference and in a training step.

Moments are counted in operators: node i of V runs forward at moment i and backward at 2 V + 1 - i; the
optimiser follows at 2 V + 2. A node's result lives until its last reader has run, and longer where autograd
saves it: an operator saves its operands or its result, by type. Gradients of results live from the backward
pass of their last reader to that of their producer, gradients of weights until the end.

A PerfGraph has no storages, so two things are inferred: whether activations work in place (`Tensors.in_place`
is tried both ways, `terms`), and that equal sizes share them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from perfseer.graphs.perfgraph import FloatArray, IntArray, PerfGraph
from perfseer.graphs.vocabulary import OPERATOR_INDEX, mask_with
from perfseer.predictors.memory.setup import OPTIMISER_SCRATCH, MemorySetup
from perfseer.predictors.memory.widths import BoolArray, compute_scales, converts
from perfseer.predictors.memory.workspace import Workspace

KINDS: tuple[str, ...] = ("activations", "casts", "gradients", "workspace")

_SAVES_OPERANDS, _SAVES_RESULT = mask_with("saves_operands"), mask_with("saves_result")
# Autocast casts and caches the weights of these.
_WEIGHTED = mask_with("product")
# Times a number instead of a tensor needs nothing in the backward pass.
_PRODUCTS = mask_with("not_beside_numbers")
_IN_PLACE, _POINTWISE = mask_with("in_place"), mask_with("pointwise")
_MAX_POOL = OPERATOR_INDEX["max_pool"]
_COPY = OPERATOR_INDEX["copy"]
_ATTENTION = OPERATOR_INDEX["attention"]
_BYTES_PER_ELEMENT = 4
_NEVER = -1


@dataclass(frozen=True, eq=False)
class Lifetimes:
    """S blocks of memory; each is alive from its birth to its last use, both included.

    Attributes:
        births: [S] moment.
        lasts: [S] moment, not before the birth.
        sizes: [S] bytes.
        kinds: [S] index into `KINDS`.
    """

    births: IntArray
    lasts: IntArray
    sizes: FloatArray
    kinds: IntArray

    @classmethod
    def join(cls, parts: Iterable[tuple[str, IntArray, IntArray, FloatArray]]) -> Self:
        """Lay groups of (kind, births, lasts, sizes) end to end; empty blocks are left out."""
        parts = list(parts)
        births, lasts, sizes = (np.concatenate([part[i] for part in parts]) for i in (1, 2, 3))
        kinds = np.repeat([KINDS.index(part[0]) for part in parts], [len(part[1]) for part in parts])
        some = sizes > 0
        return cls(births[some], lasts[some], sizes[some].astype(np.float64), kinds[some])

    def alive(self) -> FloatArray:
        """[kinds, moments] bytes alive of each kind."""
        moments = int(self.lasts.max()) + 2 if len(self.lasts) else 1
        cells = self.kinds * moments
        size = len(KINDS) * moments
        change = np.bincount(cells + self.births, self.sizes, size)
        change -= np.bincount(cells + self.lasts + 1, self.sizes, size)
        return np.asarray(change.reshape(len(KINDS), moments).cumsum(axis=1))

    def at(self, moment: int) -> FloatArray:
        """[n] sizes of the blocks alive at ``moment``, bytes."""
        return self.sizes[(self.births <= moment) & (moment <= self.lasts)]


@dataclass(frozen=True, eq=False)
class Tensors:
    """What the lifetimes of both phases are made from, for a graph of V nodes.

    Attributes:
        graph: the graph.
        setup: how it is run.
        scales: [V] of `compute_scales`.
        sizes: [V] bytes of each node's result, without a max pool's indices; 0 where it shares another's.
        births: [V] moment from which the result's memory is taken.
        readers: [V] moment of the last forward reader.
        saved: [V] moment until which autograd keeps the result as it is; -1 where it does not.
    """

    graph: PerfGraph
    setup: MemorySetup
    scales: FloatArray
    sizes: FloatArray
    births: IntArray
    readers: IntArray
    saved: IntArray

    @classmethod
    def of(cls, graph: PerfGraph, setup: MemorySetup, *, training: bool, in_place: bool) -> Self:
        """Read them off ``graph``; ``in_place`` says whether activations overwrite what they read."""
        senders, receivers = graph.edge_index
        nodes = np.arange(graph.n_nodes)
        scales = compute_scales(graph, setup)
        readers = nodes.copy()
        np.maximum.at(readers, senders, receivers)
        readers[readers == nodes] = graph.n_nodes  # what nobody reads is the model's output
        saved = _saved_until(graph, scales) if training else np.full(graph.n_nodes, _NEVER)
        sizes, births = (graph.output_bytes - _index_bytes(graph)) * scales, nodes
        if setup.casts_cached and not training:
            readers = np.where(_casts_weights(graph), graph.n_nodes, readers)
        if setup.compiled:
            sizes = np.where(_inside_fusions(graph) & (saved == _NEVER), 0.0, sizes)
        if in_place:
            sizes, births = _overwrite(graph, sizes, readers, saved)
        return cls(graph, setup, scales, sizes, births, readers, saved)


def backward_moments(graph: PerfGraph) -> IntArray:
    """[V] moment at which each node's backward pass runs."""
    return 2 * graph.n_nodes + 1 - np.arange(graph.n_nodes)


def inference_lifetimes(tensors: Tensors, workspace: Workspace) -> Lifetimes:
    """Blocks of one forward pass.

    Args:
        tensors: read with ``training=False``.
        workspace: what libraries take while each node runs.
    """
    graph, nodes = tensors.graph, np.arange(tensors.graph.n_nodes)
    end = np.full(graph.n_nodes, graph.n_nodes)
    receivers, converted = _conversions(tensors)
    return Lifetimes.join(
        [
            ("activations", tensors.births, tensors.readers, tensors.sizes),
            ("activations", nodes, nodes, _index_bytes(graph)),
            ("activations", nodes, nodes, _transient_scores(tensors)),
            ("casts", receivers, receivers, converted),
            ("casts", nodes, end, _weight_casts(tensors)),
            ("workspace", nodes, nodes, workspace.forward),
        ]
    )


def training_lifetimes(tensors: Tensors, workspace: Workspace) -> Lifetimes:
    """Blocks of a training step: forward, backward, optimiser.

    Args:
        tensors: read with ``training=True``.
        workspace: what libraries take while each node runs.
    """
    graph, nodes = tensors.graph, np.arange(tensors.graph.n_nodes)
    backward = backward_moments(graph)
    step = np.full(graph.n_nodes, 2 * graph.n_nodes + 2)
    receivers, converted = _conversions(tensors)
    until = np.where(_saves_operands(graph)[receivers], backward[receivers], receivers)
    gradients = _weight_gradients(tensors)
    last_readers = np.where(tensors.readers > nodes, np.minimum(tensors.readers, graph.n_nodes - 1), nodes)
    scratch = OPTIMISER_SCRATCH[tensors.setup.optimiser] * gradients
    return Lifetimes.join(
        [
            ("activations", tensors.births, np.maximum(tensors.readers, tensors.saved), tensors.sizes),
            ("activations", nodes, backward, _index_bytes(graph)),
            ("activations", nodes, nodes, _transient_scores(tensors)),
            ("activations", nodes, backward, _saved_scores(tensors)),
            ("activations", backward[last_readers], backward, graph.output_bytes * tensors.scales),
            ("casts", receivers, until, converted),
            ("casts", nodes, backward, _weight_casts(tensors)),
            ("gradients", nodes * 0 if tensors.setup.gradients_kept else backward, step, gradients),
            ("workspace", nodes, nodes, workspace.forward),
            ("workspace", backward, backward, workspace.backward),
            ("workspace", step, step, scratch),
        ]
    )


def input_bytes(graph: PerfGraph) -> int:
    """Bytes of the model's input: the most that a node reads beyond what other nodes wrote, in fp32."""
    return int(_read_from_outside(graph).max())


def trainable_bytes(graph: PerfGraph) -> int:
    """Bytes of the trainable parameters as traced: 4 an element, 2 if all weights are in 16 bits."""
    each = graph.parameter_bytes / max(graph.n_parameters, 1)
    return round(graph.n_parameters * min(max(each, 2.0), _BYTES_PER_ELEMENT))


def _casts_weights(graph: PerfGraph) -> BoolArray:
    """[V] copies of weights and of nothing else: in a graph traced under autocast, its cache."""
    with_producer = np.bincount(graph.edge_index[1], minlength=graph.n_nodes) > 0
    copies = (graph.operators == _COPY) & (graph.weight_bytes > 0) & (graph.input_bytes == 0)
    return np.asarray(copies & ~with_producer)


def _read_from_outside(graph: PerfGraph) -> FloatArray:
    """[V] bytes each node reads that no node wrote."""
    written = np.bincount(graph.edge_index[1], graph.edge_bytes, graph.n_nodes)
    return np.maximum(graph.input_bytes - written, 0.0)


def _saves_operands(graph: PerfGraph) -> BoolArray:
    """[V] whether autograd keeps the node's operands for its backward pass."""
    operands = np.bincount(graph.edge_index[1], minlength=graph.n_nodes)
    by_number = _PRODUCTS[graph.operators] & (operands < 2) & (graph.weight_bytes == 0)
    return np.asarray(_SAVES_OPERANDS[graph.operators] & ~by_number)


def _saved_until(graph: PerfGraph, scales: FloatArray) -> IntArray:
    senders, receivers = graph.edge_index
    backward = backward_moments(graph)
    saved = np.where(_SAVES_RESULT[graph.operators], backward, _NEVER)
    # What a reader converts first it saves converted.
    as_is = _saves_operands(graph)[receivers] & ~_conversions_on(graph, scales)
    np.maximum.at(saved, senders[as_is], backward[receivers[as_is]])
    return saved


def _index_bytes(graph: PerfGraph) -> FloatArray:
    """[V] bytes of the 64-bit indices that max pools write beside their result."""
    values = _BYTES_PER_ELEMENT * graph.output_shapes.prod(axis=1)
    indices = np.maximum(graph.output_bytes - values, 0)
    return np.where(graph.operators == _MAX_POOL, indices, 0).astype(np.float64)


def _inside_fusions(graph: PerfGraph) -> BoolArray:
    """[V] pointwise results that only pointwise operators read."""
    senders, receivers = graph.edge_index
    pointwise = _POINTWISE[graph.operators]
    outside = np.bincount(senders, ~pointwise[receivers], graph.n_nodes) > 0
    read = np.bincount(senders, minlength=graph.n_nodes) > 0
    return np.asarray(pointwise & read & ~outside)


def _overwrite(
    graph: PerfGraph, sizes: FloatArray, readers: IntArray, saved: IntArray
) -> tuple[FloatArray, IntArray]:
    """Sizes and births where an activation takes over the memory of what it reads and nobody needs later."""
    senders, receivers = graph.edge_index
    births = np.arange(graph.n_nodes)
    single = np.bincount(receivers, minlength=graph.n_nodes)[receivers] == 1
    unneeded = (readers[senders] == receivers) & (saved[senders] == _NEVER)
    taken = single & unneeded & _IN_PLACE[graph.operators[receivers]] & (sizes[senders] == sizes[receivers])
    sizes = sizes.copy()
    sizes[senders[taken]] = 0.0
    births[receivers[taken]] = senders[taken]
    return sizes, births


def _conversions(tensors: Tensors) -> tuple[IntArray, FloatArray]:
    """Readers of operands in another precision, and the bytes of the copies made for them."""
    graph, scales = tensors.graph, tensors.scales
    receivers = graph.edge_index[1]
    differs = _conversions_on(graph, scales)
    copies = graph.edge_bytes[differs] * scales[receivers[differs]]
    outside = np.where(scales < 1.0, _read_from_outside(graph), 0.0) * tensors.setup.autocast
    nodes = np.flatnonzero(outside)
    return np.concatenate([receivers[differs], nodes]), np.concatenate([copies, outside[nodes] * 0.5])


def _conversions_on(graph: PerfGraph, scales: FloatArray) -> BoolArray:
    """[E] edges whose tensor is converted before it is read."""
    senders, receivers = graph.edge_index
    return np.asarray((scales[senders] != scales[receivers]) & converts(graph)[receivers])


def _weight_casts(tensors: Tensors) -> FloatArray:
    """[V] bytes of the 16-bit copies of weights that autocast keeps until it is left."""
    narrow = (tensors.scales < 1.0) & _WEIGHTED[tensors.graph.operators]
    return np.where(narrow, 0.5 * tensors.graph.weight_bytes, 0.0) * tensors.setup.autocast


def _weight_gradients(tensors: Tensors) -> FloatArray:
    """[V] bytes of the gradients of each node's weights; all together those of the trainable parameters."""
    weights = tensors.graph.weight_bytes
    share = min(1.0, trainable_bytes(tensors.graph) / max(int(weights.sum()), 1))
    return np.asarray(weights * share * tensors.setup.weight_scale)


def _scores(tensors: Tensors, autocast_bytes: float, plain_bytes: float) -> FloatArray:
    """[V] bytes of the scores of attention that is not fused, so many each; their number from FLOPs."""
    graph, setup = tensors.graph, tensors.setup
    if setup.fused_attention:
        return np.zeros(graph.n_nodes)
    shapes = graph.output_shapes
    width = np.where(shapes[:, 3] > 1, shapes[:, 3], np.maximum(shapes[:, 2], 1))
    elements = np.where(graph.operators == _ATTENTION, graph.flops / (4 * width), 0.0)
    return elements * (autocast_bytes if setup.autocast else plain_bytes * setup.weight_scale)


def _saved_scores(tensors: Tensors) -> FloatArray:
    """[V] bytes of scores kept for the backward pass: softmax's in its precision, and their 16-bit copy."""
    return _scores(tensors, 4.0 + 2.0, 4.0)


def _transient_scores(tensors: Tensors) -> FloatArray:
    """[V] bytes of scores while attention runs: before softmax, as softmax takes them, and after."""
    return _scores(tensors, 2.0 + 4.0 + 4.0, 8.0)
