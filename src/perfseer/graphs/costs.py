"""What one ATen call costs: floating-point operations and bytes, from shapes alone.

FLOPs come from the formulas of `torch.utils.flop_counter`, called directly: FlopCounterMode walks every
argument tree to find the shapes, which costs more than the formulas do. Totals are equal by construction.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from torch import Tensor
from torch.utils.flop_counter import flop_registry

FlopFormula = Callable[[Sequence[Any], Mapping[str, Any], Any], int]


def flop_formula(func: Any) -> FlopFormula | None:
    """FLOP formula of an ATen overload, or None where torch's counter counts nothing.

    Args:
        func: a `torch._ops.OpOverload`.

    Returns:
        ``formula(args, kwargs, out) -> flops``, equal to what FlopCounterMode adds for the same call.
    """
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
