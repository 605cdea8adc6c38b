"""The table of measured kernels: one row per kernel, failed ones included."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from perfseer.errors import PerfseerError
from perfseer.graphs.kernels import CONFIGURATION, COSTS
from perfseer.measure.kernels.sampling import Kernel
from perfseer.targets import PHASES

KERNELS_VERSION = 1
_RESULTS = ("time_ms", "time_ci_low_ms", "time_ci_high_ms", "iterations", "copies", "foreign_cores")
TIMES: tuple[str, ...] = tuple(f"{phase}_time_ms" for phase in PHASES)
# Of one kernel: name; round it was drawn in; `CONFIGURATION` and `COSTS`; per phase the median time [ms], its
# interval, iterations, copies per iteration and cores other processes kept busy; how it ended.
ROW_COLUMNS: tuple[str, ...] = (
    *("name", "round", *CONFIGURATION, *COSTS),
    *(f"{phase}_{name}" for phase in PHASES for name in _RESULTS),
    *("status", "reason", "measured_s"),
)
# And where and how, the same in all rows.
COLUMNS: tuple[str, ...] = (*ROW_COLUMNS, "device", "device_kind", "environment", "protocol", "version")
_TEXT = ("name", "status", "reason", "device", "device_kind", "environment", "protocol")
NUMBERS = tuple(name for name in COLUMNS if name not in _TEXT)
_INTEGER = ("round", *CONFIGURATION, "version")


def kernel_row(kernel: Kernel, record: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a row that is the kernel's own."""
    row: dict[str, Any] = {"name": kernel.name, "round": kernel.round, **kernel.configuration}
    row |= record["costs"] | {key: record[key] for key in ("status", "reason", "measured_s")}
    for phase, result in record["phases"].items():
        row |= {f"{phase}_{name}": result[name] for name in _RESULTS}
    return row


def kernel_table(rows: Iterable[Mapping[str, Any]], constant: Mapping[str, Any]) -> pd.DataFrame:
    """All rows with `COLUMNS`.

    Args:
        rows: from `kernel_row`.
        constant: device, device_kind, environment and protocol, the same in all rows.
    """
    table = pd.DataFrame(list(rows)).reindex(columns=list(COLUMNS))
    table = table.assign(**constant, version=KERNELS_VERSION)
    kinds = {name: "float64" for name in COLUMNS if name not in _TEXT}
    return table.astype(kinds | dict.fromkeys(_INTEGER, "int64"))


def good_kernels(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """The rows measured without a failure; a time that is not finite and positive is one.

    Raises:
        PerfseerError: the table is of another version, or none is good.
    """
    versions = set(table["version"])
    if versions != {KERNELS_VERSION}:
        raise PerfseerError(
            f"{where} has version {sorted(versions)} of the kernel table, expected {KERNELS_VERSION}: run "
            "`perfseer kernels` again"
        )
    times = table[list(TIMES)].to_numpy(dtype=np.float64, na_value=np.nan)
    sound = (np.isnan(times) | (np.isfinite(times) & (times > 0))).all(axis=1)
    good = table[(table["status"] == "ok") & sound].reset_index(drop=True)
    if good.empty:
        raise PerfseerError(f"{where} holds no kernel that could be measured: see its column `reason`")
    return good
