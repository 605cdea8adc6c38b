"""When warm-up ends and when there are enough iterations: pure functions of what was seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

from perfseer.measure.settings import Protocol

# Sizes of the groups whose medians tell whether warm-up is over.
_FEWEST_IN_GROUP, _MOST_IN_GROUP = 3, 32


@dataclass(frozen=True)
class MedianInterval:
    """Median of n samples and a distribution-free confidence interval of it, in the samples' unit.

    Attributes:
        median: sample median.
        low: lower end, an order statistic; None where n is too small for the confidence asked.
        high: upper end, likewise.
    """

    median: float
    low: float | None
    high: float | None

    @property
    def relative_width(self) -> float:
        """(high - low) / median; infinite without an interval."""
        if self.low is None or self.high is None or self.median <= 0:
            return math.inf
        return (self.high - self.low) / self.median


@lru_cache(maxsize=4096)
def median_rank(n: int, confidence: float) -> int | None:
    """Largest rank k (from 1) for which [x_(k), x_(n+1-k)] covers the median with ``confidence``.

    The number of samples below the median is Binomial(n, 1/2), whatever their distribution, so the interval
    covers it with probability 1 - 2 P(B <= k - 1) (David and Nagaraja, Order Statistics, section 7.1).

    Args:
        n: number of samples.
        confidence: coverage asked for, 0 to below 1.

    Returns:
        The rank, or None when even minimum to maximum (k = 1) covers less.
    """
    tail, rank = 0.0, 0
    while rank < n // 2:
        tail += math.exp(_log_binomial(n, rank) - n * math.log(2))
        if 1 - 2 * tail < confidence:
            break
        rank += 1
    return rank or None


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def median_interval(samples: Sequence[float], confidence: float) -> MedianInterval:
    """Median of ``samples`` and its order-statistic confidence interval.

    Args:
        samples: one or more numbers, in any order and unit.
        confidence: of the interval.

    Raises:
        ValueError: there are no samples.
    """
    if not samples:
        raise ValueError("the median of no samples was asked for")
    ordered = sorted(samples)
    n = len(ordered)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    rank = median_rank(n, confidence)
    if rank is None:
        return MedianInterval(middle, None, None)
    return MedianInterval(middle, ordered[rank - 1], ordered[n - rank])


def group_size(n: int) -> int:
    """Iterations in each of the two groups that `drift` compares after ``n``: a quarter of them, 3 to 32.

    A quarter, so that a slow ramp shows however short an iteration is: groups of fixed size would come to lie
    so close together that they never differ. At most 32, so that looking stays cheap.
    """
    return min(max(n // 4, _FEWEST_IN_GROUP), _MOST_IN_GROUP)


def drift(times_ms: Sequence[float]) -> float | None:
    """Change between the medians of the two latest groups of iterations, as a share of the later one.

    Args:
        times_ms: times of all iterations so far, ms, in the order they ran.

    Returns:
        A share, 0 or more; None while there are fewer iterations than two groups.
    """
    size = group_size(len(times_ms))
    if len(times_ms) < 2 * size:
        return None
    earlier, later = median(times_ms[-2 * size : -size]), median(times_ms[-size:])
    return abs(earlier - later) / later


def is_warm(times_ms: Sequence[float], elapsed_s: float, protocol: Protocol) -> bool:
    """Whether warm-up is over: times are stationary after its least time and iterations, or its budget ended.

    Args:
        times_ms: iterations finished, ms each, in order; at least one for warm-up to end.
        elapsed_s: seconds since the first iteration began.
        protocol: the rule's numbers.
    """
    if not times_ms:
        return False
    if elapsed_s >= protocol.warmup_budget_s:
        return True
    if len(times_ms) < protocol.warmup_iterations or elapsed_s < protocol.warmup_s:
        return False
    if protocol.warmup_drift >= 1:
        return True
    reached = drift(times_ms)
    return reached is not None and reached <= protocol.warmup_drift


def next_look(n: int) -> int:
    """At how many iterations the interval is looked at again after a look at ``n``: half as many more.

    An interval looked at after every iteration is believed when chance makes it narrow: for log-normal times
    it then covers the median in as few as 92 of 100 cases instead of 95. With looks this far apart it covers
    it in 94 or more (test_stopping.py simulates it), and long runs are not sorted time and again.
    """
    return math.ceil(1.5 * n)


def is_narrow(times_ms: Sequence[float], protocol: Protocol) -> bool:
    """Whether the confidence interval of the median is as narrow as ``ci_width`` asks.

    Args:
        times_ms: counted iterations, ms each, at least one.
        protocol: the rule's numbers.
    """
    return median_interval(times_ms, protocol.confidence).relative_width <= protocol.ci_width
