"""Operators of ONNX Runtime (domain com.microsoft) that are several of PyTorch's, or one under another name.

Its optimiser joins products with what follows them, and norms with what is before them. The parts run one by
one, as they do in PyTorch.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from perfseer.errors import PerfseerError
from perfseer.graphs.onnx.calls import Call, Handler
from perfseer.graphs.onnx.model import OnnxNode
from perfseer.graphs.onnx.operators import attention, products, quantised, statistics
from perfseer.graphs.onnx.operators.attention import RUNTIME
from perfseer.graphs.onnx.operators.products import product
from perfseer.graphs.onnx.stand_in import without_products

# -- products with what follows them ---------------------------------------------------------------------

_ACTIVATIONS: Mapping[str, Callable[..., Tensor]] = {
    **{"Relu": F.relu, "Tanh": torch.tanh, "Sigmoid": torch.sigmoid, "LeakyRelu": F.leaky_relu},
    **{"Clip": F.relu6, "HardSigmoid": F.hardsigmoid, "Silu": F.silu, "Swish": F.silu, "Gelu": F.gelu},
    **{"Elu": F.elu, "Softplus": F.softplus, "HardSwish": F.hardswish},
}


def _activated(node: OnnxNode, tensor: Tensor) -> Tensor:
    """With the activation that an attribute names; its parameters change no cost."""
    name = node.text("activation", "")
    if not name:
        return tensor
    function = _ACTIVATIONS.get(name)
    if function is None:
        raise PerfseerError(
            f"{node}: the activation {name!r} is not known; known are {', '.join(_ACTIVATIONS)}"
        )
    return function(tensor)


def _fused_conv(call: Call) -> Tensor:
    """Input, weight, bias, and a tensor to add ahead of the activation."""
    out = products.convolution(replace(call, inputs=call.inputs[:3]))
    return _activated(call.node, out + call.tensor(3) if call.has(3) else out)


def _conv_of_pixels_first(call: Call) -> Tensor:
    """Channels behind the pixels, in the weight too where the attribute with its kernel says so."""
    source, weight = call.tensor(0).movedim(-1, 1), call.tensor(1)
    kernel = call.node.integers("kernel_shape")
    if kernel is not None and tuple(weight.shape[2:]) != kernel and tuple(weight.shape[1:-1]) == kernel:
        weight = weight.movedim(-1, 1)
    out = products.convolution(replace(call, inputs=[source, weight, *call.inputs[2:3]])).movedim(1, -1)
    return _activated(call.node, out + call.tensor(3) if call.has(3) else out)


def _fused_matmul(call: Call) -> Tensor:
    """Each factor with its last two dimensions swapped, or with its first one put before the last."""
    first, second = (
        _batch_transposed(call.tensor(i)) if call.node.integer(f"transBatch{letter}", 0) else call.tensor(i)
        for i, letter in ((0, "A"), (1, "B"))
    )
    if call.node.integer("transA", 0) and first.dim() > 1:
        first = first.transpose(-1, -2)
    return _activated(call.node, product(first, second, transposed=bool(call.node.integer("transB", 0))))


def _batch_transposed(tensor: Tensor) -> Tensor:
    return tensor.movedim(0, -2)


def _fused_gemm(call: Call) -> Tensor:
    return _activated(call.node, products.gemm(call))


def _gemm_with_gelu(call: Call) -> Tensor:
    return F.gelu(F.linear(call.tensor(0), call.tensor(1).t(), call.optional(2)), approximate="tanh")


# -- norms and activations with what is before them ------------------------------------------------------


def _skip_rms_norm(call: Call) -> tuple[Tensor, ...]:
    """The sum of two tensors (and a bias), normalised by its squares."""
    total = call.tensor(0) + call.tensor(1)
    if call.has(3):
        total = total + call.tensor(3)
    out = F.rms_norm(total, total.shape[-1:], call.tensor(2))
    return out, out, out, total


def _embed_layer_norm(call: Call) -> tuple[Tensor | None, ...]:
    """Tokens, segments, tables of words, positions and segments, scale, shift, mask, numbers of positions."""
    ids, words, places = call.tensor(0), call.tensor(2), call.tensor(3)
    total = F.embedding(ids, words)
    total = total + (F.embedding(call.tensor(8), places) if call.has(8) else places[: ids.shape[1]])
    if call.has(1) and call.has(4):
        total = total + F.embedding(call.tensor(1), call.tensor(4))
    out = F.layer_norm(total, total.shape[-1:], call.tensor(5), call.optional(6))
    # how many tokens of a sequence are masked is counted beside it
    return out, ids.new_empty(ids.shape[:1], dtype=torch.int32), total


def _biased(function: Callable[[Tensor], Tensor]) -> Handler:
    """An activation of a tensor and its bias, where it has one."""

    def run(call: Call) -> Tensor:
        source = call.tensor(0)
        return function(source + call.tensor(1) if call.has(1) else source)

    return run


def _bias_add(call: Call) -> Tensor:
    """Pixels, bias, and what a residual connection brings."""
    total = call.tensor(0) + call.tensor(1)
    return total + call.tensor(2) if call.has(2) else total


def _bias_split_gelu(call: Call) -> Tensor:
    first, gate = (call.tensor(0) + call.tensor(1)).chunk(2, -1)
    return first * F.gelu(gate)


def _group_norm(call: Call) -> Tensor:
    """Channels behind the pixels; SiLU behind it where the attribute says so."""
    return _normalised(call, call.tensor(0))


def _skip_group_norm(call: Call) -> tuple[Tensor, Tensor]:
    """Of the sum of two tensors (and a bias)."""
    total = call.tensor(0) + call.tensor(3)
    if call.has(4):
        total = total + call.tensor(4)
    return _normalised(call, total), total


def _normalised(call: Call, source: Tensor) -> Tensor:
    last = bool(call.node.integer("channels_last", 1))
    groups, activates = call.node.integer("groups", 1), bool(call.node.integer("activation", 0))
    image = source.movedim(-1, 1) if last else source
    out = F.group_norm(image, groups, call.tensor(1), call.tensor(2))
    out = F.silu(out) if activates else out
    return out.movedim(1, -1) if last else out


def _rotary_embedding(call: Call) -> Tensor:
    """Each token turned by the angles of its position: one kernel."""
    source = call.tensor(0)
    return without_products(call, [(tuple(source.shape), source.dtype)])[0]


def _reordered(call: Call) -> Tensor:
    """Channels in blocks, or in a row again: a copy; blocks that are not full are cut."""
    source = call.tensor(0)
    shape = list(source.shape)
    if call.node.integer("channels_last", 0) and source.dim() > 2:
        to_last = call.node.op == "ReorderOutput"
        shape = [shape[0], *shape[2:], shape[1]] if to_last else [shape[0], shape[-1], *shape[1:-1]]
    return without_products(call, [(tuple(shape), source.dtype)], "copy")[0]


_FAST = partial(F.gelu, approximate="tanh")
HANDLERS: Mapping[str, Handler] = {
    **attention.HANDLERS,
    **quantised.HANDLERS,
    **{f"{RUNTIME}FusedConv": _fused_conv, f"{RUNTIME}NhwcFusedConv": _conv_of_pixels_first},
    **{f"{RUNTIME}NhwcConv": _conv_of_pixels_first, f"{RUNTIME}FusedGemm": _fused_gemm},
    # its layout in blocks of channels, from one reordering to the next
    **{f"{RUNTIME}nchwc.Conv": _fused_conv, f"{RUNTIME}nchwc.MaxPool": products.HANDLERS["MaxPool"]},
    f"{RUNTIME}nchwc.AveragePool": products.HANDLERS["AveragePool"],
    f"{RUNTIME}nchwc.GlobalAveragePool": products.HANDLERS["GlobalAveragePool"],
    f"{RUNTIME}nchwc.GlobalMaxPool": products.HANDLERS["GlobalMaxPool"],
    f"{RUNTIME}nchwc.ReorderInput": _reordered,
    f"{RUNTIME}nchwc.ReorderOutput": _reordered,
    **{f"{RUNTIME}FusedMatMul": _fused_matmul, f"{RUNTIME}TransposeMatMul": _fused_matmul},
    **{f"{RUNTIME}FusedMatMulActivation": _fused_matmul, f"{RUNTIME}GemmFastGelu": _gemm_with_gelu},
    f"{RUNTIME}SkipLayerNormalization": statistics.HANDLERS["SkipLayerNormalization"],
    f"{RUNTIME}SimplifiedLayerNormalization": statistics.HANDLERS["SimplifiedLayerNormalization"],
    f"{RUNTIME}LayerNormalization": statistics.HANDLERS["LayerNormalization"],
    f"{RUNTIME}SkipSimplifiedLayerNormalization": _skip_rms_norm,
    f"{RUNTIME}EmbedLayerNormalization": _embed_layer_norm,
    **{f"{RUNTIME}GroupNorm": _group_norm, f"{RUNTIME}SkipGroupNorm": _skip_group_norm},
    **{f"{RUNTIME}Gelu": _biased(F.gelu), f"{RUNTIME}BiasGelu": _biased(F.gelu)},
    **{f"{RUNTIME}FastGelu": _biased(_FAST), f"{RUNTIME}QuickGelu": _biased(F.silu)},
    **{f"{RUNTIME}BiasAdd": _bias_add, f"{RUNTIME}BiasSplitGelu": _bias_split_gelu},
    **{f"{RUNTIME}RotaryEmbedding": _rotary_embedding, "RotaryEmbedding": _rotary_embedding},
}
