"""The five inputs by hand, depth against a plain recursion too, and the size of the network."""

import numpy as np

from perfseer.data.features import GraphFeatures
from perfseer.predictors.library.mlp5d import Mlp5dPredictor, _inputs, graph_depths
from perfseer.predictors.settings import Mlp5dSettings
from tests.helpers.synthetic_graphs import chain, dataset_of, make_dataset, make_normaliser


def test_inputs_are_flops_bytes_parameters_batch_and_depth():
    rows = dataset_of([chain([2e6, 1e6, 4e6], [1e6, 3e6, 1e6], parameters=99), chain([5e6], [1e6])])
    expected = [[7e6, 5e6, 99, 1, 3], [5e6, 1e6, 0, 1, 1]]
    np.testing.assert_allclose(np.expm1(_inputs(rows)), expected, rtol=1e-12)


def test_one_network_of_3009_parameters_for_each_label():
    rows = make_dataset(20, seed=0)
    settings = Mlp5dSettings(
        hidden=(64, 32, 16), learning_rate=0.005, max_epochs=2, batch_size=256, patience=20
    )
    model = Mlp5dPredictor(settings, ("train_time_ms", "infer_util_pct"))
    model.fit(rows, rows, make_normaliser(rows), seed=0, log=lambda line: None)
    assert model.n_parameters_ == 2 * 3009
    assert [(row["target"], row["epoch"]) for row in model.history_] == [
        ("train_time_ms", 1),
        ("train_time_ms", 2),
        ("infer_util_pct", 1),
        ("infer_util_pct", 2),
    ]


def wiring(graphs):
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
    graphs = wiring([CHAIN, DIAMOND, LONELY, APART])
    assert graph_depths(graphs, np.arange(4)).tolist() == [4, 4, 1, 2]


def test_graphs_may_repeat_and_come_in_any_order():
    graphs = wiring([CHAIN, DIAMOND, LONELY, APART])
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
    assert graph_depths(wiring(graphs), np.arange(len(graphs))).tolist() == expected
