"""How much results of one accelerator differ between those who submit: the noise floor of MLPerf."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from perfseer.studies.hardware.resampling import drawn_weights, ends, weighted_medians
from perfseer.studies.hardware.study import HardwareStudy

COLUMNS = ("round", "key", "benchmark", "scenario", "submitter", "own", "others", "difference")
_CELL = ["round", "key", "benchmark", "scenario"]
# Larger systems lose to their network what no accelerator is to blame for.
MOST_ACCELERATORS = 8


@dataclass(frozen=True)
class Floor:
    """How far one submitter is from the median of the others.

    Attributes:
        scenario: of MLPerf, or ``all``.
        n: results that have others to be held against.
        accelerators: different ones.
        median_pct: of the absolute difference over the others' median.
        low: end of its interval over accelerators; NaN where there are too few.
        high: the other end.
        mean_pct: mean of the same.
        p90_pct: its 90th percentile.
    """

    scenario: str
    n: int
    accelerators: int
    median_pct: float
    low: float
    high: float
    mean_pct: float
    p90_pct: float


def spread_rows(study: HardwareStudy) -> pd.DataFrame:
    """A row per submitter and cell with others in it, `COLUMNS`; rates are per accelerator.

    A cell is one accelerator, benchmark, scenario and round, in systems of at most `MOST_ACCELERATORS`;
    of several results a submitter has in it the median counts.
    """
    rows = study.plain_results
    rows = rows[rows["n_accelerators"].astype("float64") <= MOST_ACCELERATORS]
    if rows.empty:
        return pd.DataFrame(columns=list(COLUMNS)).astype({"difference": "float64"})
    own = rows.groupby([*_CELL, "submitter"], sort=True)["per_accelerator"].median()
    found = []
    for cell, part in own.groupby(level=list(range(len(_CELL))), sort=True):
        key = cell if isinstance(cell, tuple) else (cell,)
        values = part.to_numpy(dtype=np.float64)
        for place, submitter in enumerate(part.index.get_level_values("submitter") if len(part) > 1 else ()):
            others = float(np.median(np.delete(values, place)))
            found.append((*key, submitter, values[place], others, values[place] / others - 1))
    return pd.DataFrame(found, columns=list(COLUMNS))


def floors(study: HardwareStudy, rows: pd.DataFrame) -> list[Floor]:
    """By scenario and over all of them, from `spread_rows`."""
    scenarios = {str(name): part for name, part in rows.groupby("scenario", sort=True)}
    parts = {**scenarios, "all": rows} if len(rows) else {}
    return [_floor(study, scenario, part) for scenario, part in parts.items()]


def _floor(study: HardwareStudy, scenario: str, part: pd.DataFrame) -> Floor:
    judging = study.judging
    values = 100 * part["difference"].abs().to_numpy(dtype=np.float64)
    accelerators = int(part["key"].nunique())
    low, high = float("nan"), float("nan")
    if accelerators >= judging.least:
        weights = drawn_weights(part["key"].to_numpy(dtype=str), judging.resamples, judging.seed)
        low, high = ends(weighted_medians(values, weights), judging.confidence)
    median, p90 = (float(value) for value in np.quantile(values, (0.5, 0.9)))
    return Floor(scenario, len(part), accelerators, median, low, high, float(values.mean()), p90)
