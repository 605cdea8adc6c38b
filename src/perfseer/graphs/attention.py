"""Scaled dot-product attention as one operator, forward and backward.

A GPU or a CPU runs `scaled_dot_product_attention` as one fused kernel; on the meta device torch falls
back to a dozen small operators (scale, two matrix products, softmax, copies). During a capture the
composite operator is replaced by one that returns empty tensors, laid out as the fused kernels lay them
out, and reports its costs: every operand read once, the result written once, no score matrix in memory.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any, Protocol

import torch
from torch import Tensor

from perfseer.graphs.facts import Facts, facts_of

ATTENTION = facts_of(torch.ops.aten.scaled_dot_product_attention.default)
_LOCK = threading.RLock()  # the registration is process-wide


class Recorder(Protocol):
    """Who is told about fused operators."""

    def record_fused(
        self, facts: Facts, read: Sequence[Tensor], written: Sequence[Tensor], flops: int
    ) -> None:
        """One was called that reads and writes these tensors."""

    def record_backward(self, read: Sequence[Tensor], written: Sequence[Tensor], flops: int) -> None:
        """The backward pass of one read and wrote these tensors."""

    def joined(self, value: Any) -> Any:
        """A value whose constants from other devices have joined the tensors on the meta device."""


def attend(
    recorder: Recorder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *_: Any,
    **__: Any,
) -> Tensor:
    """Attention of meta tensors [.., heads, L, E] as one operator, reported to ``recorder``.

    Dropout, causality, scale and grouped queries change neither shapes nor what torch counts, so they are
    accepted and ignored.
    """
    out: Tensor = _FusedAttention.apply(recorder, query, key, value, attn_mask)
    return out


@contextmanager
def fused_attention(recorder: Recorder) -> Iterator[torch.library.Library]:
    """While active, attention on meta tensors is one operator that ``recorder`` hears of.

    Other devices are not affected. Captures in several threads wait for one another. Gives the library of the
    registration, to which more may be added that lasts as long.
    """
    with _LOCK, torch.library._scoped_library("aten", "IMPL") as library:
        library.impl(
            ATTENTION.name, lambda *args, **kwargs: attend(recorder, *args, **kwargs), "AutogradMeta"
        )
        yield library


def _result_shape(query: Tensor, key: Tensor, value: Tensor) -> tuple[int, ...]:
    """[.., heads, L, Ev]: grouped keys have fewer heads than queries, broadcast ones a single one."""
    heads = (max(query.shape[-3], key.shape[-3]),) if query.dim() > 2 else ()
    batch = torch.broadcast_shapes(query.shape[:-3], key.shape[:-3], value.shape[:-3])
    return (*batch, *heads, query.shape[-2], value.shape[-1])


class _FusedAttention(torch.autograd.Function):
    """Empty tensors of the right shapes; FLOPs as `torch.utils.flop_counter` counts the products."""

    @staticmethod
    def forward(
        ctx: Any, recorder: Recorder, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
    ) -> Tensor:
        out = _empty_result(query, key, value)
        operands = [t for t in (query, key, value, mask) if t is not None]
        keys = key.shape[-2]
        flops = _product_flops(out, query.shape[-1], keys) + _product_flops(out, keys, value.shape[-1])
        recorder.record_fused(ATTENTION, operands, [out], flops)
        ctx.recorder = recorder
        ctx.save_for_backward(query, key, value, mask, out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask, out = ctx.saved_tensors
        needs = ctx.needs_input_grad[1:]
        operands = (query, key, value, mask)
        wanted = tuple(torch.empty_like(t) if n else None for t, n in zip(operands, needs, strict=True))
        keys = key.shape[-2]
        on_values = _product_flops(out, keys, value.shape[-1])
        on_scores = _product_flops(out, query.shape[-1], keys)
        flops = on_values * (needs[2] + (needs[0] or needs[1] or needs[3])) + on_scores * (
            needs[0] + needs[1]
        )
        read = [t for t in (*gradients, *operands, out) if t is not None]
        ctx.recorder.record_backward(read, [t for t in wanted if t is not None], flops)
        return (None, *wanted)


def _empty_result(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[.., heads, L, Ev], stored as [.., L, heads, Ev] as the fused kernels do."""
    shape = _result_shape(query, key, value)
    if len(shape) < 4:
        return query.new_empty(shape)
    return query.new_empty((*shape[:-3], shape[-2], shape[-3], shape[-1])).transpose(-3, -2)


def _product_flops(out: Tensor, inner: int, keys: int) -> int:
    """FLOPs of the products of [.., L, inner] by [.., inner, keys], one for each head of the result."""
    return 2 * prod(out.shape[:-1]) * inner * keys
