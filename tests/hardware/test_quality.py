"""Every expectation has a row that breaks it and one that does not."""

import pytest

from perfseer.hardware.derivation import derive
from perfseer.hardware.quality import EXPECTATIONS, check_all, coverage
from tests.helpers.specifications import A100, RTX4090, settings, specs

TOLERANCES = settings().quality
MI300X = {"name": "MI300X", "memory_type": "HBM3", "bus_bits": 8192, "bandwidth_bytes_per_s": 1.03e13}
BROKEN = {
    "positive": (A100 | {"l2_bytes": 0.0}, "l2_bytes"),
    "fp32_rule": (A100 | {"fp32_flops": 3.9e13}, "fp32_flops"),
    "tdp_range": (A100 | {"tdp_w": 2400}, "tdp_w"),
    "pin_rate": (A100 | MI300X, "bandwidth_bytes_per_s"),
    "card_or_die": (A100 | {"name": "A16", "tdp_w": 250, "die_mm2": 200}, "tdp_w"),
    "matrix_rule": (RTX4090 | {"fp16_flops": 3.3e14}, "fp16_flops"),
    "order": (A100 | {"tf32_flops": 4e14, "fp16_flops": 3.12e14}, "tf32_flops"),
    "launch": (A100 | {"year": 2017.0}, "year"),
    "duplicates": (A100 | {"name": "NVIDIA A100 SXM4 80GB"}, "name"),
    "architecture": (A100 | {"architecture": ""}, "architecture"),
}


def failures(rows):
    summary, found = check_all(specs(rows), TOLERANCES)
    return summary.set_index("expectation"), found


def test_plausible_cards_break_nothing():
    summary, found = failures({"a100": A100, "4090": RTX4090})
    assert found.empty
    assert summary.index.tolist() == list(EXPECTATIONS)
    assert summary.loc["fp32_rule", "checked"] == 2
    assert (summary["failed"] == 0).all()


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_each_expectation_finds_the_row_that_breaks_it(name):
    row, figure = BROKEN[name]
    summary, found = failures({"good": A100, "bad": row})
    rows = found[found["expectation"] == name]
    assert "bad" in rows["key"].tolist()
    assert figure in rows["figure"].tolist()
    assert rows["reason"].str.len().min() > 5
    assert summary.loc[name, "failed"] == len(rows)
    if name != "duplicates":
        assert rows["key"].tolist() == ["bad"]


def test_reasons_say_what_is_known():
    dual = A100 | {"architecture": "RDNA 3.0", "fp32_flops": 2 * 1.949e13}
    _, found = failures(
        {"rdna": dual, "4090": RTX4090 | {"fp16_flops": 3.303e14}, "k80": {"name": "Tesla K80"}}
    )
    reasons = found.set_index("key")["reason"]
    assert reasons["rdna"] == "2 times 2 x lanes x boost clock; lanes issue two operations"
    assert reasons["4090"].startswith("2 times the rule of Ada; sparse")
    assert "several GPUs" in found[found["figure"] == "dies_per_card"]["reason"].iloc[0]
    _, said = failures({"k80": {"name": "Tesla K80", "architecture": "Kepler", "dies_per_card": 2}})
    assert said.empty


def test_days_that_are_none_are_found():
    _, found = failures({"a": A100 | {"launched": "2020-13-01"}, "b": A100 | {"name": "b", "year": 1900}})
    assert set(found.loc[found["expectation"] == "launch", "key"]) == {"a", "b"}


def test_coverage_counts_every_accelerator_once():
    rows = {"a": A100 | {"canonical": True, "year": 2020.0}, "b": RTX4090, "c": {"year": 2011.0}}
    before = specs(rows)
    found = coverage(before, derive(before)).set_index(["scope", "figure"])
    counts = found.loc[("all", "fp16_flops")]
    assert counts.to_dict() == {
        **{"accelerators": 3, "before": 0, "observed": 0, "derived": 2, "imputed": 0, "missing": 1}
    }
    assert found.loc[("canonical", "fp16_flops"), "derived"] == 1
    assert found.loc[("since 2012", "tdp_w"), ["accelerators", "before", "observed"]].tolist() == [2, 1, 2]
    ways = found[["observed", "derived", "imputed", "missing"]].sum(axis=1)
    assert (ways == found["accelerators"]).all()
