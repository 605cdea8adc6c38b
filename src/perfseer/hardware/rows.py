"""Tables as rows for the database, and rows with their numbers."""

from typing import Any, cast

import pandas as pd

Row = dict[str, Any]


def records(frame: pd.DataFrame) -> list[Row]:
    """The rows of a table, each by the names of its columns."""
    return cast("list[Row]", frame.to_dict("records"))


def numbered(rows: list[Row]) -> list[Row]:
    """Rows with their numbers, from 1."""
    return [{"id": number, **row} for number, row in enumerate(rows, start=1)]
