"""Observed metrics, by hand."""

import numpy as np
import pandas as pd
import pytest

from perfseer.hardware.mlperf import observed
from perfseer.hardware.mlperf.shape import shaped
from perfseer.hardware.mlperf.stored import observed_summary


def result(value=1000.0, **changes):
    row = {
        "round": "v5.1", "division": "closed", "submitter": "Acme", "system_id": "s", "nodes": 1.0,
        "accelerators_per_node": 8.0, "accelerator": "H100", "benchmark": "bert", "benchmark_version": "1",
        "network": "bert", "accuracy_target": "99", "scenario": "Offline", "metric": "samples_per_s",
        "value": value, "valid": True, "inferred": False, "duplicate_of": "",
    }  # fmt: skip
    return row | changes


def table(*rows):
    return shaped(dict(pd.DataFrame(rows).items()))


def test_rate_per_accelerator_takes_the_published_total_first():
    rows = table(
        result(),
        result(nodes=11.0, total_accelerators=87.0, value=8700.0),
        result(accelerators_per_node=0.0),
        result(metric="latency_p90_s", value=0.1),
    )
    rates = observed.per_accelerator_throughput(rows).tolist()
    assert rates[:2] == [125.0, 100.0]
    assert np.isnan(rates[2:]).all()


def test_model_flops_utilisation():
    rows = table(result(value=8000.0), result(value=8000.0))
    flops, peak = pd.Series([250e9, np.nan]), pd.Series([1000e12, 1000e12])
    found = observed.mfu(rows, flops, peak)
    assert found[0] == pytest.approx(0.25)  # 1,000 samples/s of 250 GFLOP on 1,000 TFLOP/s
    assert np.isnan(found[1])


def test_server_over_offline_of_the_same_system_and_target():
    rows = table(
        result(),
        result(900.0, scenario="Server"),
        result(500.0, scenario="Server", system_id="no offline"),
        result(100.0, accuracy_target="99.9"),
        result(50.0, accuracy_target="99.9", scenario="Server"),
        result(5.0, scenario="Interactive"),
    )
    found = observed.server_to_offline(rows).set_index("accuracy_target")["ratio"]
    assert found.to_dict() == {"99": 0.9, "99.9": 0.5}
    assert observed.server_to_offline(rows, "Interactive")["ratio"].tolist() == [0.005]
    assert observed.server_to_offline(rows[rows["scenario"] == "Offline"]).empty


def test_scaling_against_the_smallest_system():
    rows = table(
        result(100.0, accelerators_per_node=1.0, system_id="one"),
        result(760.0, accelerators_per_node=8.0, system_id="eight"),
        result(2.0, accelerator="T4"),
        result(9999.0, accelerators_per_node=8.0, system_id="copy", duplicate_of="x"),
    )
    found = observed.scaling_efficiency(rows)
    assert found.tolist()[:2] == [1.0, pytest.approx(0.95)]
    assert found[2:].isna().all()


def test_energy_of_a_sample():
    rows = table(
        result(power_w=500.0),
        result(scenario="SingleStream", metric="latency_p90_s", value=0.1, energy_per_query_j=0.5),
        result(scenario="MultiStream", metric="latency_p99_s", value=0.1, energy_per_query_j=0.8),
        result(),
        result(scenario="SingleStream", metric="latency_p90_s", value=0.1, power_w=100.0),
    )
    found = observed.joules_per_sample(rows)
    assert found[:3].tolist() == pytest.approx([0.5, 0.5, 0.1])
    assert found[3:].isna().all()


def test_spread_between_submitters():
    rows = table(
        result(800.0, submitter="A"),
        result(880.0, submitter="B"),
        result(960.0, submitter="C"),
        result(1.0, submitter="D", division="open"),
        result(1.0, submitter="E", inferred=True),
        result(1.0, submitter="F", nodes=2.0),
        result(50.0, submitter="A", accelerator="T4"),
    )
    found = observed.vendor_spread(rows).set_index("submitter")
    assert sorted(found.index) == ["A", "B", "C"]
    assert found.loc["A", "value"] == 100.0
    assert found.loc["A", "others"] == 115.0  # median of 110 and 120
    assert found.loc["A", "spread"] == pytest.approx(15 / 115)
    assert found.loc["B", "spread"] == pytest.approx(0.0)


def test_observed_in_one_table_by_hand():
    two = {"nodes": 2.0, "total_accelerators": 16.0, "system_id": "two"}
    one = {"total_accelerators": 8.0}
    rows = table(
        result(**one),
        result(600.0, scenario="Server", **one),
        result(1800.0, **two),
        result(1100.0, submitter="Other", **one),
        result(1.0, valid=False, scenario="Interactive", **one),
    )
    found = observed_summary(rows).set_index("observed")
    assert found["n"].tolist() == [4, 1, 0, 1, 2]
    medians = found["median"].tolist()
    assert medians[1] == 0.6
    assert medians[3] == pytest.approx(0.9)
    assert medians[4] == pytest.approx((1100 / 1000 - 1 + 1 - 1000 / 1100) / 2)
    assert np.isnan(medians[0])
    assert np.isnan(medians[2])
