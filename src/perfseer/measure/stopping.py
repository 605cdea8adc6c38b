"""When warm-up ends and when there are enough iterations: pure functions of what was seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from perfseer.measure.settings import Protocol


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
    median = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    rank = median_rank(n, confidence)
    if rank is None:
        return MedianInterval(median, None, None)
    return MedianInterval(median, ordered[rank - 1], ordered[n - rank])


def is_warm(elapsed_s: float, iterations: int, protocol: Protocol) -> bool:
    """Whether warm-up is over: its time and its iterations, or its time and the phase budget, have passed.

    The second way out keeps a very slow model from spending its whole time-out on warming up.

    Args:
        elapsed_s: seconds since the first iteration began.
        iterations: iterations finished, at least one for warm-up to end.
        protocol: the rule's numbers.
    """
    if iterations == 0:
        return False
    enough = iterations >= protocol.warmup_iterations and elapsed_s >= protocol.warmup_s
    return enough or elapsed_s >= protocol.warmup_s + protocol.phase_budget_s


def is_enough(times_ms: Sequence[float], elapsed_s: float, protocol: Protocol) -> bool:
    """Whether counting may stop: interval narrow enough, or budget or iterations used up.

    Args:
        times_ms: counted iterations, ms each.
        elapsed_s: seconds of counting so far.
        protocol: the rule's numbers.
    """
    n = len(times_ms)
    if n == 0:
        return False
    if n >= protocol.max_iterations or elapsed_s >= protocol.phase_budget_s:
        return True
    if n < protocol.min_iterations:
        return False
    return median_interval(times_ms, protocol.confidence).relative_width <= protocol.ci_width
