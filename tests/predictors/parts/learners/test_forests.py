"""Forests as arrays, and forests of kernels: against scikit-learn, the published table and a known law."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor

from perfseer.errors import PerfseerError
from perfseer.graphs.kernels import FusionRules, Nodes, kernels_of
from perfseer.measure.kernels.table import COLUMNS, good_kernels
from perfseer.predictors.parts.kernels.forests import KernelForests, learn_times, shares_within, split
from perfseer.predictors.parts.kernels.tables import (
    DatasetKernels,
    Peaks,
    feature_names,
    fit_launch_ms,
    forest_of,
    kernel_features,
)
from perfseer.predictors.parts.learners.forests import (
    PUBLISHED,
    Forest,
    ForestSettings,
    load_arrays,
    published,
    save_arrays,
)
from tests.helpers.synthetic_graphs import make_dataset
from tests.helpers.synthetic_kernels import make_kernels

SMALL = ForestSettings(max_depth=20, trees=12, max_features=3)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    inputs = np.round(rng.lognormal(3, 2, (150, 5)), 3)  # ties, and values single precision rounds
    return inputs, inputs[:, 0] * inputs[:, 1] + rng.lognormal(size=150)


@pytest.fixture(scope="module")
def kernels():
    return make_kernels(60, seed=1)


def test_predictions_are_scikit_learns(data):
    inputs, outputs = data
    forest = Forest.fit(inputs[:100], outputs[:100], SMALL, seed=3)
    theirs = RandomForestRegressor(12, max_depth=20, max_features=3, random_state=3)
    expected = theirs.fit(inputs[:100], outputs[:100]).predict(inputs)
    np.testing.assert_allclose(forest.predict(inputs), expected, rtol=1e-12)
    assert len(forest.roots) == 12


def test_parameters_are_values_of_leaves_and_two_per_split(data):
    inputs, outputs = data
    forest = Forest.fit(inputs, outputs, ForestSettings(1, 1, 5), seed=0)
    assert forest.n_parameters == 2 + 2  # one split, two leaves


def test_more_features_asked_for_than_there_are(data):
    inputs, outputs = data
    assert len(Forest.fit(inputs[:, :2], outputs, ForestSettings(5, 3, 6), seed=0).roots) == 3


def test_no_rows_give_no_predictions(data):
    inputs, outputs = data
    assert Forest.fit(inputs, outputs, SMALL, 0).predict(inputs[:0]).shape == (0,)


def test_arrays_survive_a_file_bit_for_bit(data, tmp_path):
    inputs, outputs = data
    forest = Forest.fit(inputs, outputs, SMALL, seed=0)
    for name in ("a", "b"):
        save_arrays(tmp_path / name, {"trees/of wood": forest.arrays()})
    loaded = Forest.of_arrays(load_arrays(tmp_path / "a")["trees/of wood"])
    assert np.array_equal(loaded.predict(inputs), forest.predict(inputs))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_damaged_arrays_are_refused(data, tmp_path):
    arrays = Forest.fit(*data, SMALL, seed=0).arrays()
    with pytest.raises(PerfseerError, match="train it again"):
        Forest.of_arrays({**arrays, "right": arrays["right"] + len(arrays["right"])})
    (tmp_path / "half").write_bytes(b"{")
    with pytest.raises(PerfseerError, match="half"):
        load_arrays(tmp_path / "half")


@pytest.mark.parametrize(
    ("forest", "device", "expected"),
    [
        ("conv", "cpu", (70, 320, 6)),
        ("conv", "cuda", (80, 550, 5)),
        ("dwconv", "cuda", (40, 240, 7)),
        ("linear", "cpu", (50, 370, 2)),
        ("max_pool", "cpu", (50, 210, 5)),
        ("concat", "cuda", (100, 690, 5)),
        ("add+relu", "cpu", (50, 570, 3)),
        ("batch_norm+relu", "cuda", (50, 190, 2)),
        ("global_avg_pool", "cpu", (70, 370, 2)),
    ],
)
def test_hyper_parameters_are_the_published_ones(forest, device, expected):
    assert published(forest, device, 1.0) == ForestSettings(*expected)


def test_a_share_of_the_trees_is_at_least_one():
    assert published("conv", "cpu", 0.25).trees == 80
    assert published("conv", "cpu", 1e-6).trees == 1
    assert all(len(columns) == 2 for columns in PUBLISHED.values())


def test_what_starts_with_a_convolution_shares_its_forest():
    assert forest_of("conv+batch_norm+relu") == "conv"
    assert forest_of("dwconv+relu") == "dwconv"
    assert forest_of("batch_norm+relu") == "batch_norm+relu"


def test_features_are_the_published_ones_and_those_added():
    added = ("batch", "height", "width", "groups", "itemsize", "bytes", "roofline_ms")
    convolution = ("channels_in", "channels_out", "kernel", "stride", "flops", "parameters")
    assert feature_names("conv") == (*convolution, *added)
    assert feature_names("concat") == ("inputs", "c1", "c2", "c3", "c4", *added)
    assert feature_names("softmax") == ("channels_in", *added)


def test_feature_values_by_hand():
    row = dict.fromkeys(("channels_in", "channels_out", "kernel", "stride", "batch", "height", "width"), 2)
    row |= {"groups": 1, "itemsize": 4, "flops": 4e6, "bytes": 3e6, "weight_bytes": 8e6}
    table = pd.DataFrame([row | {"backward_flops": 8e6, "backward_bytes": 1e6}])
    peaks = Peaks(flops_per_s=1e9, bytes_per_s=1e9)
    named = dict(zip(feature_names("conv"), kernel_features(table, "conv", "infer", peaks)[0], strict=True))
    assert (named["flops"], named["parameters"], named["bytes"]) == (2.0, 2.0, 3e6)
    assert named["roofline_ms"] == pytest.approx(4.0)
    training = dict(
        zip(feature_names("conv"), kernel_features(table, "conv", "train", peaks)[0], strict=True)
    )
    assert (training["flops"], training["bytes"], training["roofline_ms"]) == (6.0, 4e6, pytest.approx(12.0))


def test_peaks_are_the_best_rates():
    table = pd.DataFrame({"flops": [1e6, 2e6], "bytes": [4e6, 4e6]})
    peaks = Peaks.of(table, np.array([1.0, 1.0]), "infer")
    assert peaks.flops_per_s == pytest.approx(2e9, rel=0.02)
    assert peaks.bytes_per_s == pytest.approx(4e9)


@pytest.mark.parametrize("scale", ["time", "log"])
def test_forests_learn_the_law_of_kernels(kernels, scale):
    fitted_on, held_out = split(kernels, seed=0)
    fitted = KernelForests.fit(fitted_on, "infer", "cpu", share=0.1, scale=scale, seed=0)
    held_out = held_out[held_out["infer_time_ms"].notna()]
    error = np.abs(fitted.predict(held_out) / held_out["infer_time_ms"] - 1)
    assert error.median() < 0.1
    shares = shares_within(fitted, held_out, 10)
    assert set(shares) == {"conv", "batch_norm", "relu", "linear", "add"}
    conv = (held_out["name"] == "conv").to_numpy()
    assert shares["conv"] == pytest.approx((error[conv] <= 0.1).mean())


def test_a_type_without_a_forest_is_not_a_number(kernels):
    fitted = KernelForests.fit(kernels[kernels["name"] == "conv"], "infer", "cpu", share=0.01, seed=0)
    times = fitted.predict(kernels)
    assert np.array_equal(np.isfinite(times), (kernels["name"] == "conv").to_numpy())
    assert fitted.knows(["conv+relu", "relu"]).tolist() == [True, False]


def test_the_optimiser_has_a_time_in_training_only(kernels):
    times = learn_times(kernels, kernels, "cpu", 0.01)
    optimiser = (kernels["name"] == "optimiser").to_numpy()
    assert np.isfinite(times[:, 0]).all()
    assert np.array_equal(np.isnan(times[:, 1]), optimiser)


def test_a_fifth_of_every_type_is_held_out_and_the_seed_decides_which(kernels):
    fitted_on, held_out = split(kernels, seed=0)
    assert not set(fitted_on.index) & set(held_out.index)
    assert len(fitted_on) + len(held_out) == len(kernels)
    shares = held_out["name"].value_counts() / kernels["name"].value_counts()
    assert shares.between(0.15, 0.2).all()
    assert set(split(kernels, seed=1)[1].index) != set(held_out.index)


def test_kernels_of_a_dataset_are_those_of_its_graphs():
    data = make_dataset(6, seed=2)
    chosen = data.subset([4, 1, 4])
    kernels = DatasetKernels.of(chosen, FusionRules())
    flops = kernels.totals(kernels.distinct["flops"].to_numpy(dtype=float))
    np.testing.assert_allclose(flops, [data.graph(row).total_flops for row in (4, 1, 4)])
    per_graph = kernels_of(Nodes.of([data.graph(4), data.graph(1)]), FusionRules())["graph"].value_counts()
    assert kernels.totals(np.ones(len(kernels.distinct))).tolist() == per_graph[[0, 1, 0]].tolist()
    assert kernels.counts.sum() == 2 * per_graph[0] + per_graph[1]


def test_equal_kernels_stand_once():
    data = make_dataset(1, seed=2)
    twice = DatasetKernels.of(data.subset([0, 0]), FusionRules())
    assert len(twice.members) == len(DatasetKernels.of(data, FusionRules()).members)
    assert len(twice.distinct) <= len(twice.members)


def test_launch_time_is_found_where_it_decides():
    rng = np.random.default_rng(0)
    counts, sums = rng.integers(50, 300, 40).astype(float), rng.uniform(0.1, 2.0, 40)
    measured = np.maximum(counts * 0.01, sums)
    assert fit_launch_ms(counts, sums, measured) == pytest.approx(0.01)
    assert fit_launch_ms(counts, sums, sums) * counts.max() <= sums.max()


def test_only_good_kernels_of_this_version_are_learned_from(kernels):
    assert list(kernels.columns) == list(COLUMNS)
    failed = kernels.assign(status="oom")
    assert len(good_kernels(pd.concat([kernels, failed]), "x")) == len(kernels)
    with pytest.raises(PerfseerError, match="no kernel"):
        good_kernels(failed, "x")
    with pytest.raises(PerfseerError, match=r"version \[0\].*expected 1"):
        good_kernels(kernels.assign(version=0), "x")


@pytest.mark.parametrize(
    ("name", "filling"),
    [("right", 0), ("right", 30_000), ("right", -1), ("feature", 30_000), ("feature", 0), ("value", np.nan)],
)
def test_trees_that_never_end_and_indices_out_of_range_are_refused(data, name, filling):
    arrays = dict(Forest.fit(*data, SMALL, seed=0).arrays())
    arrays[name] = np.full_like(arrays[name], filling)
    with pytest.raises(PerfseerError, match="train it again"):
        Forest.of_arrays(arrays).predict(data[0])
