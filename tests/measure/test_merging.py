import json

import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.measure.merging import merge_tables
from perfseer.measure.table import COLUMNS, read_table, typed_table, write_table
from tests.helpers.sound_table import put, sound_table

OTHER_ENVIRONMENT = json.dumps(
    {"device": "Abacus", "device_memory_gib": 8, "digest": "ba9876543210", "torch": "3"}
)


def halves():
    """One collection cut in two, as `collect --skip` would have measured it."""
    table = sound_table()
    return table.head(12).copy(), table.tail(18).reset_index(drop=True)


def test_two_halves_give_the_whole_in_the_order_of_the_plan():
    first, second = halves()
    merged = merge_tables({"second": second, "first": first})
    pd.testing.assert_frame_equal(merged.table, sound_table())
    assert merged.rows == {"second": 18, "first": 12}
    assert (merged.copies, merged.repeats, merged.renumbered) == (0, 0, False)


def test_one_table_is_copied_as_it_is():
    table = put(sound_table(), 4, status="oom", reason="infer: out of memory", train_time_ms=None)
    pd.testing.assert_frame_equal(merge_tables({"t": table}).table, table)


def test_equal_rows_stand_once_wherever_they_come_from():
    table = sound_table()
    elsewhere = table.tail(10).assign(order=range(10))
    merged = merge_tables({"a": table, "b": table.head(20), "c": elsewhere})
    pd.testing.assert_frame_equal(merged.table, table)
    assert (merged.copies, merged.repeats) == (30, 0)


def test_missing_values_are_equal_to_each_other():
    failed = put(sound_table(), 4, status="oom", reason="infer: out of memory", train_time_ms=None)
    merged = merge_tables({"a": failed, "b": failed})
    assert (len(merged.table), merged.copies) == (30, 30)


def test_of_a_configuration_measured_twice_the_first_stays_and_the_other_is_counted():
    table = sound_table()
    again = table.assign(train_time_ms=table["train_time_ms"] * 1.05)
    merged = merge_tables({"a": table, "b": again.head(7)})
    pd.testing.assert_frame_equal(merged.table, table)
    assert (merged.copies, merged.repeats) == (0, 7)
    assert merge_tables({"b": again, "a": table}).table["train_time_ms"].equals(again["train_time_ms"])


def test_a_row_that_is_ok_stays_before_an_earlier_one_that_failed():
    table = sound_table()
    failed = put(table, 4, status="timeout", reason="train: 30 s", train_time_ms=None)
    for tables in ({"a": failed, "b": table}, {"b": table, "a": failed}):
        merged = merge_tables(tables)
        pd.testing.assert_frame_equal(merged.table, table)
        assert (merged.copies, merged.repeats) == (29, 1)


def test_other_precisions_are_other_configurations_and_a_prefix_has_rows_of_each_table():
    table = sound_table()
    merged = merge_tables({"a": table, "b": table.head(5).assign(precision="tf32")})
    assert merged.renumbered
    assert merged.table["order"].tolist() == list(range(35))
    assert merged.table["precision"].head(10).tolist() == ["fp32", "tf32"] * 5
    assert merged.repeats == 0


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("device", "Antikythera", "of 2 devices, .*: a has Abacus; b has Antikythera"),
        (
            "environment",
            OTHER_ENVIRONMENT,
            r"2 environments.*a has 0123456789ab; b has ba9876543210 \(torch 3\)",
        ),
        (
            "protocol",
            '{"ci_width":0.01}',
            r"2 protocols.*a has the first one; b has another one \(ci_width 0.01",
        ),
        ("protocol_version", 1, "2 versions of the protocol.*a has 2; b has 1"),
        ("environment", "by hand", "b has 'by hand'"),
    ],
)
def test_tables_without_a_common_scale_are_refused_and_told_apart(column, value, said):
    first, second = halves()
    second = second.assign(**{column: value})
    with pytest.raises(PerfseerError, match=said) as refused:
        merge_tables({"a": first, "b": second})
    assert "--allow-mixed" in str(refused.value)
    mixed = merge_tables({"a": first, "b": second}, allow_mixed=True)
    assert len(mixed.table) == 30
    assert mixed.table[column].nunique() == 2


def test_a_table_that_is_mixed_in_itself_is_refused_too():
    table = put(sound_table(), 29, device="Antikythera")
    with pytest.raises(PerfseerError, match="Abacus, Antikythera"):
        merge_tables({"t": table})


def test_the_same_configuration_in_two_settings_stays_twice():
    table = sound_table()
    mixed = merge_tables({"a": table, "b": table.assign(device="Antikythera")}, allow_mixed=True)
    assert (len(mixed.table), mixed.copies, mixed.repeats, mixed.renumbered) == (60, 0, 0, True)


def test_an_empty_table_adds_nothing_and_nothing_but_empty_ones_is_refused():
    table = sound_table()
    pd.testing.assert_frame_equal(merge_tables({"empty": table.head(0), "t": table}).table, table)
    with pytest.raises(PerfseerError, match="x, y"):
        merge_tables({"x": table.head(0), "y": table.head(0)})


def test_nothing_is_lost_or_counted_twice_whatever_is_joined():
    table = sound_table()
    parts = {str(seed): table.sample(frac=0.6, random_state=seed) for seed in range(4)}
    merged = merge_tables(parts)
    distinct = pd.concat(parts.values()).drop_duplicates("order").sort_values("order", ignore_index=True)
    pd.testing.assert_frame_equal(merged.table, typed_table(distinct))
    assert len(merged.table) + merged.copies + merged.repeats == sum(merged.rows.values())


def test_a_joined_table_can_be_written_and_joined_again(tmp_path):
    first, second = halves()
    write_table(merge_tables({"a": first, "b": second}).table, tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert list(table.columns) == list(COLUMNS)
    pd.testing.assert_frame_equal(merge_tables({"t": table}).table, table)
