"""Every constraint of the schema refuses the row it is there for, in SQLite and in PostgreSQL."""

import math
from collections.abc import Iterator

import pytest
from sqlalchemy import CheckConstraint, Connection, Integer, UniqueConstraint, insert
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import DatabaseError

from perfseer.hardware.schema import METADATA
from perfseer.hardware.storage import connected, write
from tests.helpers.hardware import Row, beside, contents, postgres

TABLES = [table for table in METADATA.sorted_tables if table.name != "build"]
# What a check on several columns, or on a range, must refuse.
BY_HAND: dict[str, Row] = {
    "ck_sources_no_row_lost": {"n_read": 4},
    "ck_manufacturers_not_its_own_parent": {"parent_id": 9},
    "ck_gpus_year_plausible": {"year": 20.0},
    "ck_peaks_value_within_interval": {"low": 313e12},
    "ck_peaks_imputed_has_interval": {"low": None},
    "ck_conflicts_between_two_sources": {"other_source_id": 1},
    "ck_systems_per_node_not_negative": {"accelerators_per_node": -1.0},
    "ck_metric_values_value_within_interval": {"high": 1.5},
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connection]:
    folder = tmp_path_factory.mktemp("constraints")
    if request.param == "sqlite":
        write(contents(), folder / "hardware.sqlite")
        with connected(folder / "hardware.sqlite") as connection:
            yield connection
        return
    with postgres(folder / "server") as address:
        write(contents(), address)
        with connected(address) as connection:
            yield connection


def refused(connection: Connection, table: SqlTable, row: Row) -> bool:
    """Whether the database refuses the row; nothing stays of it."""
    connection.rollback()
    try:
        connection.execute(insert(table), [row])
    except DatabaseError:
        return True
    finally:
        connection.rollback()
    return False


def faults(table: SqlTable) -> Iterator[tuple[str, Row]]:
    """What every constraint of a table is there to refuse: its name, and what a row then holds."""
    first = contents()[table.name][0]
    for column in table.columns:
        # SQLite numbers rows itself where a number is missing.
        if not column.nullable and not column.primary_key:
            yield f"{column.name} is missing", {column.name: None}
        if column.foreign_keys:
            yield f"{column.name} leads nowhere", {column.name: 12345}
    for constraint in sorted(table.constraints, key=lambda constraint: str(constraint.name)):
        name = str(constraint.name)
        columns = [column.name for column in getattr(constraint, "columns", ())]
        if isinstance(constraint, UniqueConstraint) or constraint is table.primary_key:
            yield f"{name}: twice", {column: first[column] for column in columns}
        elif isinstance(constraint, CheckConstraint):
            yield from checks(table, name)


def checks(table: SqlTable, name: str) -> Iterator[tuple[str, Row]]:
    column = name.removeprefix(f"ck_{table.name}_").rpartition("_")[0].removesuffix("_not")
    if name in BY_HAND:
        yield name, BY_HAND[name]
    elif name.endswith("_positive"):
        whole = isinstance(table.columns[column].type, Integer)
        for value in (0, -1) if whole else (0.0, -1.0, math.inf):
            yield f"{name}: {value}", {column: value}
    else:
        yield name, {column: " " if name.endswith("_not_blank") else "nonsense"}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_constraint_refuses_the_row_it_is_there_for(database, table):
    row = beside(table.name)
    assert not refused(database, table, row)
    taken = [name for name, fault in faults(table) if not refused(database, table, row | fault)]
    assert not taken


def test_every_table_and_column_says_what_it_holds():
    for table in METADATA.sorted_tables:
        assert table.comment
        assert all(column.comment for column in table.columns)


def test_every_foreign_key_has_an_index():
    for table in TABLES:
        leading = {next(iter(index.columns)).name for index in table.indexes}
        leading |= {next(iter(table.primary_key.columns)).name}
        lacking = [
            column.name for column in table.columns if column.foreign_keys and column.name not in leading
        ]
        assert not lacking, f"{table.name}: {lacking}"
