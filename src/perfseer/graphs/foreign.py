"""Operators that PyTorch does not have, in a capture: as one node of what is known of their work.

As with fused attention (`attention.py`), the operator returns empty tensors and tells the capture that is
going on what it read and wrote; its backward pass reads and writes the same again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from perfseer.graphs.attention import ATTENTION
from perfseer.graphs.tracer import Tracer
from perfseer.graphs.vocabulary import OPERATOR_INDEX

OutputSpec = tuple[tuple[int, ...], torch.dtype]


@dataclass(frozen=True)
class Work:
    """What an operator does, in the words of the vocabulary.

    Attributes:
        operator: of the vocabulary; ``other`` is counted by its name among the unknown.
        flops: floating-point operations of the forward pass. The backward pass does as many for each of the
            first two inputs that has a gradient, as products do.
        hyperparameters: those of `vocabulary.HYPERPARAMETERS` that are not zero.
    """

    operator: str = "other"
    flops: int = 0
    hyperparameters: Mapping[str, int] = field(default_factory=dict)


NOTHING_KNOWN = Work()


def foreign(
    name: str, inputs: Sequence[Tensor], outputs: Sequence[OutputSpec], work: Work = NOTHING_KNOWN
) -> tuple[Tensor, ...]:
    """Run an operator of which only its tensors are known, or those and its work.

    Args:
        name: under which `PerfGraph.unknown` counts it where it is ``other``.
        inputs: what it reads; at least one.
        outputs: shape and type of what it writes.
        work: what it does.

    Returns:
        Empty tensors on the meta device; floating-point ones have gradients if an input has.
    """
    mode = _get_current_dispatch_mode()
    tracer = mode if isinstance(mode, Tracer) else None
    results: tuple[Tensor, ...] = _Foreign.apply(tracer, name, tuple(outputs), work, *inputs)
    return results


_OWN = 4  # arguments of the function ahead of the tensors


class _Foreign(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        tracer: Tracer | None,
        name: str,
        specs: Sequence[OutputSpec],
        work: Work,
        *inputs: Tensor,
    ) -> tuple[Tensor, ...]:
        outputs = tuple(torch.empty(shape, dtype=dtype, device="meta") for shape, dtype in specs)
        ctx.tracer, ctx.flops = tracer, work.flops
        ctx.save_for_backward(*inputs)
        ctx.mark_non_differentiable(*(t for t in outputs if not t.is_floating_point()))
        if tracer is not None:
            facts = replace(
                ATTENTION,
                name=name,
                operator=OPERATOR_INDEX[work.operator],
                describe=lambda *_: (work.operator, work.hyperparameters),
            )
            tracer.record_fused(facts, inputs, outputs, flops=work.flops)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, needs = ctx.saved_tensors, ctx.needs_input_grad[_OWN:]
        wanted = [torch.empty_like(t) if need else None for t, need in zip(inputs, needs, strict=True)]
        if ctx.tracer is not None:
            read = [t for t in (*gradients, *inputs) if t is not None]
            flops = ctx.flops * sum(needs[:2])
            ctx.tracer.record_backward(read, [t for t in wanted if t is not None], flops=flops)
        return (*(None,) * _OWN, *wanted)
