"""Tables as rows for the database, and rows with their numbers."""

from typing import Any

import pandas as pd

Row = dict[str, Any]


def records(frame: pd.DataFrame) -> list[Row]:
    """The rows of a table, each by the names of its columns."""
    names = [str(name) for name in frame.columns]
    # Column by column: pandas' own way asks each cell of a text column by itself.
    columns = [frame[name].to_numpy(dtype=object).tolist() for name in frame.columns]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def numbered(rows: list[Row]) -> list[Row]:
    """Rows with their numbers, from 1."""
    return [{"id": number, **row} for number, row in enumerate(rows, start=1)]
