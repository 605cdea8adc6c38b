"""What the arguments of an ATen call tell: which operator it is, and its hyper-parameters (METHODS 1.1)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

# An operator of the vocabulary, and those of `vocabulary.HYPERPARAMETERS` that are not zero.
Description = tuple[str, Mapping[str, int]]
# Takes the positional arguments and the positions of those that are parameters or buffers.
Describer = Callable[[Sequence[Any], frozenset[int]], Description]


def _one(value: Any, default: int = 0) -> int:
    """One integer for a size per dimension: the largest (1 x 7 and 7 x 1 kernels are both 7)."""
    if isinstance(value, int):
        return int(value)
    return max(value, default=default)


def _argument(args: Sequence[Any], position: int, default: Any) -> Any:
    return args[position] if len(args) > position else default


def convolution(args: Sequence[Any], _: frozenset[int]) -> Description:
    """Input, weight, bias, stride, padding, dilation, transposed, output padding, groups."""
    return "conv", {
        "conv_kernel": max(args[1].shape[2:], default=1),
        "conv_stride": _one(args[3], 1),
        "conv_padding": _one(args[4]),
        "conv_dilation": _one(args[5], 1),
        "conv_groups": _argument(args, 8, 1),
        "conv_bias": int(args[2] is not None),
    }


def _linear(shape: Sequence[int], bias: bool) -> Description:
    """A product with a matrix [in, out]."""
    return "linear", {"linear_in": shape[0], "linear_out": shape[1], "linear_bias": int(bias)}


def addmm(args: Sequence[Any], weights: frozenset[int]) -> Description:
    """Bias, input, matrix: a linear layer where the matrix is a weight."""
    return _linear(args[2].shape, bias=True) if 2 in weights else ("matmul", {})


def mm(args: Sequence[Any], weights: frozenset[int]) -> Description:
    """Input, matrix: likewise."""
    return _linear(args[1].shape, bias=False) if 1 in weights else ("matmul", {})


def aten_linear(args: Sequence[Any], _: frozenset[int]) -> Description:
    """Input, weight, bias if any."""
    return _linear(args[1].shape[::-1], _argument(args, 2, None) is not None)


def pool(operator: str, ceil_position: int) -> Describer:
    """Input, kernel, stride, padding; ``ceil_mode`` at its position."""

    def describe(args: Sequence[Any], _: frozenset[int]) -> Description:
        return operator, {
            "pool_kernel": _one(args[1]),
            "pool_stride": _one(_argument(args, 2, ()) or args[1]),
            "pool_padding": _one(_argument(args, 3, 0)),
            "pool_ceil": int(_argument(args, ceil_position, False)),
        }

    return describe


def adaptive_pool(operator: str) -> Describer:
    """Input, output sizes: an average over all pixels is an operator of its own."""

    def describe(args: Sequence[Any], _: frozenset[int]) -> Description:
        sizes = args[0].shape[-len(args[1]) :]
        # windows of ceil(in / out) pixels, floor(in / out) apart, wherever in is a multiple of out
        kernel = max(-(-size // out) for size, out in zip(sizes, args[1], strict=True))
        stride = max(size // out for size, out in zip(sizes, args[1], strict=True))
        whole = operator == "avg_pool" and all(out == 1 for out in args[1])
        name = "global_avg_pool" if whole else operator
        return name, {"pool_kernel": kernel, "pool_stride": max(stride, 1)}

    return describe


def mean(args: Sequence[Any], _: frozenset[int]) -> Description:
    """Input, dimensions: over all pixels of an image it is a pooling."""
    source, dims = args[0], _argument(args, 1, None)
    if source.dim() == 4 and dims is not None and sorted(d % 4 for d in dims) == [2, 3]:
        side = max(source.shape[2:])
        return "global_avg_pool", {"pool_kernel": side, "pool_stride": side}
    return "reduce", {}


def with_tensor(operator: str) -> Describer:
    """``x + y`` is an addition of tensors; ``x + 1`` is element-wise."""

    def describe(args: Sequence[Any], _: frozenset[int]) -> Description:
        two = len(args) > 1 and all(hasattr(operand, "shape") for operand in args[:2])
        return operator if two else "elementwise", {}

    return describe
