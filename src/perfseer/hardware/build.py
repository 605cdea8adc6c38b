"""Building the hardware database: every source read, all of it assembled, written where it changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfseer.errors import require
from perfseer.hardware.assembly.assemble import Assembled, assemble
from perfseer.hardware.assembly.sourced import Sourced
from perfseer.hardware.cells import shown
from perfseer.hardware.mlperf.closed_names import closed_names
from perfseer.hardware.settings import HardwareSettings
from perfseer.hardware.source import AbsentError, hardware_source, hardware_source_names
from perfseer.hardware.storage import Written, database_url, write
from perfseer.validation import section

Log = Callable[[str], None]
# Unknown names of accelerators that the log lists.
_NAMES_SHOWN = 8


@dataclass(frozen=True)
class Built:
    """What came of building.

    Attributes:
        written: digest, and whether anything changed.
        sourced: every source by name.
        assembled: the database in memory.
    """

    written: Written
    sourced: Mapping[str, Sourced]
    assembled: Assembled


def build(
    parameters: Mapping[str, Any],
    place: str | Path,
    *,
    folder: Path | None = None,
    log: Log = lambda _: None,
) -> Built:
    """Read all sources and write the database.

    Args:
        parameters: raw mapping of params.yaml, of which section ``hardware`` is used.
        place: a file of SQLite, or ``postgresql://…``.
        folder: with files of people's own: ``<source>.csv`` in place of a published file, and any other table
            as a further round of MLPerf.
        log: told of each step.

    Raises:
        PerfseerError: the parameters are at fault, a source is damaged, ``folder`` is none, or the place
            cannot be written.
    """
    settings = section(HardwareSettings, parameters, "hardware")
    database_url(place)  # what is no address at all is told before anything is read
    require(folder is None or folder.is_dir(), f"{folder} is no folder: nothing of your own is read from it")
    sourced = {name: _read(name, folder, log) for name in hardware_source_names()}
    assembled = assemble(sourced, settings)
    log(f"{len(assembled.tables['gpus']):,} accelerators, {len(assembled.tables['results']):,} results")
    for line in _named(assembled):
        log(line)
    return Built(write(assembled.tables, place), sourced, assembled)


def _named(assembled: Assembled) -> list[str]:
    """How many closed results reach an accelerator, and the names that do not."""
    rounds, unknown = closed_names(assembled.tables)
    named, identified = rounds["named"].sum(), rounds["identified"].sum()
    if not named:
        return []
    lines = [f"{identified:,} of {named:,} closed results that name an accelerator reach it"]
    if len(unknown):
        most = unknown.head(_NAMES_SHOWN)
        told = "; ".join(
            f"{shown(name)} ({n})" for name, n in zip(most["accelerator"], most["results"], strict=True)
        )
        lines.append(f"{len(unknown)} names of accelerators are unknown: {told}")
    return lines


def _read(name: str, folder: Path | None, log: Log) -> Sourced:
    """One source; what cannot be had is absent, what is damaged is an error."""
    kind = hardware_source(name)
    try:
        reading = kind(folder=folder).read()
    except AbsentError as error:
        log(f"{name}: absent ({error})")
        return Sourced(kind, None, str(error))
    log(f"{name}: {reading.n_read:,} rows, {reading.n_read - len(reading.rows):,} set aside")
    return Sourced(kind, reading)
