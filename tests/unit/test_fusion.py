"""The fusion test: decisions from given times, and what the timed modules are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from perfseer.graphs.kernels import CONFIGURATION, OPTIMISER, FusionRules
from perfseer.measure.kernels import bench
from perfseer.measure.kernels.bench import Place, make_kernel_step, time_in_turn, time_kernel
from perfseer.measure.kernels.fusion import choose_outputs, decide, measure_pair, rules_of
from perfseer.measure.kernels.modules import kernel_recipe
from perfseer.measure.kernels.settings import KernelSettings
from perfseer.measure.meters import Count, Timing, WarmUp

PAIR = ("conv", "relu")
CPU = Place("cpu", "fp32", "nchw")


@pytest.fixture(scope="module")
def settings():
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    return KernelSettings.from_mapping(params["kernels"])


def times(a, b, ab, noise=0.0, n=20):
    rng = np.random.default_rng(0)
    return {
        name: (value * (1 + noise * rng.standard_normal(n))).tolist()
        for name, value in (("a", a), ("b", b), ("ab", ab))
    }


def test_a_pair_fuses_when_it_saves_more_than_alpha_of_the_faster_one():
    fused = decide(PAIR, times(10.0, 2.0, 10.8), 0.5)
    assert fused["fuses"]
    assert fused["applied"]
    assert fused["saving"] == pytest.approx(0.6)  # (10 + 2 - 10.8) / 2
    assert not decide(PAIR, times(10.0, 2.0, 11.2), 0.5)["fuses"]


def test_noise_of_the_slower_operator_makes_no_rule():
    """Ten per cent of the slower operator's time are all of the faster one's."""
    entry = decide(PAIR, times(10.0, 1.0, 11.0, noise=0.1), 0.5)
    assert entry["saving_high"] - entry["saving_low"] > 0.5
    assert entry["saving_low"] < 0.5
    assert not entry["fuses"]


def test_a_disturbance_that_meets_one_module_in_every_turn_makes_no_rule_either():
    disturbed = times(10.0, 1.0, 11.0)
    disturbed["a"] = [15.0] * 19 + [10.0]
    entry = decide(PAIR, disturbed, 0.5)
    assert entry["saving_low"] > 0.5
    assert entry["saving_fastest"] == pytest.approx(0.0)
    assert not entry["fuses"]


def test_what_changes_the_shape_is_recorded_but_not_applied():
    entry = decide(("relu", "conv"), times(1.0, 10.0, 10.0), 0.5)
    assert entry["fuses"]
    assert not entry["applied"]


def test_rules_are_the_applied_pairs():
    entries = [decide(PAIR, times(10.0, 2.0, 10.0), 0.5), decide(("relu", "conv"), times(1, 9, 9), 0.5)]
    assert rules_of(entries, "first") == FusionRules(frozenset({PAIR}), "first")


@pytest.mark.parametrize(("abb", "rule"), [(14.0, "never"), (12.0, "first"), (10.0, "all")])
def test_the_rule_of_several_outputs_is_the_nearest_prediction(abb, rule):
    # a + 2 b = 14, ab + b = 12, 2 ab - a = 10
    chosen = choose_outputs({"a": 10.0, "b": 2.0, "ab": 10.0, "abb": abb})
    assert chosen["rule"] == rule


def test_modules_are_timed_in_turn_and_in_changing_order(monkeypatch, settings):
    monkeypatch.setattr(bench, "_BURST_S", 0.0)
    order = []
    original = bench._forward_step

    def spy(instances, place):
        step = original(instances, place)
        kind = type(instances[0][0]).__name__

        def run():
            order.append(kind)
            step()

        return run

    monkeypatch.setattr(bench, "_forward_step", spy)
    values = dict.fromkeys(CONFIGURATION, 1) | {"channels_in": 4, "channels_out": 4}
    recipes = {name: kernel_recipe(name, values) for name in ("batch_norm", "relu")}
    found = time_in_turn(recipes, CPU, 12)
    assert {name: len(runs) for name, runs in found.items()} == {"batch_norm": 12, "relu": 12}
    turns = [tuple(order[-24:][i : i + 2]) for i in range(0, 24, 2)]
    assert {tuple(sorted(turn)) for turn in turns} == {("BatchNorm2d", "ReLU")}
    assert len(set(turns)) == 2


@pytest.mark.parametrize("pair", [("concat", "conv"), ("global_avg_pool", "linear"), ("add", "relu")])
def test_every_kind_of_pair_can_be_timed(pair, settings):
    small = type(settings.fusion)(alpha=0.5, repetitions=6, side=8, channels_in=4, channels_out=8, kernel=3)
    entry = measure_pair(pair, small, CPU)
    assert (entry["producer"], entry["consumer"]) == pair
    assert min(entry["a_ms"], entry["b_ms"], entry["ab_ms"]) > 0


def configuration(**changes):
    return dict.fromkeys(CONFIGURATION, 0) | {
        **{"batch": 2, "height": 8, "width": 8, "channels_in": 4, "channels_out": 6, "kernel": 3},
        **{"stride": 1, "groups": 1, "inputs": 1, "itemsize": 4, **changes},
    }


@pytest.mark.parametrize("phase", ["infer", "train"])
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("conv", {}),
        ("grouped_conv", {"groups": 2}),
        ("linear", {"height": 1, "width": 1}),
        ("concat", {"inputs": 5, "c1": 4, "c2": 3, "c3": 2, "c4": 2}),
        ("add", {"inputs": 2}),
        ("batch_norm", {"channels_out": 4}),
        ("conv+batch_norm+relu", {}),
    ],
)
def test_kernels_are_timed_in_both_phases(name, changes, phase, settings):
    # Six iterations, however busy the machine is.
    protocol = replace(settings.protocol, phase_budget_s=10, ci_width=1)
    result = time_kernel(name, configuration(**changes), phase, CPU, protocol, copies=4)
    assert 0 < result["time_ms"] < 1000
    assert result["time_ci_low_ms"] <= result["time_ms"] <= result["time_ci_high_ms"]
    assert 1 <= result["copies"] <= 4
    assert result["iterations"] >= settings.protocol.min_iterations


def test_times_are_per_copy(monkeypatch, settings):
    """A clock of the test's own: every iteration lasts 8 ms, whatever it runs."""
    monkeypatch.setattr(bench, "_copies", lambda step, place, most: 4)
    timing = Timing(WarmUp([8.0], 0.0), Count([8.0] * 10, 0.0))
    monkeypatch.setattr(bench, "_timing", lambda step, place, protocol: timing)
    result = time_kernel("conv", configuration(), "infer", CPU, settings.protocol, copies=8)
    assert (result["time_ms"], result["time_ci_low_ms"], result["time_ci_high_ms"]) == (2.0, 2.0, 2.0)


def test_an_optimiser_steps_its_tensors():
    step = make_kernel_step(OPTIMISER, configuration(channels_in=10, inputs=3), "train", CPU, 1)
    before = [torch.zeros(10)] * 3
    step()
    optimiser = step.__closure__[0].cell_contents
    (group,) = optimiser.param_groups
    assert [tuple(p.shape) for p in group["params"]] == [(10,)] * 3
    assert group["momentum"] == 0.9
    assert all(torch.equal(p.detach(), b) for p, b in zip(group["params"], before, strict=True))


def test_concat_of_more_than_four_splits_the_rest():
    recipe = kernel_recipe("concat", configuration(inputs=6, c1=8, c2=4, c3=4, c4=7))
    assert [shape[1] for shape in recipe.shapes] == [8, 4, 4, 3, 2, 2]
