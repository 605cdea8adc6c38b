import numpy as np
import pytest
import torch

from perfseer.data.links import LinkedGraphs, LinkedSource

# Three graphs: 0 -> 1, 0 -> 2, 1 -> 2; no nodes at all; two nodes with a doubled edge 1 -> 0.
GRAPHS = LinkedGraphs(
    types=np.array([1, 0, 2, 0, 1]),
    n_types=2,
    features=np.arange(5.0)[:, np.newaxis],
    edge_index=np.array([[0, 0, 1, 1, 1], [1, 2, 2, 0, 0]]),
    node_ptr=np.array([0, 3, 3, 5]),
    edge_ptr=np.array([0, 3, 3, 5]),
    statics=np.array([[10.0], [20.0], [30.0]]),
)
DENSE = (
    [[0, 0, 0], [1, 0, 0], [1, 1, 0]],
    np.zeros((0, 0)),
    [[0, 2], [0, 0]],
)


def dense(index, ptr, n_columns):
    matrix = torch.zeros(len(ptr) - 1, n_columns)
    for row in range(len(ptr) - 1):
        for column in index[ptr[row] : ptr[row + 1]].tolist():
            matrix[row, column] += 1
    return matrix


@pytest.mark.parametrize("rows", [[0], [1], [2, 0], [0, 1, 0, 2], [1, 1]])
def test_links_are_the_graphs_edges_both_ways(rows):
    batch = LinkedSource(GRAPHS, np.arange(3)).batch(rows)
    expected = torch.block_diag(*(torch.tensor(DENSE[row], dtype=torch.float32) for row in rows))
    links, n_nodes = batch.neighbours, len(batch.nodes)
    assert torch.equal(dense(links.senders, links.ptr, n_nodes), expected.reshape(n_nodes, n_nodes))
    back = dense(links.receivers, links.back_ptr, n_nodes)
    assert torch.equal(back, expected.reshape(n_nodes, n_nodes).t())
    assert links.shares.flatten().tolist() == (1 / expected.sum(dim=1).clamp(min=1)).tolist()


def test_members_are_the_nodes_of_each_graph():
    members = LinkedSource(GRAPHS, np.arange(3)).batch([2, 1, 0]).members
    assert dense(members.senders, members.ptr, 5).tolist() == [[1, 1, 0, 0, 0], [0] * 5, [0, 0, 1, 1, 1]]
    assert members.receivers.tolist() == [0, 0, 2, 2, 2]
    assert members.back_ptr.tolist() == [0, 1, 2, 3, 4, 5]


def test_nodes_are_codes_then_features_and_a_type_beyond_the_last_is_zero():
    source = LinkedSource(GRAPHS, np.array([2, 0, 0]))
    batch = source.batch([1, 0])
    expected = [[0, 1, 0], [1, 0, 1], [0, 0, 2], [1, 0, 3], [0, 1, 4]]
    assert batch.nodes.tolist() == expected
    assert batch.statics.tolist() == [[10.0], [30.0]]
    assert len(source) == 3


def test_a_row_that_is_not_there_is_an_error():
    with pytest.raises(IndexError):
        LinkedSource(GRAPHS, np.arange(3)).batch([3])
