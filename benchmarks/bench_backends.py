"""One network on three backends: ours, PyTorch Geometric's parts, DGL (left out where it is not installed).

``pytest benchmarks/bench_backends.py --benchmark-only``; graphs per second are in ``extra_info``. Same
weights, same mini-batch of 128 graphs with 100 nodes and 110 edges, fp32, one thread. ``ours`` computes the
linear maps of concatenations part by part (`perfseer.nn.rows`); the other two compute them as the equations
read, so those two compare the libraries with each other.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from benchmarks.peer_formulation import PeerSeerNet
from benchmarks.training_cases import BATCH_SIZE, WIDTHS, Graphs
from perfseer.data.batches import GraphBatch
from perfseer.nn.seernet import SeerNet, SeerNetSwitches
from perfseer.training.seeds import seeded

BACKENDS = ("ours", "pytorch_geometric", "dgl")
Batch = GraphBatch | Data


@pytest.fixture(scope="module")
def graphs():
    return Graphs.make(BATCH_SIZE)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def on(backend: str, graphs: Graphs, hidden: int) -> tuple[nn.Module, Batch]:
    """The network with weights of seed 0, and the mini-batch it reads."""
    with seeded(0):
        network = SeerNet(*WIDTHS, SeerNetSwitches(hidden=hidden))
    if backend == "pytorch_geometric":
        (collated,) = DataLoader(graphs.collated, batch_size=BATCH_SIZE)
        return PeerSeerNet.like(network.state_dict(), WIDTHS, hidden), collated
    batch = graphs.source.batch(range(BATCH_SIZE))
    if backend == "dgl":
        pytest.importorskip("dgl", reason="the extra `dgl` is not installed")
        from perfseer.nn.dgl_backend import DglSeerNet

        return DglSeerNet(network), batch
    return network, batch


def timed(benchmark, group: str, action: Callable[[], Tensor]) -> None:
    benchmark.group = group
    benchmark.pedantic(action, rounds=7, warmup_rounds=2)
    benchmark.extra_info["graphs_per_s"] = round(BATCH_SIZE / benchmark.stats.stats.median)


@pytest.mark.parametrize("hidden", [64, 256])
@pytest.mark.parametrize("backend", BACKENDS)
def test_prediction(benchmark, graphs, backend, hidden):
    network, batch = on(backend, graphs, hidden)
    reference, reference_batch = on("ours", graphs, hidden)

    @torch.inference_mode()
    def predict() -> Tensor:
        return network(batch)

    torch.testing.assert_close(predict(), reference(reference_batch), rtol=1e-3, atol=1e-4)
    timed(benchmark, f"prediction, hidden {hidden}", predict)


@pytest.mark.parametrize("hidden", [64, 256])
@pytest.mark.parametrize("backend", BACKENDS)
def test_training_step(benchmark, graphs, backend, hidden):
    """Forward and backward, without the optimiser, which is the same for all."""
    network, batch = on(backend, graphs, hidden)

    def step() -> None:
        network.zero_grad(set_to_none=True)
        network(batch).square().mean().backward()

    timed(benchmark, f"training step, hidden {hidden}", step)
