"""Convolutions, matrix products and pooling."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod

import torch
from torch import Tensor
from torch.nn import functional as F

from perfseer.errors import require
from perfseer.graphs.foreign import Work, foreign
from perfseer.graphs.onnx.calls import Call, Handler
from perfseer.graphs.onnx.model import OnnxNode
from perfseer.graphs.onnx.operators.layout import padded


def _of_rank(name: str, rank: int) -> Callable[..., Tensor]:
    """Torch's function for so many spatial dimensions, 1 to 3."""
    function: Callable[..., Tensor] = getattr(F, f"{name}{rank}d")
    return function


def _rank_of(node: OnnxNode, source: Tensor) -> int:
    rank = source.dim() - 2
    require(
        rank in (1, 2, 3),
        f"{node} reads {tuple(source.shape)}; expected [N, C] and 1 to 3 spatial dimensions",
    )
    return rank


def _sizes(node: OnnxNode, name: str, rank: int) -> tuple[int, ...]:
    """Strides or dilations."""
    sizes = node.integers(name) or (1,) * rank
    require(len(sizes) == rank and min(sizes) > 0, f"{node}: {name} {sizes} do not fit {rank} dimensions")
    return sizes


def _paddings(
    node: OnnxNode,
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> tuple[list[int], list[int]]:
    """Padding before and after each spatial dimension, also where the file says only ``SAME``."""
    rank, kind = len(kernel), node.text("auto_pad", "NOTSET")
    if kind in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
            for size, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)
        ]
        smaller, larger = [t // 2 for t in totals], [t - t // 2 for t in totals]
        return (smaller, larger) if kind == "SAME_UPPER" else (larger, smaller)
    pads = (node.integers("pads") if kind == "NOTSET" else None) or (0,) * (2 * rank)
    require(len(pads) == 2 * rank, f"{node}: pads {pads} do not fit {rank} dimensions")
    return list(pads[:rank]), list(pads[rank:])


def _evenly(source: Tensor, before: list[int], after: list[int]) -> tuple[Tensor, tuple[int, ...]]:
    """The input and what the kernel pads itself: what it cannot pad is a copy, as in PyTorch."""
    if before == after and min(before) >= 0:
        return source, tuple(before)
    return padded(source, [0, 0, *before], [0, 0, *after]), (0,) * len(before)


def convolution(call: Call) -> Tensor:
    """ONNX's Conv: input, weight, bias."""
    source, weight, node = call.tensor(0), call.tensor(1), call.node
    rank = _rank_of(node, source)
    stride, dilation = _sizes(node, "strides", rank), _sizes(node, "dilations", rank)
    before, after = _paddings(node, source.shape[2:], weight.shape[2:], stride, dilation)
    source, padding = _evenly(source, before, after)
    groups = node.integer("group", 1)
    convolve = _of_rank("conv", rank)
    return convolve(source, weight, call.optional(2), stride, padding, dilation, groups)


def _conv_transpose(call: Call) -> Tensor:
    source, weight, node = call.tensor(0), call.tensor(1), call.node
    rank = _rank_of(node, source)
    stride, dilation = _sizes(node, "strides", rank), _sizes(node, "dilations", rank)
    kernel = weight.shape[2:]
    extra = list(node.integers("output_padding") or (0,) * rank)
    pads = list(node.integers("pads") or (0,) * (2 * rank))
    before, after = pads[:rank], pads[rank:]
    wanted = node.integers("output_shape")
    if wanted is not None or node.text("auto_pad", "NOTSET").startswith("SAME"):
        targets = wanted[-rank:] if wanted else [n * s for n, s in zip(source.shape[2:], stride, strict=True)]
        whole = [
            (n - 1) * s + e + (k - 1) * d + 1
            for n, s, e, k, d in zip(source.shape[2:], stride, extra, kernel, dilation, strict=True)
        ]
        totals = [max(0, full - target) for full, target in zip(whole, targets, strict=True)]
        before, after = [t // 2 for t in totals], [t - t // 2 for t in totals]
    # what is cut off the end only is cut after the kernel
    padding = [min(pair) for pair in zip(before, after, strict=True)]
    extra = [min(e, s - 1) if s > 1 else 0 for e, s in zip(extra, stride, strict=True)]
    groups = node.integer("group", 1)
    convolve = _of_rank("conv_transpose", rank)
    out = convolve(source, weight, call.optional(2), stride, padding, extra, groups, dilation)
    cut_before = [b - p for b, p in zip(before, padding, strict=True)]
    cut_after = [a - p for a, p in zip(after, padding, strict=True)]
    window = [slice(b, n - a) for b, a, n in zip(cut_before, cut_after, out.shape[2:], strict=True)]
    return out[(slice(None), slice(None), *window)] if any((*cut_before, *cut_after)) else out


def _matmul(call: Call) -> Tensor:
    return product(call.tensor(0), call.tensor(1))


def _deformable_convolution(call: Call) -> Tensor:
    """Input, weight, offsets, bias, mask: products like a convolution's, of pixels picked by the offsets.

    The offsets say the size of the result. It stays ``other``: picking takes longer than multiplying.
    """
    source, weight, offsets = call.tensor(0), call.tensor(1), call.tensor(2)
    rank = _rank_of(call.node, source)
    require(
        weight.dim() == offsets.dim() == rank + 2, f"{call.node}: its weight or its offsets lack dimensions"
    )
    shape = (source.shape[0], weight.shape[0], *offsets.shape[2:])
    work = Work(flops=2 * prod(shape) * prod(weight.shape[1:]))
    read = [call.tensor(i) for i in range(len(call.inputs)) if call.has(i)]
    return foreign(call.node.kind, read, [(shape, source.dtype)], work)[0]


def product(source: Tensor, other: Tensor, *, transposed: bool = False) -> Tensor:
    """A matrix product; with a stored matrix a linear layer. ``transposed``: the second factor is."""
    if isinstance(other, torch.nn.Parameter) and other.dim() == 2 and source.dim() >= 2:
        return F.linear(source, other if transposed else other.t())
    return torch.matmul(source, other.transpose(-1, -2) if transposed and other.dim() > 1 else other)


def _linear(call: Call) -> Tensor:
    """A product with a stored matrix and what is added to it (`patterns`), which may be no bias."""
    source, weight, bias = call.tensor(0), call.tensor(1), call.tensor(2)
    if bias.shape == weight.shape[1:]:
        return F.linear(source, weight.t(), bias)
    return F.linear(source, weight.t()) + bias


def gemm(call: Call) -> Tensor:
    """ONNX's Gemm: two matrices and what is added to their product."""
    source, weight, node = call.tensor(0), call.tensor(1), call.node
    source = source.t() if node.integer("transA", 0) else source
    transposed = bool(node.integer("transB", 0))
    bias = call.optional(2)
    if bias is None or bias.dim() == 1:
        return F.linear(source, weight if transposed else weight.t(), bias)
    return torch.addmm(bias, source, weight.t() if transposed else weight)


def _einsum(call: Call) -> Tensor:
    return torch.einsum(call.node.text("equation", ""), *call.tensors())


def _pool(name: str, call: Call) -> Tensor:
    source, node = call.tensor(0), call.node
    rank = _rank_of(node, source)
    kernel = _sizes(node, "kernel_shape", rank)
    stride, dilation = _sizes(node, "strides", rank), _sizes(node, "dilations", rank)
    before, after = _paddings(node, source.shape[2:], kernel, stride, dilation)
    ceil = bool(node.integer("ceil_mode", 0))
    if ceil and before != after and all(a - b < s for b, a, s in zip(before, after, stride, strict=True)):
        after = before  # exporters pad the end to write ceil_mode
    source, padding = _evenly(source, before, after)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        source, padding = padded(source, [0, 0, *padding], [0, 0, *padding]), (0,) * rank
    padded_too = bool(node.integer("count_include_pad", 0))
    settings = {"dilation": dilation} if name == "max_pool" else {"count_include_pad": padded_too}
    return _of_rank(name, rank)(source, kernel, stride, padding, ceil_mode=ceil, **settings)


def _global_avg_pool(call: Call) -> Tensor:
    source = call.tensor(0)
    return source.mean(tuple(range(2, source.dim())), keepdim=True)


def _global_max_pool(call: Call) -> Tensor:
    source = call.tensor(0)
    if source.dim() == 4:
        return F.adaptive_max_pool2d(source, 1)
    return source.amax(tuple(range(2, source.dim())), keepdim=True)


HANDLERS: Mapping[str, Handler] = {
    **{"Conv": convolution, "ConvTranspose": _conv_transpose, "MatMul": _matmul, "Gemm": gemm},
    **{"Einsum": _einsum, "MaxPool": partial(_pool, "max_pool")},
    "AveragePool": partial(_pool, "avg_pool"),
    **{"GlobalAveragePool": _global_avg_pool, "GlobalMaxPool": _global_max_pool},
    **{"perfseer.Linear": _linear, "DeformConv": _deformable_convolution},
}
