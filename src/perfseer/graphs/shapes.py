"""Outputs of hot operators on the meta device without running their meta kernels.

Several meta kernels are Python decompositions that take milliseconds (batch norm runs nine operators to
find out that the output has the input's shape). Each rule here returns empty meta tensors of the same
shapes, strides and dtypes as the real kernels do; `tests/graphs/test_shapes.py` holds them against those.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

ShapeRule = Callable[[Sequence[Any]], Any]  # NotImplemented: ask the meta kernel
Gradients = tuple[Tensor | None, ...]

_aten = torch.ops.aten


def _like_first(args: Sequence[Any]) -> Tensor:
    return torch.empty_like(args[0])


def _statistics(source: Tensor, shape: Sequence[int]) -> Tensor:
    dtype = torch.float32 if source.dtype in (torch.float16, torch.bfloat16) else source.dtype
    return source.new_empty(shape, dtype=dtype)


def _masked(parts: Sequence[Tensor | None], mask: Sequence[bool]) -> Gradients:
    """A gradient like each part, where the mask asks for one and there is one."""
    return tuple(
        torch.empty_like(part) if wanted and part is not None else None
        for part, wanted in zip(parts, mask, strict=True)
    )


def _batch_norm(args: Sequence[Any]) -> tuple[Tensor, Tensor, Tensor]:
    source, training = args[0], args[5]
    statistics = _statistics(source, (source.shape[1] if training else 0,))
    return torch.empty_like(source), statistics, torch.empty_like(statistics)


def _batch_norm_backward(args: Sequence[Any]) -> Gradients:
    source, weight, mask = args[1], args[2], args[9]
    like = _statistics(source, (source.shape[1],)) if weight is None else weight
    return _masked((source, like, like), mask)


def _convolution_backward(args: Sequence[Any]) -> Gradients:
    gradient, source, weight, mask = args[0], args[1], args[2], args[10]
    channels = weight.shape[1] * args[9] if args[7] else weight.shape[0]
    return _masked((source, weight, gradient.new_empty((channels,))), mask)


def _layer_norm(args: Sequence[Any]) -> tuple[Tensor, Tensor, Tensor]:
    source, normalised = args[0], args[1]
    kept = source.shape[: source.dim() - len(normalised)]
    statistics = _statistics(source, (*kept, *(1 for _ in normalised)))
    out = torch.empty_like(source, memory_format=torch.contiguous_format)
    return out, statistics, torch.empty_like(statistics)


def _rms_norm(args: Sequence[Any]) -> tuple[Tensor, Tensor]:
    source, normalised = args[0], args[1]
    kept = source.shape[: source.dim() - len(normalised)]
    out = torch.empty_like(source, memory_format=torch.contiguous_format)
    return out, _statistics(source, (*kept, *(1 for _ in normalised)))


def _rms_norm_backward(args: Sequence[Any]) -> Gradients:
    source, mask = args[1], args[5]
    return _masked((torch.empty_like(source, memory_format=torch.contiguous_format), args[4]), mask)


def _native_dropout(args: Sequence[Any]) -> tuple[Tensor, Tensor]:
    return torch.empty_like(args[0]), torch.empty_like(args[0], dtype=torch.bool)


def _layer_norm_backward(args: Sequence[Any]) -> Gradients:
    source, mask = args[1], args[7]
    parts = (torch.empty_like(source, memory_format=torch.contiguous_format), args[5], args[6])
    return _masked(parts, mask)


def _group_norm(args: Sequence[Any]) -> tuple[Tensor, Tensor, Tensor]:
    source, n, groups = args[0], args[3], args[6]
    return torch.empty_like(source), _statistics(source, (n, groups)), _statistics(source, (n, groups))


def _group_norm_backward(args: Sequence[Any]) -> Gradients:
    source, weight, mask = args[1], args[4], args[9]
    return _masked((source, weight, weight), mask)


def _addmm(args: Sequence[Any]) -> Tensor:
    return args[1].new_empty((args[1].shape[0], args[2].shape[1]))


def _pointwise(args: Sequence[Any]) -> Any:
    """Two tensors of one shape, layout and dtype, or a floating-point tensor and a number."""
    first, second = args[0], args[1]
    if not isinstance(first, Tensor):
        return NotImplemented
    if isinstance(second, Tensor):
        alike = (
            first.shape == second.shape and first.dtype == second.dtype and first.stride() == second.stride()
        )
        return torch.empty_like(first) if alike else NotImplemented
    return torch.empty_like(first) if first.is_floating_point() else NotImplemented


def _mish_backward(args: Sequence[Any]) -> Any:
    out = _pointwise(args)
    # laid out as SiLU's, which has a meta kernel
    return _aten.silu_backward.default(*args) if out is NotImplemented else out


def _log_sigmoid(args: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """What the CPU's kernel saves for the gradient is empty on a GPU."""
    return torch.empty_like(args[0]), args[0].new_empty(0)


SHAPE_RULES: dict[Any, ShapeRule] = {
    _aten.native_batch_norm.default: _batch_norm,
    _aten.native_batch_norm_backward.default: _batch_norm_backward,
    _aten.native_layer_norm.default: _layer_norm,
    _aten.native_layer_norm_backward.default: _layer_norm_backward,
    _aten.native_group_norm.default: _group_norm,
    _aten.native_group_norm_backward.default: _group_norm_backward,
    _aten.convolution_backward.default: _convolution_backward,
    _aten.addmm.default: _addmm,
    _aten.native_dropout.default: _native_dropout,
    _aten.native_dropout_backward.default: _like_first,
    _aten.mish_backward.default: _mish_backward,
    _aten.log_sigmoid_forward.default: _log_sigmoid,
    **{
        getattr(_aten, name).default: _like_first
        for name in ("relu", "gelu", "silu", "sigmoid", "hardswish", "tanh", "hardtanh", "threshold_backward")
    },
    **dict.fromkeys(
        (
            *(_aten.add.Tensor, _aten.sub.Tensor, _aten.mul.Tensor, _aten.div.Tensor, _aten.mul.Scalar),
            *(_aten.gelu_backward.default, _aten.silu_backward.default, _aten.hardswish_backward.default),
            *(_aten.sigmoid_backward.default, _aten.tanh_backward.default),
        ),
        _pointwise,
    ),
}
if hasattr(_aten, "_fused_rms_norm"):  # since torch 2.8
    SHAPE_RULES[_aten._fused_rms_norm.default] = _rms_norm
    SHAPE_RULES[_aten._fused_rms_norm_backward.default] = _rms_norm_backward
