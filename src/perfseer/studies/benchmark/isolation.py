"""One point, one process: forked from a parent that has imported everything and fitted nothing.

A predictor that was fitted before leaves freed memory behind, in which the next one fits without growing:
the second of two equal points would look free.
"""

from collections.abc import Callable
from typing import Any

import torch

from perfseer.measure.forked import run_forked
from perfseer.measure.heap import release_free_heap
from perfseer.measure.outcomes import Outcome


def prepare() -> None:
    """Have this process import what torch imports at its first optimiser step, and fit nothing.

    It takes more than a second, which every point would pay for, and a program that fits twice pays once.
    """
    parameter = torch.zeros(1, requires_grad=True)
    parameter.grad = torch.zeros(1)
    torch.optim.Adam([parameter]).step()


def run_apart(work: Callable[[], dict[str, Any]], timeout_s: float) -> Outcome:
    """Run ``work`` in a process of its own.

    Args:
        work: returns a JSON-ready mapping of finite numbers.
        timeout_s: it is killed when it is still busy after this.

    Returns:
        Its outcome: ``ok``, ``oom``, ``timeout`` or ``error`` with a reason; a refusal (`PerfseerError`) of a
        predictor is an error of this point, not of the run.
    """
    # What the parent has freed would otherwise hold part of what the child allocates.
    release_free_heap()
    outcome = run_forked(work, timeout_s)
    return Outcome("error", outcome.reason) if outcome.status == "fault" else outcome
