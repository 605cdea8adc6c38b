"""BRP-NAS: its graphs by hand, its network against the formula over dense matrices."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from perfseer.data.dataset import Dataset
from perfseer.data.features import graph_features
from perfseer.data.links import LinkedSource
from perfseer.data.packed import PackedGraphs
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX
from perfseer.nn.brp_nas import BrpNas
from perfseer.predictors.parts.linked.operator_graphs import OperatorTypes, with_ends
from perfseer.predictors.registry import create
from perfseer.predictors.settings import BrpNasSettings
from perfseer.training.settings import TrainingSettings
from tests.helpers.synthetic import make_graph
from tests.helpers.synthetic_graphs import make_dataset, make_normaliser

TYPES = OperatorTypes(("avg_pool", "conv 1x1", "conv 3x3"))
_NODE_ARRAYS = ("flops", "input_bytes", "weight_bytes", "output_bytes", "backward_flops", "backward_bytes")


def cell(operators, edges=()):
    """A graph of the given (operator, kernel) nodes."""
    base = make_graph(len(operators), 0)
    hyperparameters = np.zeros((len(operators), len(HYPERPARAMETERS)), dtype=np.int64)
    hyperparameters[:, HYPERPARAMETERS.index("conv_kernel")] = [kernel for _, kernel in operators]
    return dataclasses.replace(
        base,
        operators=np.array([OPERATOR_INDEX[name] for name, _ in operators]),
        hyperparameters=hyperparameters,
        edge_index=np.array(edges, dtype=np.int64).reshape(-1, 2).T,
        edge_bytes=np.ones(len(edges), dtype=np.int64),
        edge_shapes=np.ones((len(edges), 4), dtype=np.int64),
    )


CONV1, CONV3, CONV7, POOL = ("conv", 1), ("conv", 3), ("conv", 7), ("avg_pool", 3)
# A diamond without its tip: 0 and 1 feed 2; 3 stands alone.
DIAMOND = cell([CONV1, POOL, CONV3, CONV7], [(0, 2), (1, 2)])


def features(*graphs):
    return graph_features(PackedGraphs.pack(graphs))


def no_nodes():
    """Features of DIAMOND, then of a graph without nodes."""
    one = features(DIAMOND)
    return dataclasses.replace(
        one,
        globals_=np.repeat(one.globals_, 2, axis=0),
        node_ptr=np.array([0, 4, 4]),
        edge_ptr=np.array([0, 2, 2]),
    )


def test_types_are_those_of_training_a_convolution_with_its_kernel():
    assert OperatorTypes.of(features(DIAMOND, cell([CONV3]))).names == (
        "avg_pool",
        "conv 1x1",
        "conv 3x3",
        "conv 7x7",
    )
    assert TYPES.n_columns == 6
    assert TYPES.columns(features(DIAMOND)).tolist() == [1, 0, 2, 6]
    assert TYPES.unseen(DIAMOND) == {"conv 7x7": 1}


def test_ends_are_joined_and_everything_is_heard_by_the_global_node():
    inputs = np.array([[1.0], [2.0], [3.0], [4.0]])
    graphs = with_ends(no_nodes(), TYPES, inputs)
    assert graphs.types.tolist() == [1, 0, 2, 6, 3, 4, 5, 3, 4, 5]
    assert graphs.n_types == 6
    assert graphs.features[:, 0].tolist() == [1, 2, 3, 4, 0, 0, 0, 0, 0, 0]
    assert graphs.node_ptr.tolist() == [0, 7, 10]
    cut = int(graphs.edge_ptr[1])
    pairs = [tuple(pair) for pair in graphs.edge_index.T.tolist()]
    wired = [(0, 2), (1, 2), (4, 0), (4, 1), (4, 3), (2, 5), (3, 5)]
    own = [(node, node) for node in range(7)]
    assert sorted(pairs[:cut]) == sorted([*wired, *own, *[(node, 6) for node in range(6)]])
    assert sorted(pairs[cut:]) == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]


def test_published_parameter_count():
    network = BrpNas(node_width=TYPES.n_columns, hidden=600, layers=4, dropout=0.002)
    assert sum(weight.numel() for weight in network.parameters()) == 1_091_401


def test_network_is_the_published_formula_over_dense_matrices():
    """H <- ReLU(LayerNorm(A H W + b)) on all nodes, read out at the global node."""
    torch.manual_seed(0)
    network = BrpNas(node_width=6, hidden=8, layers=3, dropout=0.25).eval()
    raw = no_nodes()
    graphs = with_ends(raw, TYPES, np.zeros((4, 0)))
    outputs = network(LinkedSource(graphs, np.arange(2)).batch([0, 1]))
    for graph in range(2):
        nodes, edges = (slice(*pointer[graph : graph + 2]) for pointer in (graphs.node_ptr, graphs.edge_ptr))
        rows = F.one_hot(torch.tensor(graphs.types[nodes]), 7)[:, :6].float()
        adjacency = torch.zeros(len(rows), len(rows))
        senders, receivers = graphs.edge_index[:, edges]
        adjacency[receivers, senders] = 1.0
        for layer in network.layers:
            rows = 0.75 * F.relu(layer.norm(adjacency @ rows @ layer.weight.t() + layer.bias))
        torch.testing.assert_close(outputs[graph], network.head(rows[-1]))


def test_weights_are_drawn_from_the_published_range():
    torch.manual_seed(0)
    network = BrpNas(node_width=6, hidden=400, layers=2, dropout=0.0)
    for weight in (network.layers[0].weight, network.layers[1].weight, network.head.weight):
        assert 0.045 < float(weight.detach().abs().max()) <= 1 / 20


@pytest.fixture(scope="module")
def fitted():
    data = make_dataset(12, seed=3)
    training = TrainingSettings.model_validate(
        {
            "batch_size": 8,
            "optimiser": "adam",
            "learning_rate": 0.001,
            "weight_decay": 0,
            "lr_factor": 0.5,
            "lr_patience": 5,
            "lr_threshold": 0.01,
            "lr_min": 0,
            "max_epochs": 3,
            "patience": 3,
            "loss": "mse",
        }
    )
    settings = BrpNasSettings(hidden=8, layers=4, dropout=0.002, recipe={"loss": "l1", "max_epochs": 2})
    model = create("brp_nas", settings, training)
    return model.fit(data, data, make_normaliser(data), seed=0, log=lambda line: None), data


def test_the_recipe_of_the_section_comes_before_that_of_training(fitted):
    model, _ = fitted
    assert [row["epoch"] for row in model.history_] == [1, 2, 1, 2]


def test_a_kernel_never_seen_shows_in_coverage(fitted):
    model, data = fitted
    graph = data.graph(0)
    assert model.coverage(graph).unseen_operators == {}
    hyperparameters = graph.hyperparameters.copy()
    convolutions = graph.operators == OPERATOR_INDEX["conv"]
    hyperparameters[convolutions, 0] = 11
    wide = dataclasses.replace(graph, hyperparameters=hyperparameters)
    assert model.coverage(wide).unseen_operators == {"conv 11x11": int(convolutions.sum())}


def test_it_sees_operators_and_wiring_only(fitted):
    """Twice the batch and twice the work: the published network predicts the same."""
    model, data = fitted
    graph = data.graph(1)
    doubled = {name: 2 * getattr(graph, name) for name in _NODE_ARRAYS}
    larger = dataclasses.replace(graph, batch_size=2 * graph.batch_size, **doubled)
    rows = data.rows.iloc[[1, 1]].assign(graph=[0, 1])
    both = model.predict(Dataset.from_rows(rows, PackedGraphs.pack([graph, larger])))
    assert list(both.columns) == ["train_time_ms", "infer_time_ms"]
    np.testing.assert_allclose(both.iloc[0], both.iloc[1], rtol=1e-6)
