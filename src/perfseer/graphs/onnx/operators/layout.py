"""Shapes and the order of elements: what is a view in PyTorch moves nothing and is no node."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from perfseer.errors import PerfseerError, require
from perfseer.graphs.declared import empty, torch_type
from perfseer.graphs.onnx.calls import Call, Fact, Handler
from perfseer.graphs.onnx.model import Stored, constant_of, single_number


def _shape(call: Call) -> Fact:
    shape = call.tensor(0).shape
    start, end = call.node.integer("start", 0), call.node.integer("end", len(shape))
    return Fact(np.array(shape[start:end], dtype=np.int64))


def _size(call: Call) -> Fact:
    return Fact(np.array(call.tensor(0).numel()))


def _constant(call: Call) -> Fact | Tensor:
    """A constant: known where its numbers are in the file."""
    stored = constant_of(call.node)
    return Fact(stored.values) if stored.values is not None else stored.empty()


def _reshape(call: Call) -> Tensor:
    source = call.tensor(0)
    if call.reshaped:
        return source.reshape(call.reshaped)
    target = call.numbers(1) if call.has(1) else list(call.node.integers("shape") or ())
    if call.node.integer("allowzero", 0):
        return source.reshape(target)
    require(
        all(size or i < source.dim() for i, size in enumerate(target)),
        f"{call.node}: no dimension to copy from {tuple(source.shape)} to {target}",
    )
    return source.reshape([size or source.shape[i] for i, size in enumerate(target)])


def _flatten(call: Call) -> Tensor:
    source = call.tensor(0)
    axis = call.node.integer("axis", 1)
    return source.reshape(prod(source.shape[:axis]), prod(source.shape[axis:]))


def _transpose(call: Call) -> Tensor:
    source = call.tensor(0)
    return source.permute(call.node.integers("perm") or tuple(reversed(range(source.dim()))))


def _squeeze(call: Call) -> Tensor:
    source, axes = call.tensor(0), call.axes(1)
    return source.squeeze() if axes is None else source.squeeze(tuple(axes))


def _unsqueeze(call: Call) -> Tensor:
    source, axes = call.tensor(0), call.axes(1) or []
    rank = source.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        source = source.unsqueeze(axis)
    return source


def _concat(call: Call) -> Tensor:
    return torch.cat(call.tensors(), call.node.integer("axis", 1))


def _split(call: Call) -> tuple[Tensor, ...]:
    source, axis = call.tensor(0), call.node.integer("axis", 0)
    sizes = call.axes(1, "split")
    if sizes is not None:
        return source.split(sizes, axis)
    parts, size = call.node.integer("num_outputs", len(call.node.outputs)), source.shape[axis]
    require(parts > 0, f"{call.node} splits into {parts} parts")
    each, named = -(-size // parts), min(parts, len(call.node.outputs))
    sizes = [max(0, min(each, size - i * each)) for i in range(named)]
    return source.split([*sizes, size - sum(sizes)], axis)[:named]


def _unstack(call: Call) -> tuple[Tensor, ...]:
    """Slices one behind the other (`preparation.with_unstacked`)."""
    source, axis = call.tensor(0), call.node.integer("axis", 0)
    ends = [min(call.numbers(i)[0], source.shape[axis]) for i in range(1, len(call.inputs))]
    starts = [0, *ends[:-1]]
    if ends[-1] == source.shape[axis]:
        return tuple(source.split([end - start for start, end in zip(starts, ends, strict=True)], axis))
    return tuple(source.narrow(axis, start, end - start) for start, end in zip(starts, ends, strict=True))


def _roll(call: Call) -> Tensor:
    """Slices joined the other way round (`patterns`)."""
    return call.tensor(0).roll(call.node.integers("shifts") or (), call.node.integers("axes") or ())


def _slices(call: Call, rank: int) -> list[slice]:
    """A Slice's starts, ends, axes and steps as Python has them, for a tensor of ``rank`` dimensions."""
    starts, ends = call.axes(1, "starts") or [], call.axes(2, "ends") or []
    axes = call.axes(3) or list(range(len(starts)))
    steps = call.numbers(4) if call.has(4) else [1] * len(starts)
    out = [slice(None)] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # going backwards, an end before the first element has no number in Python
        stop = None if step < 0 and end < -(2**31) else end
        out[axis] = slice(start, stop, step)
    return out


def _slice(call: Call) -> Tensor:
    source = call.tensor(0)
    wanted = _slices(call, source.dim())
    backwards = [axis for axis, part in enumerate(wanted) if part.step is not None and part.step < 0]
    for axis in backwards:
        indices = range(*wanted[axis].indices(source.shape[axis]))
        wanted[axis] = slice(None, None, -wanted[axis].step)
        require(len(indices) > 0, f"{call.node} takes nothing")
        source = source.narrow(axis, min(indices), max(indices) - min(indices) + 1)
    if backwards:
        source = source.flip(backwards)
    return source[tuple(wanted)] if any(part != slice(None) for part in wanted) else source


def _expand(call: Call) -> Tensor:
    source = call.tensor(0)
    target = call.reshaped or tuple(call.numbers(1))
    return source.expand(torch.broadcast_shapes(source.shape, target))


def _tile(call: Call) -> Tensor:
    return call.tensor(0).repeat(call.numbers(1))


def _pad(call: Call) -> Tensor:
    source = call.tensor(0)
    given = call.axes(1, "pads") or list(call.node.integers("paddings") or ())
    axes = call.numbers(3) if call.has(3) else list(range(source.dim()))
    require(len(given) == 2 * len(axes), f"{call.node} has {len(given)} paddings for {len(axes)} dimensions")
    before, after = [0] * source.dim(), [0] * source.dim()
    for i, axis in enumerate(axes):
        before[axis], after[axis] = given[i], given[i + len(axes)]
    return padded(source, before, after, call.node.text("mode", "constant"))


def padded(source: Tensor, before: Sequence[int], after: Sequence[int], mode: str = "constant") -> Tensor:
    """The tensor with so many elements more on either side of each dimension; a copy also where none are."""
    amounts = [amount for pair in zip(reversed(before), reversed(after), strict=True) for amount in pair]
    while len(amounts) > 2 and amounts[-2:] == [0, 0]:
        amounts = amounts[:-2]
    # modes other than constant copy the same bytes, and have no kernel for every rank in PyTorch
    return F.pad(
        source, amounts, mode if mode == "reflect" and len(amounts) == 4 and source.dim() == 4 else "constant"
    )


def _constant_of_shape(call: Call) -> Tensor:
    value = call.node.attribute("value")
    value = value if isinstance(value, Stored) else None
    dtype = torch.float32 if value is None else torch_type(value.dtype)
    shape = call.numbers(0)
    require(min(shape, default=0) >= 0, f"{call.node}: the shape {tuple(shape)} is negative")
    return torch.full(shape, single_number(value) or 0, dtype=dtype, device=call.device)


def _range(call: Call) -> Tensor:
    start, limit, step = (call.known(position).item() for position in range(3))
    require(step != 0, f"{call.node} counts in steps of 0")
    limit = limit if (limit - start) * step > 0 else start  # PyTorch counts in no direction but the step's
    return torch.arange(start, limit, step, dtype=call.tensor(0).dtype, device=call.device)


def _random(call: Call) -> Tensor:
    shape = call.node.integers("shape")
    like = call.tensor(0) if shape is None else empty(shape, torch.float32)
    return torch.randn_like(like) if like.is_floating_point() else torch.zeros_like(like)


def _triangle(call: Call) -> Tensor:
    k = int(call.known(1).item()) if call.has(1) else 0
    return (torch.triu if call.node.integer("upper", 1) else torch.tril)(call.tensor(0), k)


# Names of torch's interpolation by mode and number of spatial dimensions.
_MODES: Mapping[tuple[str, int], str] = {
    **{("linear", 1): "linear", ("linear", 2): "bilinear", ("linear", 3): "trilinear"},
    ("cubic", 2): "bicubic",
}


def _resize(call: Call) -> Tensor:
    source = call.tensor(0)
    size = _resized(call, source)
    moved = [axis for axis in range(source.dim()) if size[axis] != source.shape[axis]]
    if not moved:
        return source
    require(
        source.dim() in (3, 4, 5) and min(moved) >= 2,
        f"{call.node} resizes dimensions {moved} of {tuple(source.shape)}; only spatial ones can be",
    )
    mode = _MODES.get((call.node.text("mode", "nearest"), source.dim() - 2), "nearest")
    smooth = bool(call.node.integer("antialias", 0)) and mode in ("bilinear", "bicubic")
    return F.interpolate(source, size=size[2:], mode=mode, antialias=smooth)


def _resized(call: Call, source: Tensor) -> list[int]:
    """Output shape of a Resize or Upsample, whose arguments moved between versions."""
    size = list(source.shape)
    axes = call.node.integers("axes") or tuple(range(source.dim()))
    if call.node.op == "Resize" and call.opset > 10:
        if call.has(3):
            wanted = call.numbers(3)
            require(len(wanted) == len(axes), f"{call.node}: {len(wanted)} sizes for {len(axes)} dimensions")
            for axis, target in zip(axes, wanted, strict=True):
                size[axis] = target
            return size
        scales = call.known(2).tolist()
    else:
        scales = call.known(1).tolist() if call.has(1) else list(call.node.attribute("scales", ()))
    require(len(scales) == len(axes), f"{call.node}: {len(scales)} scales for {len(axes)} dimensions")
    for axis, scale in zip(axes, scales, strict=True):
        size[axis] = int(size[axis] * scale + 1e-6)
    return size


def _sequence(call: Call) -> Any:
    raise PerfseerError(
        f"{call.node}: sequences of tensors and optional ones are not read; export the model without them"
    )


_OF_SEQUENCES = (
    *(
        "SequenceConstruct",
        "SequenceEmpty",
        "SplitToSequence",
        "SequenceAt",
        "SequenceInsert",
        "SequenceErase",
    ),
    *("SequenceLength", "SequenceMap", "ConcatFromSequence", "Optional", "OptionalGetElement"),
    "OptionalHasElement",
)
HANDLERS: Mapping[str, Handler] = {
    **{"Shape": _shape, "Size": _size, "Constant": _constant},
    **{"Reshape": _reshape, "Flatten": _flatten, "Transpose": _transpose, "Squeeze": _squeeze},
    **{"Unsqueeze": _unsqueeze, "Concat": _concat, "Split": _split, "Slice": _slice, "Expand": _expand},
    **{"perfseer.Unstack": _unstack, "perfseer.Roll": _roll},
    **{"Tile": _tile, "Pad": _pad, "ConstantOfShape": _constant_of_shape, "Range": _range},
    **{"Trilu": _triangle, "Resize": _resize, "Upsample": _resize},
    **dict.fromkeys(("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike"), _random),
    **dict.fromkeys(_OF_SEQUENCES, _sequence),
}
