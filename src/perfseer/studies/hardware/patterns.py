"""Patterns by generation and by vendor: medians and quartiles, and which vendors differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, ttest_ind

from perfseer.graphs.perfgraph import FloatArray
from perfseer.studies.hardware.resampling import drawn_weights, ends, weighted_medians
from perfseer.studies.hardware.study import HardwareStudy

# What a pattern is of → peak over what, and its unit for people.
PATTERNS: dict[str, tuple[str, str]] = {
    "fp32_per_watt": ("fp32_flops", "tdp_w"),
    "fp16_per_watt": ("fp16_flops", "tdp_w"),
    "ridge_fp32": ("fp32_flops", "bandwidth_bytes_per_s"),
    "ridge_fp16": ("fp16_flops", "bandwidth_bytes_per_s"),
}
PATTERN_COLUMNS = ("group", "quantity", "n", "dies", "lower", "median", "upper", "low", "high", "year")
VENDOR_COLUMNS = (
    "quantity",
    "first",
    "second",
    "dies_first",
    "dies_second",
    *("ratio", "low", "high"),
    "p",
    "q",
)
ARCHITECTURE = "generation"


def ratio(study: HardwareStudy, quantity: str) -> pd.Series:
    """A quantity of `PATTERNS` of the accelerators that have it, FLOP/s per W or FLOP per byte."""
    over, under = (study.known[name] for name in PATTERNS[quantity])
    values = (over / under.where(under > 0)).dropna()
    return values[values > 0]


def groups_of(study: HardwareStudy, by: str) -> pd.Series:
    """Group of each accelerator; where the generation is not known, its architecture."""
    named = study.specs.table[by]
    if by == ARCHITECTURE:
        named = named.where(named != "", study.specs.table["architecture"])
    return named


def pattern_rows(study: HardwareStudy, by: str) -> pd.DataFrame:
    """A row per group and quantity, `PATTERN_COLUMNS`: quartiles, and the interval of the median over dies.

    Args:
        study: whose accelerators.
        by: ``generation`` or ``vendor``.
    """
    groups, judging, rows = groups_of(study, by), study.judging, []
    for quantity in PATTERNS:
        values = ratio(study, quantity)
        for group, part in values.groupby(groups[values.index], sort=True):
            dies = study.dies[part.index]
            if not group or len(part) < 2:
                continue
            figures = part.to_numpy(dtype=np.float64)
            low, high = float("nan"), float("nan")
            if dies.nunique() >= judging.least:
                weights = drawn_weights(dies.to_numpy(dtype=str), judging.resamples, judging.seed)
                low, high = ends(weighted_medians(figures, weights), judging.confidence)
            quartiles = np.quantile(figures, (0.25, 0.5, 0.75))
            year = float(study.known.loc[part.index, "year"].median())
            rows.append((group, quantity, len(part), dies.nunique(), *quartiles, low, high, year))
    return pd.DataFrame(rows, columns=list(PATTERN_COLUMNS))


@dataclass(frozen=True)
class Contrast:
    """Two vendors compared on one quantity, at the same year and category.

    Attributes:
        quantity: key of `PATTERNS`.
        first: vendor.
        second: the other one.
        dies: of each, as many witnesses.
        ratio: geometric mean of the first over that of the second.
        low: end of its interval.
        high: the other end.
        p: of no difference (Welch's test over dies).
        q: adjusted for the number of comparisons (Benjamini and Hochberg 1995).
    """

    quantity: str
    first: str
    second: str
    dies: tuple[int, int]
    ratio: float
    low: float
    high: float
    p: float
    q: float


def contrasts(study: HardwareStudy) -> list[Contrast]:
    """All pairs of vendors with dies enough, on every quantity; the smallest adjusted p first."""
    found = [row for quantity in PATTERNS for row in _contrasts(study, quantity)]
    if not found:
        return []
    adjusted = false_discovery_control([row.p for row in found], method="bh")
    judged = [Contrast(**{**vars(row), "q": float(q)}) for row, q in zip(found, adjusted, strict=True)]
    return sorted(judged, key=lambda row: (row.q, row.quantity, row.first, row.second))


def _contrasts(study: HardwareStudy, quantity: str) -> Iterator[Contrast]:
    left = _at_equal_year(study, quantity)
    vendors = study.specs.table.loc[left.index, "vendor"]
    means = left.groupby([vendors, study.dies[left.index]]).mean()
    by_vendor = {
        str(vendor): part.to_numpy(dtype=np.float64)
        for vendor, part in means.groupby(level=0, sort=True)
        if len(part) >= study.judging.least
    }
    for first, second in combinations(by_vendor, 2):
        one, other = by_vendor[first], by_vendor[second]
        if np.ptp(one) == 0 and np.ptp(other) == 0:
            continue
        test = ttest_ind(one, other, equal_var=False)
        between = test.confidence_interval(study.judging.confidence)
        low, high = float(np.exp(between.low)), float(np.exp(between.high))
        middle = float(np.exp(one.mean() - other.mean()))
        p = float(test.pvalue)
        yield Contrast(quantity, first, second, (len(one), len(other)), middle, low, high, p, p)


def _at_equal_year(study: HardwareStudy, quantity: str) -> pd.Series:
    """What year and category leave of the quantity's logarithm, by key.

    Vendors sold at different times and in different markets; what is compared is the rest.
    """
    values = np.log(ratio(study, quantity))
    years = study.known.loc[values.index, "year"].dropna()
    values = values[years.index]
    if values.empty:
        return values
    categories = pd.get_dummies(study.specs.table.loc[values.index, "category"]).to_numpy(dtype=np.float64)
    years_from = years.to_numpy(dtype=np.float64) - float(years.mean())
    columns: FloatArray = np.column_stack([years_from, years_from**2, categories])
    weights = np.linalg.lstsq(columns, values.to_numpy(dtype=np.float64), rcond=None)[0]
    return values - columns @ weights


def contrast_rows(found: list[Contrast]) -> pd.DataFrame:
    """A row per contrast, `VENDOR_COLUMNS`."""
    rows = [
        (row.quantity, row.first, row.second, *row.dies, row.ratio, row.low, row.high, row.p, row.q)
        for row in found
    ]
    return pd.DataFrame(rows, columns=list(VENDOR_COLUMNS))
