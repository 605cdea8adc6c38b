"""PerfGraph: derived quantities on a literal graph, and refusal of inconsistent arrays."""

import dataclasses

import numpy as np
import pytest

from perfseer.graphs.perfgraph import NODE_FIELDS, PerfGraph
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX, OPERATORS, aten_index


@pytest.fixture
def graph() -> PerfGraph:
    """conv -> other -> add, with a shortcut from conv to add."""

    def integers(*values: int) -> np.ndarray:
        return np.array(values, dtype=np.int64)

    return PerfGraph(
        operators=integers(OPERATOR_INDEX["conv"], 0, OPERATOR_INDEX["add"]),
        hyperparameters=np.zeros((3, 13), dtype=np.int64),
        output_shapes=np.ones((3, 4), dtype=np.int64),
        flops=integers(600, 0, 0),
        input_bytes=integers(100, 40, 80),
        weight_bytes=integers(60, 0, 0),
        output_bytes=integers(40, 40, 40),
        backward_flops=integers(1200, 0, 0),
        backward_bytes=integers(400, 0, 0),
        edge_index=np.array([[0, 0, 1], [1, 2, 2]]),
        edge_bytes=integers(40, 40, 40),
        edge_shapes=np.ones((3, 4), dtype=np.int64),
        batch_size=2,
        n_parameters=15,
        parameter_bytes=60,
        buffer_bytes=0,
        peak_infer_bytes=300,
        peak_train_bytes=900,
        has_backward=True,
    )


def test_derived_quantities(graph):
    assert (graph.n_nodes, graph.n_edges) == (3, 3)
    assert graph.density == 3 / (3 * 2)
    assert graph.bytes.tolist() == [200, 80, 120]
    assert graph.intensity.tolist() == [3.0, 0.0, 0.0]
    assert (graph.total_flops, graph.total_bytes) == (600, 400)
    assert graph.other_share == 80 / 400


def test_a_single_node_has_density_zero(graph):
    one = {name: getattr(graph, name)[:1] for name in (*NODE_FIELDS, "hyperparameters", "output_shapes")}
    none = {"edge_index": np.zeros((2, 0)), "edge_bytes": np.zeros(0), "edge_shapes": np.zeros((0, 4))}
    assert dataclasses.replace(graph, **one, **none).density == 0.0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("flops", np.zeros(2), r"flops has shape \(2,\), expected \(3,\)"),
        ("hyperparameters", np.zeros((3, 12)), "hyperparameters has shape"),
        ("edge_index", np.array([[0, 0, 2], [1, 2, 1]]), "earlier to a later"),
        ("edge_index", np.array([[0, 0, 1], [1, 2, 3]]), "must name nodes 0 to 2"),
        ("operators", np.array([1, 0, len(OPERATORS)]), "must be indices"),
        ("weight_bytes", np.array([-1, 0, 0]), "weight_bytes must not be negative"),
    ],
)
def test_inconsistent_arrays_are_refused(graph, field, value, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(graph, **{field: value})


def test_a_graph_needs_a_node(graph):
    empty = {name: np.zeros(0, dtype=np.int64) for name in NODE_FIELDS}
    shapes = {"hyperparameters": np.zeros((0, 13)), "output_shapes": np.zeros((0, 4))}
    none = {"edge_index": np.zeros((2, 0)), "edge_bytes": np.zeros(0), "edge_shapes": np.zeros((0, 4))}
    with pytest.raises(ValueError, match="one node"):
        dataclasses.replace(graph, **empty, **shapes, **none)


def test_vocabulary_is_fixed():
    # Changing these breaks stored graphs: raise VOCABULARY_VERSION with them.
    assert len(OPERATORS) == len(set(OPERATORS)) == 24
    assert OPERATORS[0] == "other"
    assert len(HYPERPARAMETERS) == 13


@pytest.mark.parametrize(
    ("aten", "operator"),
    [
        ("convolution", "conv"),
        ("relu_", "relu"),
        ("_softmax", "softmax"),
        ("_to_copy", "copy"),
        ("native_layer_norm", "layer_norm"),
        ("upsample_nearest2d", "resize"),
        ("no_such_operator", "other"),
    ],
)
def test_aten_names_map_to_the_vocabulary(aten, operator):
    assert OPERATORS[aten_index(aten)] == operator
