"""CSV files of strangers as tables of text: every cell as it stands, nothing guessed, nothing cut off."""

import difflib
from collections.abc import Iterable

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from perfseer.errors import PerfseerError, require
from perfseer.text import one_line

_LONGEST_SHOWN = 200


def parse_csv(content: bytes, name: str) -> pd.DataFrame:
    """The cells below the header, as texts.

    Args:
        content: of the file: UTF-8, with or without a byte order mark; comma-separated, quoted by ``"``.
        name: of the file, for messages.

    Returns:
        A column for each of the header.

    Raises:
        PerfseerError: another encoding, no header, a column without a name or twice, a row of more or fewer
            cells than the header, or a quote that never ends; says where.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PerfseerError(
            f"{name} is not UTF-8: byte {error.start}, in line {line}, is {content[error.start]:#04x}; "
            "save it as UTF-8"
        ) from error
    require("\0" not in text, f"{name} holds zero bytes: it is no CSV file, or is UTF-16; save it as UTF-8")
    whole = _records(text.encode(), name)
    header = [value.strip() for value in whole.iloc[0].tolist()]
    unnamed = [number for number, column in enumerate(header, start=1) if not column]
    require(not unnamed, f"{name}: columns {unnamed} have no name")
    twice = sorted({column for column in header if header.count(column) > 1})
    require(not twice, f"{name} has a column twice: {_listed(twice)}")
    cells = whole.iloc[1:].reset_index(drop=True)
    cells.columns = pd.Index(header)
    return cells


def _records(content: bytes, name: str) -> pd.DataFrame:
    """All records, the header too, as texts under numbers."""
    uneven: list[csv.InvalidRow] = []

    def set_aside(row: csv.InvalidRow) -> str:
        uneven.append(row)
        return "skip"

    n_columns = content[: 2**16].count(b",") + 1  # as many as the header has, or more
    try:
        table = csv.read_csv(
            pa.BufferReader(content),
            # One block, so that rows have numbers and any cell fits; one thread for the same reason.
            csv.ReadOptions(
                use_threads=False, autogenerate_column_names=True, block_size=max(len(content) + 1, 2**20)
            ),
            csv.ParseOptions(newlines_in_values=True, invalid_row_handler=set_aside),
            csv.ConvertOptions(
                column_types={f"f{number}": pa.string() for number in range(n_columns)},
                strings_can_be_null=False,
                null_values=[],
            ),
        )
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise PerfseerError(f"{name} cannot be read as a CSV file with a header: {error}") from error
    faults = [
        f"row {row.number - 1} has {row.actual_columns} cells ({shown(row.text)[:60]})" for row in uneven[:3]
    ]
    require(
        not uneven,
        f"{name}: {len(uneven)} rows have more or fewer cells than the header's {table.num_columns}, or a "
        f"quote that never ends: {'; '.join(faults)}",
    )
    return table.to_pandas().astype("str")


def require_header(cells: pd.DataFrame, expected: Iterable[str], name: str) -> None:
    """The columns must be exactly those expected, in any order.

    Raises:
        PerfseerError: some are missing, renamed or new; names each.
    """
    wanted = list(expected)
    missing = [column for column in wanted if column not in cells.columns]
    extra = [str(column) for column in cells.columns if column not in wanted]
    faults = []
    for column in list(missing):
        alike = difflib.get_close_matches(column, extra, n=1, cutoff=0.8)
        if alike:
            faults.append(f"{_listed([column])} is called {_listed(alike)}")
            missing.remove(column)
            extra.remove(alike[0])
    if missing:
        faults.append(f"it lacks {_listed(missing)}")
    if extra:
        faults.append(f"it also has {_listed(extra)}")
    require(not faults, f"{name} has another header than expected: {'; '.join(faults)}")


def shown(value: object) -> str:
    """A cell as a message may show it: a line of at most 200 characters, none of which acts on a terminal."""
    text = str(value)
    line = one_line(text[:_LONGEST_SHOWN])
    return line if len(text) <= _LONGEST_SHOWN else f"{line}…"


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f"'{shown(column)}'" for column in columns)
