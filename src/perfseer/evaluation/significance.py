"""Whether differences are more than chance: resampling whole networks, and many comparisons at once.

Intervals over seeds (`intervals`) say whether a result would repeat with another split and other initial
weights; with three seeds they are wide. Resampling asks something else of the same predictions: whether the
difference would hold on other networks of the same kind, for the predictors as they were fitted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray, IntArray

# Weights of one block of resamples: bounds memory, changes no result.
_BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class Resampled:
    """Means of k columns with their uncertainty over clusters.

    Attributes:
        mean: [k] over the rows a column has; NaN for a column without rows.
        low: [k] lower end of the percentile interval.
        high: [k] upper end.
        p_value: [k] two-sided, of the hypothesis that the mean is zero; at least 2 / (resamples + 1), and 1
            for a column without rows.
        clusters: [k] clusters with at least one row.
        rows: [k] rows.
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    clusters: IntArray
    rows: IntArray


def clustered_bootstrap(
    values: FloatArray, clusters: npt.ArrayLike, *, confidence: float, resamples: int, seed: int
) -> Resampled:
    """Means of columns and their percentile intervals when whole clusters are drawn with replacement.

    Rows of one cluster (a network at several batch sizes, in several seeds) stand or fall together, so they
    are no independent evidence (Cameron, Gelbach and Miller 2008). All columns share the draws.

    Args:
        values: [n, k]; NaN where a column has no such row.
        clusters: [n] cluster of each row.
        confidence: share in (0, 1).
        resamples: number of draws.
        seed: of the draws.

    Raises:
        PerfseerError: lengths differ, or there are no rows.
    """
    require(
        len(values) == len(np.asarray(clusters)) > 0,
        f"resampling needs a cluster for each row, got {len(values)} rows and {len(np.asarray(clusters))}",
    )
    sums, counts = _cluster_sums(values, np.unique(clusters, return_inverse=True)[1])
    with np.errstate(invalid="ignore"):
        mean = sums.sum(axis=0) / counts.sum(axis=0)
    draws = np.concatenate([_weighted_means(w, sums, counts) for w in _weights(len(sums), resamples, seed)])
    tail = (1 - confidence) / 2
    low, high = _quantiles(draws, (tail, 1 - tail))
    # One is added on either side, as the observed sample is a possible draw too: p is never 0.
    below, above = (draws <= 0).sum(axis=0) + 1, (draws >= 0).sum(axis=0) + 1
    p_value = np.minimum(2.0 * np.minimum(below, above) / (resamples + 1), 1.0)
    rows = counts.sum(axis=0).astype(np.int64)
    return Resampled(mean, low, high, np.where(rows > 0, p_value, 1.0), (counts > 0).sum(axis=0), rows)


def _cluster_sums(values: FloatArray, place: IntArray) -> tuple[FloatArray, FloatArray]:
    """[clusters, k] sums and [clusters, k] numbers of the values that are there."""
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    there = np.isfinite(values)
    sums = np.add.reduceat(np.where(there, values, 0.0)[order], starts, axis=0)
    return sums, np.add.reduceat(there[order].astype(np.float64), starts, axis=0)


def _weights(n_clusters: int, resamples: int, seed: int) -> Iterator[FloatArray]:
    """[block, clusters] how often each cluster is drawn."""
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK_CELLS // n_clusters)
    shares = np.full(n_clusters, 1.0 / n_clusters)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        yield generator.multinomial(n_clusters, shares, size).astype(np.float64)


def _weighted_means(weights: FloatArray, sums: FloatArray, counts: FloatArray) -> FloatArray:
    """[block, k]; NaN where no row was drawn."""
    with np.errstate(invalid="ignore"):
        return (weights @ sums) / (weights @ counts)


def _quantiles(draws: FloatArray, shares: tuple[float, float]) -> FloatArray:
    """[2, k] over the draws that have a value; NaN for a column that never has one."""
    if np.isfinite(draws).all():
        return np.quantile(draws, shares, axis=0)
    found = np.full((2, draws.shape[1]), np.nan)
    some = np.isfinite(draws).any(axis=0)
    found[:, some] = np.nanquantile(draws[:, some], shares, axis=0)
    return found


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """P-values adjusted for their number by Holm's step-down method (Holm 1979), [n] in the given order.

    An adjusted value of at most α is significant at a family-wise error rate of α, whatever the dependence
    between the tests.

    Raises:
        PerfseerError: a value is not in [0, 1].
    """
    values = np.asarray(p_values, dtype=np.float64)
    require(bool(((values >= 0) & (values <= 1)).all()), f"p-values lie in [0, 1], got {values.tolist()}")
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
