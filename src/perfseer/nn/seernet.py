"""SeerNet, the graph network of PerfSeer (paper, equations 1-8; METHODS 1.3), and its heads."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perfseer.graphs.vocabulary import OPERATORS
from perfseer.nn.aggregation import ScoredSum
from perfseer.nn.blocks import EdgeBlock, GlobalBlock, GlobalNodeBlock, NodeBlock, Wiring, mlp, received_mean
from perfseer.nn.rows import Rows

if TYPE_CHECKING:
    from perfseer.data.batches import GraphBatch


@dataclass(frozen=True)
class SeerNetSwitches:
    """What METHODS 1.3 leaves open or the paper ablates; defaults are the live reproduction's reading.

    Attributes:
        hidden: h, columns of every hidden vector.
        blocks: SeerBlocks in a row.
        aggregation: synmm (equation 7), max, mean or sum.
        global_node: GNPB, the boost of equation (4) and z' in equation (8).
        encoders: linear maps of nodes, edges and globals to h columns before the first block.
        global_in_edge_update: u in equation (2).
        global_node_layers: hidden layers of MLP_z, equation (6).
        residual: v + v', e + e', u + u', z + z' after each block, where the widths agree.
        score: node (one learned score per node, equations init and 5) or channel.
        operator_one_hot: append the operator's one-hot code to the node features.
        split: compute linear maps of concatenations part by part (`perfseer.nn.rows`): same result, less
            work.
    """

    hidden: int = 256
    blocks: int = 1
    aggregation: str = "synmm"
    global_node: bool = True
    encoders: bool = True
    global_in_edge_update: bool = True
    global_node_layers: int = 2
    residual: bool = True
    score: str = "node"
    operator_one_hot: bool = False
    split: bool = True


@dataclass(frozen=True)
class Widths:
    """Columns of nodes, edges, globals and global node where a block begins."""

    nodes: int
    edges: int
    globals_: int


@dataclass(frozen=True)
class State:
    """What a SeerBlock maps, equation (1): (v, e, u, z) for V nodes, E edges and B graphs."""

    nodes: Rows
    edges: Rows
    globals_: Rows
    global_node: Rows | None


class SeerBlock(nn.Module):
    """Equation (1): (v', e', u', z') = SeerBlock(v, e, u, z), by equations (2) to (8), and the residual.

    Args:
        widths: columns of what comes in.
        switches: see `SeerNetSwitches`.
        last: nothing follows but the head, which reads u' alone, so updated nodes and edges are not formed.
    """

    def __init__(self, widths: Widths, switches: SeerNetSwitches, *, last: bool) -> None:
        super().__init__()
        hidden, split = switches.hidden, switches.split
        self.residual, self.last = switches.residual, last
        self.edge_block = EdgeBlock(
            widths.edges,
            widths.nodes,
            widths.globals_,
            hidden,
            use_globals=switches.global_in_edge_update,
            split=split,
        )
        self.node_block = NodeBlock(widths.nodes, widths.globals_, hidden, split=split)
        self.global_node_block = (
            GlobalNodeBlock(hidden, hidden_layers=switches.global_node_layers, score=switches.score)
            if switches.global_node
            else None
        )
        self.global_block = GlobalBlock(
            widths.globals_,
            hidden,
            aggregation=switches.aggregation,
            use_global_node=switches.global_node,
        )

    def forward(self, state: State, wiring: Wiring) -> State:
        """Map a state to the next one, all h columns wide."""
        edges = self.edge_block(state.edges, state.nodes, state.globals_, wiring)
        received = received_mean(edges, wiring)
        nodes = self.node_block(received, state.nodes, state.global_node, state.globals_, wiring)
        if not self.last:
            nodes = Rows(nodes.dense())
        global_node = None
        if self.global_node_block is not None:
            global_node = self.global_node_block(nodes, state.global_node, wiring)
        globals_ = self.global_block(nodes, global_node, state.globals_, wiring)
        if self.last:
            return State(nodes, edges, self._added(state.globals_, globals_), global_node)
        return State(
            self._added(state.nodes, nodes),
            self._added(state.edges, edges),
            self._added(state.globals_, globals_),
            None if global_node is None else self._added(state.global_node, global_node),
        )

    def _added(self, before: Rows | None, update: Rows) -> Rows:
        if not self.residual or before is None or before.width != update.width:
            return update
        return Rows(before.dense() + update.dense())


class SeerNetTrunk(nn.Module):
    """SeerNet up to the vector u' of each graph: encoders, first global node, SeerBlocks.

    Args as of `SeerNet`.
    """

    def __init__(
        self, node_width: int, edge_width: int, global_width: int, switches: SeerNetSwitches
    ) -> None:
        super().__init__()
        hidden = switches.hidden
        self.switches = switches
        node_width += len(OPERATORS) if switches.operator_one_hot else 0
        widths = Widths(node_width, edge_width, global_width)
        self.node_encoder = nn.Linear(node_width, hidden) if switches.encoders else None
        self.edge_encoder = nn.Linear(edge_width, hidden) if switches.encoders else None
        self.global_encoder = nn.Linear(global_width, hidden) if switches.encoders else None
        later = Widths(hidden, hidden, hidden)
        first = later if switches.encoders else widths
        self.first_global_node = ScoredSum(first.nodes, switches.score) if switches.global_node else None
        self.blocks = nn.ModuleList(
            SeerBlock(later if index else first, switches, last=index == switches.blocks - 1)
            for index in range(switches.blocks)
        )

    def forward(self, batch: "GraphBatch") -> Tensor:
        """[B, hidden] one vector for each graph of ``batch``."""
        wiring = Wiring.of(batch)
        nodes = Rows(self.node_features(batch), self.node_encoder)
        global_node = (
            None
            if self.first_global_node is None
            else self.first_global_node(nodes, wiring.node_graph, wiring.n_graphs)
        )
        edges, globals_ = Rows(batch.edges, self.edge_encoder), Rows(batch.globals_, self.global_encoder)
        state = State(nodes, edges, globals_, global_node)
        for block in self.blocks:
            state = block(state, wiring)
        return state.globals_.dense()

    def node_features(self, batch: "GraphBatch") -> Tensor:
        """[V, node_width] the nodes' features, with the operator's code if that is switched on."""
        if not self.switches.operator_one_hot:
            return batch.nodes
        codes = F.one_hot(batch.operators, len(OPERATORS)).to(batch.nodes.dtype)
        return torch.cat([batch.nodes, codes], dim=1)


class Heads(nn.Module):
    """One small perceptron (h -> head_hidden -> 1) for each of several outputs.

    Args:
        hidden: columns of the graph vector.
        head_hidden: columns of each head's hidden layer.
        n_outputs: T, number of heads.
    """

    def __init__(self, hidden: int, head_hidden: int, n_outputs: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(mlp(hidden, head_hidden, 1) for _ in range(n_outputs))

    def forward(self, globals_: Tensor) -> Tensor:
        """[B, T] outputs from [B, hidden] graph vectors."""
        return torch.cat([head(globals_) for head in self.heads], dim=1)


class SeerNet(nn.Module):
    r"""SeerNet: a trunk and a head, :math:`\hat y = head(u')`.

    At h = 256 with the live reproduction's inputs (30 node, 5 edge, 18 graph columns) and its defaults this
    has 1,263,107 parameters (METHODS 1.3); MLP_z then has two hidden layers.

    Args:
        node_width: columns of the node features, without the operator's code.
        edge_width: columns of the edge features.
        global_width: columns of the graph features.
        switches: see `SeerNetSwitches`.
        n_outputs: T.
        head_hidden: if given, T separate heads of this many hidden columns (SeerNet-Multi); otherwise one
            head h -> h -> T.
    """

    def __init__(
        self,
        node_width: int,
        edge_width: int,
        global_width: int,
        switches: SeerNetSwitches,
        n_outputs: int = 1,
        head_hidden: int | None = None,
    ) -> None:
        super().__init__()
        self.trunk = SeerNetTrunk(node_width, edge_width, global_width, switches)
        self.head: nn.Module = (
            mlp(switches.hidden, switches.hidden, n_outputs)
            if head_hidden is None
            else Heads(switches.hidden, head_hidden, n_outputs)
        )

    def forward(self, batch: "GraphBatch") -> Tensor:
        """[B, T] outputs for the B graphs of ``batch``."""
        outputs: Tensor = self.head(self.trunk(batch))
        return outputs
