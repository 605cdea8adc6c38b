"""Reading and writing this room's files: whole or not at all, with messages a person can act on."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.errors import PerfseerError
from perfseer.outputs import atomic
from perfseer.plain_data import parse_json
from perfseer.text import cell

__all__ = ["atomic", "read_json", "read_parquet", "write_csv", "write_json", "write_parquet"]


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with sorted keys; NaN and infinity are refused."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, written_by: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        PerfseerError: the file is missing or is not a JSON object; names the verb that writes it.
    """
    try:
        value = parse_json(path.read_bytes())
    except FileNotFoundError as error:
        raise PerfseerError(f"no file {path}: run `{written_by}` first") from error
    except (OSError, ValueError) as error:
        raise PerfseerError(f"cannot read {path} ({error}): run `{written_by}` again") from error
    if not isinstance(value, dict):
        raise PerfseerError(
            f"{path} holds a {type(value).__name__}, expected an object: run `{written_by}` again"
        )
    return value


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index."""
    with atomic(path) as temporary, temporary.open("wb") as stream:  # Arrow takes no name that is not UTF-8
        table.to_parquet(stream, index=False)


def write_csv(path: Path, table: pd.DataFrame, float_format: str | None = None) -> None:
    """Write a table without its index; nothing in it is a formula to a spreadsheet (`text.cell`)."""
    words = table.select_dtypes(exclude=["number", "bool"]).columns
    shown = table.assign(**{str(name): table[name].map(cell, na_action="ignore") for name in words})
    with atomic(path) as temporary:
        shown.to_csv(temporary, index=False, float_format=float_format, lineterminator="\n")


def read_parquet(
    path: Path, columns: tuple[str, ...], written_by: str, numbers: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Read a table and check that it has ``columns``.

    Args:
        path: of the file.
        columns: that it must have.
        written_by: the verb that writes it.
        numbers: those of the columns that must hold numbers.

    Raises:
        PerfseerError: the file is missing, truncated, not Parquet, lacks a column, or has text for numbers.
    """
    try:
        with path.open("rb") as stream:
            table = pd.read_parquet(stream)
    except FileNotFoundError as error:
        raise PerfseerError(f"no file {path}: run `{written_by}` first") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        # pyarrow's errors derive from the first two; what pandas noted in the file raises the others.
        raise PerfseerError(f"cannot read {path} ({error}): run `{written_by}` again") from error
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise PerfseerError(f"{path} lacks the columns {missing}: run `{written_by}` again")
    foreign = [name for name in numbers if not pd.api.types.is_numeric_dtype(table[name])]
    if foreign:
        raise PerfseerError(f"{path} has no numbers in the columns {foreign}: run `{written_by}` again")
    return table
