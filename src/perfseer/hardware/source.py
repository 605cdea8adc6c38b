"""What a source of the hardware database is: its files, its rows, and what became of each row.

A source is a module of `perfseer.hardware.sources`; docs/hardware.md says what each of them holds. It reads
its own file and nothing else: names are identified, units compared and conflicts decided where all sources
meet (`perfseer.hardware.assembly`).
"""

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar

import pandas as pd

from perfseer.data.download import RemoteFile
from perfseer.discovery import only_class
from perfseer.errors import PerfseerError, require
from perfseer.hardware import sources
from perfseer.hardware.cells import parse_csv
from perfseer.hardware.originals import UnavailableError, downloaded_original, local_original
from perfseer.hardware.shipped import NotPulledError, read_shipped

# Columns of what a source sets aside.
REFUSED_COLUMNS: tuple[str, ...] = ("row", "column", "value", "reason")


@dataclass(frozen=True)
class Cells:
    """The cells of one published file.

    Attributes:
        table: texts under the file's own column names; NaN where a file (of JSON) has nothing at all.
        where: they were found: mirror, cache, shipped, download, or the path of a file of one's own.
    """

    table: pd.DataFrame
    where: str


@dataclass(frozen=True)
class Reading:
    """What one source gave.

    Attributes:
        rows: a line for each row that is taken, with the columns the source declares
            (`HardwareSource.columns`).
        n_read: rows of its files, taken or not: ``len(rows) + number of different refused rows``.
        refused: rows set aside, `REFUSED_COLUMNS`: number of the row in its file (the first after the header
            is 1), the column at fault, what it holds, and why that cannot be taken. Never dropped in silence.
        findings: what was checked of the rows that are taken → how many do not agree; zeros too.
        where: the rows were found (`Cells.where`); differs between machines that read the same.
    """

    rows: pd.DataFrame
    n_read: int
    refused: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(REFUSED_COLUMNS)))
    findings: dict[str, int] = field(default_factory=dict)
    where: str = ""

    def __post_init__(self) -> None:
        missing = [name for name in REFUSED_COLUMNS if name not in self.refused.columns]
        require(not missing, f"refused rows lack the columns {missing}")
        n_refused = self.refused["row"].nunique()
        require(
            self.n_read == len(self.rows) + n_refused,
            f"{self.n_read} rows were read, {len(self.rows)} taken and {n_refused} refused: rows were lost",
        )


@dataclass(eq=False)
class HardwareSource(ABC):
    """One published set of figures, results or prices.

    Attributes:
        name: of its module.
        title: what was published, by whom, in a line.
        licence: under which, and what may be done with it.
        url: where people find it.
        files: what is read, each with URL, digest and size; empty where a package or the repository has it.
        shipped: file below ``data/hardware`` of the repository that holds the same rows, under DVC, without
            ``.parquet``; empty where they may not be redistributed. With several files: see `shipped_name`.
        published: day or month of what is read, as ISO text; prices and scores are of that time.
        columns: of `Reading.rows`, name → what it holds, with its unit.
        folder: where further files of people's own are looked for; None: nowhere.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    licence: ClassVar[str]
    url: ClassVar[str]
    columns: ClassVar[dict[str, str]]
    files: ClassVar[tuple[RemoteFile, ...]] = ()
    shipped: ClassVar[str] = ""
    published: ClassVar[str] = ""
    folder: Path | None = None

    @abstractmethod
    def read(self) -> Reading:
        """All rows, taken or refused.

        Raises:
            AbsentError: neither the files nor a mirror nor the shipped table is here, and there is no
                network.
            PerfseerError: a file is not what it should be: another header, another encoding, damaged.
        """

    def parse(self, content: bytes, file: RemoteFile) -> pd.DataFrame:
        """The cells of an original file as texts; a CSV file unless a source says otherwise.

        Raises:
            PerfseerError: it is no such file.
        """
        return parse_csv(content, file.name)

    def shipped_name(self, file: RemoteFile) -> str:
        """The shipped table of a file: `shipped`, with the file's stem behind it where there are several."""
        if not self.shipped or len(self.files) == 1:
            return self.shipped
        return f"{self.shipped}-{file.name.partition('.csv')[0].removesuffix('.json')}"

    def cells(self, file: RemoteFile) -> Cells:
        """The cells of one of `files`: from a mirror, the cache, the repository or the network, in turn.

        Raises:
            AbsentError: none of them has it; says why.
            PerfseerError: what is there is damaged or of another version.
        """
        original = local_original(file)
        if original is not None:
            return Cells(self.parse(original.content, file), original.where)
        reasons = []
        try:
            shipped = read_shipped(self.shipped_name(file)) if self.shipped else None
        except NotPulledError as error:
            shipped = None
            reasons.append(str(error))
        if shipped is not None:
            table, origin = shipped
            require(
                origin.sha256 == file.sha256,
                f"the shipped table {self.shipped_name(file)} was made from a file with SHA-256 "
                f"{origin.sha256}, expected {file.sha256}: ship it again",
            )
            return Cells(table, "shipped")
        try:
            return self.original_cells(file)
        except UnavailableError as error:
            raise AbsentError("; ".join([str(error), *reasons])) from error

    def original_cells(self, file: RemoteFile) -> Cells:
        """As `cells`, never from the repository.

        Raises:
            UnavailableError: neither a mirror nor the cache nor the network has it.
            PerfseerError: what is there is damaged or of another version.
        """
        original = local_original(file) or downloaded_original(file)
        return Cells(self.parse(original.content, file), original.where)


class AbsentError(PerfseerError):
    """A source that cannot be had here; the database is built without it and says so."""


def hardware_source_names() -> tuple[str, ...]:
    """Sources there are, by their modules."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(sources.__path__)))


@cache
def hardware_source(name: str) -> type[HardwareSource]:
    """The source called ``name``.

    Raises:
        PerfseerError: there is none, or its module does not hold exactly one of that name.
    """
    names: Sequence[str] = hardware_source_names()
    require(name in names, f"no source {name!r}; there are {', '.join(names)}")
    return only_class(f"{sources.__name__}.{name}", HardwareSource, name)  # type: ignore[type-abstract]
