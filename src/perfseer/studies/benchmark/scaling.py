"""How a cost grows: the exponent of a power law, with an interval."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student_t

from perfseer.errors import require
from perfseer.evaluation.intervals import Interval


def fit_exponent(
    x: npt.ArrayLike, y: npt.ArrayLike, groups: Sequence[int], confidence: float
) -> Interval | None:
    """Slope of ln y over ln x, by least squares, with a level of its own for each group.

    Groups are seeds: each has its own rows, so its own level, while the exponent is one. The interval is
    Student's with n - groups - 1 degrees of freedom; where the points do not follow a power law it widens.

    Args:
        x: [n] sizes, positive.
        y: [n] costs, positive.
        groups: [n] seed of each point.
        confidence: share in (0, 1).

    Returns:
        The exponent; None where no group has two different sizes.

    Raises:
        PerfseerError: lengths differ, or a value is not finite and positive.
    """
    sizes, costs = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    require(
        sizes.shape == costs.shape == (len(groups),),
        f"{sizes.shape} sizes, {costs.shape} costs and {len(groups)} groups: expected as many of each",
    )
    both = np.concatenate([sizes, costs])
    require(bool((np.isfinite(both) & (both > 0)).all()), "a power law needs finite positive sizes and costs")
    log_x, log_y = (_centred(np.log(values), groups) for values in (sizes, costs))
    spread = float(log_x @ log_x)
    if spread < 1e-12:
        return None
    slope = float(log_x @ log_y) / spread
    freedom = len(groups) - len(set(groups)) - 1
    if freedom < 1:
        return Interval(slope, None, len(groups), confidence)
    residuals = log_y - slope * log_x
    error = math.sqrt(float(residuals @ residuals) / freedom / spread)
    quantile = float(student_t.ppf(0.5 + confidence / 2, freedom))
    return Interval(slope, quantile * error, len(groups), confidence)


def _centred(values: npt.NDArray[np.float64], groups: Sequence[int]) -> npt.NDArray[np.float64]:
    """Values less the mean of their group."""
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    means = np.bincount(numbers, weights=values) / np.bincount(numbers)
    return np.asarray(values - means[numbers])
