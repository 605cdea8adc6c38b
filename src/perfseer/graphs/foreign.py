"""Operators that PyTorch does not have, in a capture: kept as ``other`` with their bytes.

As with fused attention (`attention.py`), the operator returns empty tensors and tells the capture that is
going on what it read and wrote; its backward pass reads and writes the same again.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from perfseer.graphs.attention import ATTENTION
from perfseer.graphs.tracer import Tracer

OutputSpec = tuple[tuple[int, ...], torch.dtype]


def foreign(name: str, inputs: Sequence[Tensor], outputs: Sequence[OutputSpec]) -> tuple[Tensor, ...]:
    """Run an operator of which only its tensors are known.

    Args:
        name: under which `PerfGraph.unknown` counts it.
        inputs: what it reads; at least one.
        outputs: shape and type of what it writes.

    Returns:
        Empty tensors on the meta device; floating-point ones have gradients if an input has.
    """
    mode = _get_current_dispatch_mode()
    tracer = mode if isinstance(mode, Tracer) else None
    results: tuple[Tensor, ...] = _Foreign.apply(tracer, name, tuple(outputs), *inputs)
    return results


class _Foreign(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, tracer: Tracer | None, name: str, specs: Sequence[OutputSpec], *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        outputs = tuple(torch.empty(shape, dtype=dtype, device="meta") for shape, dtype in specs)
        ctx.tracer = tracer
        ctx.save_for_backward(*inputs)
        ctx.mark_non_differentiable(*(t for t in outputs if not t.is_floating_point()))
        if tracer is not None:
            tracer.record_fused(replace(ATTENTION, name=name, operator=0), inputs, outputs, flops=0)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, needs = ctx.saved_tensors, ctx.needs_input_grad[3:]
        wanted = [torch.empty_like(t) if need else None for t, need in zip(inputs, needs, strict=True)]
        if ctx.tracer is not None:
            read = [t for t in (*gradients, *inputs) if t is not None]
            ctx.tracer.record_backward(read, [t for t in wanted if t is not None], flops=0)
        return (None, None, None, *wanted)
