"""Tables that come with the repository: the cells of published files, as they were, under DVC.

Only what its licence lets others pass on. A table is `data/hardware/<name>.parquet`: every cell is the text
of the original, so nothing is lost or decided on the way; what it was made from stands in its metadata. Git
holds a pointer, the table itself lies as an object in the remote inside the repository
(docs/shipping-data.md). Reading takes that object and needs neither DVC nor a network.

``python -m perfseer.hardware.shipped NAME…`` writes the tables of sources anew.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from perfseer.data.files import atomic
from perfseer.errors import PerfseerError, require
from perfseer.plain_data import PlainDataError, parse_json, parse_yaml

_METADATA = b"perfseer_original"
_COMPRESSION_LEVEL = 19


@dataclass(frozen=True)
class ShippedOrigin:
    """What a shipped table was made from.

    Attributes:
        title: what was published, by whom.
        url: of the original file, at a fixed version; empty where it has none.
        sha256: of the original file's bytes.
        licence: that lets it be passed on.
        n_rows: of the table.
    """

    title: str
    url: str
    sha256: str
    licence: str
    n_rows: int


class NotPulledError(PerfseerError):
    """A table is shipped, but this checkout has only its pointer."""


def repository() -> Path | None:
    """The checkout this code runs from; None where it is an installed package."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "pyproject.toml").is_file() and (root / "src/perfseer").is_dir() else None


def shipped_path(name: str, root: Path) -> Path:
    """Where the table of that name belongs in a repository."""
    return root / "data/hardware" / f"{name}.parquet"


def write_shipped(cells: pd.DataFrame, path: Path, *, original: ShippedOrigin) -> None:
    """Write a table that `read_shipped` gives back cell by cell.

    Args:
        cells: texts, or None where the original has nothing at all (JSON without a key).
        path: of the Parquet file.
        original: what they are the cells of.

    Raises:
        PerfseerError: a cell is no text, a column stands twice, the rows are not as many as ``original``
            says, or what was written reads differently.
    """
    require(cells.columns.is_unique, f"{path.name}: a column stands twice in {list(cells.columns)}")
    require(
        len(cells) == original.n_rows,
        f"{path.name}: {len(cells)} rows are to be written, {original.n_rows} announced",
    )
    try:
        arrays = [pa.array(_texts(cells[name]), pa.string()) for name in cells.columns]
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise PerfseerError(f"{path.name}: a cell is no text ({error})") from error
    table = pa.table(arrays, names=[str(name) for name in cells.columns])
    table = table.replace_schema_metadata({_METADATA: json.dumps(asdict(original), sort_keys=True)})
    with atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", compression_level=_COMPRESSION_LEVEL)
        require(
            pq.read_table(temporary).equals(table, check_metadata=True),
            f"{path.name}: what was written reads differently",
        )


def read_shipped(name: str, root: Path | None = None) -> tuple[pd.DataFrame, ShippedOrigin] | None:
    """The cells of a shipped table, and what they are the cells of.

    Args:
        name: without ``.parquet``.
        root: of the repository; the one this code runs from if None.

    Returns:
        None where there is no repository or it ships no such table. Cells are texts; NaN where the original
        has nothing at all.

    Raises:
        NotPulledError: there is a pointer, but neither the table nor its object is here; says where they
            belong.
        PerfseerError: pointer, table or object is damaged, or the table is not the one of its pointer.
    """
    root = root or repository()
    if root is None:
        return None
    path = shipped_path(name, root)
    pointer = path.with_name(f"{path.name}.dvc")
    if pointer.is_file():
        content = _pointed_at(path, pointer, root)
    elif path.is_file():  # written a moment ago, not yet under DVC
        content = path.read_bytes()
    else:
        return None
    return _parse(content, path)


def _pointed_at(path: Path, pointer: Path, root: Path) -> bytes:
    """The bytes whose MD5 the pointer names: of the table itself, or of its object in the remote."""
    md5 = _md5_of(pointer)
    if path.is_file():
        content = path.read_bytes()
        require(
            _md5(content) == md5,
            f"{path} is not the table that {pointer.name} names: `dvc checkout {pointer}` brings that back, "
            f"`dvc add {path}` ships this one",
        )
        return content
    stored = root / "data/remote/files/md5" / md5[:2] / md5[2:]
    if not stored.is_file():
        raise NotPulledError(
            f"{path.name} is shipped, but neither {path} nor its object {stored} is here: run "
            f"`dvc pull {pointer}`"
        )
    content = stored.read_bytes()
    require(_md5(content) == md5, f"{stored} is damaged: `git checkout -- {stored}` brings it back")
    return content


def _md5_of(pointer: Path) -> str:
    try:
        found = parse_yaml(pointer.read_text(encoding="utf-8"))["outs"][0]["md5"]
    except (OSError, PlainDataError, UnicodeError, LookupError, TypeError) as error:
        raise PerfseerError(f"{pointer} is no pointer of DVC: `git checkout -- {pointer}`") from error
    # It becomes part of a path.
    right = isinstance(found, str) and len(found) == 32 and set(found) <= set("0123456789abcdef")
    require(right, f"{pointer} names no MD5 of 32 hexadecimal digits: `git checkout -- {pointer}`")
    return str(found)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _parse(content: bytes, path: Path) -> tuple[pd.DataFrame, ShippedOrigin]:
    try:
        table = pq.read_table(pa.BufferReader(content))
        original = _origin(parse_json((table.schema.metadata or {})[_METADATA]))
        cells = pd.DataFrame({name: table[name].to_pandas().astype("str") for name in table.column_names})
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        raise PerfseerError(
            f"{path} is no shipped table, or a damaged one ({error}): ship it again"
        ) from error
    require(
        len(cells) == original.n_rows, f"{path} has {len(cells)} rows, {original.n_rows} when it was written"
    )
    return cells, original


def _origin(value: Any) -> ShippedOrigin:
    if not isinstance(value, dict) or set(value) != {field.name for field in fields(ShippedOrigin)}:
        raise ValueError("its metadata is that of something else")
    return ShippedOrigin(**value)


def _texts(column: "pd.Series[Any]") -> list[str | None]:
    """Cells as they are, None where there is nothing.

    Raises:
        TypeError: one is neither.
    """
    texts = [None if value is None or value is pd.NA or value != value else value for value in column]
    foreign = next((value for value in texts if not isinstance(value, str | None)), None)
    if foreign is not None:
        raise TypeError(f"{column.name!r} holds the {type(foreign).__name__} {foreign!r}")
    return texts


def ship(source: str, root: Path | None = None) -> list[Path]:
    """Write the tables of a source from its original files: from the mirror, the cache or the network.

    Args:
        source: name of a source whose licence lets it be passed on.
        root: of the repository; the one this code runs from if None.

    Returns:
        The Parquet files, to be followed by ``dvc add`` and the rest of docs/shipping-data.md.

    Raises:
        PerfseerError: there is no such source, repository or file, or the source may not be passed on.
    """
    from perfseer.hardware.source import hardware_source  # it reads what is written here

    made = hardware_source(source)()
    require(
        bool(made.shipped and made.files), f"{source} may not be passed on ({made.licence}), or has no file"
    )
    root = root or repository()
    if root is None:
        raise PerfseerError("perfseer runs as an installed package: ship from a clone of its repository")
    paths = []
    for file in made.files:
        cells = made.original_cells(file).table
        path = shipped_path(made.shipped_name(file), root)
        original = ShippedOrigin(made.title, file.url, file.sha256 or "", made.licence, len(cells))
        write_shipped(cells, path, original=original)
        paths.append(path)
    return paths


def main(names: Sequence[str]) -> None:
    """Ship the tables of some sources; prints their paths."""
    for name in names:
        for path in ship(name):
            print(path)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PerfseerError as fault:
        sys.exit(str(fault))
