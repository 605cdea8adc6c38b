"""Rank correlations between figures of accelerators, with their number and interval."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from perfseer.studies.hardware.resampling import drawn_weights, ends, weighted_spearman
from perfseer.studies.hardware.study import HardwareStudy

# What is correlated, and how it is called in figures.
CORRELATED: dict[str, str] = {
    "fp32_flops": "FP32",
    "fp16_vector_flops": "FP16 vector",
    "fp16_flops": "FP16 matrix",
    "bandwidth_bytes_per_s": "bandwidth",
    "memory_bytes": "memory",
    "tdp_w": "TDP",
    "transistors": "transistors",
    "die_mm2": "die area",
    "boost_clock_hz": "clock",
    "year": "year",
    "g3d": "G3D",
    "cuda": "CUDA",
    "opencl": "OpenCL",
    "vulkan": "Vulkan",
    "metal": "Metal",
}
COLUMNS = ("first", "second", "n", "dies", "rho", "low", "high")
# What an earlier count on the same kind of data found: pairs whose agreement is worth a look.
EXPECTED: dict[tuple[str, str], float] = {
    ("fp32_flops", "g3d"): 0.97,
    ("bandwidth_bytes_per_s", "g3d"): 0.92,
    ("tdp_w", "g3d"): 0.69,
    ("fp16_vector_flops", "cuda"): 0.95,
}


@dataclass(frozen=True)
class Pair:
    """Two figures over the accelerators that have both.

    Attributes:
        first: name of a column.
        second: of another.
        n: accelerators with both.
        dies: different dies among them.
        rho: Spearman's rank correlation.
        low: end of its interval over resampled dies; NaN where there are too few.
        high: the other end.
    """

    first: str
    second: str
    n: int
    dies: int
    rho: float
    low: float
    high: float


def correlations(study: HardwareStudy) -> list[Pair]:
    """All pairs of `CORRELATED` that at least three accelerators have and that vary."""
    pairs = (_pair(study, first, second) for first, second in combinations(CORRELATED, 2))
    return [pair for pair in pairs if pair is not None]


def _pair(study: HardwareStudy, first: str, second: str) -> Pair | None:
    rows = study.known[[first, second]].dropna()
    if len(rows) < 3 or rows.nunique().min() < 2:
        return None
    x, y = (rows[name].to_numpy(dtype=np.float64) for name in (first, second))
    dies = study.dies[rows.index]
    low, high, judging = float("nan"), float("nan"), study.judging
    if dies.nunique() >= judging.least:
        weights = drawn_weights(dies.to_numpy(dtype=str), judging.resamples, judging.seed)
        low, high = ends(weighted_spearman(x, y, weights), judging.confidence)
    rho = float(spearmanr(x, y).statistic)
    return Pair(first, second, len(rows), int(dies.nunique()), rho, low, high)


def correlation_rows(pairs: list[Pair]) -> pd.DataFrame:
    """A row per pair, `COLUMNS`."""
    return pd.DataFrame([vars(pair) for pair in pairs], columns=list(COLUMNS))
