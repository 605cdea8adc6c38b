"""DGL gives what SeerNet gives: outputs and gradients, for every switch that changes the message passing."""

from dataclasses import replace

import pytest
import torch

from perfseer.data.batches import BatchSource
from perfseer.data.features import EDGE_COLUMNS, GLOBAL_COLUMNS, NODE_COLUMNS
from perfseer.nn.seernet import SeerNet, SeerNetSwitches
from tests.helpers.synthetic_graphs import make_dataset, make_normaliser

pytest.importorskip("dgl", reason="the extra `dgl` is not installed")
from perfseer.nn.dgl_backend import DglSeerNet, dgl_graph

WIDTHS = (len(NODE_COLUMNS), len(EDGE_COLUMNS), len(GLOBAL_COLUMNS))
SMALL = SeerNetSwitches(hidden=16)
SWITCHES = {
    "default": {},
    "two blocks": {"blocks": 2},
    "three blocks without residual": {"blocks": 3, "residual": False},
    "without encoders": {"encoders": False},
    "without encoders, two blocks": {"encoders": False, "blocks": 2},
    "without GNPB": {"global_node": False},
    "without u at the edges": {"global_in_edge_update": False},
    "max": {"aggregation": "max"},
    "mean": {"aggregation": "mean"},
    "sum": {"aggregation": "sum"},
    "a score for each channel": {"score": "channel"},
    "operator codes": {"operator_one_hot": True},
}


@pytest.fixture(scope="module")
def batch():
    rows = make_dataset(12, seed=3)
    return BatchSource(rows, make_normaliser(rows).features).batch(range(12))


def networks(switches, **arguments):
    torch.manual_seed(0)
    network = SeerNet(*WIDTHS, replace(SMALL, **switches), **arguments)
    return network, DglSeerNet(network)


@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
def test_same_outputs_and_gradients(switches, batch):
    ours, theirs = networks(switches, n_outputs=2)
    expected, outputs = ours(batch), theirs(batch)
    assert expected.shape == (12, 2)
    torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-5)
    used = [parameter for name, parameter in ours.named_parameters()]
    slopes = [torch.autograd.grad(y.square().sum(), used, allow_unused=True) for y in (expected, outputs)]
    for one, other in zip(*slopes, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-4)


def test_same_outputs_with_a_head_for_each_label(batch):
    ours, theirs = networks({}, n_outputs=6, head_hidden=8)
    torch.testing.assert_close(theirs(batch), ours(batch), rtol=1e-4, atol=1e-5)


def test_weights_are_shared_not_copied(batch):
    ours, theirs = networks({})
    before = theirs(batch)
    with torch.no_grad():
        ours.head[-1].bias += 1
    torch.testing.assert_close(theirs(batch), before + 1)


def test_the_graph_knows_where_each_of_the_batch_begins(batch):
    graph = dgl_graph(batch)
    assert graph.num_nodes() == len(batch.nodes)
    assert graph.batch_num_nodes().tolist() == batch.ptr.diff().tolist()
    counts = [int((batch.edge_graph == number).sum()) for number in range(batch.n_graphs)]
    assert graph.batch_num_edges().tolist() == counts
