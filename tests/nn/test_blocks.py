import pytest
import torch
from torch import nn

from perfseer.data.batches import GraphBatch
from perfseer.nn.blocks import EdgeBlock, GlobalBlock, GlobalNodeBlock, NodeBlock, Wiring, mlp, received_mean
from perfseer.nn.rows import ConcatLinear, Part, Rows

# Graph 0: 0 -> 1, 0 -> 2, 1 -> 2. Graph 1: 3 -> 4.
BATCH = GraphBatch(
    nodes=torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]]),
    operators=torch.tensor([1, 2, 3, 1, 2]),
    edges=torch.tensor([[10.0], [20.0], [30.0], [40.0]]),
    edge_index=torch.tensor([[0, 0, 1, 3], [1, 2, 2, 4]]),
    globals_=torch.tensor([[100.0], [200.0]]),
    node_graph=torch.tensor([0, 0, 0, 1, 1]),
    edge_graph=torch.tensor([0, 0, 0, 1]),
    n_graphs=2,
    ptr=torch.tensor([0, 3, 5]),
)
WIRING = Wiring.of(BATCH)
NODES, EDGES, GLOBALS = Rows(BATCH.nodes), Rows(BATCH.edges), Rows(BATCH.globals_)


def sum_inputs(block):
    """Make a one-column perceptron add up its (positive) inputs."""
    with torch.no_grad():
        for layer in (block.update.first, block.update.second):
            layer.weight.fill_(1.0)
            layer.bias.zero_()
    return block


def test_wiring_knows_who_receives():
    assert WIRING.receives[:, 0].tolist() == [0, 1, 1, 0, 1]
    assert WIRING.received_share[:, 0].tolist() == [0, 1, 0.5, 0, 1]


@pytest.mark.parametrize(("use_globals", "extra"), [(True, [100, 100, 100, 200]), (False, [0, 0, 0, 0])])
def test_edge_block_reads_edge_sender_receiver_and_graph(use_globals, extra):
    block = sum_inputs(EdgeBlock(1, 1, 1, 1, use_globals=use_globals))
    plain = [10 + 1 + 2, 20 + 1 + 3, 30 + 2 + 3, 40 + 4 + 5]
    expected = [base + more for base, more in zip(plain, extra, strict=True)]
    assert block(EDGES, NODES, GLOBALS, WIRING).dense()[:, 0].tolist() == expected


def test_edge_block_tells_sender_from_receiver():
    block = sum_inputs(EdgeBlock(1, 1, 1, 1, use_globals=False))
    with torch.no_grad():
        block.update.first.weight.copy_(torch.tensor([[0.0, 1.0, 0.0]]))
    assert block(EDGES, NODES, GLOBALS, WIRING).dense()[:, 0].tolist() == [1, 1, 2, 4]


def test_received_mean_is_equation_3_and_zero_without_incoming_edges():
    assert received_mean(EDGES, WIRING).dense()[:, 0].tolist() == [0, 10, 25, 0, 40]


def test_received_mean_of_pending_edges_equals_that_of_dense_edges():
    torch.manual_seed(0)
    pending = Rows(torch.randn(4, 3), nn.Linear(3, 6))
    lazy, dense = received_mean(pending, WIRING), received_mean(Rows(pending.dense()), WIRING)
    torch.testing.assert_close(lazy.dense(), dense.dense())
    assert lazy.dense()[0].tolist() == [0.0] * 6  # the pending bias must not leak to nodes without edges
    linear = ConcatLinear((6,), 2)
    torch.testing.assert_close(linear(Part(lazy)), linear(Part(dense)))


@pytest.mark.parametrize(("boost", "z"), [(None, [0, 0]), (torch.tensor([[1000.0], [2000.0]]), [1000, 2000])])
def test_node_block_adds_the_global_node_of_its_graph(boost, z):
    block = sum_inputs(NodeBlock(1, 1, 1))
    global_node = None if boost is None else Rows(boost)
    updated = block(received_mean(EDGES, WIRING), NODES, global_node, GLOBALS, WIRING).dense()[:, 0]
    plain = [0 + 1 + 100, 10 + 2 + 100, 25 + 3 + 100, 0 + 4 + 200, 40 + 5 + 200]
    assert updated.tolist() == [value + z[graph] for value, graph in zip(plain, [0, 0, 0, 1, 1], strict=True)]


def test_boost_shares_the_weights_of_the_nodes():
    assert NodeBlock(7, 3, 5).update.first.widths == (5, 7, 3)


def test_global_node_block_is_equations_5_and_6():
    torch.manual_seed(0)
    block = GlobalNodeBlock(1)
    z = torch.tensor([[0.5], [-0.5]])
    scores = block.pool.score(BATCH.nodes)
    pooled = torch.stack(
        [(torch.softmax(scores[part], 0) * BATCH.nodes[part]).sum(0) for part in (slice(0, 3), slice(3, 5))]
    )
    torch.testing.assert_close(block(NODES, Rows(z), WIRING).dense(), block.update(pooled + z))


@pytest.mark.parametrize(("use_global_node", "z"), [(True, [7, 8]), (False, [0, 0])])
def test_global_block_reads_pooled_nodes_global_node_and_graph(use_global_node, z):
    block = sum_inputs(GlobalBlock(1, 1, aggregation="max", use_global_node=use_global_node))
    global_node = Rows(torch.tensor([[7.0], [8.0]])) if use_global_node else None
    updated = block(NODES, global_node, GLOBALS, WIRING).dense()[:, 0]
    assert updated.tolist() == [3 + 100 + z[0], 5 + 200 + z[1]]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_mlp_counts_hidden_layers(layers):
    shapes = [tuple(module.weight.shape) for module in mlp(4, 8, 2, layers) if isinstance(module, nn.Linear)]
    assert shapes == [(8, 4), *[(8, 8)] * (layers - 1), (2, 8)]


def test_split_product_equals_that_of_the_concatenation():
    torch.manual_seed(1)
    encoder = nn.Linear(3, 6)
    index, again = torch.tensor([2, 0, 1, 1, 4]), torch.tensor([1, 1, 0, 0, 1])
    parts = [
        Part(Rows(torch.randn(5, 4))),
        Part(Rows(torch.randn(5, 3), encoder), index, boost=Part(Rows(torch.randn(2, 6)), again)),
        Part(Rows(torch.randn(2, 2)), again),
    ]
    linear = ConcatLinear((4, 6, 2), 7)
    split = linear(*parts)
    linear.split = False
    torch.testing.assert_close(split, linear(*parts))
    by_hand = torch.cat([part.dense() for part in parts], dim=1) @ linear.weight.t() + linear.bias
    torch.testing.assert_close(split, by_hand)


def test_parts_of_other_widths_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 3\) .*\(3, 4\)"):
        ConcatLinear((3, 4), 2)(Part(Rows(torch.zeros(1, 4))), Part(Rows(torch.zeros(1, 3))))
