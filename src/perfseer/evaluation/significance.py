"""Whether differences are more than chance: resampling whole networks, and many comparisons at once.

Intervals over seeds (`intervals`) have one number per seed to go by; with three seeds they are wide.
Resampling uses every test row of the same predictions: whether a difference would hold on other networks of
the same kind and, where seeds are drawn too, with other splits and initial weights.
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

    @property
    def only(self) -> tuple[float, float, float]:
        """Mean, lower and upper end of the one column there is."""
        return float(self.mean[0]), float(self.low[0]), float(self.high[0])


def clustered_bootstrap(
    values: FloatArray,
    clusters: npt.ArrayLike,
    *,
    confidence: float,
    resamples: int,
    seed: int,
    repeats: npt.ArrayLike | None = None,
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
        repeats: [n] repetition (split and training) each row comes from. Where given, repetitions are drawn
            with replacement too, independently of the clusters (Owen 2007, "pigeonhole bootstrap"), so that
            luck in one training counts as chance; the result is a little conservative.

    Raises:
        PerfseerError: lengths differ, or there are no rows.
    """
    places = [np.unique(clusters, return_inverse=True)[1]]
    places.append(np.zeros_like(places[0]) if repeats is None else np.unique(repeats, return_inverse=True)[1])
    require(
        len(values) == len(places[0]) == len(places[1]) > 0,
        f"resampling needs a cluster for each row, got {len(values)} rows and {len(places[0])}",
    )
    sums, counts = _cell_sums(values, *places)
    draws = np.concatenate(list(_draws(sums, counts, resamples, seed)))
    low, high = _quantiles(draws, ((1 - confidence) / 2, (1 + confidence) / 2))
    rows = counts.sum(axis=(0, 1))
    with np.errstate(invalid="ignore"):
        mean = sums.sum(axis=(0, 1)) / rows
    found = (counts.sum(axis=0) > 0).sum(axis=0)
    return Resampled(mean, low, high, _p_values(draws), found, rows.astype(np.int64))


def _cell_sums(values: FloatArray, clusters: IntArray, repeats: IntArray) -> tuple[FloatArray, FloatArray]:
    """[repeats, clusters, k] sums and numbers of the values that are there."""
    shape = (int(repeats.max()) + 1, int(clusters.max()) + 1, values.shape[1])
    there = np.isfinite(values)
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (repeats, clusters), np.where(there, values, 0.0))
    np.add.at(counts, (repeats, clusters), there.astype(np.float64))
    return sums, counts


def _draws(sums: FloatArray, counts: FloatArray, resamples: int, seed: int) -> Iterator[FloatArray]:
    """[block, k] means of resampled rows; NaN where no row was drawn."""
    n_repeats, n_clusters, _ = sums.shape
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK_CELLS // n_clusters)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        clusters = _multiplicities(generator, n_clusters, size)
        repeats = _multiplicities(generator, n_repeats, size)
        total, number = (
            sum(repeats[:, [i]] * (clusters @ part[i]) for i in range(n_repeats)) for part in (sums, counts)
        )
        with np.errstate(invalid="ignore"):
            yield total / number


def _multiplicities(generator: np.random.Generator, n: int, size: int) -> FloatArray:
    """[size, n] how often each of n is drawn."""
    return generator.multinomial(n, np.full(n, 1.0 / n), size).astype(np.float64)


def _p_values(draws: FloatArray) -> FloatArray:
    """[k] two-sided; one is added as the observed sample is a possible draw too, so that p is never 0."""
    known = np.isfinite(draws).sum(axis=0)
    smaller = np.minimum((draws <= 0).sum(axis=0), (draws >= 0).sum(axis=0)) + 1
    return np.where(known > 0, np.minimum(2.0 * smaller / (known + 1), 1.0), 1.0)


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
