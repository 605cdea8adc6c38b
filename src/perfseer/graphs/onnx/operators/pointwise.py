"""Arithmetic element by element, comparisons, activations."""

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from perfseer.graphs.declared import torch_type
from perfseer.graphs.onnx.calls import Call, Fact, Handler
from perfseer.graphs.onnx.model import OnnxNode
from perfseer.graphs.onnx.parsing import DTYPES
from perfseer.graphs.vocabulary import ONNX_COUNTERPARTS


def _operands(call: Call) -> tuple[Any, Any]:
    """Two operands of which at most one is a number."""
    ranks = [v.values.ndim if isinstance(v, Fact) else v.dim() for v in call.inputs[:2] if v is not None]
    first = call.operand(0, ranks[-1])
    second = call.operand(1, ranks[0]) if isinstance(first, Tensor) else call.tensor(1)
    return first, second


def _binary(function: Callable[..., Tensor]) -> Handler:
    return lambda call: function(*_operands(call))


def _commutative(function: Callable[..., Tensor]) -> Handler:
    """The tensor goes first."""

    def run(call: Call) -> Tensor:
        first, second = _operands(call)
        return function(first, second) if isinstance(first, Tensor) else function(second, first)

    return run


def _divide(call: Call) -> Tensor:
    first, second = _operands(call)
    if any(t.is_floating_point() if isinstance(t, Tensor) else isinstance(t, float) for t in (first, second)):
        result: Tensor = first / second
        return result
    return torch.div(first if isinstance(first, Tensor) else call.tensor(0), second, rounding_mode="trunc")


def _counterpart(name: str, settings: Mapping[str, float]) -> Handler:
    """Torch's function of that name, on attributes with such defaults behind the first of its tensors."""
    function = getattr(F, name, None) or getattr(torch, name)

    def run(call: Call) -> Tensor:
        more = (call.tensor(i) for i in range(1, len(call.inputs)) if call.has(i))
        return function(call.tensor(0), *(_setting(call.node, *item) for item in settings.items()), *more)

    return run


def _setting(node: OnnxNode, name: str, default: float) -> float:
    value = node.integer(name, default) if isinstance(default, int) else node.number(name, default)
    return type(default)(value)


def _many(function: Callable[[Tensor, Tensor], Tensor]) -> Handler:
    """Variadic: one after the other."""
    return lambda call: reduce(function, call.tensors())


def _mean(call: Call) -> Tensor:
    return reduce(torch.add, call.tensors()) / len(call.inputs)


def _tensor_first(function: Callable[..., Tensor]) -> Handler:
    def run(call: Call) -> Tensor:
        first, second = _operands(call)
        return function(first if isinstance(first, Tensor) else call.tensor(0), second)

    return run


def _where(call: Call) -> Tensor:
    condition = call.tensor(0)
    rank = condition.dim()
    return torch.where(condition, call.operand(1, rank), call.operand(2, rank))


def _cast(call: Call) -> Tensor:
    source = call.tensor(0)
    if call.node.op == "CastLike":
        return source.to(call.tensor(1).dtype)
    return source.to(torch_type(DTYPES.get(call.node.integer("to", 1), "float32")))


def _clip(call: Call) -> Tensor:
    source = call.tensor(0)
    bounds = [
        call.operand(position, source.dim()) if call.has(position) else call.node.attribute(name)
        for position, name in ((1, "min"), (2, "max"))
    ]
    if bounds == [0, 6]:
        return F.relu6(source, inplace=call.in_place)
    if bounds == [None, None]:
        return source
    return torch.clamp(source, *bounds)


def _relu(call: Call) -> Tensor:
    return F.relu(call.tensor(0), inplace=call.in_place)


def _gelu(call: Call) -> Tensor:
    return F.gelu(call.tensor(0), approximate=call.node.text("approximate", "none"))


def _prelu(call: Call) -> Tensor:
    return F.prelu(call.tensor(0), call.tensor(1).reshape(-1))


def _thresholded_relu(call: Call) -> Tensor:
    return F.threshold(call.tensor(0), call.node.number("alpha", 1.0), 0.0)


def _modulo(call: Call) -> Tensor:
    return (
        _tensor_first(torch.fmod)(call) if call.node.integer("fmod", 0) else torch.remainder(*_operands(call))
    )


def _dropout(call: Call) -> tuple[Tensor, Tensor]:
    source = call.tensor(0)
    ratio = call.node.number("ratio", 0.5)
    if len(call.inputs) > 1 and isinstance(call.inputs[1], Fact):
        ratio = float(call.known(1).item())
    # the mask is rarely an output that is read; it would be made of the result's sign
    kept = F.dropout(source, ratio, training=call.training)
    return kept, kept


HANDLERS: Mapping[str, Handler] = {
    **{"Sub": _binary(operator.sub), "Pow": _binary(operator.pow), "Add": _commutative(torch.add)},
    **{"Mul": _commutative(torch.mul), "BitShift": _binary(torch.bitwise_left_shift)},
    **{"Equal": _tensor_first(torch.eq), "Less": _tensor_first(torch.lt), "Greater": _tensor_first(torch.gt)},
    **{"LessOrEqual": _tensor_first(torch.le), "GreaterOrEqual": _tensor_first(torch.ge)},
    **{"Min": _many(torch.minimum), "Max": _many(torch.maximum), "Sum": _many(torch.add)},
    **{op: _counterpart(*torchs) for op, torchs in ONNX_COUNTERPARTS.items()},
    **{"Div": _divide, "Mod": _modulo, "Mean": _mean, "Where": _where, "Cast": _cast, "CastLike": _cast},
    **{"Clip": _clip, "Relu": _relu, "Gelu": _gelu},
    **{"PRelu": _prelu, "ThresholdedRelu": _thresholded_relu, "Dropout": _dropout},
}
