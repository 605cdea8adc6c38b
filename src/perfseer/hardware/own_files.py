"""Files of people's own, in a folder they name: read within bounds, and none passed over in silence."""

import stat
from pathlib import Path

import pandas as pd

from perfseer.errors import PerfseerError, require
from perfseer.hardware.cells import shown

# The largest table of a round has 1,448 rows; all logs together 24 thousand.
MOST_ROWS = 200_000
MOST_BYTES = 256 << 20


def own_content(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        PerfseerError: it cannot be read, is no regular file (a folder, a pipe, a link that leads nowhere), or
            is larger than `MOST_BYTES`.
    """
    try:
        found = path.stat()
        require(
            stat.S_ISREG(found.st_mode),
            f"{shown(path)} is no regular file: put a file there, or take that away",
        )
        require(
            found.st_size <= MOST_BYTES,
            f"{shown(path)} has {found.st_size:,} bytes, at most {MOST_BYTES:,} are read",
        )
        return path.read_bytes()
    except OSError as error:
        raise PerfseerError(f"cannot read {shown(path)}: {error.strerror or error}") from error


def require_rows(cells: pd.DataFrame, name: str) -> None:
    """A table must have rows, and no more than are read.

    Raises:
        PerfseerError: it has none, or more than `MOST_ROWS`.
    """
    require(len(cells) > 0, f"{name} holds no rows")
    require(len(cells) <= MOST_ROWS, f"{name} has {len(cells):,} rows, at most {MOST_ROWS:,} are read")
