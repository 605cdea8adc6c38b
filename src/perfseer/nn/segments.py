"""Reductions over the nodes of a graph with gradients written out, where autograd's own do needless work.

The nodes of a mini-batch lie graph after graph, so every graph is a segment of rows. ``segment`` [N] is that
of each row and ``n_segments`` is S. Where a maximum is taken every segment holds at least one row.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import Function, once_differentiable


def segment_sum(values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    """[N, C] rows to [S, C]; 0 for an empty segment."""
    return values.new_zeros(n_segments, values.shape[1]).index_add_(0, segment, values)


class _SharedSum(Function):
    """See `shared_sum`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, segment: Tensor, share: Tensor) -> Tensor:
        ctx.save_for_backward(segment, share)
        return segment_sum(values, segment, len(share)).mul_(share)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        segment, share = ctx.saved_tensors
        return (gradient * share).index_select(0, segment), None, None


def shared_sum(values: Tensor, segment: Tensor, share: Tensor) -> Tensor:
    """Sum over each segment's rows, times a constant of the segment: a mean, if that is one over its size.

    Args:
        values: [N, C].
        segment: [N].
        share: [S, 1]; gets no gradient.

    Returns:
        [S, C]; 0 for an empty segment.
    """
    result: Tensor = _SharedSum.apply(values, segment, share)
    return result


def segment_max(values: Tensor, segment: Tensor, n_segments: int) -> tuple[Tensor, Tensor]:
    """Largest of values [N, C] in each segment and column, and the row it stands in; without gradients.

    Returns:
        [S, C] maxima and [S, C] int64 rows; of several equal rows the last.
    """
    index = segment.unsqueeze(1).expand_as(values)
    lowest = values.new_full((n_segments, values.shape[1]), -torch.inf)
    maxima = lowest.scatter_reduce(0, index, values, "amax")
    reached = values == maxima.index_select(0, segment)
    # Exact in float32, too: a mini-batch has far fewer than 2^24 nodes.
    numbered = reached * torch.arange(len(values), dtype=values.dtype, device=values.device).unsqueeze(1)
    return maxima, lowest.scatter_reduce(0, index, numbered, "amax").long()


class _LinearMax(Function):
    """See `linear_max`."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, segment: Tensor, n_segments: int
    ) -> Tensor:
        maxima, winners = segment_max(F.linear(rows, weight), segment, n_segments)
        ctx.save_for_backward(rows, weight, winners)
        return maxima.add_(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, winners = ctx.saved_tensors
        n_segments, width = winners.shape
        # Column c of the weights learns from the S rows that won in column c.
        by_column = torch.arange(0, winners.numel(), n_segments, device=rows.device)
        to_weight = F.embedding_bag(
            winners.t().flatten(), rows, by_column, mode="sum", per_sample_weights=gradient.t().flatten()
        )
        # A row learns from the columns it won.
        winner, order = winners.flatten().sort(stable=True)
        by_row = _starts(winner, len(rows))
        to_rows = F.embedding_bag(
            order % width, weight, by_row, mode="sum", per_sample_weights=gradient.flatten()[order]
        )
        return to_rows, to_weight, gradient.sum(dim=0), None, None


def linear_max(rows: Tensor, weight: Tensor, bias: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    r"""Column-wise maximum over each segment of mapped rows, :math:`\max_{i \in s} (W x_i + b)`.

    Of rows [N, K], weight [C, K] and bias [C] to [S, C]. Its gradient touches only the rows that won, S x C
    of N x C: two of three matrix products over all rows are spared.
    """
    result: Tensor = _LinearMax.apply(rows, weight, bias, segment, n_segments)
    return result


class _ScoredSum(Function):
    """See `scored_sum`."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, weight: Tensor, bias: Tensor, segment: Tensor, n_segments: int
    ) -> Tensor:
        weights = _softmax(torch.addmv(bias, values, weight), segment, n_segments)
        result = _weighted_sum(values, weights, segment, n_segments)
        ctx.save_for_backward(values, weight, weights, segment, result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, weight, weights, segment, result = ctx.saved_tensors
        spread = gradient.index_select(0, segment)
        # Softmax: what a row gives beyond its segment's weighted mean.
        mean = torch.linalg.vecdot(gradient, result).index_select(0, segment)
        to_scores = weights * (torch.linalg.vecdot(spread, values) - mean)
        to_values = None
        if ctx.needs_input_grad[0]:
            to_values = spread.mul_(weights.unsqueeze(1)).addr_(to_scores, weight)
        return to_values, to_scores @ values, to_scores.sum(dim=0, keepdim=True), None, None


def scored_sum(values: Tensor, weight: Tensor, bias: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    r"""Sum of each segment's rows, weighted by the softmax of their scores, equations (init) and (5).

    .. math:: z_s = \sum_{i \in s} \operatorname{softmax}_s(w \cdot x_i + b) \, x_i

    Args:
        values: [N, K] rows x.
        weight: [K] w.
        bias: [1] b; it cancels in the softmax.
        segment: [N], ascending.
        n_segments: S; every segment holds at least one row.

    Returns:
        [S, K] sums.
    """
    result: Tensor = _ScoredSum.apply(values, weight, bias, segment, n_segments)
    return result


def _softmax(scores: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    """[N] softmax of [N] scores within each segment."""
    highest = scores.new_full((n_segments,), -torch.inf).scatter_reduce(0, segment, scores, "amax")
    powers = (scores - highest.index_select(0, segment)).exp_()
    totals = powers.new_zeros(n_segments).index_add(0, segment, powers)
    return powers.div_(totals.index_select(0, segment))


def _weighted_sum(values: Tensor, weights: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    """[S, C] weighted sums of ascending segments, without forming the weighted rows."""
    rows = torch.arange(len(values), device=values.device)
    starts = _starts(segment, n_segments)
    return F.embedding_bag(rows, values, starts, mode="sum", per_sample_weights=weights)


def _starts(segment: Tensor, n_segments: int) -> Tensor:
    """[S] where each segment begins, of the ascending segments [N] of the rows."""
    counts = torch.bincount(segment, minlength=n_segments)
    return counts.cumsum(0).sub_(counts)
