"""Sums over kernels, from measured kernels and from whole networks: laws that must come out exactly."""

import dataclasses
import json

import numpy as np
import pytest

from perfseer.data.files import write_json, write_parquet
from perfseer.errors import PerfseerError
from perfseer.graphs.vocabulary import OPERATOR_INDEX
from perfseer.predictors.base import FitInputs
from perfseer.predictors.parts.kernels.forests import KernelForests
from perfseer.predictors.registry import create
from perfseer.predictors.settings import NnMeterAdditiveSettings, NnMeterSettings
from perfseer.targets import TARGET_NAMES
from tests.helpers.synthetic_graphs import (
    dataset_of,
    lawful_graph,
    make_dataset,
    make_labels,
    make_normaliser,
)
from tests.helpers.synthetic_kernels import kernels_file, make_kernels

INFER = TARGET_NAMES.index("infer_time_ms")
NO_RULES = {"rules": {"pairs": [], "multiple_outputs": "never"}}


def nn_meter(rows, kernels, targets=("infer_time_ms",), log=lambda line: None):
    model = create("nn_meter", NnMeterSettings(trees=0.01, scale="time"), targets=targets)
    normaliser = make_normaliser(rows)
    return model.fit(rows, rows, normaliser, seed=0, log=log, inputs=FitInputs(kernels=kernels))


def additive(rows, targets=("infer_time_ms",)):
    model = create("nn_meter_additive", NnMeterAdditiveSettings(), targets=targets)
    return model.fit(rows, rows, make_normaliser(rows), seed=0, log=lambda line: None)


def with_operator(graph, operator):
    operators = graph.operators.copy()
    operators[:2] = OPERATOR_INDEX[operator]
    return dataclasses.replace(graph, operators=operators)


@pytest.fixture(scope="module")
def rows():
    return make_dataset(30, seed=3)


def test_the_time_is_the_sum_over_kernels(rows, monkeypatch):
    """Every kernel takes 0.5 ms, so a row takes half its nodes."""
    monkeypatch.setattr(KernelForests, "predict", lambda self, kernels: np.full(len(kernels), 0.5))
    predicted = nn_meter(rows, kernels_file()).predict(rows)["infer_time_ms"]
    nodes = np.array([rows.graph(row).n_nodes + 1 for row in range(len(rows))])  # and the optimiser's
    bounded = np.clip(0.5 * nodes, None, rows.labels[:, INFER].max() * 10)
    np.testing.assert_allclose(predicted, bounded, rtol=1e-9)


def test_kernels_without_a_forest_are_counted_and_named(rows, tmp_path):
    path = tmp_path / "kernels.parquet"
    table = make_kernels(40, seed=11)
    write_parquet(path, table[table["name"] != "relu"])
    write_json(tmp_path / "fusion.json", NO_RULES)
    lines = []
    model = nn_meter(rows, path, log=lines.append)
    relu = np.concatenate([rows.graph(row).operators == OPERATOR_INDEX["relu"] for row in range(len(rows))])
    moved = np.concatenate([rows.graph(row).bytes for row in range(len(rows))])
    assert model.skipped_.types == {"relu": int(relu.sum())}
    assert model.skipped_.kernels == pytest.approx(relu.mean())
    assert model.skipped_.bytes == pytest.approx(moved[relu].sum() / moved.sum())
    assert "'relu'" in lines[-1]
    graph = with_operator(rows.graph(0), "relu")
    assert model.coverage(graph).unseen_operators["relu"] == (graph.operators == OPERATOR_INDEX["relu"]).sum()
    assert not model.coverage(graph).complete


def test_the_published_quantities_only(rows):
    model = nn_meter(rows, kernels_file(), targets=TARGET_NAMES)
    assert model.targets == ("train_time_ms", "infer_time_ms")


def test_a_least_time_per_kernel_is_fitted_on_a_gpu_only(rows, tmp_path):
    path = tmp_path / "kernels.parquet"
    write_parquet(path, make_kernels(40, seed=11, device_kind="cuda"))
    write_json(tmp_path / "fusion.json", NO_RULES)
    nodes = np.array([rows.graph(row).n_nodes for row in range(len(rows))])
    labels = rows.labels.copy()
    labels[:, INFER] = 10.0 * nodes  # launching is all it does
    slow = dataclasses.replace(rows, labels=labels)
    model = nn_meter(slow, path)
    assert model.launch_ms_["infer_time_ms"] == pytest.approx(10.0)
    np.testing.assert_allclose(model.predict(slow)["infer_time_ms"], labels[:, INFER])
    assert nn_meter(slow, kernels_file()).launch_ms_ == {"infer_time_ms": 0.0}


def test_rules_must_lie_beside_the_kernels(rows, tmp_path):
    path = tmp_path / "kernels.parquet"
    write_parquet(path, make_kernels(5, seed=1))
    with pytest.raises(PerfseerError, match="`perfseer kernels`"):
        nn_meter(rows, path)
    (tmp_path / "fusion.json").write_text(json.dumps({"pairs": []}))
    with pytest.raises(PerfseerError, match="fusion rules"):
        nn_meter(rows, path)


def test_additive_finds_the_law_it_assumes():
    """3 ms, 2 µs a node, 1 ms per GFLOP and 0.1 ms per MB: found on other graphs to a millionth."""
    train, test = make_dataset(60, seed=5), make_dataset(20, seed=6)

    def labelled(rows):
        graphs = [rows.graph(row) for row in range(len(rows))]
        law = [3 + 2e-3 * g.n_nodes + 1e-9 * g.flops[np.isin(g.operators, (1, 7))].sum() for g in graphs]
        labels = rows.labels.copy()
        labels[:, INFER] = np.array(law) + [1e-7 * g.total_bytes for g in graphs]
        return dataclasses.replace(rows, labels=labels)

    train, test = labelled(train), labelled(test)
    model = additive(train)
    assert model.weights_["infer_time_ms"]["", "constant"] == pytest.approx(3, rel=1e-3)
    np.testing.assert_allclose(model.predict(test)["infer_time_ms"], test.labels[:, INFER], rtol=1e-3)


def test_additive_gives_a_type_it_has_not_seen_the_time_per_byte_of_the_rest():
    train = make_dataset(40, seed=5)
    model = additive(train)
    rng = np.random.default_rng(0)
    graph = lawful_graph(rng, 4)
    strange = dataclasses.replace(graph, operators=np.full_like(graph.operators, OPERATOR_INDEX["softmax"]))
    predicted = model.predict(dataset_of([strange], [make_labels(graph, rng)]))["infer_time_ms"]
    moved = sum(train.graph(row).total_bytes for row in range(len(train)))
    constant = model.weights_["infer_time_ms"].get(("", "constant"), 0.0)
    spent = model.predict(train)["infer_time_ms"].sum() - len(train) * constant
    assert predicted[0] == pytest.approx(constant + spent / moved * graph.total_bytes)


def test_additive_coefficients_are_above_zero_and_counted(rows):
    model = additive(rows, targets=("train_time_ms", "infer_time_ms"))
    weights = [w for by_type in model.weights_.values() for w in by_type.values()]
    assert min(weights) > 0
    assert model.n_parameters_ == len(weights)
    assert not any(kind == "optimiser" for kind, _ in model.weights_["infer_time_ms"])
