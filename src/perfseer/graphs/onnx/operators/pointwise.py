"""Arithmetic element by element, comparisons, activations."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from perfseer.graphs.declared import torch_type
from perfseer.graphs.onnx.calls import Call, Fact, Handler
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
    whole = all(
        not (t.is_floating_point() if isinstance(t, Tensor) else isinstance(t, float))
        for t in (first, second)
    )
    if not whole:
        result: Tensor = operator.truediv(first, second)
        return result
    return torch.div(first if isinstance(first, Tensor) else call.tensor(0), second, rounding_mode="trunc")


def _counterpart(name: str) -> Handler:
    """Torch's function of that name, on all tensors that are given."""
    function = getattr(F, name, None) or operator.attrgetter(name)(torch)

    def run(call: Call) -> Tensor:
        more = (call.tensor(i) for i in range(1, len(call.inputs)) if call.has(i))
        return function(call.tensor(0), *more)

    return run


def _many(function: Callable[[Tensor, Tensor], Tensor]) -> Handler:
    """Variadic: one after the other."""

    def run(call: Call) -> Tensor:
        result = call.tensor(0)
        for position in range(1, len(call.inputs)):
            result = function(result, call.tensor(position))
        return result

    return run


def _mean(call: Call) -> Tensor:
    return _many(torch.add)(call) / len(call.inputs)  # type: ignore[operator]


def _comparison(function: Callable[..., Tensor]) -> Handler:
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


def _by_number(function: Callable[..., Tensor], name: str, default: float) -> Handler:
    """A function of a tensor and an attribute."""
    return lambda call: function(call.tensor(0), call.node.number(name, default))


def _gelu(call: Call) -> Tensor:
    return F.gelu(call.tensor(0), approximate=call.node.text("approximate", "none"))


def _prelu(call: Call) -> Tensor:
    return F.prelu(call.tensor(0), call.tensor(1).reshape(-1))


def _thresholded_relu(call: Call) -> Tensor:
    return F.threshold(call.tensor(0), call.node.number("alpha", 1.0), 0.0)


def _modulo(call: Call) -> Tensor:
    return (torch.fmod if call.node.integer("fmod", 0) else torch.remainder)(*_operands(call))


def _dropout(call: Call) -> tuple[Tensor, Tensor]:
    source = call.tensor(0)
    ratio = call.node.number("ratio", 0.5)
    if len(call.inputs) > 1 and isinstance(call.inputs[1], Fact):
        ratio = float(call.known(1).item())
    # the mask is rarely an output that is read; it would be made of the result's sign
    kept = F.dropout(source, ratio, training=call.training)
    return kept, kept


_BINARY: Mapping[str, Callable[..., Tensor]] = {
    "Sub": operator.sub,
    "Pow": operator.pow,
    "BitShift": torch.bitwise_left_shift,
}
_COMMUTATIVE: Mapping[str, Callable[..., Tensor]] = {"Add": torch.add, "Mul": torch.mul}
_COMPARISONS: Mapping[str, Callable[..., Tensor]] = {
    **{"Equal": torch.eq, "Less": torch.lt, "LessOrEqual": torch.le, "Greater": torch.gt},
    **{"GreaterOrEqual": torch.ge},
}
_PAIRS: Mapping[str, Callable[..., Tensor]] = {
    **{"And": torch.logical_and, "Or": torch.logical_or, "Xor": torch.logical_xor},
    **{"BitwiseAnd": torch.bitwise_and, "BitwiseOr": torch.bitwise_or, "BitwiseXor": torch.bitwise_xor},
    **{"Min": torch.minimum, "Max": torch.maximum, "Sum": torch.add},
}
HANDLERS: Mapping[str, Handler] = {
    **{op: _binary(function) for op, function in _BINARY.items()},
    **{op: _commutative(function) for op, function in _COMMUTATIVE.items()},
    **{op: _comparison(function) for op, function in _COMPARISONS.items()},
    **{op: _many(function) for op, function in _PAIRS.items()},
    **{op: _counterpart(name) for op, name in ONNX_COUNTERPARTS.items()},
    **{"Div": _divide, "Mod": _modulo, "Mean": _mean, "Where": _where, "Cast": _cast, "CastLike": _cast},
    **{"Clip": _clip, "Relu": _relu, "Gelu": _gelu},
    **{"LeakyRelu": _by_number(F.leaky_relu, "alpha", 0.01), "Elu": _by_number(F.elu, "alpha", 1.0)},
    **{"Celu": _by_number(F.celu, "alpha", 1.0), "Shrink": _by_number(F.softshrink, "lambd", 0.5)},
    **{"PRelu": _prelu, "ThresholdedRelu": _thresholded_relu, "Dropout": _dropout},
}
