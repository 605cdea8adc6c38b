"""Uncertainty over seeds: Student-t intervals of means and of paired differences.

A seed draws a new split and new initial weights, so an interval covers both. The test sets of different
seeds overlap, so the intervals are somewhat too narrow for the population of all networks; the
reports say so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

from perfseer.errors import require


@dataclass(frozen=True)
class Interval:
    """Mean of n values, one per seed.

    Attributes:
        mean: of the values, in their unit.
        half_width: of the two-sided interval of the mean; None for a single value, which has no spread.
        n: number of seeds.
        confidence: share, such as 0.95.
    """

    mean: float
    half_width: float | None
    n: int
    confidence: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside; never for a single value."""
        return self.half_width is not None and abs(self.mean) > self.half_width


@dataclass(frozen=True)
class Difference:
    """Error of one predictor minus that of another, paired by seed (same rows).

    Attributes:
        interval: of the difference; negative means the first has the smaller error.
        seeds: the seeds both have.
    """

    interval: Interval
    seeds: tuple[int, ...]

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``no difference shown`` or, with one seed, ``not tested``."""
        if self.interval.half_width is None:
            return "not tested"
        if not self.interval.excludes_zero:
            return "no difference shown"
        return "better" if self.interval.mean < 0 else "worse"


def mean_interval(values: Sequence[float], confidence: float) -> Interval:
    """Mean and two-sided Student-t interval with n − 1 degrees of freedom.

    Args:
        values: one per seed, finite.
        confidence: share in (0, 1).

    Raises:
        PerfseerError: no value, or a non-finite one.
    """
    array = np.asarray(values, dtype=np.float64)
    require(array.size > 0, "an interval needs at least one value, got none")
    require(bool(np.isfinite(array).all()), f"an interval needs finite values, got {array.tolist()}")
    n = int(array.size)
    if n == 1:
        return Interval(float(array[0]), None, 1, confidence)
    quantile = float(student_t.ppf(0.5 + confidence / 2, n - 1))
    half_width = quantile * float(array.std(ddof=1)) / math.sqrt(n)
    return Interval(float(array.mean()), half_width, n, confidence)


def paired_difference(
    first: Mapping[int, float], second: Mapping[int, float], confidence: float
) -> Difference | None:
    """Interval of first − second over the seeds both have; None when they share no seed.

    Args:
        first: error by seed.
        second: error by seed, same unit and same rows per seed.
        confidence: share in (0, 1).
    """
    seeds = tuple(sorted(first.keys() & second.keys()))
    if not seeds:
        return None
    return Difference(mean_interval([first[s] - second[s] for s in seeds], confidence), seeds)
