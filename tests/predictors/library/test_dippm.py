"""DIPPM: parameter count, GraphSAGE against PyTorch Geometric's, what its graphs hold."""

import dataclasses

import numpy as np
import pytest
import torch
from torch_geometric.nn import SAGEConv

from perfseer.data.features import graph_features
from perfseer.data.links import LinkedGraphs, LinkedSource
from perfseer.data.packed import PackedGraphs
from perfseer.graphs.vocabulary import OPERATOR_INDEX, OPERATORS
from perfseer.nn.dippm import Dippm, SageConvolution
from perfseer.predictors.library.dippm_chain import weighted_chain
from perfseer.predictors.parts.linked.dippm import NODE_INPUTS, STATICS, static_features
from tests.helpers.synthetic import make_graph


def count(network):
    return sum(weight.numel() for weight in network.parameters())


def graphs(types, edges, node_ptr, edge_ptr, statics):
    return LinkedGraphs(
        types=np.array(types),
        n_types=3,
        features=np.arange(2.0 * len(types)).reshape(-1, 2) / 10,
        edge_index=np.array(edges).T.reshape(2, -1),
        node_ptr=np.array(node_ptr),
        edge_ptr=np.array(edge_ptr),
        statics=np.array(statics),
    )


PAIR = graphs([0, 1, 2, 0], [(0, 1), (0, 2), (1, 2)], [0, 4, 4], [0, 3, 3], [[1.0, 2.0], [3.0, 4.0]])


def test_published_parameter_count():
    """Blocks 558,080 + 2 x 1,049,600; dense 265,216 + 2 x 262,656; three outputs 1,539."""
    assert count(Dippm(32, 5, hidden=512, blocks=3, dropout=0.05, n_outputs=3)) == 3_449_347


def test_parameter_count_with_our_columns_and_six_labels():
    width = len(OPERATORS) + len(NODE_INPUTS)
    network = Dippm(width, len(STATICS), hidden=512, blocks=3, dropout=0.05, n_outputs=6)
    assert count(network) == 3_449_347 + 2 * 512 * (width - 32) + 3 * 513


def test_convolution_is_graphsage():
    torch.manual_seed(0)
    batch = LinkedSource(PAIR, np.arange(2)).batch([0])
    ours, theirs = SageConvolution(5, 7), SAGEConv(5, 7, normalize=True)
    ours.heard.load_state_dict(theirs.lin_l.state_dict())
    ours.own.load_state_dict(theirs.lin_r.state_dict())
    expected = theirs(batch.nodes, torch.tensor(PAIR.edge_index[:, :3]))
    torch.testing.assert_close(ours(batch.nodes, batch.neighbours), expected)


def test_nodes_are_added_up_and_statics_follow():
    """The dense layers see the sum over a graph's last rows and its static features, zeros without nodes."""
    torch.manual_seed(0)
    network = Dippm(5, 2, hidden=4, blocks=1, dropout=0.5, n_outputs=3).eval()
    batch = LinkedSource(PAIR, np.arange(2)).batch([0, 1])
    rows = network.blocks[0](batch.nodes, batch.neighbours)
    inputs = torch.cat([torch.stack([rows.sum(dim=0), torch.zeros(4)]), batch.statics], dim=1)
    expected = network.head(network.dense(inputs))
    torch.testing.assert_close(network(batch), expected)
    assert expected.shape == (2, 3)


def with_operators(names, weights, edges):
    graph = make_graph(len(names), 0, batch_size=16)
    return dataclasses.replace(
        graph,
        operators=np.array([OPERATOR_INDEX[name] for name in names]),
        weight_bytes=np.array(weights),
        flops=np.arange(1, len(names) + 1) * 1000,
        edge_index=np.array(edges).T,
        edge_bytes=np.ones(len(edges), dtype=np.int64),
        edge_shapes=np.ones((len(edges), 4), dtype=np.int64),
    )


NETWORK = with_operators(
    ["conv", "relu", "conv", "add", "linear", "relu"],
    [8, 0, 8, 0, 4, 0],
    [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4), (4, 5)],
)
PLAIN = with_operators(["relu", "add"], [0, 0], [(0, 1)])


def test_static_features_are_counted_and_macs_are_half_the_flops():
    found = static_features(graph_features(PackedGraphs.pack([NETWORK, PLAIN])))
    assert STATICS == ("batch_size", "macs", "n_conv", "n_linear", "n_relu")
    assert found.tolist() == [[16, 10_500, 2, 1, 2], [16, 1_500, 0, 0, 1]]


def test_chain_keeps_operators_with_weights_one_after_the_other():
    chain = weighted_chain(graph_features(PackedGraphs.pack([PLAIN, NETWORK, NETWORK])))
    assert chain.node_ptr.tolist() == [0, 0, 3, 6]
    assert [OPERATORS[index] for index in chain.operators[:3]] == ["conv", "conv", "linear"]
    assert chain.edge_index.tolist() == [[0, 1, 0, 1], [1, 2, 1, 2]]
    assert chain.edge_ptr.tolist() == [0, 0, 2, 4]


@pytest.mark.parametrize("hidden", [4, 9])
def test_rows_of_a_convolution_have_length_one(hidden):
    batch = LinkedSource(PAIR, np.arange(2)).batch([0])
    lengths = SageConvolution(5, hidden)(batch.nodes, batch.neighbours).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(4))
