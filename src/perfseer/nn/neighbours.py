"""Sums over linked rows, and dropout that costs what it drops: the inner loop of the graph convolutions."""

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from perfseer.data.links import Links


class _LinkedSum(torch.autograd.Function):
    """Sum of rows for each result; going back, sum of the results' gradients for each row.

    torch's own gradient of `embedding_bag` adds row by row. With the links sorted both ways, going back is
    the same fast sum again.
    """

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, senders: Tensor, ptr: Tensor, receivers: Tensor, back_ptr: Tensor
    ) -> Tensor:
        ctx.save_for_backward(receivers, back_ptr)
        return _bag(rows, senders, ptr)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        receivers, back_ptr = ctx.saved_tensors
        return _bag(gradients[0].contiguous(), receivers, back_ptr), None, None, None, None


def _bag(rows: Tensor, index: Tensor, ptr: Tensor) -> Tensor:
    if not len(index):
        return rows.new_zeros(len(ptr) - 1, rows.shape[1])
    return F.embedding_bag(index, rows, ptr, mode="sum", include_last_offset=True)


def linked_sum(rows: Tensor, links: "Links") -> Tensor:
    """[N, C] rows to [M, C], each result the sum of its senders; 0 where it has none."""
    total: Tensor = _LinkedSum.apply(rows, links.senders, links.ptr, links.receivers, links.back_ptr)
    return total


def linked_mean(rows: Tensor, links: "Links") -> Tensor:
    """[N, C] rows to [M, C], each result the mean of its senders; 0 where it has none."""
    return linked_sum(rows, links) * links.shares


class DroppedReLU(nn.Module):
    r"""ReLU, then dropout that draws only the entries it drops instead of a number for every entry.

    Poisson many hits on random entries, :math:`-n \ln(1 - p)` on average, leave each of the n entries
    untouched with probability :math:`1 - p`, independently of the others. Entries are dropped before the
    ReLU, which passes no gradient where its result is zero. As dropout was first described, what is left is
    not enlarged in training; outside training all entries are multiplied by :math:`1 - p`.

    Args:
        share: p, probability of dropping an entry.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, rows: Tensor) -> Tensor:
        """Rows to rows, any shape; in training in their own memory, which their maker must not need again."""
        if not self.share:
            return F.relu_(rows)
        if not self.training:
            return F.relu_(rows) * (1.0 - self.share)
        hits = torch.poisson(torch.tensor(-rows.numel() * math.log1p(-self.share)))
        dropped = torch.randint(max(rows.numel(), 1), (int(hits),), device=rows.device)
        with torch.no_grad():
            rows.view(-1).index_fill_(0, dropped, 0.0)
        return F.relu_(rows)
