"""Feature rows and the linear maps over their concatenation, computed without forming it.

``W [edge | sender | receiver | global]`` equals ``W_1 edge + W_2 sender + W_3 receiver + W_4 global``, and
every summand has a cheapest order of its own:

- Inputs of nodes and edges have few columns and want no gradient. They are gathered and laid side by side,
  and one product maps them, through any linear map still pending: going back costs one product for the
  weights.
- Vectors of a graph, and hidden vectors of nodes, are multiplied where they stand, once for each graph or
  node instead of once for each edge, and the result is gathered and added.
- Hidden rows that are already in place are multiplied onto the sum.

`ConcatLinear` has the parameters of one `torch.nn.Linear` over the concatenation and gives the same result.
``benchmarks/bench_training.py`` compares both; docs/speed.md says what each order gains.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# A row that is gathered this often is cheaper multiplied before.
_MANY = 4


@dataclass(frozen=True)
class Rows:
    """Feature rows of edges, nodes or graphs, perhaps with a linear map still to be applied.

    A pending map is composed with the next one where that is the cheaper order: ``W (A x + a)`` is
    computed as ``(W A) x + W a``, one product of weights instead of one more product per row.

    Attributes:
        values: [N, K] rows before the pending map.
        pending: linear map K -> C still to be applied, or nothing.
        present: [N, 1] how often the pending bias counts: one, zero where the row stands for "no such row" (a
            node that receives no edge), n where it is a sum over n rows.
    """

    values: Tensor
    pending: nn.Linear | None = None
    present: Tensor | None = None

    @property
    def width(self) -> int:
        """C, columns after the pending map."""
        return self.values.shape[1] if self.pending is None else int(self.pending.out_features)

    def terms(self, weight: Tensor, index: Tensor | None = None) -> "list[Term]":
        """What adds up to the rows times ``weight`` [C, out], gathered by ``index`` if given."""
        if self.pending is None or not self._composes(weight.shape[1]):
            return [Term(self.dense(), weight, None, index)]
        bias = self.pending.bias @ weight
        whole = Term(self.values, self.pending.weight.t() @ weight, bias, index)
        if self.present is None:
            return [whole]
        return [replace(whole, bias=None), Term(self.present, bias.unsqueeze(0), None, index)]

    def _composes(self, n_outputs: int) -> bool:
        """Whether composing the pending map with the next one is less work than applying it."""
        n, k = self.values.shape
        return n_outputs * k * (self.width + n) < n * self.width * (k + n_outputs)

    def dense(self) -> Tensor:
        """[N, C] rows with the pending map applied."""
        if self.pending is None:
            return self.values
        if self.present is None:
            mapped: Tensor = self.pending(self.values)
            return mapped
        return F.linear(self.values, self.pending.weight) + self.present * self.pending.bias


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

    def terms(self, weight: Tensor) -> "list[Term]":
        """What adds up to the columns times ``weight`` [C, out]."""
        own = self.rows.terms(weight, self.index)
        return own if self.boost is None else own + self.boost.terms(weight)


@dataclass(frozen=True)
class Term:
    """A summand ``(values weight)[index] + bias`` of a linear map.

    Attributes:
        values: [M, K].
        weight: [K, out]; this way round its gradient is the faster product.
        bias: [out], if any.
        index: [N] rows of the product to take; all, in order, if missing.
    """

    values: Tensor
    weight: Tensor
    bias: Tensor | None = None
    index: Tensor | None = None

    @property
    def narrow(self) -> bool:
        """Whether gathering before the product is cheaper, there and back."""
        if self.values.requires_grad or len(self.weight) >= self.weight.shape[1]:
            return False
        return self.index is None or len(self.index) < _MANY * len(self.values)

    def gathered(self) -> "Term":
        """The same with the gathering done."""
        if self.index is None:
            return self
        return replace(self, values=self.values.index_select(0, self.index), index=None)

    def added_to(self, total: Tensor) -> Tensor:
        """``total`` [N, out], changed in place (nothing needs the earlier sums to go back); no bias."""
        if self.index is None:
            return total.addmm_(self.values, self.weight)
        return total.add_((self.values @ self.weight).index_select(0, self.index))

    @staticmethod
    def beside(terms: "Sequence[Term]") -> "Term":
        """Terms of one index as a single product; no bias."""
        if len(terms) == 1:
            return replace(terms[0], bias=None)
        values = torch.cat([term.values for term in terms], dim=1)
        return Term(values, torch.cat([term.weight for term in terms]), None, terms[0].index)


def add_up(terms: Sequence[Term], bias: Tensor) -> Tensor:
    """[N, out] sum of the terms and ``bias`` [out]; see the module docstring for the order of work."""
    for term in terms:
        bias = bias if term.bias is None else bias + term.bias
    first, *others = _grouped(terms)
    total = torch.addmm(bias, first.values, first.weight)
    if first.index is not None:
        total = total.index_select(0, first.index)
    for term in others:
        total = term.added_to(total)
    return total


def _grouped(terms: Sequence[Term]) -> list[Term]:
    """As few products as it takes: narrow inputs in one, what shares an index in one, the rest singly."""
    narrow = [term.gathered() for term in terms if term.narrow]
    wide = [term for term in terms if not term.narrow]
    by_index: dict[int, list[Term]] = {}
    for term in wide:
        by_index.setdefault(id(term if term.index is None else term.index), []).append(term)
    groups = [Term.beside(group) for group in by_index.values()]
    return [Term.beside(narrow), *groups] if narrow else groups


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
        weights = self.weight.t().split(self.widths)
        terms = [term for part, weight in zip(parts, weights, strict=True) for term in part.terms(weight)]
        return add_up(terms, self.bias)
