"""Files of MLPerf's tables as texts: of JSON or CSV, packed or not, from others, with bounds."""

import gzip
import json
import math
import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.errors import PerfseerError, require
from perfseer.hardware import own_files
from perfseer.hardware.cells import parse_csv, shown
from perfseer.hardware.csv_source import replacement_names
from perfseer.hardware.source import AbsentError, HardwareSource
from perfseer.plain_data import PlainDataError, parse_json

_SUFFIXES = (".json", ".csv", ".json.gz", ".csv.gz")


def tables_of(source: HardwareSource, *, of_logs: bool) -> tuple[list[tuple[str, pd.DataFrame]], str]:
    """Tables of a source and of its folder, by the names of their files, and where they were found.

    Raises:
        AbsentError: there is none at all.
        PerfseerError: one is damaged, or is no such table; names it.
    """
    tables: list[tuple[str, pd.DataFrame]] = []
    places: list[str] = []
    absent: list[str] = []
    for file in source.files:
        try:
            cells = source.cells(file)
        except AbsentError as error:
            absent.append(str(error))
            places.append(f"{file.name} absent")
            continue
        tables.append((file.name, cells.table.fillna("")))
        places.append(cells.where)
    for path in further_files(source.folder, of_logs=of_logs):
        tables.append((shown(path.name), read_table(path).fillna("")))
        places.append(shown(path))
    if not tables:
        raise AbsentError("; ".join(absent))
    return tables, ", ".join(dict.fromkeys(places))


def further_files(folder: Path | None, *, of_logs: bool) -> list[Path]:
    """Tables that people put into ``folder``, sorted by name.

    Args:
        folder: None, or one that need not exist: no files.
        of_logs: those with ``logs`` in their name, or all others.

    Returns:
        Whatever is called like a table, so that a pipe or a broken link is refused when it is read.

    Raises:
        PerfseerError: the folder cannot be listed.
    """
    if folder is None:
        return []
    replacements = replacement_names()
    try:
        names = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PerfseerError(f"cannot list {shown(folder)}: {error.strerror or error}") from error
    found = [
        name
        for name in names
        if name.lower().endswith(_SUFFIXES) and not name.startswith(".") and name not in replacements
    ]
    return [folder / name for name in found if ("logs" in name.lower()) == of_logs]


def read_table(path: Path) -> pd.DataFrame:
    """Cells of a file as texts, see `parse_table`.

    Raises:
        PerfseerError: it cannot be read, is too large, or is no such table.
    """
    return parse_table(own_files.own_content(path), shown(path))


def parse_table(content: bytes, name: str) -> pd.DataFrame:
    """Cells of a table as texts, under the file's own column names; NaN where an object lacks a key.

    Args:
        content: of the file: JSON (a list of objects) or CSV, in UTF-8, gzipped or not.
        name: of the file; its end says which of them.

    Raises:
        PerfseerError: it is empty, too large, or something else.
    """
    require(bool(content.strip()), f"{name} is empty")
    kind = name.lower()
    if kind.endswith(".gz"):
        content = _unpacked(content, name)
        require(bool(content.strip()), f"{name} is empty")
        kind = kind.removesuffix(".gz")
    table = _json_table(content, name) if kind.endswith(".json") else parse_csv(content, name)
    own_files.require_rows(table, name)
    return table


def _unpacked(content: bytes, name: str) -> bytes:
    try:
        with gzip.open(BytesIO(content)) as packed:
            unpacked = packed.read(own_files.MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise PerfseerError(f"{name} is no gzip file, or a damaged one: {error}") from error
    most = own_files.MOST_BYTES
    require(len(unpacked) <= most, f"{name} unpacks to more than {most:,} bytes")
    return unpacked


def _json_table(content: bytes, name: str) -> pd.DataFrame:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PerfseerError(
            f"{name} is not UTF-8: byte {error.start} is {content[error.start]:#04x}; save it as UTF-8"
        ) from error
    try:
        value = parse_json(text, finite=False)
        json.loads(text, object_pairs_hook=_once)
    except (PlainDataError, ValueError) as error:
        raise PerfseerError(f"{name} is no JSON that can be taken: {error}") from error
    require(isinstance(value, list), f"{name} holds a {type(value).__name__}, expected a list of objects")
    foreign = next((number for number, row in enumerate(value, start=1) if not isinstance(row, dict)), 0)
    require(not foreign, f"{name}: row {foreign} is no object")
    columns = list(dict.fromkeys(key for row in value for key in row))
    require(len(columns) <= 1000, f"{name} has {len(columns):,} columns")
    cells = {column: [_text(row[column]) if column in row else None for row in value] for column in columns}
    return pd.DataFrame(cells, columns=columns, dtype="str")


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand once.

    Raises:
        ValueError: one stands twice, so that nobody knows which value is meant.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"an object has the key {key!r} twice")
        found[key] = value
    return found


def _text(value: Any) -> str:
    """A value of JSON as the text that stands for it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value if value.isascii() else _whole(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity"
    return json.dumps(value)


def _whole(text: str) -> str:
    """Half a surrogate pair, which JSON can write and no table holds, becomes the sign for no text."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
