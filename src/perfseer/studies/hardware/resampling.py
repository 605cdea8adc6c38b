"""Resampling whole dies: weights of draws, and ranks, correlations and medians under weights.

A draw with replacement is a whole weight for each row, so that nothing is copied or sorted again.
"""

import numpy as np
import numpy.typing as npt

from perfseer.graphs.perfgraph import FloatArray


def drawn_weights(clusters: npt.ArrayLike, resamples: int, seed: int) -> FloatArray:
    """[n, resamples] how often each row is drawn when whole clusters are drawn with replacement."""
    places = np.unique(clusters, return_inverse=True)[1]
    n = int(places.max()) + 1
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), resamples)
    return times.T.astype(np.float64)[places]


def smooth_weights(clusters: npt.ArrayLike, resamples: int, seed: int) -> FloatArray:
    """The same with weights above zero that sum to the number of clusters (Rubin 1981).

    No group ever vanishes from a draw, so models with an effect per group can be fitted to every one.
    """
    places = np.unique(clusters, return_inverse=True)[1]
    n = int(places.max()) + 1
    drawn: FloatArray = n * np.random.default_rng(seed).dirichlet(np.ones(n), resamples).T
    return drawn[places]


def weighted_ranks(values: FloatArray, weights: FloatArray) -> FloatArray:
    """[n, draws] middle ranks of ``values`` [n] among themselves, each counted by its weight [n, draws].

    With whole weights they are, but for a constant, the ranks in the sample in which each row is repeated.
    """
    order = np.argsort(values, kind="stable")
    _, starts, sizes = np.unique(values[order], return_index=True, return_counts=True)
    per_value = np.add.reduceat(weights[order], starts, axis=0)
    middle = np.cumsum(per_value, axis=0) - per_value / 2
    place = np.empty(len(values), dtype=np.int64)
    place[order] = np.repeat(np.arange(len(starts)), sizes)
    ranks: FloatArray = middle[place]
    return ranks


def weighted_spearman(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """[draws] Spearman's rank correlation of ``x`` and ``y`` [n] under weights; NaN where one is constant."""
    total = weights.sum(axis=0)

    def centred(values: FloatArray) -> FloatArray:
        ranks = weighted_ranks(values, weights)
        ranks -= np.einsum("ij,ij->j", weights, ranks) / total
        return ranks

    a, b = centred(x), centred(y)
    weighted = weights * a
    both, own = (np.einsum("ij,ij->j", weighted, other) for other in (b, a))
    spread = own * np.einsum("ij,ij,ij->j", weights, b, b)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, both / np.sqrt(spread), np.nan)


def weighted_medians(values: FloatArray, weights: FloatArray) -> FloatArray:
    """[draws] median of ``values`` [n], each repeated by its weight; with whole weights the usual one."""
    order = np.argsort(values, kind="stable")
    ordered, upto = values[order], np.cumsum(weights[order], axis=0)
    half, last = upto[-1] / 2, len(values) - 1
    lower = ordered[np.minimum((upto < half).sum(axis=0), last)]
    upper = ordered[np.minimum((upto <= half).sum(axis=0), last)]
    return (lower + upper) / 2


def ends(draws: FloatArray, confidence: float) -> tuple[float, float]:
    """Lower and upper end of the percentile interval; NaN where no draw has a value."""
    known = draws[np.isfinite(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, ((1 - confidence) / 2, (1 + confidence) / 2))
    return float(low), float(high)
