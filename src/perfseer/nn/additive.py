r"""Additive network: the time of a graph is the sum of the times of its nodes; no message passing.

.. math::
    t = \sum_{kinds\ d} n_d \left( r_d \, e^{MLP(x_d)} + \lambda_{op(d)} \right) + s \, t_{extra}

where r is the roofline time of a node, :math:`n_d` how many nodes of a kind the graph has, and λ a launch
cost learned for each operator. With new weights the factors are 1: training starts from the roofline.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perfseer.nn.blocks import mlp

# A node takes at most e^6 = 400 times its roofline time or 1 / 400 of it: exp must not overflow.
_LARGEST_LOG_FACTOR = 6.0


@dataclass(frozen=True, eq=False)
class NodeKinds:
    """D distinct nodes as the network sees them.

    Attributes:
        features: [D, F] normalised.
        operators: [D] int64 index into the operator vocabulary.
        roofline_ms: [D, T] roofline time without launch, for each of T times.
    """

    features: Tensor
    operators: Tensor
    roofline_ms: Tensor

    def take(self, chosen: Tensor) -> "NodeKinds":
        """The chosen kinds, in that order."""
        return NodeKinds(
            self.features.index_select(0, chosen),
            self.operators.index_select(0, chosen),
            self.roofline_ms.index_select(0, chosen),
        )


@dataclass(frozen=True, eq=False)
class CountedGraphs:
    """B graphs as counts of distinct nodes.

    Attributes:
        kinds: the D nodes that occur.
        kind: [P] which of them each pair of a graph and a kind is about.
        graph: [P] the pair's graph.
        counts: [P, 1] nodes of that kind in that graph.
        extra_ms: [B, T] roofline time of what is not a node (the optimiser).
    """

    kinds: NodeKinds
    kind: Tensor
    graph: Tensor
    counts: Tensor
    extra_ms: Tensor


class AdditiveNetwork(nn.Module):
    """Times of graphs from their distinct nodes.

    Args:
        n_features: F, columns of a node.
        n_operators: size of the operator vocabulary.
        embedding: columns of an operator's learned code.
        hidden: columns of the two hidden layers.
        launch_ms: [T] launch cost of a node to start from, ms, positive.
    """

    def __init__(
        self, n_features: int, n_operators: int, embedding: int, hidden: int, launch_ms: Tensor
    ) -> None:
        super().__init__()
        n_times = len(launch_ms)
        self.codes = nn.Embedding(n_operators, embedding)
        self.factor = mlp(n_features + embedding, hidden, n_times, hidden_layers=2)
        nn.init.zeros_(self.factor[-1].weight)
        nn.init.zeros_(self.factor[-1].bias)
        self.log_launch = nn.Parameter(launch_ms.log().repeat(n_operators, 1))
        self.log_extra = nn.Parameter(torch.zeros(n_times))

    def node_ms(self, kinds: NodeKinds) -> Tensor:
        """[D, T] time of one node of each kind, ms."""
        inputs = torch.cat([kinds.features, self.codes(kinds.operators)], dim=1)
        factor = self.factor(inputs).clamp(-_LARGEST_LOG_FACTOR, _LARGEST_LOG_FACTOR).exp()
        launch = self.log_launch.index_select(0, kinds.operators).exp()
        return torch.addcmul(launch, kinds.roofline_ms, factor)

    def forward(self, graphs: CountedGraphs) -> Tensor:
        """[B, T] natural logarithms of the graphs' times in ms."""
        per_pair = self.node_ms(graphs.kinds).index_select(0, graphs.kind) * graphs.counts
        extra = graphs.extra_ms * self.log_extra.exp()
        return extra.index_add(0, graphs.graph, per_pair).log()
