"""SeerNet training steps: linear maps of concatenations computed part by part against concatenated first.

Run ``pytest benchmarks/bench_training.py --benchmark-only``; graphs per second are in ``extra_info``.
Batches of 128 graphs with 100 nodes each, fp32, one thread, forward and backward.
"""

import pytest
import torch

from perfseer.data.batches import GraphBatch
from perfseer.data.features import EDGE_COLUMNS, GLOBAL_COLUMNS, NODE_COLUMNS
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.nn.seernet import SeerNet, SeerNetSwitches

GRAPHS, NODES, SKIPS = 128, 100, 10


def make_batch() -> GraphBatch:
    """Chains with skip edges over two nodes, random features."""
    random = torch.Generator().manual_seed(0)
    chain = torch.stack([torch.arange(NODES - 1), torch.arange(1, NODES)])
    skips = torch.stack([torch.arange(0, 2 * SKIPS, 2), torch.arange(2, 2 * SKIPS + 2, 2)])
    one = torch.cat([chain, skips], dim=1)
    edge_index = (one[:, None, :] + NODES * torch.arange(GRAPHS)[None, :, None]).flatten(1)
    node_graph = torch.arange(GRAPHS).repeat_interleave(NODES)
    return GraphBatch(
        nodes=torch.randn(GRAPHS * NODES, len(NODE_COLUMNS), generator=random),
        operators=torch.randint(0, len(OPERATORS), (GRAPHS * NODES,), generator=random),
        edges=torch.randn(edge_index.shape[1], len(EDGE_COLUMNS), generator=random),
        edge_index=edge_index,
        globals_=torch.randn(GRAPHS, len(GLOBAL_COLUMNS), generator=random),
        node_graph=node_graph,
        edge_graph=node_graph[edge_index[0]],
        n_graphs=GRAPHS,
        ptr=NODES * torch.arange(GRAPHS + 1),
    )


@pytest.mark.parametrize("hidden", [64, 256])
@pytest.mark.parametrize("split", [False, True], ids=["concatenated", "split"])
def test_training_step(benchmark, hidden, split):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    batch = make_batch()
    switches = SeerNetSwitches(hidden=hidden, split=split)
    network = SeerNet(len(NODE_COLUMNS), len(EDGE_COLUMNS), len(GLOBAL_COLUMNS), switches)

    def step():
        network.zero_grad(set_to_none=True)
        network(batch).square().mean().backward()

    benchmark.group = f"training step, hidden {hidden}"
    benchmark.pedantic(step, rounds=7, warmup_rounds=2)
    benchmark.extra_info["graphs_per_s"] = round(GRAPHS / benchmark.stats.stats.median)
