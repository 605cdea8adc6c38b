"""The measurement table: one row per configuration, Parquet, every column with a type and a unit."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from perfseer import outputs
from perfseer.errors import PerfseerError
from perfseer.outputs import atomic
from perfseer.plain_data import json_object
from perfseer.targets import PHASES

TABLE_VERSION = 2
STATUSES = ("ok", "oom", "timeout", "error")
# What makes two rows the same configuration, and what has to agree for their labels to have a common scale.
CONFIGURATION = ("model_ref", "input_shape", "batch_size", "precision", "memory_format", "mode")
SETTING = ("device", "environment", "protocol", "protocol_version")
MOST_ROWS, MOST_BYTES = (
    1_000_000,
    512 * 2**20,
)  # of a table that is read; the largest published has 53,407 rows
_MARK = b"perfseer_measurement_table"


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, its unit ("" without one) and what it holds."""

    kind: pa.DataType
    unit: str
    meaning: str


_TEXT, _INTEGER, _NUMBER = pa.string(), pa.int64(), pa.float64()

_PHASE_COLUMNS = {
    "time_ms": Column(_NUMBER, "ms", "median time per iteration"),
    "time_ci_low_ms": Column(_NUMBER, "ms", "lower end of the median's confidence interval"),
    "time_ci_high_ms": Column(_NUMBER, "ms", "upper end of the median's confidence interval"),
    "time_mean_ms": Column(_NUMBER, "ms", "mean over the counted iterations"),
    "iterations": Column(_INTEGER, "", "iterations counted; 0 if the phase did not finish"),
    "disturbed_iterations": Column(_INTEGER, "", "iterations set apart because the machine was slow"),
    "warmup_iterations": Column(_INTEGER, "", "iterations before counting; 0 if the phase did not finish"),
    "warmup_drift_pct": Column(
        _NUMBER, "%", "change between the two latest groups of iterations of the warm-up; null if too few"
    ),
    "mem_mib": Column(_NUMBER, "MiB", "peak memory of the configuration, the label"),
    "mem_allocated_mib": Column(_NUMBER, "MiB", "peak given out by the allocator; null on cpu"),
    "mem_reserved_mib": Column(_NUMBER, "MiB", "peak held by the allocator; null on cpu"),
    "mem_process_mib": Column(_NUMBER, "MiB", "memory of the whole process; null where it cannot be read"),
    "util_pct": Column(_NUMBER, "%", "utilisation, the label"),
    "util_nvml_pct": Column(_NUMBER, "%", "utilisation as NVML samples it; null on cpu and in short phases"),
    "probe_ms": Column(
        _NUMBER, "ms", "median time of the fixed matrix product timed meanwhile; null on cuda"
    ),
    "sm_clock_mhz": Column(_NUMBER, "MHz", "clock of the multiprocessors while counting; null on cpu"),
    "throttled": Column(_TEXT, "", "what held the clock down meanwhile; empty if nothing, null if unknown"),
    "foreign_mem_mib": Column(_NUMBER, "MiB", "device memory of other processes; null on cpu"),
    "foreign_cores": Column(
        _NUMBER, "cores", "cores other processes kept busy meanwhile; null where unknown"
    ),
}

COLUMNS: dict[str, Column] = {
    "model_ref": Column(_TEXT, "", "model reference: zoo:<id>, timm:<name>, …"),
    "model_spec": Column(_TEXT, "", "architecture as canonical JSON; empty if the reference says all"),
    "architecture": Column(_TEXT, "", "architecture id"),
    "family": Column(_TEXT, "", "styles of the stages"),
    "input_shape": Column(_TEXT, "", "C x H x W"),
    "batch_size": Column(_INTEGER, "samples", "first dimension of the input"),
    "precision": Column(_TEXT, "", "fp32, tf32, amp-fp16 or bf16"),
    "memory_format": Column(_TEXT, "", "nchw or nhwc"),
    "mode": Column(_TEXT, "", "eager or compiled"),
    **{f"{phase}_{name}": column for phase in PHASES for name, column in _PHASE_COLUMNS.items()},
    "status": Column(_TEXT, "", "ok, oom, timeout or error"),
    "reason": Column(_TEXT, "", "why it is not ok; empty if it is"),
    "device": Column(_TEXT, "", "name of the device"),
    "device_kind": Column(_TEXT, "", "cpu or cuda"),
    "environment": Column(_TEXT, "", "fingerprint of device and software, JSON with its digest"),
    "protocol": Column(_TEXT, "", "measuring protocol, JSON"),
    "protocol_version": Column(_INTEGER, "", "version of the labels' definitions"),
    "order": Column(_INTEGER, "", "position in the plan, from 0"),
    "measured_s": Column(_NUMBER, "s", "seconds the configuration took in all"),
}

SCHEMA = pa.schema(
    [
        pa.field(name, column.kind, metadata={"unit": column.unit, "meaning": column.meaning})
        for name, column in COLUMNS.items()
    ],
    metadata={_MARK: str(TABLE_VERSION)},
)

_WHAT = "the measurement table"
_ADVICE = "Make room, permit writing there, or give another place with --out"


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a measurement table; the file appears whole or not at all.

    Args:
        frame: the columns of `COLUMNS`, in any order.
        path: ends in ``.parquet``; folders are made.

    Raises:
        PerfseerError: a column is missing, unknown or ill-typed, a status is unknown, or the file cannot be
            written.
    """
    table = _to_arrow(frame)
    with atomic(path, what=_WHAT, advice=_ADVICE) as temporary, temporary.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")
        stream.flush()
        os.fsync(stream.fileno())


def typed_table(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` as `read_table` would give it back: columns in order, each of its type.

    Raises:
        PerfseerError: as `write_table`.
    """
    table: pd.DataFrame = _to_arrow(frame).to_pandas()
    return table


def require_writable(path: Path) -> None:
    """Find out before hours of measuring whether a table can be written to ``path``; its folders are made.

    Raises:
        PerfseerError: the folder cannot be made or written, or ``path`` is a folder itself.
    """
    outputs.require_writable(path, what=_WHAT, advice=_ADVICE)


def read_table(path: Path) -> pd.DataFrame:
    """Read a measurement table for use, what cannot have been measured as failed (`soundness.settled`).

    Columns are in the order of `COLUMNS`; nulls of number columns are NaN.

    Raises:
        PerfseerError: as `read_as_written`.
    """
    from perfseer.measure.soundness import settled

    return settled(read_as_written(path))


def read_as_written(path: Path) -> pd.DataFrame:
    """Read a measurement table whatever its numbers are, for those who look for faults in it.

    Raises:
        PerfseerError: there is no such file, it is truncated or no Parquet file, or not a measurement table
            of this version.
    """
    if not path.is_file():
        raise PerfseerError(f"no measurement table at {path}; `perfseer collect --out {path}` writes one")
    try:
        table = _read_parquet(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise PerfseerError(
            f"{path} is not a readable Parquet file, perhaps truncated ({first}); delete it and run "
            "`perfseer collect` again, which takes the rows from its journal"
        ) from error
    return _checked(table, path)


def cell_facts(cell: object) -> dict[str, Any] | None:
    """What an ``environment`` or ``protocol`` says; None of a cell that holds no JSON object."""
    return json_object(cell)


def _read_parquet(path: Path) -> pa.Table:
    """All of a file of bearable size, with text that is text."""
    with path.open("rb") as stream, pq.ParquetFile(stream) as file:  # Arrow takes no name that is not UTF-8
        rows = file.metadata.num_rows
        size = sum(file.metadata.row_group(part).total_byte_size for part in range(file.num_row_groups))
        if rows > MOST_ROWS or size > MOST_BYTES:
            raise PerfseerError(
                f"{path} has {rows:,} rows of {size / 2**20:,.0f} MiB; a measurement table of at most "
                f"{MOST_ROWS:,} rows and {MOST_BYTES / 2**20:.0f} MiB is read: keep it in parts"
            )
        table = file.read()
    table.validate(full=True)
    return table


def _checked(table: pa.Table, path: Path) -> pd.DataFrame:
    version = (table.schema.metadata or {}).get(_MARK)
    if version not in (None, str(TABLE_VERSION).encode()):
        found = version.decode(errors="replace")
        raise PerfseerError(
            f"{path} is a measurement table of version {found}, this perfseer reads "
            f"version {TABLE_VERSION}: labels have changed their meaning. Measure again with "
            "`perfseer collect`, or use the perfseer that wrote it"
        )
    _check_names(table.column_names, str(path))
    if version is None:
        raise PerfseerError(
            f"{path} has the columns of a measurement table but does not say of which version; tables are "
            "written by `perfseer collect`, `perfseer merge` and `perfseer import`"
        )
    wrong = [f"{name} ({table.schema.field(name).type})" for name in COLUMNS if not _typed(table, name)]
    if wrong:
        raise PerfseerError(f"{path} has columns of the wrong type: {', '.join(wrong)}")
    # What pandas noted in the file may claim other types than the file has, or be damaged.
    frame: pd.DataFrame = table.select(list(COLUMNS)).replace_schema_metadata().to_pandas()
    _check_status(frame, str(path))
    return frame


def _to_arrow(frame: pd.DataFrame) -> pa.Table:
    _check_names(list(frame.columns), "the table to write")
    _check_status(frame, "the table to write")
    try:
        table = pa.Table.from_pandas(frame[list(COLUMNS)], schema=SCHEMA, preserve_index=False)
    except (pa.ArrowException, TypeError) as error:
        raise PerfseerError(f"the table to write has values of the wrong type: {error}") from error
    # pandas' own metadata would make the bytes depend on the version of pandas.
    return table.replace_schema_metadata(SCHEMA.metadata)


def _check_names(names: list[str], what: str) -> None:
    missing, unknown = set(COLUMNS) - set(names), set(names) - set(COLUMNS)
    twice = {name for name in names if names.count(name) > 1} if len(names) > len(COLUMNS) else set()
    if missing or unknown or twice:
        told = {"lacks": missing, "has": unknown, "has twice": twice}
        faults = [f"{word} {', '.join(sorted(columns))}" for word, columns in told.items() if columns]
        raise PerfseerError(
            f"{what} is not a measurement table of version {TABLE_VERSION}: it {' and '.join(faults)}"
        )


def _check_status(frame: pd.DataFrame, what: str) -> None:
    unknown = sorted({repr(str(one))[1:-1][:40] for one in frame["status"].unique() if one not in STATUSES})
    if unknown:
        raise PerfseerError(f"{what} has status {', '.join(unknown)}; allowed: {', '.join(STATUSES)}")


def _typed(table: pa.Table, name: str) -> bool:
    return bool(table.schema.field(name).type == COLUMNS[name].kind)
