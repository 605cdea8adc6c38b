"""What the release does not say but predictors use: parameters, the backward pass, peak memory.

All of it follows from the operators and tensors of the forward pass by the rules that `graphs.capture` finds
at work in PyTorch: what each operator's backward pass reads and writes, gradients of a tensor with several
readers added up one by one, autograd running in the reverse of the forward order, a tensor alive from its
first write to its last read. For networks of the search space the result equals capture's in every number
(test_conversion.py of its tests). Assumed, because the release does not tell: fp32, ReLU in place
wherever it alone reads its input, running statistics in every batch norm, cross-entropy on an output
[N, classes]; its gradient for any other output.

One step for one training iteration of SGD with momentum, as `graphs.liveness` counts it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from perfseer.graphs.liveness import OPTIMISER_STATES_PER_PARAMETER, peak_bytes
from perfseer.graphs.perfgraph import IntArray
from perfseer.graphs.vocabulary import OPERATOR_INDEX, names_with

FLOAT_BYTES = 4
INDEX_BYTES = 8  # of a max pool's chosen pixel, and of a class label

_RELU, _BATCH_NORM, _CONCAT, _GLOBAL_POOL, _LINEAR, _MAX_POOL, _ADD = (
    OPERATOR_INDEX[name]
    for name in ("relu", "batch_norm", "concat", "global_avg_pool", "linear", "max_pool", "add")
)
# Operators whose backward pass is two of their kind: by their input and by their weights or other input.
_PRODUCTS = frozenset(OPERATOR_INDEX[name] for name in names_with("product"))
_COUNTER_BYTES = 8  # batch norm's number of batches


@dataclass(frozen=True, slots=True)
class Forward:
    """The forward pass of one network: V nodes in topological order, Python numbers throughout.

    Attributes:
        operators: V vocabulary indices.
        flops: V.
        input_bytes: V bytes of activations read.
        weight_bytes: V bytes of parameters and buffers read.
        tensor_bytes: V bytes of the tensor each node hands on.
        channels: V channels of that tensor.
        bias_bytes: V bytes of the bias among the weights.
        senders: V lists of the nodes each node reads, without repetition.
        edge_bytes: V lists of the bytes read from each of them.
        output_is_flat: whether the last tensor is [N, classes].
        batch_size: samples.
    """

    operators: Sequence[int]
    flops: Sequence[int]
    input_bytes: Sequence[int]
    weight_bytes: Sequence[int]
    tensor_bytes: Sequence[int]
    channels: Sequence[int]
    bias_bytes: Sequence[int]
    senders: Sequence[Sequence[int]]
    edge_bytes: Sequence[Sequence[int]]
    output_is_flat: bool
    batch_size: int


class Derived(NamedTuple):
    """What follows; fields as in `graphs.perfgraph.PerfGraph`."""

    backward_flops: IntArray
    backward_bytes: IntArray
    n_parameters: int
    parameter_bytes: int
    buffer_bytes: int
    peak_infer_bytes: int
    peak_train_bytes: int
    train_only_bytes: int


def derive(forward: Forward) -> Derived:
    """Parameters, backward costs and analytic peaks. O(V + E).

    Backward FLOPs are those of a capture: a convolution or matrix product costs its forward FLOPs for the
    gradient of its input (not of the model's) and as much again for that of its weights, nothing else any.
    """
    step = _Step(forward)
    step.run_forward()
    infer_peak = step.peak()
    step.run_loss()
    step.run_backward()
    norms = [node for node, operator in enumerate(forward.operators) if operator == _BATCH_NORM]
    counters = len(norms)
    norm_bytes = FLOAT_BYTES * sum(forward.channels[node] for node in norms)
    norm_weights = sum(forward.weight_bytes[node] for node in norms)
    # A batch norm has two parameters and two statistics per channel, whichever of them its weights count.
    parameters = sum(forward.weight_bytes) - norm_weights + 2 * norm_bytes
    buffers = 2 * norm_bytes + _COUNTER_BYTES * counters
    sources = (b for b, senders in zip(forward.input_bytes, forward.senders, strict=True) if not senders)
    resident = parameters + buffers + max(sources)
    return Derived(
        backward_flops=np.array(_backward_flops(forward), dtype=np.int64),
        backward_bytes=np.array(step.backward_bytes, dtype=np.int64),
        n_parameters=parameters // FLOAT_BYTES,
        parameter_bytes=parameters,
        buffer_bytes=buffers,
        peak_infer_bytes=resident + infer_peak,
        peak_train_bytes=resident + OPTIMISER_STATES_PER_PARAMETER * parameters + step.peak(),
        # statistics of the batch written, running ones updated, counters read and written
        train_only_bytes=step.unowned_bytes + 4 * norm_bytes + 2 * _COUNTER_BYTES * counters,
    )


def _backward_flops(forward: Forward) -> list[int]:
    columns = zip(forward.operators, forward.flops, forward.senders, strict=True)
    return [
        flops * (1 + bool(senders)) if operator in _PRODUCTS else 0 for operator, flops, senders in columns
    ]


class _Step:
    """A training step as reads and writes of storages, one moment per operator."""

    def __init__(self, forward: Forward) -> None:
        n = len(forward.operators)
        self._forward = forward
        self._births: list[int] = []
        self._last_uses: list[int] = []
        self._sizes: list[int] = []
        self._moment = 0
        self._storages = [0] * n  # of the tensor each node hands on
        self._kept: dict[int, int] = {}  # what a node keeps for its backward pass besides tensors that flow
        self._gradients: dict[int, int] = {}  # by node: storage of the gradient of its tensor
        self._parameter_gradients: list[int] = []
        self.backward_bytes = [0] * n
        self.unowned_bytes = 0

    def peak(self) -> int:
        """Most bytes alive at one moment so far."""
        columns = (self._births, self._last_uses, self._sizes)
        return peak_bytes(*(np.array(column, dtype=np.int64) for column in columns))

    def _write(self, nbytes: int) -> int:
        """A new storage, written now."""
        self._births.append(self._moment)
        self._last_uses.append(self._moment)
        self._sizes.append(nbytes)
        return len(self._sizes) - 1

    def _read(self, *storages: int) -> None:
        for storage in storages:
            self._last_uses[storage] = self._moment

    def run_forward(self) -> None:
        """Every node once; what nobody reads stays to the end."""
        forward, storages = self._forward, self._storages
        readers = [0] * len(storages)
        for senders in forward.senders:
            for sender in senders:
                readers[sender] += 1
        for node, (operator, senders) in enumerate(zip(forward.operators, forward.senders, strict=True)):
            self._moment = node
            self._read(*(storages[sender] for sender in senders))
            if operator == _RELU and len(senders) == 1 and readers[senders[0]] == 1:
                storages[node] = storages[senders[0]]
                continue
            storages[node] = self._write(forward.tensor_bytes[node])
            if operator == _MAX_POOL:
                self._kept[node] = self._write(forward.tensor_bytes[node] // FLOAT_BYTES * INDEX_BYTES)
        self._moment = len(storages)
        self._outputs = [node for node, count in enumerate(readers) if count == 0]
        self._read(*(storages[node] for node in self._outputs))

    def run_loss(self) -> None:
        """Statistics of batch norms, kept since the forward pass, and the gradients of the outputs."""
        for node, operator in enumerate(self._forward.operators):
            if operator == _BATCH_NORM:
                self._kept[node] = self._write(2 * FLOAT_BYTES * self._forward.channels[node])
                self._births[-1] = node
        if len(self._outputs) == 1 and self._forward.output_is_flat:
            self._gradients[self._outputs[0]] = self._cross_entropy(self._outputs[0])
        else:
            for node in self._outputs:
                self._gradients[node] = self._write(self._forward.tensor_bytes[node])

    def _cross_entropy(self, node: int) -> int:
        """Log-softmax and negative log-likelihood, forward and backward; returns the gradient."""
        nbytes = self._forward.tensor_bytes[node]
        self._read(self._storages[node])
        logarithms = self._write(nbytes)
        self._moment += 1
        self._read(logarithms)
        scalars = self._write(2 * FLOAT_BYTES)  # the loss and the total weight
        self._moment += 1
        one = self._write(FLOAT_BYTES)
        self._moment += 1
        self._read(logarithms, scalars, one)
        gradient = self._write(nbytes)
        self._moment += 1
        self._read(logarithms, gradient)
        self.unowned_bytes = 8 * nbytes + 2 * INDEX_BYTES * self._forward.batch_size + 5 * FLOAT_BYTES
        return self._write(nbytes)

    def run_backward(self) -> None:
        """Every node in reverse; gradients of parameters stay to the end."""
        forward = self._forward
        for node in reversed(range(len(self._storages))):
            gradient = self._gradients[node]
            self._moment += 1
            self._read(gradient)
            sent = self._differentiate(node, gradient)
            for sender, nbytes, storage in zip(
                forward.senders[node], forward.edge_bytes[node], sent, strict=True
            ):
                if sender in self._gradients:
                    storage = self._add(node, self._gradients[sender], storage, nbytes)
                self._gradients[sender] = storage
        self._moment += 1
        self._read(*self._parameter_gradients)

    def _add(self, node: int, first: int, second: int, nbytes: int) -> int:
        """Add the gradients that two readers of a tensor send; the sum is a tensor of its own."""
        self._moment += 1
        self._read(first, second)
        self.backward_bytes[node] += 3 * nbytes
        return self._write(nbytes)

    def _differentiate(self, node: int, gradient: int) -> list[int]:
        """One node's backward pass: the storage of the gradient that goes to each of its senders."""
        forward = self._forward
        operator, out = forward.operators[node], forward.tensor_bytes[node]
        senders, edge_bytes = forward.senders[node], forward.edge_bytes[node]
        if operator in (_ADD, _CONCAT):  # both send views of what they got
            return [gradient] * len(senders)
        if operator == _LINEAR:
            return self._differentiate_linear(node, gradient)
        written = sum(edge_bytes)
        if operator == _RELU:
            self._read(self._storages[node])
            self.backward_bytes[node] += out + out + written
        elif operator == _GLOBAL_POOL:
            self.backward_bytes[node] += out + written
        else:
            for sender in senders:
                self._read(self._storages[sender])
            self.backward_bytes[node] += out + forward.input_bytes[node] + written + self._keeping(node)
        return [self._write(nbytes) for nbytes in edge_bytes]

    def _keeping(self, node: int) -> int:
        """Read what the node kept and write its weights' gradients; bytes of both and of the weights."""
        forward = self._forward
        operator, weights = forward.operators[node], forward.weight_bytes[node]
        if node in self._kept:
            self._read(self._kept[node])
        if operator == _BATCH_NORM:
            per_channel = FLOAT_BYTES * forward.channels[node]
            self._parameter_gradients.append(self._write(2 * per_channel))
            return 7 * per_channel  # weight and four statistics read, gradients of weight and bias written
        if operator == _MAX_POOL:
            return forward.tensor_bytes[node] // FLOAT_BYTES * INDEX_BYTES
        if weights:
            self._parameter_gradients.append(self._write(weights))
        return 2 * weights - forward.bias_bytes[node]

    def _differentiate_linear(self, node: int, gradient: int) -> list[int]:
        """Gradients of input, weight and bias: a kernel each."""
        forward = self._forward
        out, bias = forward.tensor_bytes[node], forward.bias_bytes[node]
        weights = forward.weight_bytes[node] - bias
        sent = []
        for nbytes in forward.edge_bytes[node]:
            sent.append(self._write(nbytes))
            self.backward_bytes[node] += out + weights + nbytes
            self._moment += 1
        self._read(gradient, *(self._storages[sender] for sender in forward.senders[node]))
        self._parameter_gradients.append(self._write(weights))
        self.backward_bytes[node] += out + forward.input_bytes[node] + weights
        if bias:
            self._moment += 1
            self._read(gradient)
            self._parameter_gradients.append(self._write(bias))
            self.backward_bytes[node] += out + bias
        return sent
