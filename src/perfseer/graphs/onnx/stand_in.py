"""Work of operators on integers and packed weights: what the same operator does on floating-point numbers.

The operator runs on stand-ins of its operands, beside the capture; the capture then hears of one operator
that reads the operands as they are, writes the result as it is, and computes as much.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from perfseer.graphs.declared import empty
from perfseer.graphs.foreign import OutputSpec, Work, foreign
from perfseer.graphs.onnx.calls import Call, Fact, Handler, Value, as_tensor
from perfseer.graphs.trace import NodeRecord
from perfseer.graphs.tracer import Tracer
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATORS


def run_as(
    handler: Handler,
    call: Call,
    operands: Sequence[Value],
    dtype: torch.dtype,
    *,
    channels_last: bool = False,
) -> Tensor:
    """Run a call as one operator that computes what ``handler`` does on ``operands``.

    Args:
        handler: of the operator on floating-point numbers; it may run several, of which the one with most
            FLOPs gives the name.
        call: as the file has it: all of its tensors are read.
        operands: what the handler gets instead, of any type.
        dtype: of the result.
        channels_last: whether the first operand and the result have their channels behind the pixels.
    """
    shape, nodes = _tried(handler, replace(call, inputs=[*operands]), channels_last=channels_last)
    main = max(nodes, key=lambda node: node.flops, default=None)
    work = Work() if main is None else _work(main, sum(node.flops for node in nodes))
    read = [as_tensor(value) for value in call.inputs if value is not None]
    (result,) = foreign(call.node.kind, read, [(shape, dtype)], work)
    return result


def weight_of(shape: Sequence[int]) -> nn.Parameter:
    """A weight that stands in for a packed one."""
    return nn.Parameter(empty(shape, torch.float32))


def packed_buffer(shape: Sequence[int]) -> nn.Buffer:
    """A buffer of four bits an element that knows how many there are."""
    buffer = nn.Buffer(empty((-(-prod(shape) // 2),), torch.uint8))
    buffer.unpacked_shape = tuple(shape)
    return buffer


def unpacked_shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape of a tensor once it is unpacked, if it is packed."""
    shape: tuple[int, ...] = getattr(tensor, "unpacked_shape", tuple(tensor.shape))
    return shape


def as_floats(call: Call, *positions: int) -> list[Value]:
    """Stand-ins of a call's operands; stored ones, and those of which everything is known, are weights."""
    return [_float(call, position) if call.has(position) else None for position in positions]


def without_products(
    call: Call,
    outputs: Sequence[OutputSpec],
    operator: str = "elementwise",
    read: Sequence[Tensor] | None = None,
) -> tuple[Tensor, ...]:
    """A call as one operator of the vocabulary that has no FLOPs; ``read``: what it reads, if not all."""
    if read is None:
        read = [as_tensor(value) for value in call.inputs if value is not None]
    return foreign(call.node.kind, read, outputs, Work(operator))


def _float(call: Call, position: int) -> Tensor:
    value = call.inputs[position]
    stand_in = empty(call.tensor(position).shape, torch.float32)
    return nn.Parameter(stand_in) if isinstance(value, Fact) or call.is_stored(position) else stand_in


def _tried(handler: Handler, call: Call, *, channels_last: bool) -> tuple[tuple[int, ...], list[NodeRecord]]:
    """Shape of the result, and what ran."""
    given = [value for value in call.inputs if isinstance(value, Tensor)]
    storages = [value.untyped_storage() for value in given if isinstance(value, nn.Parameter)]
    tracer = Tracer({storage._cdata: storage for storage in storages}, [], training=False)
    with _disable_current_modes(), torch.inference_mode():
        if channels_last:
            call = replace(call, inputs=[given[0].movedim(-1, 1), *call.inputs[1:]])
        with tracer:
            result = handler(call)
        result = result[0] if isinstance(result, tuple) else result
        assert isinstance(result, Tensor)
        result = result.movedim(1, -1) if channels_last else result
    return tuple(result.shape), tracer.trace.nodes


def _work(node: NodeRecord, flops: int) -> Work:
    values = dict(zip(HYPERPARAMETERS, node.hyperparameters, strict=True))
    return Work(OPERATORS[node.operator], flops, values)
