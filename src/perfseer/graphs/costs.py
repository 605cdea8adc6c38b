"""What one ATen call costs: floating-point operations and bytes, from shapes alone.

FLOPs count two per multiply-accumulate of convolutions and matrix products. Most come from the formulas of
`torch.utils.flop_counter`, called directly: FlopCounterMode walks every argument tree to find the shapes,
which costs more than the formulas do. Formulas of our own stand where torch's are wrong (the gradient of a
grouped convolution's weights comes out once per group) and where it has none (products with vectors, bilinear
layers, integers).
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from torch import Tensor
from torch.utils.flop_counter import flop_registry

FlopFormula = Callable[[Sequence[Any], Mapping[str, Any], Any], int]
_OnArguments = Callable[[Sequence[Any]], int]


def flop_formula(func: Any) -> FlopFormula | None:
    """FLOP formula of an ATen overload, or None where it is no product.

    Args:
        func: a `torch._ops.OpOverload`.

    Returns:
        ``formula(args, kwargs, out) -> flops``.
    """
    own = _OWN_FORMULAS.get(func._schema.name)
    if own is not None:
        return lambda args, *_: own(args)
    registered = flop_registry.get(func._overloadpacket)
    if registered is None:
        return None
    on_shapes = getattr(registered, "__wrapped__", None)
    if on_shapes is None:  # registered "raw": takes the tensors themselves
        return lambda args, kwargs, out: int(registered(*args, **kwargs, out_val=out))
    return lambda args, kwargs, out: int(
        on_shapes(
            *[_shape(arg) for arg in args],
            **{name: _shape(value) for name, value in kwargs.items()},
            out_shape=_shape(out),
        )
    )


def _shape(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.shape
    if isinstance(value, list | tuple) and any(isinstance(item, Tensor) for item in value):
        return [_shape(item) for item in value]
    return value


def _convolution_backward(args: Sequence[Any]) -> int:
    """As much as the forward pass for the gradient of the input, and again for that of the weights.

    A weight meets every position of the result in the forward pass, of the input where it is transposed.
    """
    gradient, source, weight = args[:3]
    transposed, mask = args[7], args[10]
    positions = source if transposed else gradient
    forward = 2 * weight.numel() * positions.shape[0] * prod(positions.shape[2:])
    return forward * (bool(mask[0]) + bool(mask[1]))


def _elements(position: int) -> _OnArguments:
    """Every element of one argument is multiplied once."""
    return lambda args: 2 * args[position].numel()


def _product(left: int, right: int, axis: int = -1, each: int = 1) -> _OnArguments:
    """Every element of one argument meets every column of another (along ``axis``, ``each`` in one)."""
    return lambda args: 2 * args[left].numel() * args[right].shape[axis] * each


def _grouped_product(args: Sequence[Any]) -> int:
    """Matrices of several sizes side by side: along rows, along columns, or along what is summed."""
    left, right = args[:2]
    columns_are_grouped = left.dim() > right.dim()
    return 2 * (left[0] if columns_are_grouped else left).numel() * right.shape[-1]


def _trilinear(args: Sequence[Any]) -> int:
    """The product of the first two tensors, summed over what the third lacks, and its product with the third.

    Where the third lacks nothing, the first is no more than a multiplication, which counts nowhere.
    """
    absent: Sequence[Sequence[int]] = args[3:6]
    sizes = _sizes_of_expanded(args[:3], absent)
    summed_first = [axis for axis in args[6] if axis in absent[2]]
    of_two = [size for axis, size in enumerate(sizes) if axis not in absent[0] or axis not in absent[1]]
    second = prod(size for axis, size in enumerate(sizes) if axis not in summed_first)
    return 2 * ((prod(of_two) if summed_first else 0) + second)


def _sizes_of_expanded(tensors: Sequence[Tensor], absent: Sequence[Sequence[int]]) -> list[int]:
    """Sizes of all dimensions together, where each tensor lacks some."""
    rank = tensors[0].dim() + len(absent[0])
    sizes = [1] * rank
    for tensor, lacks in zip(tensors, absent, strict=True):
        present = (axis for axis in range(rank) if axis not in lacks)
        for axis, size in zip(present, tensor.shape, strict=True):
            sizes[axis] = max(sizes[axis], int(size))
    return sizes


_OWN_FORMULAS: dict[str, _OnArguments] = {
    "aten::convolution_backward": _convolution_backward,
    "aten::mv": _elements(0),
    "aten::addmv": _elements(1),
    "aten::dot": _elements(0),
    "aten::vdot": _elements(0),
    "aten::addr": lambda args: 2 * args[1].numel() * args[2].numel(),
    "aten::bmm": _product(0, 1),
    "aten::baddbmm": _product(1, 2),
    "aten::addbmm": _product(1, 2),
    "aten::_addmm_activation": _product(1, 2),
    "aten::_int_mm": _product(0, 1),
    "aten::_weight_int8pack_mm": _product(0, 1, axis=0),
    "aten::_weight_int4pack_mm": _product(0, 1, axis=0, each=8),
    "aten::_grouped_mm": _grouped_product,
    "aten::_scaled_grouped_mm": _grouped_product,
    "aten::_euclidean_dist": _product(0, 1, axis=-2),
    "aten::_trilinear": _trilinear,
}


def tensor_bytes(tensor: Tensor) -> int:
    """Bytes of memory a kernel touches to read ``tensor`` once: dimensions of stride 0 count once."""
    if tensor.is_contiguous():
        return tensor.numel() * tensor.itemsize
    return tensor.itemsize * prod(
        size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride
    )


def nchw(shape: Sequence[int]) -> tuple[int, int, int, int]:
    """A shape as N, C, H, W: missing trailing dimensions are 1, those beyond the fourth fold into W.

    >>> nchw((8, 10)), nchw((2, 3, 4, 5, 6))
    ((8, 10, 1, 1), (2, 3, 4, 30))
    """
    n, c, h, *w = (*shape, 1, 1, 1)
    return n, c, h, prod(w)
