"""Arithmetic on what is known while a model is read: shapes, axes, masks. Pure numpy, bounded in size.

Exporters compute shapes by operators (take the shape, pick a dimension, divide, join again, reshape). Where
all arguments of an operator are known so is its result, and no operator runs for it; the same holds for
constants that a compiler would fold.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from perfseer.errors import PerfseerError, require
from perfseer.graphs.declared import torch_type
from perfseer.graphs.onnx.calls import Call, Fact, Value
from perfseer.graphs.onnx.model import Known, Stored
from perfseer.graphs.onnx.parsing import DTYPES

# A causal mask over 2,048 tokens has 4 M elements. Beyond that a value is a tensor like any other.
MOST_ELEMENTS = 2**22

Rule = Callable[[Call, Sequence[Known]], Known | tuple[Known, ...]]


class TooLargeError(Exception):
    """The result is too large to be known."""


def fold(call: Call) -> tuple[Value, ...] | None:
    """The results of a call whose arguments are all known; None where it must run.

    Raises:
        PerfseerError: the arguments do not go together.
    """
    if call.node.op == "Shape":
        return (Fact(_shape(call)),)
    if call.node.op == "Size":
        return (Fact(np.array(call.tensor(0).numel())),)
    rule = RULES.get(call.node.op)
    if rule is None or any(isinstance(value, Fact) is False and value is not None for value in call.inputs):
        return None
    given = [value.values for value in call.inputs if isinstance(value, Fact)]
    if call.node.op not in _WITHOUT_ARGUMENTS and not given:
        return None
    try:
        with np.errstate(all="ignore"):
            result = rule(call, given)
    except TooLargeError:
        return None
    return tuple(Fact(np.asarray(v)) for v in (result if isinstance(result, tuple) else (result,)))


def _room(shape: Sequence[int]) -> tuple[int, ...]:
    if prod(shape) > MOST_ELEMENTS:
        raise TooLargeError
    return tuple(shape)


def _shape(call: Call) -> Known:
    value = call.inputs[0]
    shape = value.values.shape if isinstance(value, Fact) else tuple(call.tensor(0).shape)
    start, end = call.node.integer("start", 0), call.node.integer("end", len(shape))
    return np.array(shape[start:end], dtype=np.int64)


def constant(call: Call) -> Stored:
    """What a Constant holds, in whichever attribute.

    Raises:
        PerfseerError: in none.
    """
    attributes = call.node.attributes
    if isinstance(attributes.get("value"), Stored):
        return attributes["value"]
    names = {"value_int": "int64", "value_ints": "int64", "value_float": "float32", "value_floats": "float32"}
    for name, dtype in names.items():
        if name in attributes:
            values = np.array(attributes[name], dtype=dtype)
            return Stored(values.shape, dtype, values)
    raise PerfseerError(f"{call.node} has no value that can be read; it has {sorted(attributes)}")


def _pointwise(function: Callable[..., Any], _: Call, given: Sequence[Known]) -> Known:
    _room(np.broadcast_shapes(*(array.shape for array in given)))
    return np.asarray(function(*given)).astype(given[0].dtype, copy=False)


def _test(function: Callable[..., Any], _: Call, given: Sequence[Known]) -> Known:
    _room(np.broadcast_shapes(*(array.shape for array in given)))
    return np.asarray(function(*given), dtype=bool)


def _many(function: Callable[..., Any], call: Call, given: Sequence[Known]) -> Known:
    result = given[0]
    for other in given[1:]:
        result = _pointwise(function, call, (result, other))
    return result


def _divide(a: Known, b: Known) -> Known:
    if np.issubdtype(a.dtype, np.integer):
        require(bool(np.all(b != 0)), "a shape is divided by zero")
        return np.asarray(np.trunc(np.true_divide(a, b)))
    return np.asarray(a / b)


def _remainder(call: Call, given: Sequence[Known]) -> Known:
    require(bool(np.all(given[1] != 0)), f"{call.node}: a shape is divided by zero")
    function = np.fmod if call.node.integer("fmod", 0) else np.mod
    return _pointwise(function, call, given)


def _where(_: Call, given: Sequence[Known]) -> Known:
    _room(np.broadcast_shapes(*(array.shape for array in given)))
    return np.where(given[0], given[1], given[2])


def _cast(call: Call, given: Sequence[Known]) -> Known:
    name = DTYPES.get(call.node.integer("to", 1), "")
    if torch_type(name).is_floating_point and name not in ("float16", "float32", "float64"):
        name = "float32"
    require(name in np.sctypeDict, f"{call.node}: values cannot be known as {name or 'an unknown type'}")
    return given[0].astype(name)


def _concat(call: Call, given: Sequence[Known]) -> Known:
    return np.concatenate(given, axis=call.node.integer("axis", 0))


def _gather(call: Call, given: Sequence[Known]) -> Known:
    axis = call.node.integer("axis", 0)
    data, indices = given
    _room((*data.shape[:axis], *indices.shape, *data.shape[axis:][1:]))
    return np.take(data, indices, axis=axis)


def slices(call: Call, rank: int) -> tuple[slice, ...]:
    """A Slice's starts, ends, axes and steps as Python has them, for a tensor of ``rank`` dimensions."""
    starts, ends = call.axes(1, "starts") or [], call.axes(2, "ends") or []
    axes = call.axes(3) or list(range(len(starts)))
    steps = call.numbers(4) if call.has(4) else [1] * len(starts)
    out = [slice(None)] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # going backwards, an end before the first element has no number in Python
        stop = None if step < 0 and end < -(2**31) else end
        out[axis] = slice(start, stop, step)
    return tuple(out)


def _slice(call: Call, given: Sequence[Known]) -> Known:
    return given[0][slices(call, given[0].ndim)]


def reshaped(call: Call, shape: Sequence[int]) -> list[int]:
    """The target of a Reshape with its zeros, which stand for the dimension that is there, replaced."""
    target = call.numbers(1) if call.has(1) else list(call.node.integers("shape") or ())
    if call.node.integer("allowzero", 0):
        return target
    require(
        all(size or i < len(shape) for i, size in enumerate(target)),
        f"{call.node}: no dimension to copy from {tuple(shape)} to {target}",
    )
    return [size or shape[i] for i, size in enumerate(target)]


def _reshape(call: Call, given: Sequence[Known]) -> Known:
    return given[0].reshape(reshaped(call, given[0].shape))


def _squeeze(call: Call, given: Sequence[Known]) -> Known:
    axes = call.axes(1)
    return np.squeeze(given[0], None if axes is None else tuple(axes))


def _unsqueeze(call: Call, given: Sequence[Known]) -> Known:
    return np.expand_dims(given[0], tuple(call.axes(1) or ()))


def _transpose(call: Call, given: Sequence[Known]) -> Known:
    return np.transpose(given[0], call.node.integers("perm"))


def _expand(call: Call, given: Sequence[Known]) -> Known:
    return np.broadcast_to(given[0], _room(np.broadcast_shapes(given[0].shape, tuple(call.numbers(1)))))


def _tile(call: Call, given: Sequence[Known]) -> Known:
    repeats = call.numbers(1)
    _room([size * times for size, times in zip(given[0].shape, repeats, strict=True)])
    return np.tile(given[0], repeats)


def _range(call: Call, given: Sequence[Known]) -> Known:
    start, limit, step = (array.item() for array in given)
    require(step != 0, f"{call.node} counts in steps of 0")
    _room([max(0, int((limit - start) / step) + 1)])
    return np.arange(start, limit, step, dtype=given[0].dtype)


def _constant_of_shape(call: Call, given: Sequence[Known]) -> Known:
    shape = tuple(call.numbers(0)) if given[0].size else ()
    require(all(size >= 0 for size in shape), f"{call.node}: the shape {shape} is negative")
    value = call.node.attribute("value")
    if not isinstance(value, Stored) or value.values is None:
        return np.zeros(_room(shape), dtype=np.float32)
    return np.full(_room(shape), value.values.reshape(-1)[0], dtype=value.values.dtype)


def _reduce(function: Callable[..., Any], call: Call, given: Sequence[Known]) -> Known:
    axes = call.axes(1)
    keep = bool(call.node.integer("keepdims", 1))
    reduced = function(given[0], axis=None if axes is None else tuple(axes), keepdims=keep)
    return np.asarray(reduced).astype(given[0].dtype)


def split_sizes(call: Call, size: int) -> list[int]:
    """Sizes of the parts of a Split along an axis of ``size`` elements."""
    sizes = call.axes(1, "split")
    if sizes is not None:
        return sizes
    parts = call.node.integer("num_outputs", len(call.node.outputs))
    require(parts > 0, f"{call.node} splits into {parts} parts")
    each = -(-size // parts)
    return [max(0, min(each, size - i * each)) for i in range(parts)]


def _split(call: Call, given: Sequence[Known]) -> tuple[Known, ...]:
    axis = call.node.integer("axis", 0)
    ends = np.cumsum(split_sizes(call, given[0].shape[axis]))[:-1]
    return tuple(np.split(given[0], ends, axis=axis))


def _triangle(call: Call, given: Sequence[Known]) -> Known:
    k = int(given[1].item()) if len(given) > 1 else 0
    return np.triu(given[0], k) if call.node.integer("upper", 1) else np.tril(given[0], k)


def _flatten(call: Call, given: Sequence[Known]) -> Known:
    axis = call.node.integer("axis", 1)
    return given[0].reshape(prod(given[0].shape[:axis]), -1)


_WITHOUT_ARGUMENTS = frozenset({"Constant"})
_POINTWISE: Mapping[str, Callable[..., Any]] = {
    **{"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": _divide, "Pow": np.power},
    **{"Neg": np.negative, "Abs": np.abs, "Sqrt": np.sqrt, "Floor": np.floor, "Ceil": np.ceil},
    **{"Round": np.round, "Sign": np.sign, "Reciprocal": np.reciprocal, "Exp": np.exp, "Log": np.log},
    **{"Sin": np.sin, "Cos": np.cos, "Identity": np.asarray},
}
_TESTS: Mapping[str, Callable[..., Any]] = {
    **{"Equal": np.equal, "Less": np.less, "LessOrEqual": np.less_equal, "Greater": np.greater},
    **{"GreaterOrEqual": np.greater_equal, "And": np.logical_and, "Or": np.logical_or},
    **{"Xor": np.logical_xor, "Not": np.logical_not, "IsNaN": np.isnan, "IsInf": np.isinf},
}
_REDUCTIONS: Mapping[str, Callable[..., Any]] = {
    **{"ReduceProd": np.prod, "ReduceSum": np.sum, "ReduceMax": np.max, "ReduceMin": np.min},
    "ReduceMean": np.mean,
}
RULES: Mapping[str, Rule] = {
    **{op: partial(_pointwise, function) for op, function in _POINTWISE.items()},
    **{op: partial(_test, function) for op, function in _TESTS.items()},
    **{op: partial(_reduce, function) for op, function in _REDUCTIONS.items()},
    **{"Min": partial(_many, np.minimum), "Max": partial(_many, np.maximum), "Sum": partial(_many, np.add)},
    **{"Mod": _remainder, "Where": _where, "Cast": _cast, "Concat": _concat, "Gather": _gather},
    **{"Slice": _slice, "Reshape": _reshape, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze},
    **{"Transpose": _transpose, "Expand": _expand, "Tile": _tile, "Range": _range, "Split": _split},
    **{"ConstantOfShape": _constant_of_shape, "Trilu": _triangle, "Flatten": _flatten},
}
