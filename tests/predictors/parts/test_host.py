"""What hosts take to start kernels: counts by hand, a prior from published machines, two clocks."""

import csv
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.predictors.parts.platforms import host
from perfseer.predictors.parts.platforms.host import (
    HostClock,
    host_prior,
    launches,
    least_us_per_launch,
)
from tests.helpers.forecasts import CPU, R3090, R3090_OLD
from tests.helpers.places import ROOT
from tests.helpers.synthetic_graphs import make_dataset

COMPILED = replace(R3090, mode="compiled")
CLOCK = HostClock(math.log(30.0), 0.3)


@pytest.fixture(scope="module")
def graphs():
    """Convolution, batch norm, ReLU, pooling and a classifier with a bias: five nodes, five weights."""
    module = nn.Sequential(
        *(
            nn.Conv2d(3, 8, 3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ),
        nn.Linear(8, 4),
    )
    inputs = (torch.empty(2, 3, 16, 16),)
    return capture(module, inputs, backward=False), capture(module, inputs)


def test_launches_are_counted_by_hand(graphs):
    forward, step = graphs
    assert launches(forward, "infer", R3090) == 5
    # as many backwards, one batch counted, and three kernels of the optimiser for all weights together
    assert launches(step, "train", R3090) == 5 + 5 + 1 + 3
    # before torch 2 each of the five weights is filled with zeros, added to, and updated by three kernels
    assert launches(step, "train", R3090_OLD) == 5 + 5 + 1 + 5 * 5


def test_a_compiler_starts_fewer_kernels(graphs):
    forward, step = graphs
    # batch norm and what follows it up to the pooling are one
    assert launches(forward, "infer", COMPILED) < launches(forward, "infer", R3090)
    assert launches(forward, "infer", COMPILED) < launches(step, "train", COMPILED)


def test_many_weights_take_several_kernels_of_an_optimiser():
    module = nn.Sequential(*(nn.Linear(4, 4) for _ in range(60)))
    step = capture(module, (torch.empty(2, 4),))
    assert launches(step, "train", R3090) == 60 + 60 + 3 * math.ceil(120 / 48)


def test_the_prior_is_of_the_machines_in_the_table():
    with Path(host.__file__).with_name("host_clocks.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if (row["mode"], row["phase"]) == ("eager", "infer")]
    values = np.log([float(row["us_per_launch"]) for row in rows])
    prior = host_prior("eager", "infer")
    assert prior.ln_us == pytest.approx(values.mean())
    assert prior.spread == pytest.approx(
        math.sqrt(values.var(ddof=1) * (1 + 1 / len(values)) + host._WITHIN_MACHINE**2)
    )
    assert all(row["source"] and row["how"] for row in rows)
    # each machine is one that the prior holds likely
    assert all(prior.ms(1000, 0.02) < float(row["us_per_launch"]) < prior.ms(1000, 0.98) for row in rows)


@pytest.mark.parametrize("phase", ["infer", "train"])
def test_a_compiled_step_starts_faster_and_a_graph_faster_still(phase):
    medians = [host_prior(mode, phase).ms(1000) for mode in ("cuda-graphs", "compiled", "eager")]
    assert medians == sorted(medians)
    assert medians[0] < medians[2] / 10


def test_a_mode_nobody_knows_is_refused():
    with pytest.raises(PerfseerError, match=r"lazy .*expected two"):
        host_prior("lazy", "infer")


def test_quantiles_are_those_of_a_lognormal():
    assert CLOCK.ms(100) == pytest.approx(3.0)
    assert CLOCK.ms(100, 0.8413447) == pytest.approx(3.0 * math.exp(0.3), rel=1e-6)
    assert CLOCK.slower_than(3.0, 100) == pytest.approx(0.5)
    assert CLOCK.slower_than(3.0 * math.exp(-0.3), 100) == pytest.approx(0.8413447, rel=1e-6)


def test_the_later_of_two_clocks_is_the_mean_of_the_logarithm_over_hosts():
    drawn = np.exp(np.random.default_rng(0).normal(CLOCK.ln_us, CLOCK.spread, 200_000)) * 100 / 1e3
    for device_ms in (0.5, 2.0, 3.0, 4.0, 9.0):
        expected = math.exp(np.log(np.maximum(drawn, device_ms)).mean())
        assert CLOCK.later_ms(device_ms, 100) == pytest.approx(expected, rel=2e-3)


def test_the_later_is_no_less_than_either_and_rises_with_both():
    grid = np.geomspace(1e-4, 1e4, 400)
    later = np.array([CLOCK.later_ms(device_ms, 100) for device_ms in grid])
    assert (later >= np.maximum(grid, CLOCK.ms(100))).all()
    assert (np.diff(later) >= 0).all()
    assert later[-1] == grid[-1]
    assert CLOCK.later_ms(1.0, 200) > CLOCK.later_ms(1.0, 100)


def test_a_bound_makes_a_clock_faster_and_surer():
    drawn = np.random.default_rng(1).normal(CLOCK.ln_us, CLOCK.spread, 400_000)
    for us in (20.0, 30.0, 90.0):
        kept = drawn[drawn <= math.log(us)]
        bounded = CLOCK.at_most(us)
        assert bounded.ln_us == pytest.approx(kept.mean(), abs=0.01)
        assert bounded.spread == pytest.approx(max(kept.std(), host._LEAST_SPREAD), abs=0.01)
        assert bounded.ms(1000) < us
    assert CLOCK.at_most(0.1).ms(1000) < 0.1
    with pytest.raises(PerfseerError, match="positive"):
        CLOCK.at_most(0.0)


def test_the_least_time_per_launch_is_found_by_platform_and_phase():
    data = make_dataset(6, seed=0)
    columns = host_columns(len(data))
    rows = data.rows.assign(**columns)
    measured = type(data).from_rows(rows, data.graphs)
    found = least_us_per_launch(measured)
    expected = min(
        1e3 * measured.rows["infer_time_ms"].iloc[row] / measured.graph(row).n_nodes
        for row in range(len(data))
        if columns["device_kind"][row] == "cuda"
    )
    assert found[(R3090.key, "infer")] == pytest.approx(expected)
    assert {key for key, _ in found} == {R3090.key}


def host_columns(n):
    """Columns that name a platform: a GPU but for the last row."""
    from perfseer.forecast.asking import platform_row

    rows = [platform_row(R3090)] * (n - 1) + [platform_row(CPU)]
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_the_documented_priors_are_those_of_the_table():
    """Quantiles of docs/predicting.md, microseconds a launch, to two digits."""
    text = (ROOT / "docs/predicting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (eager|compiled|CUDA graphs) \| (\w+) \| ([\d., ]+) \|", text, re.MULTILINE)
    assert len(rows) == 4
    for mode, phase, numbers in rows:
        clock = host_prior(mode.lower().replace(" ", "-"), "train" if phase == "training" else "infer")
        said = [float(number) for number in numbers.split(",")]
        assert said == [float(f"{1e3 * clock.ms(1, quantile):.2g}") for quantile in (0.05, 0.5, 0.95)]


def test_a_step_of_an_unrolled_recurrence_does_not_bound_a_host(monkeypatch):
    """Without the largest graph, whose launches are more than any step is known to have."""
    data = make_dataset(6, seed=0)
    columns = host_columns(len(data))
    measured = type(data).from_rows(data.rows.assign(**columns), data.graphs)
    on_gpu = [row for row in range(len(data)) if columns["device_kind"][row] == "cuda"]
    nodes = {row: measured.graph(row).n_nodes for row in on_gpu}
    largest = max(nodes.values())
    kept = [row for row in on_gpu if nodes[row] < largest]
    assert kept
    monkeypatch.setattr(host, "MOST_LAUNCHES", largest - 1)
    expected = min(1e3 * measured.rows["infer_time_ms"].iloc[row] / nodes[row] for row in kept)
    assert least_us_per_launch(measured)[(R3090.key, "infer")] == pytest.approx(expected)
