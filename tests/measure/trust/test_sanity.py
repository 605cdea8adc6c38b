"""Every rule: a sound table passes, and a table with one blunder is caught with its row."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from perfseer.measure.process_memory import MIB
from perfseer.measure.table import COLUMNS, typed_table
from perfseer.measure.trust.sanity import RULES, check_table
from perfseer.measure.trust.settings import SanitySettings
from perfseer.targets import TARGET_NAMES
from perfseer.zoo.space import n_parameters
from tests.helpers.counting import calls
from tests.helpers.reading import numbers
from tests.helpers.sound_table import NETWORKS, SPECS, put, sound_table

SETTINGS = SanitySettings(time_slack=0.1, drift=0.1)
# Names of rules that several tests are about.
COPIED, FITS, HOLES = "labels not copied", "smaller batches fit", "order without holes"
HOLDS, MORE, STUCK = "memory holds the parameters", "training needs more", "times not stuck"


def broken(table, settings=SETTINGS):
    """Orders of the violating rows by rule, of rules that are broken."""
    findings = check_table(table, settings)
    return {f.rule: f.violations["order"].tolist() for f in findings if len(f.violations)}


def detail(table, rule):
    (finding,) = (f for f in check_table(table, SETTINGS) if f.rule == rule)
    return finding.violations["detail"].iloc[0]


def test_a_sound_table_breaks_no_rule_and_leaves_none_unknown():
    findings = check_table(sound_table(), SETTINGS)
    assert [f.rule for f in findings] == [rule.name for rule in RULES]
    assert [(f.rule, f.unknown, len(f.violations)) for f in findings] == [(f.rule, "", 0) for f in findings]
    assert {f.rule: f.checked for f in findings} == {
        f.rule: 24 if f.rule in ("time grows", "memory grows") else 30 for f in findings
    }


# Blunder in one row, the rule that catches it, its rows, what it says. Row 7 is network 1 at batch 4.
BLUNDERS = {
    "no label": ({"train_util_pct": np.nan}, "labels complete", "no train_util_pct"),
    "negative time": ({"infer_time_mean_ms": -1.0}, "numbers sound", "infer_time_mean_ms is -1"),
    "infinite mean": ({"train_warmup_drift_pct": np.inf}, "numbers sound", "train_warmup_drift_pct is inf"),
    "no batch": ({"batch_size": 0}, "numbers sound", "batch_size is 0"),
    "idle": ({"infer_util_pct": 0.0}, "utilisation in range", "infer_util_pct is 0"),
    "busier than busy": ({"train_util_pct": 101.0}, "utilisation in range", "train_util_pct is 101"),
    "sampled above 100": ({"train_util_nvml_pct": 130.0}, "utilisation in range", "nvml_pct is 130"),
    "median outside": (
        {"infer_time_ci_low_ms": 5.0, "infer_time_ci_high_ms": 6.0},
        "median in its interval",
        "infer_time_ms is 4.01, its interval 5 to 6",
    ),
    "ok with a reason": ({"reason": "hm"}, "failures explained", "ok, yet with the reason 'hm'"),
    "failed in silence": ({"status": "error"}, "failures explained", "error without a reason"),
    "wrong name": ({"architecture": "0" * 12}, "names agree", "of architecture 000000000000"),
    "spoilt description": ({"model_spec": "{}"}, "names agree", "described as nothing readable"),
    "other device": ({"device": "Antikythera"}, "one setting", "device Antikythera, in the first row Abacus"),
    "other protocol": ({"protocol_version": 1}, "one setting", "protocol_version 1, in the first row 2"),
    "too little memory": (
        {"infer_mem_mib": 0.001},
        "memory holds the parameters",
        "infer_mem_mib is 0.001, parameters take",
    ),
    "bytes as MiB": ({"train_mem_mib": 1e9}, "memory fits the device", "the device has 8704 MiB"),
    "more than it was given": (
        {"infer_mem_allocated_mib": 0.5},
        "memory figures agree",
        "infer_mem_allocated_mib 0.5",
    ),
    "seconds in too few": (
        {"measured_s": 0.1},
        "counting fits the clock",
        "0.1604 s counted in 0.1 s of measuring",
    ),
    "throttled": ({"train_throttled": "power"}, "not throttled", "throttled in train: power"),
    "a neighbour": ({"infer_foreign_cores": 1.5}, "no foreign load", "others in infer: 1.5 cores busy"),
    "a guest": ({"train_foreign_mem_mib": 900.0}, "no foreign memory", "others in train: 900 MiB"),
    "training for nothing": (
        {"train_time_ms": 3.5, "train_time_ci_low_ms": 3.0},
        "training takes longer",
        "training takes 3.5 ms, inference 4.01 ms",
    ),
}


@pytest.mark.parametrize("name", BLUNDERS)
def test_a_blunder_is_caught_with_its_row(name):
    values, rule, said = BLUNDERS[name]
    table = put(sound_table(), 7, **values)
    assert broken(table)[rule] == [7]
    assert said in detail(table, rule)


def test_rules_name_only_the_row_at_fault():
    """Blunders that no other rule can see are seen by one rule."""
    for name in ("no label", "sampled above 100", "ok with a reason", "throttled", "a neighbour", "a guest"):
        values, rule, _ = BLUNDERS[name]
        assert broken(put(sound_table(), 7, **values)) == {rule: [7]}, name


def test_several_faults_of_one_row_are_one_violation():
    table = put(sound_table(), 7, train_util_pct=np.nan, infer_util_pct=np.nan)
    (finding, *_) = check_table(table, SETTINGS)
    assert len(finding.violations) == 1
    assert re.findall(r"\w+_pct", finding.violations["detail"][0]) == ["train_util_pct", "infer_util_pct"]
    assert list(finding.violations.columns) == ["model_ref", "batch_size", "order", "detail"]
    assert finding.violations.loc[0, "batch_size"] == 4


def test_time_that_falls_while_the_batch_grows_is_told_with_the_row_it_falls_from():
    table = put(sound_table(), 8, infer_time_ms=3.5, infer_time_ci_low_ms=3.4)  # batch 8; batch 4 takes 4.01
    assert broken(table) == {"time grows": [8]}
    assert numbers(detail(table, "time grows")) == [3.5, 8, 4.01, 4, 7]
    assert broken(put(table, 8, infer_time_ms=3.7)) == {}, "within the slack"
    assert broken(table, replace(SETTINGS, time_slack=0.2)) == {}


def test_rows_that_differ_in_more_than_the_batch_are_not_compared():
    table = put(sound_table(), 8, infer_time_ms=3.5, infer_time_ci_low_ms=3.4, precision="tf32")
    assert "time grows" not in broken(table)


def test_times_per_sample_instead_of_per_batch_are_caught():
    table = sound_table()
    for name in ("train_time_ms", "infer_time_ms"):
        table[name] /= table["batch_size"] ** 1.2
    assert len(broken(table)["time grows"]) >= 2 * NETWORKS


def test_memory_that_shrinks_while_the_batch_grows_is_caught():
    """The blunder of an earlier system of this kind: blocks kept by the allocator hid what was new."""
    table = sound_table()
    shrunk = put(table, 14, train_mem_mib=0.8 * table.loc[13, "train_mem_mib"])
    assert broken(shrunk)["memory grows"] == [14]


def test_what_fits_at_a_larger_batch_size_fits_at_a_smaller_one():
    table = put(sound_table(), 12, status="oom", reason="infer: out of memory")
    assert broken(table) == {FITS: [12]}
    assert numbers(detail(table, FITS)) == [4, 16]
    both = put(table, [13, 14], status="oom", reason="infer: out of memory")
    assert broken(both) == {}


def test_a_configuration_measured_twice_is_told_with_the_first():
    table = sound_table()
    double = pd.concat([table, table.iloc[[3]].assign(order=30, train_util_pct=50.0)], ignore_index=True)
    assert broken(double) == {"no duplicates": [30]}
    assert numbers(detail(double, "no duplicates")) == [3]
    # Elsewhere it may be measured as well; that the table is of two devices is another rule's business.
    assert set(broken(put(double, 30, device="Antikythera"))) == {"one setting"}


def test_holes_and_repeats_in_the_order_are_told():
    table = put(sound_table().drop(index=[4, 5, 6]), 20, order=19)
    assert broken(table)[HOLES] == [7, 19, 21]
    (found,) = (finding.violations for finding in check_table(table, SETTINGS) if finding.rule == HOLES)
    assert [numbers(text) for text in found["detail"]] == [[4, 6], [19], [20, 20]]
    assert found["detail"].str.contains("taken").tolist() == [False, True, False]


def test_six_labels_copied_from_another_configuration_are_caught():
    table = sound_table()
    table.loc[21, list(TARGET_NAMES)] = table.loc[16, list(TARGET_NAMES)]
    assert broken(table)[COPIED] == [21]
    assert detail(table, COPIED).endswith("batch 2 (order 16)")


def test_one_time_in_many_rows_is_caught():
    table = put(sound_table(), slice(10, 15), infer_time_ms=2.005)
    assert broken(table)[STUCK] == [10, 11, 12, 13, 14, 15]
    assert STUCK not in broken(put(sound_table(), slice(10, 14), infer_time_ms=2.005))


def test_training_needs_gradients_and_momentum():
    table = sound_table()
    weights_mib = n_parameters(SPECS[1]) * 4 / MIB
    low = put(table, slice(5, 9), train_mem_mib=2.5 * weights_mib, infer_mem_mib=weights_mib)
    assert broken(low)[HOLDS] == [5, 6, 7, 8, 9]
    assert "gradients" in detail(low, HOLDS)
    halved = put(low, slice(5, 9), precision="bf16")
    assert HOLDS not in broken(halved), "two bytes each"


def test_training_that_needs_less_memory_than_inference_is_caught():
    table = sound_table()
    mem = table.loc[7, "train_mem_mib"]
    assert broken(put(table, 7, infer_mem_mib=1.2 * mem))[MORE] == [7]


@pytest.mark.parametrize("column", ["probe_ms", "sm_clock_mhz"])
def test_a_machine_that_changes_its_speed_is_told_at_the_first_row_of_the_fifth(column):
    table = sound_table()
    base = table[f"train_{column}"].iloc[0]
    # Rows 18 to 23 are the fourth fifth of the run.
    table.loc[18:23, [f"train_{column}", f"infer_{column}"]] = 1.3 * base
    if column == "sm_clock_mhz":
        table[["train_probe_ms", "infer_probe_ms"]] = np.nan
    assert broken(table) == {"machine steady": [18]}
    assert "fifth 4 " in detail(table, "machine steady")
    assert broken(table, replace(SETTINGS, drift=0.5)) == {}


def test_the_run_is_told_by_order_not_by_the_place_in_the_table():
    table = sound_table()
    table.loc[24:, ["train_probe_ms", "infer_probe_ms"]] = 1.5
    assert broken(table.sample(frac=1, random_state=0)) == {"machine steady": [24]}


def test_rows_that_missed_the_precision_aim_are_no_violation():
    table = put(sound_table(), 3, train_time_ci_low_ms=1.0, train_time_ci_high_ms=99.0)
    assert broken(table) == {}


def test_what_cannot_be_checked_says_why():
    """The published measurements: no description of the network, no interval, no probe."""
    table = sound_table()
    table[["model_spec", "environment"]] = ""
    table["model_ref"] = "perfseer-release:" + table["architecture"]
    for name in COLUMNS:
        if name.startswith(("train_", "infer_")) and "iterations" not in name and name not in TARGET_NAMES:
            table[name] = None if "throttled" in name else np.nan
    table["measured_s"] = np.nan
    unknown = {f.rule: f.unknown for f in check_table(typed_table(table), SETTINGS) if f.unknown}
    assert unknown == {
        "median in its interval": "no row has a confidence interval",
        "names agree": "no row describes its network",
        "memory holds the parameters": "no row describes its network",
        "memory fits the device": "no environment says how much memory the device has",
        "memory figures agree": "no row has a second figure of memory",
        "counting fits the clock": "no row says how long measuring took",
        "machine steady": "fewer than 25 rows of one setting have a reading of speed",
        "not throttled": "no row says whether the clock was held down",
        "no foreign load": "no row knows the load of other processes",
        "no foreign memory": "no row knows the memory of other processes",
    }
    assert broken(typed_table(table)) == {}


def test_a_table_without_rows_is_no_fault():
    findings = check_table(sound_table().head(0), SETTINGS)
    assert all(f.checked == 0 and f.unknown and f.violations.empty for f in findings)


def test_a_table_in_which_everything_failed_can_be_checked():
    table = sound_table().assign(status="error", reason="broken")
    labels = [name for name in COLUMNS if name.startswith(("train_", "infer_"))]
    numbers = [n for n in labels if str(COLUMNS[n].kind) == "double"]
    table[numbers] = np.nan
    assert broken(typed_table(table)) == {}


def enlarged(n):
    """A table of ``n`` rows, as many as wanted of them in one group."""
    table = sound_table()
    big = table.iloc[np.arange(n) % len(table)].reset_index(drop=True)
    big["input_shape"] = [f"3x64x{i // len(table)}" for i in range(n)]
    big["order"] = np.arange(n)
    return big


def test_the_cost_of_checking_grows_with_the_rows_and_no_faster():
    """The published data set has 53,407."""
    costs = [calls(lambda n=n: check_table(enlarged(n), SETTINGS)) for n in (3_000, 6_000, 9_000)]
    assert costs[2] - costs[1] == pytest.approx(costs[1] - costs[0], rel=0.05)
    assert costs[2] - costs[1] < 200 * 3_000
