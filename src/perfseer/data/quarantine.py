"""The quarantine: rows that may not reach training, each with its column and the reason.

A label that is missing, not a number, not finite, not positive or outside the physical range would turn a
loss into NaN or a report into ``inf %``; such rows are set aside here and listed, never repaired, never
dropped in silence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.measure.soundness import range_faults
from perfseer.measure.table import CONFIGURATION
from perfseer.targets import TARGET_NAMES

BoolArray = npt.NDArray[np.bool_]

IDENTITY: tuple[str, ...] = (*CONFIGURATION, "architecture", "family")
REQUIRED: tuple[str, ...] = (*IDENTITY, "status", *TARGET_NAMES)
_KEY = ("model_ref", "input_shape", "batch_size")
QUARANTINE_COLUMNS: tuple[str, ...] = ("row", *_KEY, "column", "value", "reason")


@dataclass(frozen=True)
class Screening:
    """A measurement table, divided.

    Attributes:
        rows: rows that may be used; labels are float64, batch_size is int64, the index is the row number in
            the measurement table.
        quarantine: one line per row and fault, `QUARANTINE_COLUMNS`, ordered by row.
    """

    rows: pd.DataFrame
    quarantine: pd.DataFrame


def screen(
    measurements: pd.DataFrame, missing_graph: Callable[[pd.DataFrame], "pd.Series[Any]"] | None = None
) -> Screening:
    """Divide a measurement table into usable rows and the quarantine.

    Args:
        measurements: the measurement table, `REQUIRED` columns at least.
        missing_graph: given the rows that are good so far, why each has no graph; None where it has one.

    Returns:
        The usable rows, in the order of the table, and the quarantine.

    Raises:
        PerfseerError: a column is missing or stands twice, or the table is empty, or no row is usable.
    """
    _check_table(measurements)
    table = measurements.reset_index(drop=True)
    ok = (table["status"].astype(object) == "ok").to_numpy(dtype=bool)
    faults = [_status_faults(table, ~ok)]
    faults += [_name_faults(table, column, ok) for column in IDENTITY if column != "batch_size"]
    faults += [_number_faults(table, column, ok) for column in ("batch_size", *TARGET_NAMES)]
    good = _convert(table.drop(index=_rows_of(faults)))
    # One model under two architectures, or one architecture under two families, would be on two sides of a
    # grouped split.
    same_model = partial(_contradictions, key="model_ref", column="architecture")
    same_architecture = partial(_contradictions, key="architecture", column="family")
    for find in (_duplicate_faults, same_model, same_architecture):
        faults.append(find(good))
        good = good.drop(index=_rows_of(faults[-1:]))
    if missing_graph is not None:
        reasons = missing_graph(good).dropna()
        faults.append(_faults(good, good.index.isin(reasons.index), "graph", reasons.tolist()))
        good = good.drop(index=reasons.index)
    quarantine = pd.concat(faults).sort_values("row", kind="stable").reset_index(drop=True)
    if good.empty:
        raise PerfseerError(f"none of {len(table)} rows is usable: {_summary(quarantine)}")
    return Screening(good, quarantine)


def count_reasons(quarantine: pd.DataFrame) -> dict[str, int]:
    """``column: reason`` (for failed configurations ``status: timeout`` and the like) to rows, most first."""
    told = quarantine["reason"].where(quarantine["column"] != "status", quarantine["value"])
    counts = (quarantine["column"] + ": " + told).value_counts(sort=False).sort_index()
    return {str(reason): int(n) for reason, n in counts.sort_values(ascending=False, kind="stable").items()}


def _summary(quarantine: pd.DataFrame, limit: int = 5) -> str:
    counts = count_reasons(quarantine)
    shown = [f"{reason} ({count} rows)" for reason, count in list(counts.items())[:limit]]
    return "; ".join(shown + ([f"and {len(counts) - limit} other reasons"] if len(counts) > limit else []))


def _check_table(table: pd.DataFrame) -> None:
    missing = [column for column in REQUIRED if column not in table.columns]
    require(not missing, f"the measurement table lacks the columns {missing}: run `perfseer collect` again")
    twice = sorted(table.columns[table.columns.duplicated()].map(str).unique())
    require(not twice, f"the measurement table has the columns {twice} more than once")
    require(len(table) > 0, "the measurement table has no rows: run `perfseer collect` with a longer budget")


def _status_faults(table: pd.DataFrame, failed: BoolArray) -> pd.DataFrame:
    """Failed configurations, with what the collector said of them."""
    said = table.loc[failed, "reason"] if "reason" in table.columns else [None] * int(failed.sum())
    reasons = [text if isinstance(text, str) and text else "measuring failed" for text in said]
    return _faults(table, failed, "status", reasons)


def _name_faults(table: pd.DataFrame, column: str, among: BoolArray) -> pd.DataFrame:
    """Names must be non-empty text: a network without a name cannot be kept out of the test rows."""
    named = table[column].map(lambda value: isinstance(value, str) and bool(value)).to_numpy(dtype=bool)
    return _faults(table, among & ~named, column, "not a non-empty text")


def _number_faults(table: pd.DataFrame, column: str, among: BoolArray) -> pd.DataFrame:
    """Rows of ``among`` whose number is missing, not a number, not finite, or outside its range."""
    values, missing, foreign = _numbers(table[column])
    reasons = np.full(len(table), None, dtype=object)
    with np.errstate(invalid="ignore"):
        for bad, reason in range_faults(values, column):
            reasons[bad] = reason
    reasons[~np.isfinite(values)] = "infinite"
    reasons[missing] = "missing"
    reasons[foreign] = "not a number"
    bad = among & np.array([reason is not None for reason in reasons], dtype=bool)
    return _faults(table, bad, column, reasons[bad].tolist())


def _numbers(column: "pd.Series[Any]") -> tuple[FloatArray, BoolArray, BoolArray]:
    """Values as float64 (NaN where there is none), which are missing, and which are not numbers."""
    if pd.api.types.is_float_dtype(column.dtype) or pd.api.types.is_integer_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return values, np.isnan(values), np.zeros(len(values), dtype=bool)
    objects = column.astype(object)
    missing = objects.isna().to_numpy(dtype=bool)
    values = np.array([_number(value) for value in objects], dtype=np.float64)
    real = np.array([_is_real(value) for value in objects], dtype=bool)
    return values, missing, ~missing & ~real


def _is_real(value: Any) -> bool:
    return isinstance(value, Real | Integral) and not isinstance(value, bool | np.bool_)


def _number(value: Any) -> float:
    """As a float; NaN if it is not a number, infinite if it is beyond a float."""
    if not _is_real(value):
        return float("nan")
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _convert(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns that passed, in the type they should have had."""
    labels = {name: _numbers(rows[name])[0] for name in TARGET_NAMES}
    names = {name: rows[name].astype(object).map(str) for name in IDENTITY if name != "batch_size"}
    return rows.assign(**names, **labels, batch_size=_numbers(rows["batch_size"])[0].astype(np.int64))


def _duplicate_faults(rows: pd.DataFrame) -> pd.DataFrame:
    """Later rows of a configuration that an earlier good row already has."""
    first = _first_rows(rows, list(CONFIGURATION))
    repeated = (first != rows.index).to_numpy(dtype=bool)
    lines = _faults(rows, repeated, "model_ref", "the same configuration as an earlier row")
    return lines.assign(value="row " + first[repeated].map(str).astype(object))


def _contradictions(rows: pd.DataFrame, key: str, column: str) -> pd.DataFrame:
    """Rows whose ``column`` is not that of the first row with the same ``key``."""
    values = rows[column]
    differs = values.to_numpy() != values.loc[_first_rows(rows, [key])].to_numpy()
    return _faults(rows, differs, column, f"not that of an earlier row of the same {key}")


def _first_rows(rows: pd.DataFrame, keys: list[str]) -> "pd.Series[int]":
    """The number of the first row with the same keys, for each row."""
    return rows.index.to_series().groupby(rows.groupby(keys, sort=False).ngroup()).transform("min")


def _faults(table: pd.DataFrame, bad: BoolArray, column: str, reasons: str | list[str]) -> pd.DataFrame:
    """Lines of the quarantine for the rows where ``bad`` holds."""
    rows = table.loc[bad]
    keys = {name: rows[name].astype(object).map(str) for name in _KEY}
    value = rows[column].astype(object).map(str) if column in table.columns else ""
    lines = pd.DataFrame({"row": rows.index, **keys, "column": column, "value": value, "reason": reasons})
    return lines.astype(dict.fromkeys(QUARANTINE_COLUMNS[1:], object)).astype({"row": "int64"})


def _rows_of(faults: list[pd.DataFrame]) -> "pd.Index[int]":
    return pd.Index(pd.concat(faults)["row"].unique())
