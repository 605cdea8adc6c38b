from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from perfseer.data.quarantine import QUARANTINE_COLUMNS, REQUIRED, screen
from perfseer.errors import PerfseerError
from perfseer.targets import TARGET_NAMES
from tests.helpers.synthetic import make_table, spoil


def six():
    return make_table(6, (1,))


def reasons(table):
    return [tuple(line) for line in screen(table).quarantine[["row", "column", "reason"]].to_numpy()]


def test_a_clean_table_passes_whole():
    table = make_table(4)
    result = screen(table)
    pd.testing.assert_frame_equal(result.rows[list(TARGET_NAMES)], table[list(TARGET_NAMES)])
    assert result.quarantine.empty
    assert tuple(result.quarantine.columns) == QUARANTINE_COLUMNS


@pytest.mark.parametrize("column", ["train_time_ms", "infer_mem_mib", "infer_util_pct"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0, "zero"),
        (0.0, "zero"),
        (-0.0, "zero"),
        (-3.5, "negative"),
        (np.nan, "missing"),
        (None, "missing"),
        (pd.NA, "missing"),
        (np.inf, "infinite"),
        (-np.inf, "infinite"),
        (10**400, "infinite"),
        ("12.5", "not a number"),
        ("", "not a number"),
        (True, "not a number"),
        ([1.0], "not a number"),
        (1 + 2j, "not a number"),
        (Decimal("1.5"), "not a number"),
    ],
)
def test_labels_that_are_no_labels(column, value, reason):
    assert reasons(spoil(six(), 2, column, value)) == [(2, column, reason)]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("train_util_pct", 100.0001, "above 100 %"),
        ("train_util_pct", 1e-6, "implausibly small: below 0.0001 %"),
        ("infer_time_ms", 1e-12, "implausibly small: below 1e-09 ms"),
        ("infer_mem_mib", 1e15, "implausibly large: above 1e+12 MiB"),
    ],
)
def test_labels_outside_the_physical_range(column, value, reason):
    assert reasons(spoil(six(), 0, column, value)) == [(0, column, reason)]


def test_full_utilisation_is_a_label():
    assert reasons(spoil(six(), 0, "train_util_pct", 100)) == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0, "not positive"),
        (-2, "not positive"),
        (1.5, "not a whole number"),
        ("8", "not a number"),
        (None, "missing"),
        (2.0**40, "implausibly large: above 2^31"),
    ],
)
def test_batch_sizes(value, reason):
    assert reasons(spoil(six(), 1, "batch_size", value)) == [(1, "batch_size", reason)]


@pytest.mark.parametrize(
    "column", ["model_ref", "architecture", "family", "input_shape", "precision", "mode"]
)
@pytest.mark.parametrize("value", [None, "", 7, np.nan])
def test_rows_without_a_name(column, value):
    ((row, at_fault, reason),) = reasons(spoil(six(), 1, column, value))
    assert (row, at_fault) == (1, column)
    assert "text" in reason


def test_a_failed_configuration_is_listed_once_with_what_the_collector_said():
    table = make_table(4, (1,)).astype({"reason": object})
    table.loc[1, ["status", "reason", *TARGET_NAMES]] = ["timeout", "busy after 30 s", *[np.nan] * 6]
    table.loc[2, "status"] = "oom"
    table.loc[2, "reason"] = ""
    assert reasons(table) == [(1, "status", "busy after 30 s"), (2, "status", "measuring failed")]


def test_a_row_with_two_faults_is_listed_twice_with_its_values():
    table = spoil(spoil(six(), 3, "train_time_ms", "fast"), 3, "infer_time_ms", 0.0)
    quarantine = screen(table).quarantine
    assert quarantine["row"].tolist() == [3, 3]
    assert quarantine["value"].tolist() == ["fast", "0.0"]
    assert quarantine["model_ref"].tolist() == ["zoo:000000000003"] * 2


def test_the_first_good_row_of_a_configuration_is_kept():
    table = make_table(3, (1,))
    table = pd.concat([table, table.iloc[[0, 1, 1]]], ignore_index=True)
    table.loc[0, "train_time_ms"] = 0.0
    result = screen(table)
    assert result.rows.index.tolist() == [1, 2, 3]
    assert result.quarantine[["row", "column", "value"]].to_numpy().tolist() == [
        [0, "train_time_ms", "0.0"],
        [4, "model_ref", "row 1"],
        [5, "model_ref", "row 1"],
    ]


@pytest.mark.parametrize(
    ("column", "value", "key"),
    [("family", "alexnet", "architecture"), ("architecture", "other", "model_ref")],
)
def test_a_row_that_contradicts_an_earlier_one_could_leak(column, value, key):
    table = spoil(make_table(3, (1, 2, 4)), 4, column, value)
    ((row, at_fault, reason),) = reasons(table)
    assert (row, at_fault) == (4, column)
    assert reason.endswith(f"same {key}")


def test_another_precision_is_another_configuration():
    table = make_table(3, (1,))
    assert reasons(pd.concat([table, table.assign(precision="bf16")])) == []


def test_rows_without_a_graph():
    result = screen(make_table(3, (1,)), lambda rows: pd.Series([None, "unheard-of", None], index=rows.index))
    assert result.rows.index.tolist() == [0, 2]
    assert result.quarantine[["row", "column", "reason"]].to_numpy().tolist() == [[1, "graph", "unheard-of"]]


@pytest.mark.parametrize("column", REQUIRED)
def test_a_missing_column_is_named(column):
    with pytest.raises(PerfseerError, match=rf"\['{column}'\]"):
        screen(make_table(3).drop(columns=column))


def test_an_empty_table():
    with pytest.raises(PerfseerError, match="no rows"):
        screen(make_table(3).iloc[:0])


def test_a_column_twice():
    table = make_table(3)
    with pytest.raises(PerfseerError, match=r"\['train_time_ms'\]"):
        screen(pd.concat([table, table[["train_time_ms"]]], axis=1))


def test_no_usable_row_says_why():
    table = make_table(3, (1,)).assign(train_time_ms=0.0)
    table.loc[0, "status"] = "oom"
    with pytest.raises(PerfseerError, match=r"3 rows .*train_time_ms: .*2 rows.*status: oom"):
        screen(table)


def test_nullable_and_arrow_columns():
    table = make_table(3, (1,)).astype({"train_time_ms": "Float64", "infer_time_ms": "double[pyarrow]"})
    table.loc[1, "train_time_ms"] = pd.NA
    table.loc[2, "infer_time_ms"] = None
    assert reasons(table) == [(1, "train_time_ms", "missing"), (2, "infer_time_ms", "missing")]
