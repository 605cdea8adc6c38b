"""Building the hardware database: every source read, all of it assembled, written where it changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfseer.hardware.assembly.assemble import Assembled, assemble
from perfseer.hardware.assembly.sourced import Sourced
from perfseer.hardware.settings import HardwareSettings
from perfseer.hardware.source import AbsentError, hardware_source, hardware_source_names
from perfseer.hardware.storage import Written, write
from perfseer.validation import section

Log = Callable[[str], None]


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
    rounds: Path | None = None,
    log: Log = lambda _: None,
) -> Built:
    """Read all sources and write the database.

    Args:
        parameters: raw mapping of params.yaml, of which section ``hardware`` is used.
        place: a file of SQLite, or ``postgresql://…``.
        rounds: folder with further rounds of MLPerf, in the shape of its official tables.
        log: told of each step.

    Raises:
        PerfseerError: the parameters are at fault, a source is damaged, or the place cannot be written.
    """
    settings = section(HardwareSettings, parameters, "hardware")
    sourced = {name: _read(name, rounds, log) for name in hardware_source_names()}
    assembled = assemble(sourced, settings)
    log(f"{len(assembled.tables['gpus']):,} accelerators, {len(assembled.tables['results']):,} results")
    return Built(write(assembled.tables, place), sourced, assembled)


def _read(name: str, rounds: Path | None, log: Log) -> Sourced:
    """One source; what cannot be had is absent, what is damaged is an error."""
    kind = hardware_source(name)
    try:
        reading = kind(folder=rounds if name.startswith("mlperf") else None).read()
    except AbsentError as error:
        log(f"{name}: absent ({error})")
        return Sourced(kind, None, str(error))
    log(f"{name}: {reading.n_read:,} rows, {reading.n_read - len(reading.rows):,} set aside")
    return Sourced(kind, reading)
