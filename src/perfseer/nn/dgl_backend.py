"""SeerNet's message passing on the Deep Graph Library: a `SeerNet`'s weights and outputs, other kernels.

Optional (``pip install 'perfseer[dgl]'``). The equations stand here as the paper prints them, concatenating
first, so agreement with `SeerNet` also checks that network's split linear maps (`perfseer.nn.rows`).
``benchmarks/bench_backends.py`` times both.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perfseer.errors import PerfseerError
from perfseer.nn.aggregation import RowMax, RowMean, ScoredSum, SynMM
from perfseer.nn.blocks import ConcatMLP
from perfseer.nn.seernet import SeerBlock, SeerNet

if TYPE_CHECKING:
    from perfseer.data.batches import GraphBatch

# Otherwise DGL writes its choice of backend to the home folder.
os.environ.setdefault("DGLBACKEND", "pytorch")
try:
    import dgl
    from dgl import function
except ImportError as error:
    raise PerfseerError(f"DGL cannot be imported ({error}): pip install 'perfseer[dgl]'") from error


@dataclass(frozen=True)
class _State:
    """What a SeerBlock maps, equation (1): v [V, C], e [E, C], u [B, C], z [B, C] (none without GNPB)."""

    nodes: Tensor
    edges: Tensor
    globals_: Tensor
    global_node: Tensor | None


class DglSeerNet(nn.Module):
    """A `SeerNet` computed by DGL.

    Args:
        network: its weights are used, not copied.
    """

    def __init__(self, network: SeerNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: "GraphBatch") -> Tensor:
        """[B, T] outputs for the B graphs of ``batch``: those of ``network`` to float tolerance."""
        trunk = self.network.trunk
        graph = dgl_graph(batch)
        nodes = _encoded(trunk.node_encoder, trunk.node_features(batch))
        scored_sum = trunk.first_global_node
        state = _State(
            nodes,
            _encoded(trunk.edge_encoder, batch.edges),
            _encoded(trunk.global_encoder, batch.globals_),
            None if scored_sum is None else _scored_sum(graph, scored_sum, nodes),
        )
        for block in trunk.blocks:
            state = _block(graph, block, state)
        outputs: Tensor = self.network.head(state.globals_)
        return outputs


def dgl_graph(batch: "GraphBatch") -> "dgl.DGLGraph":
    """The wiring of a mini-batch as one DGL graph that knows where each of its B graphs begins."""
    senders, receivers = batch.edge_index
    graph = dgl.graph((senders, receivers), num_nodes=len(batch.nodes))
    graph.set_batch_num_nodes(batch.ptr.diff())
    graph.set_batch_num_edges(torch.bincount(batch.edge_graph, minlength=batch.n_graphs))
    return graph


def _block(graph: "dgl.DGLGraph", block: SeerBlock, state: _State) -> _State:
    """Equation (1)."""
    edges = _edge_update(graph, block.edge_block.update, block.edge_block.use_globals, state)
    nodes = _node_update(graph, block.node_block.update, edges, state)
    global_node = _global_node_update(graph, block, nodes, state)
    pooled = _aggregate(graph, block.global_block.aggregate, nodes)
    members = [pooled, *([] if global_node is None else [global_node]), state.globals_]
    globals_ = _concat_mlp(block.global_block.update, members)
    if block.residual:
        nodes, edges = _added(state.nodes, nodes), _added(state.edges, edges)
        globals_ = _added(state.globals_, globals_)
        if global_node is not None and state.global_node is not None:
            global_node = _added(state.global_node, global_node)
    return _State(nodes, edges, globals_, global_node)


def _edge_update(graph: "dgl.DGLGraph", update: ConcatMLP, use_globals: bool, state: _State) -> Tensor:
    """Equation (2)."""
    with graph.local_scope():
        graph.ndata["v"], graph.edata["e"] = state.nodes, state.edges
        if use_globals:
            graph.edata["u"] = dgl.broadcast_edges(graph, state.globals_)

        def message(edges: "dgl.udf.EdgeBatch") -> dict[str, Tensor]:
            parts = [edges.data["e"], edges.src["v"], edges.dst["v"]]
            return {"e": _concat_mlp(update, [*parts, edges.data["u"]] if use_globals else parts)}

        graph.apply_edges(message)
        updated: Tensor = graph.edata["e"]
        return updated


def _node_update(graph: "dgl.DGLGraph", update: ConcatMLP, edges: Tensor, state: _State) -> Tensor:
    """Equations (3) and (4); DGL's mean over no edges is zero."""
    with graph.local_scope():
        graph.edata["e"] = edges
        graph.update_all(function.copy_e("e", "m"), function.mean("m", "received"))
        received = graph.ndata["received"]
    boosted = state.nodes
    if state.global_node is not None:
        boosted = boosted + dgl.broadcast_nodes(graph, state.global_node)
    return _concat_mlp(update, [received, boosted, dgl.broadcast_nodes(graph, state.globals_)])


def _global_node_update(
    graph: "dgl.DGLGraph", block: SeerBlock, nodes: Tensor, state: _State
) -> Tensor | None:
    """Equations (5) and (6)."""
    if block.global_node_block is None or state.global_node is None:
        return None
    pooled = _scored_sum(graph, block.global_node_block.pool, nodes)
    updated: Tensor = block.global_node_block.update(_added(state.global_node, pooled))
    return updated


def _scored_sum(graph: "dgl.DGLGraph", pool: ScoredSum, nodes: Tensor) -> Tensor:
    """Equations (init) and (5): softmax over the nodes of each graph, then the weighted sum."""
    with graph.local_scope():
        graph.ndata["v"] = nodes
        graph.ndata["score"] = nodes if pool.score is None else pool.score(nodes)
        graph.ndata["v"] = nodes * dgl.softmax_nodes(graph, "score")
        return _readout(graph, "sum")


def _aggregate(graph: "dgl.DGLGraph", aggregate: nn.Module, nodes: Tensor) -> Tensor:
    """Nodes of each graph to one vector: equation (7), or maximum, mean or sum alone."""
    with graph.local_scope():
        graph.ndata["v"] = nodes
        if isinstance(aggregate, SynMM):
            mixed: Tensor = aggregate.mix(torch.cat([_readout(graph, "max"), _readout(graph, "mean")], dim=1))
            return mixed
        plain = {RowMax: "max", RowMean: "mean"}
        return _readout(graph, plain.get(type(aggregate), "sum"))


def _readout(graph: "dgl.DGLGraph", reduction: str) -> Tensor:
    """[B, C] the nodes' "v" reduced over each graph."""
    reduced: Tensor = dgl.readout_nodes(graph, "v", op=reduction)
    return reduced


def _concat_mlp(update: ConcatMLP, parts: list[Tensor]) -> Tensor:
    hidden = F.linear(torch.cat(parts, dim=1), update.first.weight, update.first.bias)
    mapped: Tensor = update.second(torch.relu(hidden))
    return mapped


def _encoded(encoder: nn.Linear | None, features: Tensor) -> Tensor:
    return features if encoder is None else encoder(features)


def _added(before: Tensor, update: Tensor) -> Tensor:
    """The sum where widths agree, otherwise the update alone."""
    return before + update if before.shape == update.shape else update
