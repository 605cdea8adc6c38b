"""One contract for every registered predictor."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from perfseer.errors import PerfseerError
from perfseer.graphs.vocabulary import OPERATOR_INDEX
from perfseer.predictors.registry import PREDICTOR_NAMES, create, load, predictor_class, settings_class
from perfseer.predictors.settings import LinkedSettings, SeerNetSettings
from perfseer.targets import TARGET_NAMES
from tests.helpers.fitting import fit, make, one_thread, section
from tests.helpers.synthetic_graphs import (
    dataset_of,
    lawful_graph,
    make_dataset,
    make_labels,
    make_normaliser,
)

CLASSES = {name: predictor_class(name) for name in PREDICTOR_NAMES}
# The law behind the labels is one of sizes.
READS_SIZES = [name for name, kind in CLASSES.items() if kind.reads_sizes]
SEERNETS, LINKED = (
    [name for name in READS_SIZES if issubclass(settings_class(name), settings)]
    for settings in (SeerNetSettings, LinkedSettings)
)


@pytest.fixture(scope="module", params=PREDICTOR_NAMES)
def fitted(request, fold):
    return fit(make(request.param), fold)


@pytest.fixture(autouse=True, scope="module")
def single():
    with one_thread():
        yield


def test_predicts_exactly_its_supported_targets_in_order(fitted, fold):
    expected = [name for name in TARGET_NAMES if name in fitted.supported]
    assert list(fitted.predict(fold[2]).columns) == expected


def test_predictions_are_finite_positive_and_bounded(fitted, fold):
    predictions = fitted.predict(fold[2])
    assert len(predictions) == len(fold[2])
    assert np.isfinite(predictions.to_numpy()).all()
    assert (predictions.to_numpy() > 0).all()
    for name in predictions.columns:
        assert "util" not in name or (predictions[name] <= 100).all()


def test_same_seed_gives_the_same_bits(fitted, fold):
    again = fit(make(fitted.name), fold)
    pd.testing.assert_frame_equal(again.predict(fold[2]), fitted.predict(fold[2]), check_exact=True)


def test_another_seed_gives_another_predictor_unless_nothing_is_drawn(fitted, fold):
    other = fit(make(fitted.name), fold, seed=1).predict(fold[2])
    assert other.equals(fitted.predict(fold[2])) == fitted.deterministic


def test_random_state_of_the_caller_is_left_alone(fold):
    before = torch.random.get_rng_state()
    fit(make("seernet", training={"max_epochs": 1}), fold)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_save_and_load_give_equal_predictions_and_files(fitted, fold, tmp_path):
    fitted.save(tmp_path / "a")
    loaded = load(tmp_path / "a")
    assert type(loaded) is type(fitted)
    assert loaded.n_parameters_ == fitted.n_parameters_ > 0
    pd.testing.assert_frame_equal(loaded.predict(fold[2]), fitted.predict(fold[2]), check_exact=True)
    loaded.save(tmp_path / "b")
    files, again = (
        {path.relative_to(tmp_path / copy): path for path in (tmp_path / copy).rglob("*") if path.is_file()}
        for copy in "ab"
    )
    assert files.keys() == again.keys()
    for name, path in files.items():
        assert path.read_bytes() == again[name].read_bytes()
        assert path.suffix not in (".pkl", ".pt", ".pickle")


def test_batch_equals_singles(fitted, fold):
    test = fold[2].subset(np.arange(6))
    together = fitted.predict(test).to_numpy()
    singles = np.concatenate([fitted.predict(test.subset([row])).to_numpy() for row in range(6)])
    np.testing.assert_allclose(singles, together, rtol=2e-5)


def relabelled(graph):
    """The same graph with two nodes that no edge orders swapped: the last two, unless connected."""
    n = graph.n_nodes
    keep = (graph.edge_index < n - 2).all(axis=0)
    # Drop edges at the last two nodes, and let both hang on node 0: then their order is arbitrary.
    index = np.column_stack([graph.edge_index[:, keep], [[0, 0], [n - 2, n - 1]]])
    sizes = np.concatenate([graph.edge_bytes[keep], [1000, 2000]])
    shapes = np.concatenate([graph.edge_shapes[keep], [[1, 1, 1, 1], [2, 2, 2, 2]]])
    order = np.r_[np.arange(n - 2), n - 1, n - 2]
    per_node = ("operators", "hyperparameters", "output_shapes", "flops", "input_bytes", "weight_bytes")
    per_node += ("output_bytes", "backward_flops", "backward_bytes")
    one = dataclasses.replace(graph, edge_index=index, edge_bytes=sizes, edge_shapes=shapes)
    swapped = {name: getattr(graph, name)[order] for name in per_node}
    edges = np.r_[np.arange(keep.sum()), keep.sum() + 1, keep.sum()]
    two = dataclasses.replace(one, edge_bytes=sizes[edges], edge_shapes=shapes[edges], **swapped)
    return one, two


def test_node_order_does_not_matter(fitted):
    if fitted.reads_order:
        pytest.skip("it depends on the order of execution")
    rng = np.random.default_rng(3)
    pairs = [relabelled(lawful_graph(rng, 4)) for _ in range(5)]
    assert any((one.flops != two.flops).any() for one, two in pairs)
    labels = [make_labels(one, rng) for one, _ in pairs]
    first, second = (fitted.predict(dataset_of([pair[i] for pair in pairs], labels)) for i in (0, 1))
    np.testing.assert_allclose(first, second, rtol=2e-5)


@pytest.mark.parametrize("name", SEERNETS)
@pytest.mark.parametrize("roofline", [False, True])
def test_overfits_eight_graphs(name, roofline):
    eight = make_dataset(8, seed=5)
    normaliser = make_normaliser(eight)
    training = {"max_epochs": 150, "patience": 150, "batch_size": 8, "lr_patience": 150}
    model = make(name, training=training, hidden=32, roofline_input=roofline, roofline_residual=roofline)
    model.fit(eight, eight, normaliser, seed=0, log=lambda line: None)
    predictions = model.predict(eight)
    error = np.abs(predictions[list(TARGET_NAMES)].to_numpy() / eight.labels - 1).mean(axis=0)
    assert (error < 0.03).all(), error


@pytest.mark.parametrize("name", LINKED)
def test_networks_of_others_overfit_eight_graphs(name):
    eight = make_dataset(8, seed=5)
    training = {"max_epochs": 150, "patience": 150, "batch_size": 8, "lr_patience": 150}
    model = make(name, training=training, hidden=32, dropout=0.0, recipe={})
    model.fit(eight, eight, make_normaliser(eight), seed=0, log=lambda line: None)
    error = np.abs(model.predict(eight).to_numpy() / eight.labels - 1).mean(axis=0)
    assert (error < 0.03).all(), error


@pytest.mark.parametrize("name", READS_SIZES)
def test_learns_the_law_behind_the_labels(name, fold):
    """Far better than the training mean: the law is a roofline with 2 % noise."""
    model = fit(make(name, training={"max_epochs": 40}), fold)
    train, _, test, _ = fold
    target = "infer_time_ms" if "infer_time_ms" in model.targets else model.targets[0]
    column = TARGET_NAMES.index(target)
    error = np.abs(np.log(model.predict(test)[target].to_numpy() / test.labels[:, column])).mean()
    mean = np.exp(np.log(train.labels[:, column]).mean())
    assert error < 0.5 * np.abs(np.log(mean / test.labels[:, column])).mean()


@pytest.mark.parametrize("name", PREDICTOR_NAMES)
def test_unfitted_predictor_says_so(name, fold, tmp_path):
    model = make(name)
    for action in (
        lambda: model.predict(fold[2]),
        lambda: model.save(tmp_path),
        lambda: model.coverage(None),
    ):
        with pytest.raises(PerfseerError, match=f"^{name} "):
            action()


@pytest.mark.parametrize("name", PREDICTOR_NAMES)
def test_no_rows_is_an_error_that_names_the_predictor(name, fold):
    train, valid, _, normaliser = fold
    with pytest.raises(PerfseerError, match=name):
        make(name).fit(train.subset([]), valid, normaliser, seed=0, log=lambda line: None)


def test_empty_prediction_is_an_empty_table(fitted, fold):
    assert fitted.predict(fold[2].subset([])).shape == (0, len(fitted.targets))


def test_chosen_targets_only(fold):
    model = fit(make("seernet", targets=("infer_time_ms",), training={"max_epochs": 1}), fold)
    assert list(model.predict(fold[2]).columns) == ["infer_time_ms"]
    assert {row["target"] for row in model.history_} == {"infer_time_ms"}


def test_roofline_predicts_no_utilisation():
    with pytest.raises(PerfseerError, match="train_util_pct"):
        make("roofline", targets=("train_util_pct",))


def test_settings_of_another_predictor_are_refused():
    with pytest.raises(PerfseerError, match=r"boosting .*Roofline.*Boosting"):
        create("boosting", section("roofline"))


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(PerfseerError, match=r"'oracle'.* roofline"):
        predictor_class("oracle")
    with pytest.raises(PerfseerError, match="no targets"):
        make("roofline", targets=("speed",))
    with pytest.raises(PerfseerError, match="`perfseer train`"):
        load(tmp_path)


def test_training_settings_are_needed_by_networks_only(fold):
    with pytest.raises(PerfseerError, match=r"^seernet .*`training`"):
        fit(create("seernet", section("seernet")), fold)
    fit(create("roofline", section("roofline")), fold)


def test_coverage_of_a_training_graph_is_complete(fitted, fold):
    coverage = fitted.coverage(fold[0].graph(0))
    assert coverage.complete
    assert coverage.outside == {}


def test_coverage_names_what_is_new(fitted, fold):
    graph = fold[0].graph(0)
    operators = graph.operators.copy()
    operators[0], operators[1] = OPERATOR_INDEX["attention"], OPERATOR_INDEX["other"]
    strange = dataclasses.replace(
        graph, operators=operators, unknown={"aten.fft": 1}, batch_size=4096, n_parameters=0
    )
    coverage = fitted.coverage(strange)
    assert coverage.unseen_operators == {"attention": 1, "other": 1}
    assert coverage.unknown_operators == {"aten.fft": 1}
    assert coverage.other_share == pytest.approx(graph.bytes[1] / graph.total_bytes)
    value, _, highest = coverage.outside["batch_size"]
    assert (value, highest) == (4096, 32)
    assert not coverage.complete


def damage(folder, **changes):
    path = folder / "predictor.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_damaged_predictors_are_refused(fitted, tmp_path):
    fitted.save(tmp_path)
    damage(tmp_path, state={})
    with pytest.raises(PerfseerError, match="again"):
        load(tmp_path)
    fitted.save(tmp_path)
    damage(tmp_path, schema_version=99)
    with pytest.raises(PerfseerError, match="99"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "file"),
    [("seernet", "model.safetensors"), ("dippm", "model.safetensors"), ("boosting", "train_time_ms.txt")],
)
def test_damaged_weights_are_refused(name, file, fold, tmp_path):
    fit(make(name, training={"max_epochs": 1}), fold).save(tmp_path)
    (tmp_path / file).write_bytes(b"not a model")
    with pytest.raises(PerfseerError, match="again"):
        load(tmp_path)


def test_history_has_a_row_per_epoch_and_target(fitted):
    for row in fitted.history_:
        assert {"target", "epoch", "train_loss", "valid_loss"} <= set(row)
        assert np.isfinite([row["train_loss"], row["valid_loss"]]).all()
    json.dumps(fitted.history_, allow_nan=False)
    curves = {"all"} if fitted.joint else set(fitted.targets)
    assert {row["target"] for row in fitted.history_} == (curves if fitted.curve_step else set())
