"""The schema described for people and tools: every table and column, and DBML (https://dbml.dbdiagram.io)."""

import re
from collections.abc import Iterator

from sqlalchemy import CheckConstraint, Column, UniqueConstraint
from sqlalchemy import Table as SqlTable

from perfseer.hardware.schema import METADATA

_TYPES = {
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "FLOAT": "double",
    "TEXT": "text",
    "BOOLEAN": "boolean",
    "DATE": "date",
}


def dbml() -> str:
    """The schema in DBML, which dbdiagram.io and others draw."""
    tables = [_dbml_table(table) for table in METADATA.sorted_tables]
    references = [
        f"Ref: {table.name}.{column.name} > {_target(column)}"
        for table in METADATA.sorted_tables
        for column in table.columns
        if column.foreign_keys
    ]
    return "\n\n".join([*tables, "\n".join(references)]) + "\n"


def field_tables() -> str:
    """Every column of every table as Markdown, a section for each table."""
    return "\n\n".join(_section(table) for table in METADATA.sorted_tables) + "\n"


def type_of(column: "Column[object]") -> str:
    """The type of a column in plain words, the same for both databases."""
    return _TYPES[str(column.type)]


def rules_of(table: SqlTable) -> list[str]:
    """What a table refuses beside missing values and references that lead nowhere, a sentence each."""
    checks = [
        str(constraint.sqltext) for constraint in table.constraints if isinstance(constraint, CheckConstraint)
    ]
    unique = [
        f"unique: {', '.join(column.name for column in constraint.columns)}"
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint) and len(constraint.columns) > 1
    ]
    return sorted(unique) + sorted(re.sub(r" AND \w+ < 1e30", "", check) for check in checks)


def _dbml_table(table: SqlTable) -> str:
    lines = [f"Table {table.name} {{", *(f"  {line}" for line in _dbml_columns(table))]
    groups = [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint) and len(constraint.columns) > 1
    ]
    keys = [column.name for column in table.primary_key.columns]
    entries = [f"    ({', '.join(group)}) [unique]" for group in sorted(groups)]
    entries += [f"    ({', '.join(keys)}) [pk]"] if len(keys) > 1 else []
    if entries:
        lines += ["  indexes {", *entries, "  }"]
    return "\n".join([*lines, f"  Note: {_quoted(table.comment or '')}", "}"])


def _dbml_columns(table: SqlTable) -> Iterator[str]:
    single = len(table.primary_key.columns) == 1
    for column in table.columns:
        settings = [
            *(["pk"] if column.primary_key and single else []),
            *(["unique"] if column.unique else []),
            *([] if column.nullable or column.primary_key else ["not null"]),
            f"note: {_quoted(column.comment or '')}",
        ]
        yield f"{column.name} {type_of(column)} [{', '.join(settings)}]"


def _section(table: SqlTable) -> str:
    lines = [f"## {table.name}", "", f"{table.comment}.", "", "| column | type | holds |", "|---|---|---|"]
    for column in table.columns:
        marks = ["key"] if column.primary_key else []
        marks += [f"→ {_target(column)}"] if column.foreign_keys else []
        marks += ["may be NULL"] if column.nullable else []
        kind = "; ".join([type_of(column), *marks])
        lines.append(f"| `{column.name}` | {kind} | {column.comment} |")
    rules = [f"- `{rule}`" for rule in rules_of(table)]
    return "\n".join([*lines, *(["", "Refused is what breaks one of these:", "", *rules] if rules else [])])


def _target(column: "Column[object]") -> str:
    (key,) = column.foreign_keys
    return f"{key.column.table.name}.{key.column.name}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
