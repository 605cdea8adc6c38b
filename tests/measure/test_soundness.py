import numpy as np
import pandas as pd
import pytest

from perfseer.measure.merging import merge_tables
from perfseer.measure.soundness import settled
from perfseer.measure.table import read_as_written, read_table, write_table
from perfseer.targets import TARGET_NAMES
from tests.helpers.sound_table import put, sound_table


def test_a_sound_table_is_left_as_it_is():
    table = sound_table()
    assert settled(table) is table


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("train_time_ms", np.inf, "infinite"),
        ("train_time_ms", -np.inf, "infinite"),
        ("infer_time_ms", -1.0, "negative"),
        ("infer_time_ms", 0.0, "zero"),
        ("infer_mem_mib", 1e300, "implausibly large"),
        ("infer_mem_mib", 1e-300, "implausibly small"),
        ("train_util_pct", 200.0, "above 100 %"),
        ("train_time_ci_high_ms", np.inf, "infinite"),
        ("train_time_mean_ms", -2.0, "negative"),
        ("measured_s", np.inf, "infinite"),
        ("batch_size", 0, "not positive"),
        ("batch_size", -4, "not positive"),
        ("batch_size", 2**40, "implausibly large"),
    ],
)
def test_a_number_nobody_measured_is_emptied_and_its_row_failed(column, value, word):
    table = put(sound_table(), 3, **{column: value})
    for found in (settled(table), merge_tables({"t": table}).table):
        row = found.iloc[3]
        assert (row["status"], pd.isna(row[column])) == ("error", True)
        assert column in row["reason"]
        assert word in row["reason"]
        assert (found["status"] == "ok").sum() == len(table) - 1


@pytest.mark.parametrize(
    "column", ["device", "model_ref", "device_kind", "input_shape", "precision", "memory_format", "mode"]
)
@pytest.mark.parametrize("value", [None, ""])
def test_a_row_of_nobody_knows_what_has_failed(column, value):
    row = settled(put(sound_table(), 3, **{column: value})).iloc[3]
    assert (row["status"], row[column], row["reason"]) == (
        "error",
        "",
        f"no measurement: {column} is missing",
    )


def test_one_label_is_enough_and_none_is_not():
    table = put(sound_table(), 3, **dict.fromkeys(TARGET_NAMES[1:]))
    assert settled(table)["status"].iloc[3] == "ok"
    assert settled(put(table, 3, train_time_ms=None))["reason"].iloc[3] == "no measurement: it has no label"


def test_a_failed_row_keeps_its_reason_and_loses_what_is_not_finite():
    row = settled(put(sound_table(), 3, status="oom", reason="12 GiB", train_time_ms=np.inf)).iloc[3]
    assert (row["status"], row["reason"], np.isnan(row["train_time_ms"])) == ("oom", "12 GiB", True)


def test_readers_see_a_settled_table_and_those_who_look_for_faults_the_written_one(tmp_path):
    table = put(sound_table(), 3, train_time_ms=np.inf)
    write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["status"].iloc[3] == "error"
    assert read_as_written(tmp_path / "t.parquet")["train_time_ms"].iloc[3] == np.inf


def test_of_two_tables_the_row_that_can_be_is_merged():
    table = sound_table()
    merged = merge_tables({"bad": put(table, 3, train_time_ms=np.inf), "good": table})
    pd.testing.assert_frame_equal(merged.table, table)
