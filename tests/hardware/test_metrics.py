"""The 26 metrics, computed by hand."""

import re

import numpy as np
import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.hardware.derivation import derive
from perfseer.hardware.efficiencies import Efficiencies, Efficiency, fit_efficiencies
from perfseer.hardware.metric_registry import METRICS
from perfseer.hardware.metrics import MetricTable, compute_all, field_documentation, inference_cost
from perfseer.hardware.mlperf.benchmarks import benchmarks
from perfseer.hardware.reference_models import REFERENCE_MODELS
from perfseer.hardware.specs import NUMBERS, Specs
from tests.helpers.specifications import A100, MI210, RTX4090, specs


def shown(found: MetricTable) -> pd.DataFrame:
    """In the units that tables show."""
    return found.table / pd.Series({metric.name: metric.scale for metric in METRICS.values()})


# KPI.md 2.1
NAMES = [
    *("tops_per_watt_8bit", "tflops_per_watt_fp16", "tflops_per_watt_fp32", "tops_per_watt_best"),
    *("precision_efficiency_gain", "fp16_speedup", "int8_speedup", "lowest_precision_speedup"),
    *("compute_density", "transistor_efficiency", "ridge_point_fp16", "ridge_point_fp32"),
    *("bandwidth_per_watt", "memory_sweep_time", "l2_per_multiprocessor", "max_parameters_fp16"),
    *("g3d_per_watt", "relative_latency_index", "est_resnet50_throughput", "est_bert_throughput"),
    *("est_gpt2_tokens_per_s", "est_llama70b_tokens_per_s", "usd_per_tflop_fp32", "usd_per_gb"),
    *("g3d_per_usd", "usd_per_million_inferences"),
]
CLOUD = {"cloud_low_usd_per_h": 1.0, "cloud_median_usd_per_h": 2.0, "cloud_high_usd_per_h": 4.0}
PUBLISHED = {"fp16_flops": 3.12e14, "bf16_flops": 3.12e14, "int8_ops": 6.24e14}


def known() -> Specs:
    return specs({"a100-sxm-80gb": A100 | PUBLISHED | CLOUD, "4090": RTX4090, "mi210": MI210, "none": {}})


def test_there_are_the_26_of_the_reference():
    assert list(METRICS) == NAMES
    assert len(METRICS) == 26
    assert all(set(one.inputs) <= set(NUMBERS) and one.inputs for one in METRICS.values())


def test_an_a100_by_hand():
    found = shown(compute_all(known())).loc["a100-sxm-80gb"]
    expected = {
        "tops_per_watt_8bit": 624 / 400,
        "tflops_per_watt_fp16": 312 / 400,
        "tflops_per_watt_fp32": 19.49 / 400,
        "tops_per_watt_best": 624 / 400,
        "precision_efficiency_gain": 624 / 19.49,
        "fp16_speedup": 312 / 19.49,
        "int8_speedup": 2,
        "lowest_precision_speedup": 2,
        "compute_density": 19490 / 826,
        "transistor_efficiency": 1.949e13 / 5.42e10,
        "ridge_point_fp16": 312 / 2.039,
        "ridge_point_fp32": 19.49 / 2.039,
        "bandwidth_per_watt": 2039 / 400,
        "memory_sweep_time": 1000 * 80 * 2**30 / 2.039e12,
        "l2_per_multiprocessor": 40 * 1024 / 108,
        "max_parameters_fp16": 0.45 * 80 * 2**30 / 1e9,
        "relative_latency_index": 1,
        # Operations decide; memory would allow 0.7 x 2.039e12 / (28,806,120 + 25,557,032 / 64) = 48,871.
        "est_resnet50_throughput": 0.45 * 624e12 / 8_178_368_512,
        # Operations decide: 0.45 x 624e12 / 246.4e9.
        "est_bert_throughput": 0.45 * 624e12 / (24 * (24 * 177 * 1024**2 + 4 * 177**2 * 1024)),
        "est_gpt2_tokens_per_s": 0.7 * 2.039e12 / (2 * 124_439_808),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name
    assert found[["g3d_per_watt", "usd_per_gb", "g3d_per_usd", "usd_per_tflop_fp32"]].isna().all()


def test_prices_and_scores_of_a_4090_by_hand():
    found = shown(compute_all(known())).loc["4090"]
    assert found["g3d_per_watt"] == pytest.approx(38000 / 450)
    assert found["g3d_per_usd"] == pytest.approx(38000 / 1600)
    assert found["usd_per_tflop_fp32"] == pytest.approx(1600 / 82.58)
    assert found["usd_per_gb"] == pytest.approx(1600 / (24 * 2**30 / 1e9))


def test_estimates_need_matrix_units_and_llama_8_bits():
    found = compute_all(derive(known()))
    assert found.table.loc["mi210", ["est_resnet50_throughput"]].isna().all()  # no bandwidth
    assert (found.status.loc["none"] == "missing").all()
    assert np.isnan(compute_all(known()).table.loc["4090", "est_llama70b_tokens_per_s"])
    assert found.table.loc["4090", "est_llama70b_tokens_per_s"] > 0


def test_vector_units_do_not_stand_in_for_matrix_units_nobody_knows():
    rows = {"h100": A100, "gtx": A100 | {"tensor_cores": np.nan, "fp16_vector_flops": 3.898e13}}
    found = compute_all(specs(rows)).table["fp16_speedup"]
    assert np.isnan(found["h100"])
    assert found["gtx"] == pytest.approx(2.0)


def test_area_and_transistors_are_those_of_all_dies():
    found = compute_all(specs({"one": A100, "two": A100 | {"dies_per_card": 2}})).table
    for name in ("compute_density", "transistor_efficiency"):
        assert found.loc["two", name] == found.loc["one", name] / 2


def test_cost_by_hand_and_its_range():
    throughput = compute_all(known()).table.loc["a100-sxm-80gb", "est_resnet50_throughput"]
    cost = inference_cost(known()).loc["a100-sxm-80gb"]
    assert cost["median"] == pytest.approx(1e6 * 2 / 3600 / throughput)
    assert cost["low"] == cost["median"] / 2
    assert cost["high"] == cost["median"] * 2
    assert compute_all(known()).table.loc["a100-sxm-80gb", "usd_per_million_inferences"] == cost["median"]
    assert inference_cost(known()).loc["4090"].isna().all()


def test_a_guess_marks_what_it_went_into_and_nothing_else():
    row = {"one": A100 | {"tensor_cores": np.nan}, "two": RTX4090 | {"tensor_cores": np.nan}}
    found = compute_all(specs(row, fp16_vector_flops={"one": "imputed"}, tdp_w={"two": "imputed"})).status
    assert found.loc["one", "fp16_speedup"] == "imputed"
    assert found.loc["one", "tflops_per_watt_fp32"] == "derived"
    assert found.loc["two", "fp16_speedup"] == "derived"
    assert found.loc["two", "tflops_per_watt_fp32"] == found.loc["two", "g3d_per_watt"] == "imputed"


def test_a_guess_that_was_not_used_marks_nothing():
    both = specs({"it": A100 | PUBLISHED}, fp16_vector_flops={"it": "imputed"})
    assert compute_all(both).status.loc["it", "fp16_speedup"] == "derived"


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_nothing_is_divided_by_zero_and_nothing_is_infinite(bad):
    rows = {
        name: {**A100, **PUBLISHED, **CLOUD, "g3d": 1.0, "price_retail_usd": 1.0, name: bad}
        for name in NUMBERS
    }
    found = compute_all(specs(rows)).table
    assert not np.isinf(found.to_numpy()).any()
    assert not (found <= 0).any(axis=None)


def test_metrics_read_no_figure_they_do_not_name():
    full = derive(specs({"a": {**RTX4090, **CLOUD, "l2_bytes": 7e7, "dies_per_card": 1}}))
    everything = compute_all(full).table.loc["a"]
    assert everything.notna().all()
    for one in METRICS.values():
        values = full.table.copy()
        values[[name for name in NUMBERS if name not in one.inputs]] = np.nan
        assert one.compute(values, Efficiencies()).loc["a"] == everything[one.name], one.name


def test_every_metric_has_one_row_of_documentation():
    text = field_documentation()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [re.match(r"\| `(\w+)`", row).group(1) for row in rows] == NAMES
    assert {row.count(" | ") for row in rows} == {6}


def results(**rates):
    return pd.DataFrame(
        [(key, "resnet50", "Offline", rate) for key, each in rates.items() for rate in each],
        columns=["key", "benchmark", "scenario", "per_accelerator"],
    )


def test_efficiencies_are_medians_over_accelerators_that_the_same_limit_holds_back():
    model = REFERENCE_MODELS["resnet50"]
    wide = A100 | {"int8_ops": 1e13}  # operations decide: 1e13 / 8.178e9 = 1222.7 images/s at most
    rows = {f"k{i}": wide for i in range(5)}
    rows["m"] = A100 | PUBLISHED | {"bandwidth_bytes_per_s": 3e11}
    limit = 1e13 / model.flops
    rates = {f"k{i}": [share * limit] for i, share in enumerate((0.2, 0.3, 0.5, 0.6, 0.9))}
    # The third has two results more; it still counts once.
    rates["k2"] += [0.4 * limit, 0.6 * limit]
    fitted = fit_efficiencies(results(**rates, m=[5_000.0], unknown=[1.0]), specs(rows))
    share = fitted.of("resnet50")
    assert share.compute == pytest.approx(0.5)
    assert (share.n_compute, share.n_bandwidth) == (5, 0)
    assert share.bandwidth == Efficiency().bandwidth
    found = compute_all(specs(rows), fitted)
    slow = 0.7 * 3e11 / (28_806_120 + 25_557_032 / 64)
    assert found.table.loc["m", "est_resnet50_throughput"] == pytest.approx(slow)
    assert found.table.loc["k0", "est_resnet50_throughput"] == pytest.approx(0.5 * limit)
    assert found.status.loc["k0", "est_resnet50_throughput"] == "derived"
    # A limit of memory, to which one result is too few.
    assert found.status.loc["m", "est_resnet50_throughput"] == "uncalibrated"
    assert found.status.loc["k0", "est_bert_throughput"] == "uncalibrated"
    assert found.status.loc["k0", "est_gpt2_tokens_per_s"] == "uncalibrated"


def test_llama_has_one_share_for_both_limits():
    rows = {f"k{i}": A100 | PUBLISHED for i in range(5)}
    unfitted = compute_all(specs(rows), Efficiencies({"llama2_70b": Efficiency(1, 1)})).table
    limit = unfitted.loc["k0", "est_llama70b_tokens_per_s"]
    table = results(**{f"k{i}": [limit * (0.3 + 0.1 * i)] for i in range(5)}).assign(
        benchmark="llama2-70b-99"
    )
    fitted = fit_efficiencies(table, specs(rows))
    assert fitted.of("llama2_70b").compute == pytest.approx(0.5)
    found = compute_all(specs(rows), fitted)
    assert found.table.loc["k0", "est_llama70b_tokens_per_s"] == pytest.approx(0.5 * limit)
    assert found.status.loc["k0", "est_llama70b_tokens_per_s"] == "derived"
    other = fit_efficiencies(table.assign(scenario="Server"), specs(rows))
    assert other.of("llama2_70b").n_compute == 0


def test_reference_models_are_looked_for_under_the_names_that_results_have():
    named = set(benchmarks()["name"])
    for model in REFERENCE_MODELS.values():
        assert not model.benchmarks or named & set(model.benchmarks), model.name
    assert "llama2-70b" in REFERENCE_MODELS["llama2_70b"].benchmarks


def test_results_that_are_no_rates_are_refused():
    with pytest.raises(PerfseerError, match="1 results"):
        fit_efficiencies(results(a=[1.0, -2.0]), known())
    with pytest.raises(PerfseerError, match="scenario"):
        fit_efficiencies(results(a=[1.0]).drop(columns="scenario"), known())


def test_the_reference_resnet_is_the_zoo_s():
    import torch

    from perfseer.zoo.reference import resnet50

    graph = capture(resnet50(), (torch.empty(4, 3, 224, 224, device="meta"),)).forward_only()
    model = REFERENCE_MODELS["resnet50"]
    assert graph.total_flops / 4 == model.flops
    assert graph.parameter_bytes / 4 == model.parameters
    moved = (graph.input_bytes + graph.output_bytes) / 4 / 4
    # Joined to the convolution before them; an addition reads its shortcut alone, a third of what it moves.
    weight = {"batch_norm": 0.0, "relu": 0.0, "add": 1 / 3}
    shares = np.array([weight.get(OPERATORS[i], 1.0) for i in graph.operators])
    assert (moved * shares).sum() == model.activation_elements


def test_all_metrics_of_the_largest_table_are_quick():
    import time

    rows = {f"k{i}": A100 | PUBLISHED for i in range(3300)}
    large = specs(rows)
    compute_all(large)
    best = min(_seconds(compute_all, large, time.perf_counter) for _ in range(3))
    assert best < 2.0  # 0.15 s on an idle machine; a loop over rows takes longer than this


def _seconds(call, given, clock):
    began = clock()
    call(given)
    return clock() - began
