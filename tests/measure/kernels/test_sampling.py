"""Which kernels are measured: draws from the zoo's distribution, neighbours of what is predicted badly."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.graphs.kernels import CONFIGURATION, OPTIMISER, FusionRules, Nodes, kernels_of
from perfseer.measure.kernels.campaign import adjacent_pairs, zoo_graphs
from perfseer.measure.kernels.describe import captured
from perfseer.measure.kernels.sampling import Plan, badly_predicted, repaired
from perfseer.measure.kernels.settings import KernelSettings
from tests.helpers.fake_worker import SPACE
from tests.helpers.places import PARAMS

SETTINGS = replace(KernelSettings.from_mapping(PARAMS["kernels"]), architectures=12)
BATCHES = (1, 4, 16)


@pytest.fixture(scope="module")
def graphs():
    return zoo_graphs(SPACE, SETTINGS)


@pytest.fixture(scope="module")
def zoo(graphs):
    return kernels_of(Nodes.of(graphs), FusionRules())


def plan(zoo, settings=SETTINGS):
    return Plan(zoo, settings, BATCHES)


def first(zoo, count, settings=SETTINGS):
    return list(islice(plan(zoo, settings).first_round(), count))


def frame(kernels, **columns):
    rows = [{"name": kernel.name, **kernel.configuration} for kernel in kernels]
    return pd.DataFrame(rows).assign(**columns)


def test_the_order_is_the_same_every_time_and_no_kernel_comes_twice(zoo):
    kernels = first(zoo, 300)
    assert kernels == first(zoo, 300)
    assert len({kernel.id for kernel in kernels}) == 300


def test_any_prefix_has_types_in_proportion_to_their_sizes(zoo):
    counts = frame(first(zoo, 400))["name"].value_counts()
    others = counts.drop(["conv", "dwconv"])
    # 10,000, 5,000 and 3,000; small types may run out of new kernels
    assert counts["conv"] / counts["dwconv"] == pytest.approx(2, rel=0.05)
    assert counts["conv"] / others.max() == pytest.approx(10 / 3, rel=0.1)


def test_another_seed_draws_other_kernels(zoo):
    other = first(zoo, 100, replace(SETTINGS, seed=2))
    assert {kernel.id for kernel in other} != {kernel.id for kernel in first(zoo, 100)}


def test_the_first_round_ends_when_the_sizes_are_reached(zoo):
    sizes = replace(SETTINGS.sizes, conv=5, dwconv=3, other=2)
    counts = frame(plan(zoo, replace(SETTINGS, sizes=sizes)).first_round())["name"].value_counts()
    assert counts["conv"] == 5
    assert counts["dwconv"] == 3
    assert set(counts.drop(["conv", "dwconv"])) == {2}


def test_values_come_from_the_zoo_and_batches_from_the_settings(zoo):
    drawn, convolutions = frame(first(zoo, 300)), zoo[zoo["name"] == "conv"]
    conv = drawn[drawn["name"] == "conv"]
    for column in ("channels_in", "channels_out", "kernel", "height"):
        assert set(conv[column]) <= set(convolutions[column])
    assert set(drawn[drawn["name"] != OPTIMISER]["batch"]) == set(BATCHES)
    # Drawn dimension by dimension, so combinations come up that no network of the sample has.
    combined = ["channels_in", "channels_out", "kernel", "height"]
    known = set(map(tuple, convolutions[combined].to_numpy().tolist()))
    assert any(tuple(row) not in known for row in conv[combined].to_numpy().tolist())


def test_without_the_prior_only_kernels_of_the_networks_are_drawn(zoo):
    drawn = frame(first(zoo, 200, replace(SETTINGS, prior_share=0.0)))
    columns = [name for name in CONFIGURATION if name != "batch"]
    known = set(map(tuple, zoo[["name", *columns]].astype({"name": str}).to_numpy().tolist()))
    assert all(tuple(row) in known for row in drawn[["name", *columns]].to_numpy().tolist())


def test_no_convolution_is_costlier_than_the_costliest_of_the_networks(zoo):
    def work(table):
        conv = table[table["name"] == "conv"]
        pixels = conv["height"] * conv["width"] / conv["stride"] ** 2
        return pixels * conv["channels_in"] * conv["channels_out"] * conv["kernel"] ** 2

    assert work(frame(first(zoo, 400))).max() <= work(zoo).max() * 1.01


def test_every_drawn_kernel_is_in_a_graph_what_it_was_drawn_as(zoo):
    """The same configuration comes back from capturing the module, so features mean one thing."""
    for kernel in first(zoo, 80):
        row = captured(kernel.name, kernel.configuration)
        assert {name: row[name] for name in CONFIGURATION} == kernel.configuration, kernel


def test_costs_of_a_kernel_are_those_it_has_in_a_network():
    conv = dict.fromkeys(CONFIGURATION, 1) | {"batch": 2, "height": 8, "width": 8, "channels_in": 16}
    conv |= {"channels_out": 32, "kernel": 3, "itemsize": 4} | dict.fromkeys(("c1", "c2", "c3", "c4"), 0)
    row = captured("conv", conv)
    assert row["flops"] == 2 * 2 * 64 * 32 * 16 * 9
    assert row["backward_flops"] == 2 * row["flops"]  # weights and input, as within a network
    assert row["bytes"] == 4 * (2 * 16 * 64 + 32 * 16 * 9 + 2 * 32 * 64)


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("dwconv", {"channels_in": 12}, {"channels_in": 12, "channels_out": 12, "groups": 12}),
        ("grouped_conv", {"channels_in": 30, "groups": 8}, {"channels_in": 32, "channels_out": 24}),
        ("grouped_conv", {"channels_in": 8, "groups": 8}, {"channels_in": 16}),
        ("concat", {"c1": 4, "c2": 9}, {"c1": 9, "c2": 4, "channels_in": 13, "channels_out": 13}),
        ("relu", {"channels_in": 5}, {"channels_out": 5}),
        ("global_avg_pool", {"height": 7, "width": 6}, {"kernel": 7, "stride": 7}),
        ("conv+batch_norm", {"channels_in": 5}, {"channels_in": 5, "channels_out": 24}),
    ],
)
def test_what_an_operator_determines_follows_from_its_input(name, changes, expected):
    values = dict.fromkeys(CONFIGURATION, 0) | {"channels_in": 24, "channels_out": 24} | changes
    assert repaired(name, values).items() >= expected.items()


def test_later_rounds_scale_the_channels_of_bad_kernels(zoo):
    sampled = plan(zoo)
    bad = frame([k for k in islice(sampled.first_round(), 200) if k.name == "conv"][:3])
    neighbours = list(sampled.round(1, bad))
    assert len(neighbours) == 3 * SETTINGS.neighbours
    assert {kernel.round for kernel in neighbours} == {1}
    rows = frame(neighbours)
    fixed = ["batch", "height", "kernel", "stride"]
    assert set(map(tuple, rows[fixed].to_numpy())) <= set(map(tuple, bad[fixed].to_numpy()))
    assert rows["channels_in"].max() <= round(1.2 * bad["channels_in"].max())
    assert rows["channels_in"].min() >= round(0.5 * bad["channels_in"].min())


def test_bad_kernels_are_the_held_out_ones_beyond_the_bound():
    n = 50
    measured = pd.DataFrame(0, index=range(n), columns=list(CONFIGURATION)).assign(name="conv")
    measured = measured.assign(channels_in=range(n), train_time_ms=2.0, infer_time_ms=1.0)
    seen = []

    def learner(train, test):
        assert set(train.index) | set(test.index) == set(range(n))
        assert not set(train.index) & set(test.index)
        seen.extend(test.index)
        # 5 % off in training; 20 % off in inference for even channels
        wrong = np.where(test["channels_in"] % 2 == 0, 1.2, 1.0)
        return np.column_stack([np.full(len(test), 2.1), wrong])

    bad = badly_predicted(measured, learner, 10, 3, ("train_time_ms", "infer_time_ms"))
    assert len(seen) == n // 5
    assert sorted(bad["channels_in"]) == sorted(row for row in seen if row % 2 == 0)


def test_a_time_that_was_not_measured_makes_no_kernel_bad():
    measured = pd.DataFrame({"name": [OPTIMISER] * 10, "train_time_ms": 1.0, "infer_time_ms": np.nan})
    bad = badly_predicted(
        measured, lambda _, test: np.ones((len(test), 2)), 10, 0, ("train_time_ms", "infer_time_ms")
    )
    assert bad.empty


def test_pairs_are_those_of_the_networks_without_consumers_of_several_tensors(graphs):
    pairs = adjacent_pairs(graphs)
    assert {("conv", "batch_norm"), ("batch_norm", "relu"), ("relu", "conv")} <= set(pairs)
    assert not {consumer for _, consumer in pairs} & {"add", "concat", OPTIMISER}
    assert pairs == sorted(set(pairs))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time_budget_s": 0}, "time_budget_s is 0"),
        ({"prior_share": 1.5}, "prior_share is 1.5, expected 0 to 1"),
        ({"channel_scale": [1.2, 0.5]}, "channel_scale"),
        ({"error_pct": 0}, "error_pct"),
        ({"copies": 0}, "copies is 0"),
        ({"sizes": {"conv": 0, "dwconv": 1, "other": 1}}, "conv is 0"),
        ({"fusion": {**PARAMS["kernels"]["fusion"], "alpha": 1}}, "alpha is 1"),
        ({"speed": 1}, "unknown keys"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(changes, message):
    with pytest.raises(PerfseerError, match=message):
        KernelSettings.from_mapping({**PARAMS["kernels"], **changes})
