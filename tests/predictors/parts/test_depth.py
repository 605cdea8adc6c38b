"""Depth of graphs, by hand and against a plain recursion."""

import numpy as np

from perfseer.data.features import GraphFeatures
from perfseer.predictors.parts.depth import graph_depths


def features(graphs):
    """Of (number of nodes, edges) pairs; nothing but the wiring matters."""
    edges = [np.array(pairs, dtype=np.int64).reshape(-1, 2).T for _, pairs in graphs]
    return GraphFeatures(
        nodes=np.zeros((sum(n for n, _ in graphs), 0)),
        edges=np.zeros((sum(e.shape[1] for e in edges), 0)),
        globals_=np.zeros((len(graphs), 0)),
        operators=np.zeros(sum(n for n, _ in graphs), dtype=np.int64),
        edge_index=np.concatenate(edges, axis=1),
        node_ptr=np.cumsum([0, *(n for n, _ in graphs)]),
        edge_ptr=np.cumsum([0, *(e.shape[1] for e in edges)]),
    )


CHAIN = (4, [(0, 1), (1, 2), (2, 3)])
# 0 -> 1 -> 3 -> 4 beside 0 -> 2 -> 4, and the shortcut 0 -> 4; an edge twice.
DIAMOND = (5, [(0, 1), (0, 2), (1, 3), (3, 4), (2, 4), (0, 4), (0, 4)])
LONELY = (1, [])
APART = (3, [(1, 2)])


def test_depths_by_hand():
    graphs = features([CHAIN, DIAMOND, LONELY, APART])
    assert graph_depths(graphs, np.arange(4)).tolist() == [4, 4, 1, 2]


def test_graphs_may_repeat_and_come_in_any_order():
    graphs = features([CHAIN, DIAMOND, LONELY, APART])
    assert graph_depths(graphs, np.array([3, 0, 3, 2, 2])).tolist() == [2, 4, 2, 1, 1]
    assert graph_depths(graphs, np.array([], dtype=np.int64)).tolist() == []


def test_agrees_with_one_node_after_another():
    random = np.random.default_rng(0)
    graphs = []
    for n in range(2, 30):
        pairs = [(i, j) for j in range(n) for i in range(j) if random.random() < 0.15]
        graphs.append((n, pairs))
    expected = []
    for n, pairs in graphs:
        longest = [1] * n
        for i, j in sorted(pairs, key=lambda pair: pair[1]):
            longest[j] = max(longest[j], longest[i] + 1)
        expected.append(max(longest))
    assert graph_depths(features(graphs), np.arange(len(graphs))).tolist() == expected
