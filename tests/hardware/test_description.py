import re
from collections import Counter
from pathlib import Path

import pytest

from perfseer.hardware.description import dbml, field_tables, type_of
from perfseer.hardware.metric_registry import METRICS
from perfseer.hardware.schema import METADATA
from perfseer.studies.hardware.schema_files import schema_texts

DOCS = Path(__file__).parents[2] / "docs"
COLUMNS = {(table.name, column.name) for table in METADATA.sorted_tables for column in table.columns}
REFERENCES = {
    (table.name, column.name, key.column.table.name, key.column.name)
    for table in METADATA.sorted_tables
    for column in table.columns
    for key in column.foreign_keys
}


@pytest.mark.parametrize("name", sorted(schema_texts()))
def test_the_committed_file_is_what_the_schema_says(name):
    # Otherwise: python -m perfseer.studies.hardware.schema_files docs
    assert (DOCS / name).read_text(encoding="utf-8") == schema_texts()[name]


def test_the_committed_diagram_draws_every_table_column_and_reference():
    # Letters are drawn as paths; each text stands in a comment before them.
    drawing = (DOCS / "hardware-schema.svg").read_text(encoding="utf-8")
    texts = Counter(re.findall(r"<!-- (\w+) -->", drawing))
    types = [
        type_of(column)
        for table in METADATA.sorted_tables
        for column in table.columns
        if column.nullable  # the others have a star behind
    ]
    expected = Counter([*(column for _, column in COLUMNS), *METADATA.tables, *types])
    assert {name: texts[name] for name in expected} == expected
    # A line and a head for each arrow.
    assert drawing.count("opacity: 0.7") == 2 * len(REFERENCES)


def test_dbml_names_every_table_column_and_reference():
    text = dbml()
    blocks = dict(re.findall(r"^Table (\w+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL))
    columns = {
        (table, column)
        for table, block in blocks.items()
        for column in re.findall(r"^  (\w+) \w+ \[", block, re.MULTILINE)
    }
    assert columns == COLUMNS
    references = re.findall(r"^Ref: (\w+)\.(\w+) > (\w+)\.(\w+)$", text, re.MULTILINE)
    assert len(references) == len(REFERENCES)
    assert set(references) == REFERENCES


def test_every_column_is_explained_once():
    for section in field_tables().split("\n## "):
        table = section.removeprefix("## ").partition("\n")[0]
        rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
        assert [name for name, _, _ in rows] == [column.name for column in METADATA.tables[table].columns]
        assert all(meaning.strip() not in ("", "None") for _, _, meaning in rows)


def test_every_metric_is_explained():
    metrics = schema_texts()["hardware-fields.md"].partition("## Metrics")[2]
    assert re.findall(r"^\| `(\w+)` \|", metrics, re.MULTILINE) == list(METRICS)
