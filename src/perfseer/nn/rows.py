"""Feature rows and the linear maps over their concatenation, computed without concatenating.

``W [edge | sender | receiver | global]`` equals ``W_1 edge + W_2 sender + W_3 receiver + W_4 global``. The
sender's share needs one product per node and the global's one per graph instead of one per edge; the
results are gathered and added. `ConcatLinear` has the parameters of one `torch.nn.Linear` over the
concatenation and gives the same result. `benchmarks/bench_training.py` compares both.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Rows:
    """Feature rows of edges, nodes or graphs, perhaps with a linear map still to be applied.

    A pending map is composed with the next one where that is the cheaper order: ``W (A x + a)`` is
    computed as ``(W A) x + W a``, one product of weights instead of one more product per row.

    Attributes:
        values: [N, K] rows before the pending map.
        pending: linear map K -> C still to be applied, or nothing.
        present: [N, 1] one where the row exists and zero where it stands for "no such row" (a node that
            receives no edge): the pending bias is left out there, so the row is zero.
    """

    values: Tensor
    pending: nn.Linear | None = None
    present: Tensor | None = None

    @property
    def width(self) -> int:
        """C, columns after the pending map."""
        return self.values.shape[1] if self.pending is None else int(self.pending.out_features)

    def project(self, weight: Tensor) -> Tensor:
        """[N, out] rows times ``weight`` [out, C] transposed."""
        if self.pending is None:
            return F.linear(self.values, weight)
        composed, bias = weight @ self.pending.weight, weight @ self.pending.bias
        if self.present is None:
            return F.linear(self.values, composed, bias)
        return torch.addmm(self.present * bias, self.values, composed.t())

    def dense(self) -> Tensor:
        """[N, C] rows with the pending map applied."""
        if self.pending is None:
            return self.values
        mapped: Tensor = self.pending(self.values)
        return mapped if self.present is None else mapped * self.present


@dataclass(frozen=True)
class Part:
    """One block of columns of a concatenation: ``rows``, gathered by ``index`` where one is given.

    Attributes:
        rows: [M, C] feature rows.
        index: [N] which of the M rows stands in each row of the concatenation; all, in order, if missing.
        boost: another part of the same shape that is added to this one (GNPB, equation 4).
    """

    rows: Rows
    index: Tensor | None = None
    boost: "Part | None" = None

    def dense(self) -> Tensor:
        """[N, C] the columns themselves."""
        values = self.rows.dense()
        gathered = values if self.index is None else values.index_select(0, self.index)
        return gathered if self.boost is None else gathered + self.boost.dense()

    def project(self, weight: Tensor) -> Tensor:
        """[N, out] the columns times ``weight`` transposed: first the product, then the gathering."""
        product = self.rows.project(weight)
        gathered = product if self.index is None else product.index_select(0, self.index)
        return gathered if self.boost is None else gathered + self.boost.project(weight)


class ConcatLinear(nn.Linear):
    """Linear map of a concatenation ``[part_1 | part_2 | ...]``.

    Args:
        widths: columns of each part.
        out_features: columns of the result.
        split: compute part by part (see the module docstring); otherwise concatenate first.
    """

    def __init__(self, widths: tuple[int, ...], out_features: int, *, split: bool = True) -> None:
        super().__init__(sum(widths), out_features)
        self.widths = widths
        self.split = split

    def forward(self, *parts: Part) -> Tensor:
        """Map the parts, given in the order of ``widths``, to [N, out_features].

        Raises:
            ValueError: the parts' widths are not those the map was built for.
        """
        widths = tuple(part.rows.width for part in parts)
        if widths != self.widths:
            raise ValueError(f"parts of widths {widths} given, expected {self.widths}")
        if not self.split:
            return F.linear(torch.cat([part.dense() for part in parts], dim=1), self.weight, self.bias)
        first, *others = self.weight.split(self.widths, dim=1)
        total = parts[0].project(first) + self.bias
        for part, weight in zip(parts[1:], others, strict=True):
            total += part.project(weight)  # in place: nothing needs the earlier sums to go back
        return total
