"""Aggregations over the nodes of a graph: SynMM (paper, equation 7) and the plain ones beside it."""

import torch
from torch import Tensor, nn
from torch_geometric.nn.aggr import Aggregation, MaxAggregation, MeanAggregation, SumAggregation
from torch_geometric.utils import softmax

from perfseer.errors import PerfseerError
from perfseer.nn.rows import Rows

AGGREGATIONS: tuple[str, ...] = ("synmm", "max", "mean", "sum")


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


def make_aggregation(name: str, channels: int) -> Aggregation:
    """Aggregation by its name in params.yaml.

    Args:
        name: one of `AGGREGATIONS`.
        channels: columns of the rows.

    Raises:
        PerfseerError: there is no such aggregation.
    """
    if name == "synmm":
        return SynMM(channels)
    plain = {"max": MaxAggregation, "mean": MeanAggregation, "sum": SumAggregation}
    if name not in plain:
        raise PerfseerError(f"aggregation {name!r} is not known; choose one of {', '.join(AGGREGATIONS)}")
    return plain[name]()


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

    def forward(self, rows: Rows, group: Tensor, n_groups: int) -> Tensor:
        """Weigh the rows by the softmax of their scores within each group, and add up.

        Args:
            rows: [N, C] rows; a pending map is applied after the sum, since softmax weights add to one and a
                weighted mean commutes with an affine map.
            group: [N] group of each row.
            n_groups: B; every group holds at least one row.

        Returns:
            [B, C] sums.
        """
        if self.score is None:
            values = scores = rows.dense()
            pending = None
        else:
            values, pending = rows.values, rows.pending
            scores = rows.project(self.score.weight) + self.score.bias
        weights = softmax(scores, index=group, num_nodes=n_groups)
        total = values.new_zeros(n_groups, values.shape[1]).index_add(0, group, weights * values)
        return Rows(total, pending).dense()
