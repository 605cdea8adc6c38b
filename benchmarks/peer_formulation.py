"""SeerNet as its equations read, on PyTorch Geometric's ordinary parts: what `bench_training` compares with.

Written from the equations and the training recipe in docs/methods.md (METHODS 1.3 and 1.4), which state them
as the live reproduction, JustinLinKK/PerfSeer-predictor, does: `Data` objects collated by a `DataLoader`,
every linear map over the concatenation it is written with, scattered reductions, ordinary Adam. No code is
taken from there. Its weights are ours under other names, so both start from the same point and compute the
same function.
"""

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.utils import scatter, softmax

# Prefixes of this module's parameters and of the same ones of perfseer.nn.seernet.SeerNet with one block.
NAMES = {
    "node_encoder": "trunk.node_encoder",
    "edge_encoder": "trunk.edge_encoder",
    "global_encoder": "trunk.global_encoder",
    "first_score": "trunk.first_global_node.score",
    "edge_mlp.0": "trunk.blocks.0.edge_block.update.first",
    "edge_mlp.2": "trunk.blocks.0.edge_block.update.second",
    "node_mlp.0": "trunk.blocks.0.node_block.update.first",
    "node_mlp.2": "trunk.blocks.0.node_block.update.second",
    "score": "trunk.blocks.0.global_node_block.pool.score",
    "global_node_mlp": "trunk.blocks.0.global_node_block.update",
    "synmm": "trunk.blocks.0.global_block.aggregate.mix",
    "global_mlp.0": "trunk.blocks.0.global_block.update.first",
    "global_mlp.2": "trunk.blocks.0.global_block.update.second",
    "head": "head",
}


def perceptron(*widths: int) -> nn.Sequential:
    """Linear maps with ReLU between them."""
    layers = [nn.Linear(one, two) for one, two in pairwise(widths)]
    between = [module for layer in layers for module in (layer, nn.ReLU())]
    return nn.Sequential(*between[:-1])


class PeerSeerNet(nn.Module):
    """One SeerBlock with encoders, GNPB, SynMM, residual and one output.

    Args:
        node_width: columns of the node features.
        edge_width: columns of the edge features.
        global_width: columns of the graph features.
        hidden: h.
    """

    def __init__(self, node_width: int, edge_width: int, global_width: int, hidden: int) -> None:
        super().__init__()
        self.node_encoder = nn.Linear(node_width, hidden)
        self.edge_encoder = nn.Linear(edge_width, hidden)
        self.global_encoder = nn.Linear(global_width, hidden)
        self.first_score = nn.Linear(hidden, 1)
        self.edge_mlp = perceptron(4 * hidden, hidden, hidden)
        self.node_mlp = perceptron(3 * hidden, hidden, hidden)
        self.score = nn.Linear(hidden, 1)
        self.global_node_mlp = perceptron(hidden, hidden, hidden, hidden)
        self.synmm = nn.Linear(2 * hidden, hidden)
        self.global_mlp = perceptron(3 * hidden, hidden, hidden)
        self.head = perceptron(hidden, hidden, 1)

    def forward(self, data: Data) -> Tensor:
        """[B, 1] outputs of B collated graphs, by equations (1) to (8)."""
        graph, (senders, receivers), n_graphs = data.batch, data.edge_index, data.num_graphs
        v = self.node_encoder(data.x)
        e = self.edge_encoder(data.edge_attr)
        u = self.global_encoder(data.u)
        z = scatter(softmax(self.first_score(v), graph) * v, graph, dim_size=n_graphs, reduce="sum")
        edges = self.edge_mlp(torch.cat([e, v[senders], v[receivers], u[graph[senders]]], dim=1))
        received = scatter(edges, receivers, dim_size=len(v), reduce="mean")
        nodes = self.node_mlp(torch.cat([received, v + z[graph], u[graph]], dim=1))
        pooled = scatter(softmax(self.score(nodes), graph) * nodes, graph, dim_size=n_graphs, reduce="sum")
        global_node = self.global_node_mlp(pooled + z)
        maximum = scatter(nodes, graph, dim_size=n_graphs, reduce="max")
        mean = scatter(nodes, graph, dim_size=n_graphs, reduce="mean")
        mixed = self.synmm(torch.cat([maximum, mean], dim=1))
        # The block returns (v + v', e + e', u + u', z + z'); the head reads the third alone.
        state = v + nodes, e + edges, u + self.global_mlp(torch.cat([mixed, global_node, u], dim=1)), z
        outputs: Tensor = self.head(state[2])
        return outputs

    @classmethod
    def like(cls, weights: Mapping[str, Tensor], widths: tuple[int, int, int], hidden: int) -> "PeerSeerNet":
        """A network with the weights of a `perfseer.nn.seernet.SeerNet`."""
        network = cls(*widths, hidden)
        own = {}
        for name in network.state_dict():
            prefix = next(prefix for prefix in NAMES if name.startswith(f"{prefix}."))
            own[name] = weights[NAMES[prefix] + name.removeprefix(prefix)].clone()
        network.load_state_dict(own)
        return network


class PeerTraining:
    """Trains a `PeerSeerNet` epoch by epoch.

    Args:
        network: trained in place.
        train: graphs with ``y`` [1, 1].
        valid: graphs with ``y`` [1, 1].
        batch_size: graphs per step.
        learning_rate: Adam's.
    """

    def __init__(
        self,
        network: PeerSeerNet,
        train: Sequence[Data],
        valid: Sequence[Data],
        batch_size: int,
        learning_rate: float,
    ) -> None:
        self.network = network
        self._train, self._valid, self._batch_size = list(train), list(valid), batch_size
        self._optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)

    def epoch(self, order: Sequence[int]) -> float:
        """One pass over the training graphs in the given order; seconds."""
        start = time.perf_counter()
        self.network.train()
        for data in DataLoader(self._train, batch_size=self._batch_size, sampler=order):
            self._optimiser.zero_grad()
            loss = F.mse_loss(self.network(data), data.y)
            loss.backward()
            self._optimiser.step()
        return time.perf_counter() - start

    def valid_loss(self) -> float:
        """Mean squared error over the validation graphs."""
        self.network.eval()
        with torch.no_grad():
            errors = [
                (self.network(data) - data.y).square().sum()
                for data in DataLoader(self._valid, batch_size=self._batch_size)
            ]
        return float(torch.stack(errors).sum()) / len(self._valid)
