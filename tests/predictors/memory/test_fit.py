"""Margins of the memory arithmetic, and whether a configuration fits."""

import json
import re
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.predictors.memory import MemorySetup, memory_terms, will_it_fit
from perfseer.predictors.memory.forecast import USABLE_SHARE, FitForecast
from perfseer.predictors.memory.margins import (
    Margin,
    margin_key,
    margin_of,
    shipped_margins,
    write_margins,
)
from tests.helpers.places import ROOT

GIB = 2**30
RTX3090 = Platform("rtx3090", "cuda", "amp-fp16", "nchw", "eager", "torch 1.12 cu113")
CPU = Platform("AMD EPYC", "cpu", "fp32", "nchw", "eager", "torch 2.13.0")
MARGIN = Margin(0.1, 0.05, "made up", ("NVIDIA GeForce RTX 3090",), 10)


@pytest.fixture(scope="module")
def graph():
    model = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1))
    return capture(model, (torch.empty(256, 3, 64, 64, device="meta"),))


def censored(shift: float, spread: float, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """ln(room / computed) of the larger and smaller batch between which each of n models stops."""
    rng = np.random.default_rng(0)
    residuals = rng.logistic(shift, spread, n)
    ladder = np.arange(-3.0, 3.0, 0.3)
    place = np.searchsorted(ladder, residuals)
    return ladder[place], ladder[place - 1]


def test_a_margin_is_found_from_what_ran_and_what_failed():
    found = Margin.fit(*censored(0.2, 0.15), "made up", ("a",))
    assert (found.shift, found.spread) == pytest.approx((0.2, 0.15), abs=0.02)
    assert (found.n, found.devices) == (3000, ("a",))


def test_runs_without_a_known_failure_count_too():
    ran, failed = censored(0.2, 0.15)
    half = np.arange(len(ran)) % 2 == 0
    ran, failed = np.where(half, 3.0, ran), np.where(half, np.nan, failed)  # half of them ran at once
    assert Margin.fit(ran, failed, "half").shift == pytest.approx(0.2, abs=0.05)


def test_without_failures_there_is_no_margin():
    with pytest.raises(PerfseerError, match="3 configurations"):
        Margin.fit(np.ones(3), np.full(3, np.nan), "x")


def test_a_margin_of_measured_residuals():
    residuals = np.random.default_rng(0).logistic(0.1, 0.04, 5000)
    found = Margin.of_residuals(residuals, "x")
    assert (found.shift, found.spread) == pytest.approx((0.1, 0.04), abs=0.005)
    with pytest.raises(PerfseerError, match="at least 2"):
        Margin.of_residuals(residuals[:1], "x")


def test_probabilities_by_hand():
    computed = np.full(4, 1e9)
    room = 1e9 * np.exp([0.1, 0.1 + 0.05 * np.log(3), 5.0, -5.0])
    assert MARGIN.fits(computed, room) == pytest.approx([0.5, 0.75, 0.995, 0.005])


def test_no_room_is_never_enough():
    assert MARGIN.fits(np.array([1e6]), np.array([-5.0])) == pytest.approx([0.005])


def test_factors_hold_the_confidence():
    low, middle, high = MARGIN.factors(0.5)
    assert np.log([low, middle, high]) == pytest.approx([0.1 - 0.05 * np.log(3), 0.1, 0.1 + 0.05 * np.log(3)])


@pytest.mark.parametrize("change", [{"shift": np.nan}, {"spread": 0.0}])
def test_impossible_margins_are_refused(change):
    with pytest.raises(PerfseerError, match="above 0"):
        Margin(**{"shift": 0.0, "spread": 0.1, "basis": "x", **change})


def test_margins_come_with_the_package():
    shipped = shipped_margins()
    assert "cuda-train-amp-fp16-eager" in shipped
    for margin in shipped.values():
        assert abs(margin.shift) < 0.5
        assert 0.01 <= margin.spread < 0.3
        assert margin.devices
        assert margin.n >= 50


def test_margins_are_written_as_they_are_shipped(tmp_path):
    write_margins(tmp_path / "m.json", {"k": Margin(0.123456, 0.05, "x", ("a",), 3)})
    value = json.loads((tmp_path / "m.json").read_text())["margins"]["k"]
    assert value == {"shift": 0.1235, "spread": 0.05, "basis": "x", "devices": ["a"], "n": 3}


def test_margins_are_wider_on_other_devices_and_widest_where_nothing_was_measured():
    setup = MemorySetup("cuda", "amp-fp16")
    assert margin_key(setup, "train") == "cuda-train-amp-fp16-eager"
    here = margin_of(setup, "train", "NVIDIA GeForce RTX 3090")
    there = margin_of(setup, "train", "NVIDIA A100")
    unknown = margin_of(MemorySetup("cuda", "fp32"), "train", "NVIDIA GeForce RTX 3090")
    assert here.spread < there.spread < unknown.spread
    assert (unknown.devices, unknown.n) == ((), 0)
    assert unknown.spread >= 0.15


def test_what_is_small_fits_and_what_is_large_does_not(graph):
    roomy, tight = (will_it_fit(graph, "train", RTX3090, size * GIB) for size in (24, 0.6))
    assert roomy.probability == 0.995
    assert tight.probability == 0.005
    assert roomy.mem_mib == tight.mem_mib
    assert roomy.mem_low_mib < roomy.mem_mib < roomy.mem_high_mib


def test_the_forecast_is_arithmetic_times_margin(graph):
    found = will_it_fit(graph, "train", RTX3090, confidence=0.5, margin=MARGIN)
    terms = memory_terms(graph, "train", MemorySetup.of(RTX3090))
    expected = np.array(MARGIN.factors(0.5)) * terms.held_bytes + terms.context
    assert np.array([found.mem_low_mib, found.mem_mib, found.mem_high_mib]) * 2**20 == pytest.approx(expected)
    assert found.terms == terms
    assert found.capacity_mib == pytest.approx(24 * 1024 * USABLE_SHARE)
    assert json.loads(json.dumps(asdict(found)))["terms"]["parameters"] == terms.parameters


def test_even_odds_where_the_median_is_all_there_is(graph):
    terms = memory_terms(graph, "train", MemorySetup.of(RTX3090))
    size = (np.exp(MARGIN.shift) * terms.held_bytes + terms.context) / USABLE_SHARE
    assert will_it_fit(graph, "train", RTX3090, size, margin=MARGIN).probability == pytest.approx(0.5)


def test_a_device_that_was_never_measured_is_warned_of(graph):
    def warnings(name: str, precision: str = "amp-fp16") -> FitForecast:
        platform = Platform(name, "cuda", precision, "nchw", "eager", "torch 2.4.0 cu124")
        return will_it_fit(graph, "train", platform)

    assert warnings("rtx3090").warnings == ()
    for other in (warnings("h100"), warnings("rtx3090", "fp32")):
        assert len(other.warnings) == 1
        assert "never measured" in other.warnings[0]
    assert warnings("h100").mem_high_mib > warnings("rtx3090").mem_high_mib


def test_tensors_beyond_32_bits_are_warned_of():
    graph = capture(nn.Conv2d(3, 1024, 1), (torch.empty(512, 3, 64, 65, device="meta"),), backward=False)
    (text,) = will_it_fit(graph, "infer", RTX3090).warnings
    assert "2,181,038,080 elements" in text


def test_a_cpu_needs_to_say_how_much_memory_it_has(graph):
    with pytest.raises(PerfseerError, match="device_memory_bytes"):
        will_it_fit(graph, "infer", CPU)
    assert will_it_fit(graph, "infer", CPU, 64 * GIB).capacity_mib == 64 * 1024


@pytest.mark.parametrize(
    ("change", "message"),
    [({"confidence": 1.0}, "expected a share"), ({"device_memory_bytes": 0}, "expected a positive size")],
)
def test_impossible_questions_are_refused(graph, change, message):
    with pytest.raises(PerfseerError, match=message):
        will_it_fit(graph, "infer", RTX3090, **change)


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_the_example_of_the_document_runs(capsys):
    text = ROOT.joinpath("docs", "memory.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code
    exec(compile(code[1], "docs/memory.md", "exec"), {})
    assert capsys.readouterr().out.startswith("0.995 ")
