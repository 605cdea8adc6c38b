import dataclasses

import numpy as np
import pytest

from perfseer.data.features import EDGE_COLUMNS, GLOBAL_COLUMNS, NODE_COLUMNS, graph_features
from perfseer.data.packed import PackedGraphs
from perfseer.data.ragged import gather, offsets, segment_max, segment_mean, segment_median, segment_sum
from perfseer.graphs.perfgraph import PerfGraph
from tests.helpers.synthetic import make_graph

# conv → relu → add, with a skip from conv to add.
CHAIN = PerfGraph(
    operators=np.array([1, 2, 9]),
    hyperparameters=np.array([[3, 2, 1, 1, 1, 1, *[0] * 7], [0] * 13, [0] * 13]),
    output_shapes=np.array([[2, 8, 4, 4], [2, 8, 4, 4], [2, 8, 4, 4]]),
    flops=np.array([600, 100, 300]),
    input_bytes=np.array([100, 40, 80]),
    weight_bytes=np.array([60, 0, 0]),
    output_bytes=np.array([40, 40, 40]),
    backward_flops=np.array([1200, 100, 0]),
    backward_bytes=np.array([400, 80, 0]),
    edge_index=np.array([[0, 0, 1], [1, 2, 2]]),
    edge_bytes=np.array([40, 40, 70]),
    edge_shapes=np.array([[2, 8, 4, 4], [2, 8, 4, 4], [2, 8, 4, 5]]),
    batch_size=2,
    n_parameters=15,
    parameter_bytes=60,
    buffer_bytes=0,
    peak_infer_bytes=240,
    peak_train_bytes=500,
    has_backward=True,
    train_only_bytes=12,
)


def test_nodes_by_hand():
    features = graph_features(PackedGraphs.pack([CHAIN]))
    nodes = {name: features.nodes[:, i].tolist() for i, name in enumerate(NODE_COLUMNS)}
    assert nodes["conv_kernel"] == [3, 0, 0]
    assert nodes["conv_bias"] == [1, 0, 0]
    assert nodes["bytes"] == [200, 80, 120]
    assert nodes["intensity"] == [3.0, 1.25, 2.5]
    assert nodes["flops_share"] == [0.6, 0.1, 0.3]
    assert nodes["bytes_share"] == [0.5, 0.2, 0.3]
    assert nodes["weight_share"] == [1.0, 0.0, 0.0]
    assert nodes["backward_flops"] == [1200, 100, 0]
    assert [nodes[f"output_{axis}"][0] for axis in "nchw"] == [2, 8, 4, 4]
    assert len(NODE_COLUMNS) == len(set(NODE_COLUMNS)) == features.nodes.shape[1] == 28


def test_edges_by_hand():
    features = graph_features(PackedGraphs.pack([CHAIN]))
    assert features.edges.tolist() == [[40, 2, 8, 4, 4], [40, 2, 8, 4, 4], [70, 2, 8, 4, 5]]
    assert features.edges.shape[1] == len(EDGE_COLUMNS)
    assert features.edge_index.tolist() == [[0, 0, 1], [1, 2, 2]]


def test_globals_by_hand():
    features = graph_features(PackedGraphs.pack([CHAIN]))
    assert dict(zip(GLOBAL_COLUMNS, features.globals_[0].tolist(), strict=True)) == {
        "n_nodes": 3,
        "n_edges": 3,
        "density": 0.5,
        "total_flops": 1000,
        "mean_flops": pytest.approx(1000 / 3),
        "median_flops": 300,
        "max_flops": 600,
        "total_bytes": 400,
        "mean_bytes": pytest.approx(400 / 3),
        "median_bytes": 120,
        "max_bytes": 200,
        "total_weight_bytes": 60,
        "mean_weight_bytes": 20,
        "median_weight_bytes": 0,
        "max_weight_bytes": 60,
        "mean_edge_bytes": 50,
        "total_intensity": 2.5,
        "batch_size": 2,
        "n_parameters": 15,
        "total_backward_flops": 1300,
        "total_backward_bytes": 480,
        "train_only_bytes": 12,
        "peak_infer_bytes": 240,
        "peak_train_bytes": 500,
    }


def test_one_node_without_edges_or_work_is_finite():
    empty = make_graph(1, 0)
    zeros = {
        name: np.zeros(1, dtype=np.int64) for name in ("flops", "input_bytes", "weight_bytes", "output_bytes")
    }
    features = graph_features(PackedGraphs.pack([dataclasses.replace(empty, **zeros)]))
    column = dict(zip(GLOBAL_COLUMNS, features.globals_[0], strict=True))
    assert column["density"] == column["mean_edge_bytes"] == column["total_intensity"] == 0
    assert features.edges.shape == (0, 5)
    assert all(np.isfinite(values).all() for values in (features.nodes, features.globals_))


def test_graphs_do_not_see_each_other():
    graphs = [make_graph(5, 6, 0), make_graph(1, 0, 1), CHAIN, make_graph(4, 0, 2)]
    together = graph_features(PackedGraphs.pack(graphs))
    for number, graph in enumerate(graphs):
        alone, taken = graph_features(PackedGraphs.pack([graph])), together.take(np.array([number]))
        for field in dataclasses.fields(alone):
            np.testing.assert_array_equal(getattr(taken, field.name), getattr(alone, field.name), field.name)


def test_statistics_are_those_of_numpy():
    graphs = [make_graph(1 + seed % 7, seed % 5, seed) for seed in range(40)]
    features = graph_features(PackedGraphs.pack(graphs))
    for statistic in ("mean", "median", "max"):
        column = features.globals_[:, GLOBAL_COLUMNS.index(f"{statistic}_flops")]
        np.testing.assert_allclose(column, [getattr(np, statistic)(graph.flops) for graph in graphs])
    density = features.globals_[:, GLOBAL_COLUMNS.index("density")]
    np.testing.assert_allclose(density, [graph.density for graph in graphs])


def test_segments_with_empty_ones_between():
    pointer = offsets(np.array([0, 2, 0, 3, 0]))
    values = np.array([5.0, 1.0, -4.0, -2.0, -9.0])
    assert segment_sum(values, pointer).tolist() == [0, 6, 0, -15, 0]
    assert segment_max(values, pointer).tolist() == [0, 5, 0, -2, 0]
    assert segment_mean(values, pointer).tolist() == [0, 3, 0, -5, 0]
    assert segment_median(values, pointer).tolist() == [0, 3, 0, -4, 0]
    nothing = np.zeros(0)
    assert segment_median(nothing, offsets(np.array([0, 0]))).tolist() == [0, 0]


def test_gather_takes_segments_in_any_order_and_more_than_once():
    positions, pointer = gather(np.array([0, 2, 2, 5]), np.array([2, 0, 1, 2]))
    assert positions.tolist() == [2, 3, 4, 0, 1, 2, 3, 4]
    assert pointer.tolist() == [0, 3, 5, 5, 8]
