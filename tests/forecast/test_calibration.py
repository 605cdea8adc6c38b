"""Moving a predictor to another device: known factors recovered, choices, honest intervals, hostile input."""

import dataclasses
import json

import numpy as np
import pytest

from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError
from perfseer.evaluation.calibration import calibration_curve
from perfseer.forecast.calibration import calibrate, choose, measuring_cost_s
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX
from perfseer.predictors.parts.correction import Correction, honest_residuals
from perfseer.predictors.parts.work_profile import PROFILE_COLUMNS, nominal_rates, work_profile
from perfseer.predictors.registry import create, load
from perfseer.predictors.settings import RooflineSettings
from perfseer.targets import TARGET_NAMES
from tests.helpers.synthetic_graphs import (
    dataset_of,
    lawful_graph,
    make_dataset,
    make_labels,
    make_normaliser,
)

RATES = nominal_rates(None)
INFER = TARGET_NAMES.index("infer_time_ms")


@pytest.fixture(scope="module")
def data():
    """200 rows of the law of `synthetic_graphs`, named."""
    found = make_dataset(200, seed=1)
    found.rows["architecture"] = [f"a{number // 2}" for number in range(200)]
    return found


@pytest.fixture(scope="module")
def base(data):
    model = create("roofline", RooflineSettings())
    train = data.subset(np.arange(100))
    return model.fit(train, train.subset([]), make_normaliser(train), seed=0, log=lambda line: None)


def on_device(dataset, factor, exponents, noise=0.0, seed=0):
    """The rows as another device would measure them: times follow a known correction."""
    profile = work_profile(dataset, "infer", RATES)
    shift = np.log(factor) + (profile - profile.mean(axis=0)) @ np.asarray(exponents)
    draws = noise * np.random.default_rng(seed).standard_normal(len(dataset))
    labels = np.full_like(dataset.labels, np.nan)
    labels[:, INFER] = dataset.labels[:, INFER] * np.exp(shift + draws)
    return dataclasses.replace(dataset, labels=labels)


def error_pct(model, dataset):
    return 100 * np.abs(model.predict(dataset)["infer_time_ms"] / dataset.labels[:, INFER] - 1).mean()


def test_five_measurements_find_a_common_factor(data, base):
    device = on_device(data.subset(np.arange(100, 200)), 3.0, np.zeros(5))
    model = calibrate(base, device.subset(choose(device, 5)))
    correction = model.shifts_["infer_time_ms"].correction
    assert np.exp(correction.offset) == pytest.approx(3.0, rel=0.03)
    assert error_pct(base, device) > 60
    assert error_pct(model, device) < 3
    assert model.targets == ("infer_time_ms",)


def test_fifty_measurements_find_exponents(data, base):
    device = on_device(data.subset(np.arange(100, 200)), 0.5, [0.1, 0, 1.0, 0, -0.7], noise=0.02)
    rest = np.arange(50, 100)
    factor = calibrate(base, device.subset([0]))
    full = calibrate(base, device.subset(np.arange(50)))
    assert full.shifts_["infer_time_ms"].correction.n_parameters > 1
    assert factor.shifts_["infer_time_ms"].correction.n_parameters == 1
    assert error_pct(full, device.subset(rest)) < 4 < error_pct(factor, device.subset(rest))


def test_a_device_of_the_same_kind_keeps_only_the_factor(data, base):
    device = on_device(data.subset(np.arange(100, 150)), 2.0, np.zeros(5), noise=0.05)
    assert np.isinf(calibrate(base, device).shifts_["infer_time_ms"].correction.strength)


def test_one_odd_measurement_moves_the_factor_little():
    errors = np.array([0.5, 0.51, 0.49, 0.5, 0.52, 0.48, 5.0])
    fitted = Correction.fit(errors, np.zeros((7, 5)), np.arange(7), PROFILE_COLUMNS)
    assert fitted.offset == pytest.approx(0.5, abs=0.05)


def test_exponents_do_not_reach_beyond_what_was_measured():
    rng = np.random.default_rng(0)
    profile = rng.uniform(0, 1, (60, 5))
    fitted = Correction.fit(2 * profile[:, 2], profile, np.arange(60), PROFILE_COLUMNS)
    inside, outside = fitted.values(np.array([[0.5, 0.5, 1.0, 0.5, 0.5], [0.5, 0.5, 9.0, 0.5, 0.5]]))
    assert inside == pytest.approx(2.0, abs=0.1)
    assert outside == pytest.approx(inside, abs=0.1)
    again = Correction.from_json(json.loads(json.dumps(fitted.to_json(), allow_nan=False)))
    assert (again.values(profile) == fitted.values(profile)).all()


def test_what_is_left_of_an_error_has_not_helped_to_explain_it():
    errors = np.array([1.0, 1.0, 1.0, 3.0, 3.0])
    left = honest_residuals(errors, np.zeros((5, 5)), ["a", "a", "a", "b", "b"], PROFILE_COLUMNS)
    assert left.tolist() == pytest.approx([-2, -2, -2, 2, 2])
    alone = honest_residuals(np.array([0.7]), np.zeros((1, 5)), ["a"], PROFILE_COLUMNS)
    assert alone.tolist() == [0.7]
    with pytest.raises(PerfseerError, match="finite"):
        Correction.fit(np.array([np.nan]), np.zeros((1, 5)), ["a"], PROFILE_COLUMNS)
    with pytest.raises(PerfseerError, match="no measurement"):
        Correction.fit(np.zeros(0), np.zeros((0, 5)), [], PROFILE_COLUMNS)


@pytest.mark.parametrize("k", [5, 10, 50])
def test_intervals_cover_models_that_were_not_measured(data, base, k):
    inside, widths = [], []
    for seed in range(5):
        device = on_device(data.subset(np.arange(100, 200)), 2.0, [0, 0, 0.5, 0, 0], noise=0.05, seed=seed)
        order = np.random.default_rng(seed).permutation(100)
        model = calibrate(base, device.subset(order[:k]))
        rest = device.subset(order[k:])
        found = model.intervals(rest, 0.9)
        low, high = found["infer_time_ms_low"], found["infer_time_ms_high"]
        inside.append(((low <= rest.labels[:, INFER]) & (rest.labels[:, INFER] <= high)).mean())
        widths.append(np.log(high / low).mean())
    assert 0.84 < np.mean(inside) <= 1.0
    assert np.mean(widths) < {5: 1.5, 10: 0.6, 50: 0.35}[k]


def test_calibrated_predictors_say_where_and_survive_saving(data, base, tmp_path):
    device = on_device(data.subset(np.arange(100, 130)), 3.0, np.zeros(5))
    environment = json.dumps({"torch": "2.9.1+cpu", "threads": 2})
    columns = {"device": "i9-10940x", "device_kind": "cpu", "precision": "fp32", "memory_format": "nchw"}
    device.rows[[*columns, "mode", "environment"]] = [*columns.values(), "eager", environment]
    model = calibrate(base, device)
    expected = Platform("i9-10940x", "cpu", "fp32", "nchw", "eager", "torch 2.9.1 cpu", 2)
    assert model.platforms == (expected,)
    model.save(tmp_path)
    again = load(tmp_path)
    assert again.platforms == (expected,)
    assert (again.predict(device) == model.predict(device)).all(axis=None)
    assert (again.intervals(device, 0.9) == model.intervals(device, 0.9)).all(axis=None)
    other = device.rows["mode"].where(device.rows.index > 0, "compiled")
    with pytest.raises(PerfseerError, match="one platform"):
        calibrate(base, dataclasses.replace(device, rows=device.rows.assign(mode=other)))


def test_what_cannot_calibrate_is_refused(data, base):
    with pytest.raises(PerfseerError, match="no measured"):
        calibrate(base, data.subset([]))
    only = np.full_like(data.labels, np.nan)
    only[:, TARGET_NAMES.index("train_util_pct")] = 50.0  # a roofline predicts none
    with pytest.raises(PerfseerError, match="labels"):
        calibrate(base, dataclasses.replace(data, labels=only))


def test_choices_are_nested_deterministic_and_spread(data):
    ten = choose(data, 10)
    assert choose(data, 10).tolist() == ten.tolist()
    assert choose(data, 5).tolist() == ten[:5].tolist()
    assert len(set(ten.tolist())) == 10
    assert choose(data, 0).tolist() == []
    profile = work_profile(data, "infer", RATES)
    scaled = profile / np.where(profile.std(axis=0) > 0, profile.std(axis=0), 1)

    def distance(chosen):
        return np.linalg.norm(scaled[:, None] - scaled[chosen], axis=2).min(axis=1).mean()

    drawn = [distance(np.random.default_rng(seed).permutation(200)[:10]) for seed in range(20)]
    assert distance(ten) < min(drawn)


def test_dear_models_are_chosen_when_they_are_worth_it(data):
    costs = np.ones(200)
    dear = choose(data, 3)
    costs[dear] = 1e6
    assert not set(choose(data, 3, cost_s=costs)) & set(dear)
    assert sorted(choose(data, 200, cost_s=costs)) == list(range(200))


def test_impossible_choices_are_refused(data):
    with pytest.raises(PerfseerError, match="at most 200"):
        choose(data, 201)
    for costs in (np.zeros(200), np.full(200, np.nan), np.ones(3)):
        with pytest.raises(PerfseerError, match="seconds"):
            choose(data, 2, cost_s=costs)


def test_cost_of_measuring_follows_the_predicted_time(data, base):
    costs = measuring_cost_s(base, data, ("infer",))
    predicted = base.predict(data)["infer_time_ms"].to_numpy()
    assert costs == pytest.approx(4 + 30 * predicted / 1e3)
    assert (measuring_cost_s(base, data) > costs).all()


def test_shares_of_work_are_those_of_a_graph_made_by_hand():
    graph = lawful_graph(np.random.default_rng(0), 1)
    graph = dataclasses.replace(
        graph,
        operators=np.full(graph.n_nodes, OPERATOR_INDEX["relu"]),
        flops=np.zeros(graph.n_nodes, dtype=np.int64),
    )
    hyper = np.zeros((graph.n_nodes, len(HYPERPARAMETERS)), dtype=np.int64)
    hyper[0, HYPERPARAMETERS.index("conv_groups")] = 8
    operators = graph.operators.copy()
    operators[0], operators[1] = OPERATOR_INDEX["conv"], OPERATOR_INDEX["attention"]
    graph = dataclasses.replace(graph, operators=operators, hyperparameters=hyper)
    row = dataset_of([graph], [make_labels(graph, np.random.default_rng(0))])
    seconds = graph.bytes / RATES.bytes_per_s
    total = seconds.sum() + graph.n_nodes * RATES.launch_s
    found = dict(zip(PROFILE_COLUMNS, work_profile(row, "infer", RATES)[0], strict=True))
    assert found["ln_roofline_s"] == pytest.approx(np.log(total))
    assert found["grouped_share"] == pytest.approx(seconds[0] / total)
    assert found["attention_share"] == pytest.approx(seconds[1] / total)
    assert found["memory_share"] == pytest.approx(seconds[2:].sum() / total)
    assert found["launch_share"] == pytest.approx(graph.n_nodes * RATES.launch_s / total)


def test_rates_come_from_public_figures():
    platform = Platform("rtx3090", "cuda", "fp32", "nchw", "eager", "torch 2.4.0")
    half = nominal_rates(dataclasses.replace(platform, units=41))
    whole = nominal_rates(platform)
    assert whole.flops_per_s == pytest.approx(0.5 * 35.58e12)
    assert half.flops_per_s == pytest.approx(whole.flops_per_s / 2)
    assert nominal_rates(dataclasses.replace(platform, device="Quantum 9000")) == nominal_rates(None)


def test_the_curve_falls_and_judges_the_same_rows(data, base):
    device = on_device(data, 3.0, [0.1, 0, 1.0, 0, 0], noise=0.02)
    curve = calibration_curve(base, device, ks=(0, 5, 20), seeds=(0, 1))
    assert [point.k for point in curve] == [0, 5, 20]
    assert curve[0].mape_pct.mean > 60
    assert curve[2].mape_pct.mean < curve[1].mape_pct.mean < 15
    assert {point.rows for point in curve} == {100}
    assert curve[0].coverage_pct is None
    assert curve[2].coverage_pct > 70
    assert curve[0].measuring_s == 0 < curve[1].measuring_s < curve[2].measuring_s
    with pytest.raises(PerfseerError, match="'family'"):
        calibration_curve(base, device, grouping="family")
    with pytest.raises(PerfseerError, match="no label"):
        calibration_curve(base, device, target="speed")


def test_rows_weigh_what_they_are_given():
    """Nine rows of a card that is right, one of a card that takes e times as long: each card weighs 1."""
    errors, owners = np.array([0.0] * 9 + [1.0]), ["many"] * 9 + ["one"]
    weights = np.array([1 / 9] * 9 + [1.0])
    fitted = Correction._weighted(errors, np.zeros((10, 1)), np.ones(1), np.inf, weights, anchored=False)
    assert fitted.offset == pytest.approx(0.5)
    counted = Correction.fit(errors, np.zeros((10, 1)), owners, ["x"], weights)
    assert counted.offset > Correction.fit(errors, np.zeros((10, 1)), owners, ["x"]).offset
