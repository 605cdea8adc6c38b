import os
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from perfseer.errors import PerfseerError
from perfseer.measure.table import COLUMNS, read_table, write_table
from perfseer.targets import TARGET_NAMES, TARGETS

MARK = b"perfseer_measurement_table"


def frame(rows=2):
    values = {"string": "text", "int64": 3, "double": 1.5}
    data = {name: [values[str(column.kind)]] * rows for name, column in COLUMNS.items()}
    table = pd.DataFrame(data)
    table["status"] = ["ok", "oom"][:rows]
    table.loc[rows - 1, "train_time_ms"] = np.nan
    return table


def test_what_is_written_is_read_with_types_order_and_nulls(tmp_path):
    path = tmp_path / "folder" / "t.parquet"
    shuffled = frame()[list(reversed(COLUMNS))]
    write_table(shuffled, path)
    table = read_table(path)
    pd.testing.assert_frame_equal(table, frame(), check_dtype=False)
    assert list(table.columns) == list(COLUMNS)
    assert np.isnan(table["train_time_ms"].iloc[1])
    assert table["batch_size"].dtype == np.int64


def test_every_label_is_a_column_with_the_labels_unit():
    assert set(TARGET_NAMES) <= set(COLUMNS)
    assert [COLUMNS[target.name].unit for target in TARGETS] == [target.unit for target in TARGETS]


def test_units_travel_in_the_file(tmp_path):
    write_table(frame(), tmp_path / "t.parquet")
    schema = pq.read_schema(tmp_path / "t.parquet")
    assert schema.field("train_mem_mib").metadata[b"unit"] == b"MiB"


def test_equal_tables_are_equal_bytes(tmp_path):
    write_table(frame(), tmp_path / "a.parquet")
    write_table(frame().copy(), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_truncated_file_is_refused_at_any_length(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(frame(), path)
    content = path.read_bytes()
    for size in (0, 1, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(PerfseerError, match="perhaps truncated"):
            read_table(path)


def test_foreign_files_are_refused_and_say_why(tmp_path):
    path = tmp_path / "t.parquet"
    with pytest.raises(PerfseerError, match=re.escape(str(path))):
        read_table(path)
    path.write_text("model,time\n")
    with pytest.raises(PerfseerError, match="Parquet"):
        read_table(path)
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(PerfseerError, match=r"model_ref.* has x"):
        read_table(path)
    frame().to_parquet(path, index=False)
    with pytest.raises(PerfseerError, match="which version"):
        read_table(path)


def test_a_table_of_another_version_is_refused_and_says_what_to_do(tmp_path):
    """Its columns may be others: the version comes first, or the message would be about columns."""
    path = tmp_path / "t.parquet"
    write_table(frame(), path)
    older = pq.read_table(path).drop_columns(["mode"]).replace_schema_metadata({MARK: b"1"})
    pq.write_table(older, path)
    with pytest.raises(PerfseerError, match=r"version 1, .*version 2.*perfseer collect"):
        read_table(path)


def test_a_column_of_another_type_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(frame(), path)
    table = pq.read_table(path)
    index = table.column_names.index("batch_size")
    pq.write_table(table.set_column(index, "batch_size", pa.array(["3", "3"])), path)
    with pytest.raises(PerfseerError, match=r"batch_size \(string\)"):
        read_table(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="reason"), "lacks reason"),
        (lambda t: t.assign(extra=1), "has extra"),
        (lambda t: t.assign(status="fine"), "status fine; allowed: ok, oom, timeout, error"),
        (lambda t: t.assign(batch_size="many"), "wrong type"),
    ],
)
def test_a_wrong_table_is_not_written(tmp_path, change, message):
    path = tmp_path / "t.parquet"
    with pytest.raises(PerfseerError, match=message):
        write_table(change(frame()), path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_table_and_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    write_table(frame(), path)
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PerfseerError, match=r"t\.parquet.*No space"):
        write_table(frame(1), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_pandas_noted_in_the_file_does_not_change_a_type(tmp_path):
    """A table once held as text says so in its metadata, which readers of pandas believe."""
    path = tmp_path / "t.parquet"
    write_table(frame(), path)
    table = pq.read_table(path)
    noted = pa.Table.from_pandas(table.to_pandas().astype({"train_time_ms": "str"})).schema.metadata[
        b"pandas"
    ]
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"pandas": noted}), path)
    assert read_table(path)["train_time_ms"].dtype == np.float64


def test_text_that_is_no_unicode_and_a_table_beyond_measure_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    write_table(frame(), path)
    table = pq.read_table(path)
    broken = pa.array([b"\xff\xfe", b"ok"]).view(pa.string())
    place = table.schema.get_field_index("device")
    pq.write_table(table.set_column(place, table.schema.field("device"), broken), tmp_path / "u.parquet")
    with pytest.raises(PerfseerError, match="not a readable"):
        read_table(tmp_path / "u.parquet")
    monkeypatch.setattr("perfseer.measure.table.MOST_ROWS", 1)
    with pytest.raises(PerfseerError, match="2 rows"):
        read_table(path)
