"""Official rows and logs as one table."""

import numpy as np
import pytest

from perfseer.hardware.mlperf.merging import RESULT_COLUMNS, disagreements, results, unjoined
from tests.hardware.mlperf.published import log_row, official_row, read_logs, read_official


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A result of both, one inferred from a SingleStream run, one only official, one only logged."""
    tmp_path = tmp_path_factory.mktemp("both")
    official = read_official(
        tmp_path / "official",
        [
            official_row("resnet", UsedModel="resnet50", Performance_Result=1010.0),
            official_row("resnet", "MultiStream", UsedModel="resnet50", inferred=1, Performance_Result=32.0),
            official_row("resnet", "SingleStream", UsedModel="resnet50", Performance_Result=3.0),
            official_row("retinanet"),
        ],
    )
    logs = read_logs(
        tmp_path / "logs",
        [
            log_row(system_power_w=500.0, lat_max_ns=6e6),
            log_row(scenario="SingleStream", folder="MultiStream"),
            log_row(scenario="SingleStream"),
            log_row("rnnt", round="v1.0"),
            log_row("rnnt"),
        ],
    )
    return logs, official


def test_each_result_stands_once_with_the_official_value(both):
    merged = results(*both)
    assert list(merged.columns) == list(RESULT_COLUMNS)
    assert len(merged) == 6
    assert not merged.duplicated(["round", "location"]).any()
    offline = merged[(merged["benchmark"] == "resnet50") & (merged["scenario"] == "Offline")].iloc[0]
    assert (offline["value"], offline["source"]) == (1010.0, "official+log")
    assert (offline["latency_p99_s"], offline["power_w"]) == (pytest.approx(4e-3), 500.0)
    assert (offline["accelerator_memory"], offline["weight_data_types"]) == ("80 GB", "fp8")
    sources = merged.set_index(["round", "benchmark", "scenario"])["source"]
    assert sources["v5.1", "retinanet", "Offline"] == "official"
    assert sources["v1.0", "rnnt", "Offline"] == "log"


def test_an_inferred_result_does_not_take_the_latencies_of_the_other_run(both):
    merged = results(*both).set_index(["benchmark", "scenario"])
    inferred = merged.loc[("resnet50", "MultiStream")]
    assert inferred["inferred"]
    assert inferred["value"] == pytest.approx(0.032)
    assert np.isnan(inferred["latency_p90_s"])
    assert inferred["duplicate_of"] == ""
    single = merged.loc[("resnet50", "SingleStream")]
    assert (single["latency_p90_s"], single["duplicate_of"]) == (pytest.approx(3e-3), "")


def test_values_apart_are_listed(both):
    apart = disagreements(*both)
    assert apart["location"].tolist() == ["closed/Acme/results/one_h100/resnet50/Offline"]
    assert apart["ratio"].tolist() == [pytest.approx(1.01)]
    assert disagreements(*both, tolerance=0.02).empty


def test_what_has_no_partner_is_listed(both):
    alone = unjoined(*both).set_index("location")["missing"]
    assert alone.to_dict() == {
        "closed/Acme/results/one_h100/retinanet/Offline": "log",
        "closed/Acme/results/one_h100/rnnt/Offline": "official row",
    }


def test_copies_are_found_by_their_log(tmp_path):
    official = read_official(
        tmp_path / "official",
        [official_row("bert-99"), official_row("bert-99.9"), official_row("bert-99", "Server")],
    )
    same_value_another_run = {"lat_mean_ns": 9e6}
    logs = read_logs(
        tmp_path / "logs",
        [log_row("bert-99"), log_row("bert-99.9", **same_value_another_run), log_row("bert-99", "Server")],
    )
    assert (official.rows["duplicate_of"] != "").sum() == 1
    assert (results(logs, official)["duplicate_of"] == "").all()
