"""The blocks of SeerNet: edges, nodes, global node, graph (paper, equations 2-8; METHODS 1.3).

Each block is one learned function with its inputs spelled out; what is left out in an ablation is a
switch, not a fork. All blocks take the same `Wiring`, the index tensors of a mini-batch. Widths are numbers
of columns of edges, nodes and the graph's own vector; what a block gives has ``hidden`` columns.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from perfseer.nn.aggregation import ScoredSum, make_aggregation
from perfseer.nn.rows import ConcatLinear, Part, Rows
from perfseer.nn.segments import shared_sum

if TYPE_CHECKING:
    from perfseer.data.batches import GraphBatch


@dataclass(frozen=True)
class Wiring:
    """Who is connected to whom in a mini-batch of B graphs, V nodes and E edges.

    Attributes:
        senders: [E] node each edge leaves.
        receivers: [E] node each edge enters.
        edge_graph: [E] graph of each edge.
        node_graph: [V] graph of each node, ascending.
        received_share: [V, 1] one over the number of incoming edges; 0 where there are none.
        receives: [V, 1] 1 where a node has an incoming edge, else 0.
        n_graphs: B.
    """

    senders: Tensor
    receivers: Tensor
    edge_graph: Tensor
    node_graph: Tensor
    received_share: Tensor
    receives: Tensor
    n_graphs: int

    @classmethod
    def of(cls, batch: "GraphBatch") -> "Wiring":
        """Index tensors of ``batch``."""
        senders, receivers = batch.edge_index
        degree = torch.bincount(receivers, minlength=len(batch.nodes)).to(batch.nodes.dtype).unsqueeze(1)
        return cls(
            senders=senders,
            receivers=receivers,
            edge_graph=batch.edge_graph,
            node_graph=batch.node_graph,
            received_share=(degree > 0) / degree.clamp(min=1),
            receives=(degree > 0).to(batch.nodes.dtype),
            n_graphs=batch.n_graphs,
        )


def mlp(n_inputs: int, hidden: int, n_outputs: int, hidden_layers: int = 1) -> nn.Sequential:
    """Multi-layer perceptron with ReLU between its ``hidden_layers`` + 1 linear maps."""
    widths = [n_inputs, *[hidden] * hidden_layers]
    layers: Iterable[nn.Module] = [
        module for pair in pairwise(widths) for module in (nn.Linear(*pair), nn.ReLU())
    ]
    return nn.Sequential(*layers, nn.Linear(widths[-1], n_outputs))


class ConcatMLP(nn.Module):
    """Multi-layer perceptron with one hidden layer over a concatenation of parts.

    Args:
        widths: columns of each part.
        hidden: columns of the hidden layer and of the output.
        split: see `ConcatLinear`.
    """

    def __init__(self, widths: tuple[int, ...], hidden: int, *, split: bool = True) -> None:
        super().__init__()
        self.first = ConcatLinear(widths, hidden, split=split)
        self.second = nn.Linear(hidden, hidden)

    def forward(self, *parts: Part) -> Rows:
        """[N, hidden] rows, the second linear map still pending."""
        return Rows(torch.relu_(self.first(*parts)), self.second)


class EdgeBlock(nn.Module):
    r"""Edge update, equation (2): :math:`e'_j = MLP_e[e_j \,|\, v_{src(j)} \,|\, v_{dst(j)} \,|\, u]`.

    Args:
        use_globals: whether u takes part; readers of the paper disagree (METHODS 1.3).
        split: see `ConcatLinear`.
    """

    def __init__(
        self,
        edge_width: int,
        node_width: int,
        global_width: int,
        hidden: int,
        *,
        use_globals: bool = True,
        split: bool = True,
    ) -> None:
        super().__init__()
        widths = (edge_width, node_width, node_width, *([global_width] if use_globals else []))
        self.use_globals = use_globals
        self.update = ConcatMLP(widths, hidden, split=split)

    def forward(self, edges: Rows, nodes: Rows, globals_: Rows, wiring: Wiring) -> Rows:
        """[E, hidden] updated edges."""
        parts = [Part(edges), Part(nodes, wiring.senders), Part(nodes, wiring.receivers)]
        if self.use_globals:
            parts.append(Part(globals_, wiring.edge_graph))
        updated: Rows = self.update(*parts)
        return updated


def received_mean(edges: Rows, wiring: Wiring) -> Rows:
    r"""Equation (3): :math:`\bar e_i` = mean of the updated edges that enter node i; zero if there are none.

    The mean of the hidden activations is taken before the pending linear map, with which it commutes.

    Returns:
        [V, hidden] rows.
    """
    mean = shared_sum(edges.values, wiring.receivers, wiring.received_share)
    return Rows(mean, edges.pending, wiring.receives)


class NodeBlock(nn.Module):
    r"""Node update, equation (4): :math:`v'_i = MLP_v[\bar e_i \,|\, v_i + z_i \,|\, u]`.

    The addend z, as wide as the nodes, is the Global-Node Perspective Boost (GNPB): a virtual node that sees
    every node of the graph. ``split``: see `ConcatLinear`.
    """

    def __init__(self, node_width: int, global_width: int, hidden: int, *, split: bool = True) -> None:
        super().__init__()
        self.update = ConcatMLP((hidden, node_width, global_width), hidden, split=split)

    def forward(
        self, received: Rows, nodes: Rows, global_node: Rows | None, globals_: Rows, wiring: Wiring
    ) -> Rows:
        """[V, hidden] updated nodes; without GNPB ``global_node`` [B, node_width] is missing."""
        boost = None if global_node is None else Part(global_node, wiring.node_graph)
        parts = [Part(received), Part(nodes, boost=boost), Part(globals_, wiring.node_graph)]
        updated: Rows = self.update(*parts)
        return updated


class GlobalNodeBlock(nn.Module):
    r"""Global-node update: :math:`z' = MLP_z(\bar z + z)`, :math:`\bar z = \sum_i a_i v'_i`.

    Equations (6) and (5). The weights a are a softmax over the nodes of a graph (`ScoredSum`).

    Args:
        hidden_layers: hidden layers of MLP_z; the paper's "2 layers" is read as 2 by the live reproduction.
        score: see `ScoredSum`.
    """

    def __init__(self, hidden: int, *, hidden_layers: int = 2, score: str = "node") -> None:
        super().__init__()
        self.pool = ScoredSum(hidden, score)
        self.update = mlp(hidden, hidden, hidden, hidden_layers)

    def forward(self, nodes: Rows, global_node: Rows, wiring: Wiring) -> Rows:
        """[B, hidden] updated global node; z is added where its width agrees (without encoders not)."""
        pooled = self.pool(nodes, wiring.node_graph, wiring.n_graphs).dense()
        total = pooled + global_node.dense() if global_node.width == pooled.shape[1] else pooled
        return Rows(self.update(total))


class GlobalBlock(nn.Module):
    r"""Graph update, equations (7) and (8): :math:`u' = MLP_u[\bar v \,|\, z' \,|\, u]`, v̄ = SynMM(V').

    Args:
        aggregation: how nodes become one vector: synmm (equation 7), max, mean or sum.
        use_global_node: whether z' takes part (GNPB).
    """

    def __init__(
        self, global_width: int, hidden: int, *, aggregation: str = "synmm", use_global_node: bool = True
    ) -> None:
        super().__init__()
        self.aggregate = make_aggregation(aggregation, hidden)
        widths = (hidden, *([hidden] if use_global_node else []), global_width)
        self.update = ConcatMLP(widths, hidden)

    def forward(self, nodes: Rows, global_node: Rows | None, globals_: Rows, wiring: Wiring) -> Rows:
        """[B, hidden] updated graph vectors."""
        pooled = self.aggregate.pool(nodes, wiring.node_graph, wiring.n_graphs)
        members = [pooled, *([] if global_node is None else [global_node]), globals_]
        updated: Rows = self.update(*[Part(member) for member in members])
        return updated
