"""How fast peak per watt rises: a straight line through its logarithm over the year of launch."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np
import pandas as pd

from perfseer.graphs.perfgraph import FloatArray
from perfseer.studies.hardware.regression import Fit, least_squares
from perfseer.studies.hardware.study import HardwareStudy

PER_WATT: dict[str, str] = {"fp32_flops": "FP32, vector units", "fp16_flops": "FP16, matrix units"}
COLUMNS = (
    *("quantity", "kind", "scope", "n", "dies", "first_year", "last_year", "slope", "low", "high"),
    *("doubling_years", "doubling_low", "doubling_high"),
)
# Fewer years than this say nothing of a trend.
_LEAST_YEARS = 3.0


@dataclass(frozen=True)
class Trend:
    """Growth of a peak per watt within a scope.

    Attributes:
        quantity: column of the peak.
        kind: what the scope is: all, category or segment.
        scope: its name.
        fit: ln(FLOP/s per W) on a constant and years since ``first``.
        first: year of the earliest accelerator.
        last: of the latest.
    """

    quantity: str
    kind: str
    scope: str
    fit: Fit
    first: float
    last: float

    @property
    def slope(self) -> float:
        """Growth of the logarithm a year."""
        return float(self.fit.coefficients[1])

    @property
    def slope_ends(self) -> tuple[float, float]:
        """Its interval."""
        return self.fit.interval(1)

    @property
    def doubling(self) -> tuple[float, float, float] | None:
        """Years to twice as much with ends of the interval; None where growth is not shown."""
        low, high = self.slope_ends
        return (log(2) / self.slope, log(2) / high, log(2) / low) if low > 0 else None

    def line(self, years: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """FLOP/s per W at ``years``: geometric mean and ends of its interval."""
        at = np.column_stack([np.ones_like(years), years - self.first])
        mean, low, high = (np.exp(part) for part in self.fit.line(at))
        return mean, low, high


def per_watt(study: HardwareStudy, quantity: str) -> pd.DataFrame:
    """Accelerators with peak, power limit and year: ``year``, ``value`` [FLOP/s per W], ``category``."""
    known = study.known[[quantity, "tdp_w", "year", "category", "vendor"]].dropna()
    known = known[(known[quantity] > 0) & (known["tdp_w"] > 0)]
    return known.assign(value=known[quantity] / known["tdp_w"])


def trends(study: HardwareStudy) -> list[Trend]:
    """Of all accelerators, by category and by segment, for both peaks, where there is enough to go by."""
    return [trend for quantity in PER_WATT for trend in _trends(study, quantity)]


def _trends(study: HardwareStudy, quantity: str) -> Iterator[Trend]:
    rows = per_watt(study, quantity)
    for kind, scope, keys in _scopes(study, rows):
        part = rows.loc[keys]
        dies = study.dies[part.index]
        if dies.nunique() < study.judging.least or np.ptp(part["year"]) < _LEAST_YEARS:
            continue
        year = part["year"].to_numpy(dtype=np.float64)
        columns = np.column_stack([np.ones(len(part)), year - year.min()])
        values = np.log(part["value"].to_numpy(dtype=np.float64))
        fit = least_squares(columns, values, dies.to_numpy(dtype=str), study.judging.confidence)
        if fit is not None:
            yield Trend(quantity, kind, scope, fit, float(year.min()), float(year.max()))


def _scopes(study: HardwareStudy, rows: pd.DataFrame) -> Iterator[tuple[str, str, "pd.Index[str]"]]:
    yield "all", "all", rows.index
    for category, part in rows.groupby("category", sort=True):
        if category:
            yield "category", str(category), part.index
    members = segment_members(study)
    for segment in sorted(members):
        yield "segment", segment, rows.index[rows.index.isin(members[segment])]


def segment_members(study: HardwareStudy) -> dict[str, list[str]]:
    """Segment → accelerators in it; one may be in several."""
    members: dict[str, list[str]] = {}
    for key, named in study.tiers["segments"].items():
        for segment in str(named or "").split():
            members.setdefault(segment, []).append(str(key))
    return members


def trend_rows(found: list[Trend]) -> pd.DataFrame:
    """A row per trend, `COLUMNS`."""
    rows = []
    for trend in found:
        doubling = trend.doubling or (float("nan"),) * 3
        rows.append(
            (
                *(trend.quantity, trend.kind, trend.scope, trend.fit.n, trend.fit.clusters),
                *(trend.first, trend.last, trend.slope, *trend.slope_ends, *doubling),
            )
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
