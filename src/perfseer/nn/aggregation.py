"""Aggregations over the nodes of a graph: SynMM (paper, equation 7) and the plain ones beside it.

Each is an aggregation of PyTorch Geometric, and has a second method, ``pool``, with the same result for rows
whose last linear map is pending: mean and sum commute with it, so it is applied to B rows instead of N, and
going back through the maximum touches only the rows that won.
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch_geometric.nn.aggr import Aggregation, MaxAggregation, MeanAggregation, SumAggregation
from torch_geometric.utils import softmax

from perfseer.errors import PerfseerError
from perfseer.nn.rows import Rows
from perfseer.nn.segments import linear_max, scored_sum, segment_sum, shared_sum


class Pooling(Protocol):
    """Reduces the rows of each group to one."""

    def pool(self, rows: Rows, group: Tensor, n_groups: int) -> Rows:
        """Pool.

        Args:
            rows: [N, C].
            group: [N] group of each row.
            n_groups: B; every group holds at least one row.

        Returns:
            [B, C] rows.
        """
        ...


class RowMax(MaxAggregation):
    """Maximum of each column over a group's rows."""

    def pool(self, rows: Rows, group: Tensor, n_groups: int) -> Rows:
        """See `Pooling`."""
        if rows.pending is None or rows.present is not None:
            return Rows(self(rows.dense(), index=group, dim_size=n_groups))
        return Rows(linear_max(rows.values, rows.pending.weight, rows.pending.bias, group, n_groups))


class RowSum(SumAggregation):
    """Sum over a group's rows."""

    def pool(self, rows: Rows, group: Tensor, n_groups: int) -> Rows:
        """See `Pooling`."""
        counted = rows.values.new_ones(len(group), 1) if rows.present is None else rows.present
        return Rows(
            segment_sum(rows.values, group, n_groups), rows.pending, segment_sum(counted, group, n_groups)
        )


class RowMean(MeanAggregation):
    """Mean over a group's rows."""

    def pool(self, rows: Rows, group: Tensor, n_groups: int) -> Rows:
        """See `Pooling`."""
        share = 1 / torch.bincount(group, minlength=n_groups).clamp(min=1).to(rows.values.dtype).unsqueeze(1)
        values = shared_sum(rows.values, group, share)
        present = None if rows.present is None else segment_sum(rows.present, group, n_groups) * share
        return Rows(values, rows.pending, present)


class SynMM(Aggregation):
    r"""Synergistic max-mean, equation (7): a learned linear mixture of the maximum and the mean.

    .. math:: \bar v = W \, [\max_i v'_i \,|\, \operatorname{mean}_i v'_i] + b

    An empty group gives ``b``.

    Args:
        channels: columns of the rows.

    Shapes:
        - **input:** rows [N, channels] and ``index`` [N] or ``ptr`` [B + 1]
        - **output:** [B, channels]
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Linear(2 * channels, channels)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.mix.reset_parameters()

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        """Aggregate ``x`` [N, channels] to [B, channels]."""
        # Segments (ptr) are the faster way to a maximum, rows added up by their index to a mean.
        maximum = self.reduce(x, index if ptr is None else None, ptr, dim_size, dim, reduce="max")
        mean = self.reduce(x, index, ptr if index is None else None, dim_size, dim, reduce="mean")
        mixed: Tensor = self.mix(torch.cat([maximum, mean], dim=-1))
        return mixed

    def pool(self, rows: Rows, group: Tensor, n_groups: int) -> Rows:
        """See `Pooling`."""
        maximum = RowMax().pool(rows, group, n_groups).dense()
        mean = RowMean().pool(rows, group, n_groups).dense()
        return Rows(torch.cat([maximum, mean], dim=1), self.mix)


PLAIN: dict[str, type[Pooling]] = {"max": RowMax, "mean": RowMean, "sum": RowSum}
AGGREGATIONS: tuple[str, ...] = ("synmm", *PLAIN)


def make_aggregation(name: str, channels: int) -> Pooling:
    """Aggregation by its name in params.yaml.

    Args:
        name: one of `AGGREGATIONS`.
        channels: columns of the rows.

    Raises:
        PerfseerError: there is no such aggregation.
    """
    if name == "synmm":
        return SynMM(channels)
    if name not in PLAIN:
        raise PerfseerError(f"aggregation {name!r} is not known; choose one of {', '.join(AGGREGATIONS)}")
    return PLAIN[name]()


class ScoredSum(nn.Module):
    r"""Softmax-weighted sum of a graph's rows, equations (init) and (5).

    .. math:: z = \sum_k \operatorname{softmax}_k(w \cdot v_k + b) \, v_k

    Args:
        channels: columns of the rows.
        score: ``node``: one learned score ``w . v_k + b`` per row; ``channel``: every channel is its own
            score and nothing is learned.
    """

    def __init__(self, channels: int, score: str = "node") -> None:
        super().__init__()
        if score not in ("node", "channel"):
            raise PerfseerError(f"score {score!r} is not known; choose node or channel")
        self.score = nn.Linear(channels, 1) if score == "node" else None

    def forward(self, rows: Rows, group: Tensor, n_groups: int) -> Rows:
        """Weigh the rows by the softmax of their scores within each group, and add up.

        Args:
            rows: [N, C] rows, each present; a pending map stays pending, since softmax weights add to one
                and a weighted mean commutes with an affine map.
            group: [N] group of each row, ascending.
            n_groups: B; every group holds at least one row.

        Returns:
            [B, C] sums.
        """
        if self.score is None:
            values = rows.dense()
            weights = softmax(values, index=group, num_nodes=n_groups)
            return Rows(segment_sum(weights * values, group, n_groups))
        weight, bias = self.score.weight.t(), self.score.bias
        if rows.pending is not None:
            weight, bias = rows.pending.weight.t() @ weight, rows.pending.bias @ weight + bias
        return Rows(scored_sum(rows.values, weight.squeeze(1), bias, group, n_groups), rows.pending)
