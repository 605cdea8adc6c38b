"""Rows that claim to be measured and cannot have been: no reader of a measurement table takes them as such.

What a label can be stands here once. `settled` is for whoever uses a table: a row at fault keeps its place,
its cell at fault is emptied, and it fails with the reason. The quarantine (`perfseer.data.quarantine`) and
the rules of ``perfseer check`` look at tables as they were written, to show the value.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.measure.table import COLUMNS, CONFIGURATION
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

# Labels a device can have: a picosecond to thirty years, a byte to an exabyte; outside is a unit mistake.
PLAUSIBLE: dict[str, tuple[float, float]] = {"time": (1e-9, 1e12), "mem": (1e-9, 1e12), "util": (1e-4, 100.0)}
MAX_BATCH_SIZE = 2**31
# A row that lacks one of these is of nobody knows what.
_NAMED = (*(name for name in CONFIGURATION if name != "batch_size"), "device", "device_kind")
_NUMBERS = [name for name, column in COLUMNS.items() if str(column.kind) in ("int64", "double")]
_SIZES = [name for name in _NUMBERS if COLUMNS[name].unit in ("ms", "MiB", "s")]


def range_faults(values: FloatArray, column: str) -> list[tuple[BoolArray, str]]:
    """What may be wrong with numbers of a column.

    Args:
        values: [n] labels or batch sizes; NaN where there is none, which is no fault here.
        column: a name of `perfseer.targets.TARGET_NAMES`, or ``batch_size``.

    Returns:
        Conditions [n] and their reasons, the most particular last.
    """
    if column == "batch_size":
        return [
            (values != np.floor(values), "not a whole number"),
            (values > MAX_BATCH_SIZE, "implausibly large: above 2^31"),
            (values <= 0, "not positive"),
        ]
    target = TARGET_BY_NAME[column]
    low, high = PLAUSIBLE[target.quantity]
    above = f"above {high:g} {target.unit}"
    return [
        (values < low, f"implausibly small: below {low:g} {target.unit}"),
        (values > high, above if target.quantity == "util" else f"implausibly large: {above}"),
        (values < 0, "negative"),
        (values == 0, "zero"),
        (np.isinf(values), "infinite"),
    ]


def settled(table: pd.DataFrame) -> pd.DataFrame:
    """A measurement table whose rows with status ``ok`` hold nothing that cannot have been measured.

    Args:
        table: columns of `measure.table.COLUMNS`. Labels may be missing (published tables have some alone),
            all six of a row may not.

    Returns:
        The same rows in the same order. Of one at fault the status is ``error``, the reason says why, and the
        cell is null; texts that are missing are empty. Numbers that are not finite are null in every row.
    """
    faults = pd.Series("", index=table.index, dtype=object)
    changed: dict[str, Any] = {}
    for name in _NUMBERS:
        values = table[name].to_numpy(dtype=np.float64, na_value=np.nan)
        reasons = _reasons(values, name)
        bad = reasons != ""
        if bad.any():
            shown = pd.Series(values[bad], index=table.index[bad]).map("{:g}".format)
            faults[bad] += f"; {name} is " + shown + ", " + pd.Series(reasons[bad], index=shown.index)
            changed[name] = table[name].mask(bad)
    missing = table["batch_size"].isna().to_numpy(dtype=bool)
    faults[missing] += "; batch_size is missing"
    for name in _NAMED:
        absent = (table[name].isna() | (table[name] == "")).to_numpy(dtype=bool)
        if absent.any():
            faults[absent] += f"; {name} is missing"
            changed[name] = table[name].astype(object).where(~absent, "")
    unlabelled = table.assign(**changed)[list(TARGET_NAMES)].isna().all(axis=1) & (faults == "")
    faults[unlabelled] += "; it has no label"
    spoilt = (table["status"] == "ok") & (faults != "")
    if spoilt.any():
        changed["status"] = table["status"].mask(spoilt, "error")
        changed["reason"] = table["reason"].mask(spoilt, "no measurement: " + faults.str.removeprefix("; "))
    return table.assign(**changed) if changed else table


def _reasons(values: FloatArray, column: str) -> npt.NDArray[np.object_]:
    """[n] what is wrong with each number; empty where nothing is."""
    found = np.full(len(values), "", dtype=object)
    with np.errstate(invalid="ignore"):
        if column in TARGET_NAMES or column == "batch_size":
            checks = range_faults(np.where(np.isnan(values), 1.0, values), column)
        else:
            checks = [(values < 0, "negative")] if column in _SIZES else []
            checks.append((np.isinf(values), "infinite"))
    for bad, reason in checks:
        found[bad] = reason
    return found
