"""Error metrics of positive physical quantities (METHODS 1.4).

Every metric takes measured and predicted values of shape [n] in the same unit and refuses what it
cannot score (empty, unequal shapes, non-finite, not positive) instead of returning NaN or infinity.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from perfseer.errors import require

FloatArray = npt.NDArray[np.float64]

# A prediction a billion times off is as wrong as can be; the cap keeps squares and means finite.
MAX_RELATIVE_ERROR = 1e9


def relative_errors(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> FloatArray:
    """Signed relative errors (predicted − actual) / actual, [n], capped at ± `MAX_RELATIVE_ERROR`.

    Raises:
        PerfseerError: inputs are empty, differ in shape, or hold a non-finite or non-positive value.
    """
    y, p = _checked(actual, predicted)
    with np.errstate(over="ignore"):
        errors = p / y - 1.0
    return np.clip(errors, -MAX_RELATIVE_ERROR, MAX_RELATIVE_ERROR)


def mape_pct(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Mean absolute percentage error: 100/n Σ |ŷ−y|/y [%]."""
    return float(100.0 * np.abs(relative_errors(actual, predicted)).mean())


def rmspe_pct(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Root mean square percentage error: 100 √(1/n Σ ((ŷ−y)/y)²) [%]."""
    return float(100.0 * math.sqrt(np.square(relative_errors(actual, predicted)).mean()))


def within_pct(actual: npt.ArrayLike, predicted: npt.ArrayLike, tolerance_pct: float) -> float:
    """Share of predictions within ``tolerance_pct`` % of the measurement [%], bounds included."""
    # ŷ/y − 1 of an exact 5 % error may round to 0.05 + 1e-17: a hair of slack keeps the bound inclusive.
    bound = tolerance_pct / 100.0 + 1e-12
    return float(100.0 * (np.abs(relative_errors(actual, predicted)) <= bound).mean())


def spearman(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float | None:
    """Spearman's rank correlation in [−1, 1], ties by mean rank; None where either side is constant."""
    y, p = _checked(actual, predicted)
    ranks = rankdata(y) - (len(y) + 1) / 2, rankdata(p) - (len(p) + 1) / 2
    scale = math.sqrt(float(np.square(ranks[0]).sum()) * float(np.square(ranks[1]).sum()))
    return float(np.clip(ranks[0] @ ranks[1] / scale, -1.0, 1.0)) if scale > 0 else None


def mae(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Mean absolute error in the unit of the input."""
    y, p = _checked(actual, predicted)
    difference = np.abs(p - y)
    scale = float(difference.max())
    return scale * float((difference / scale).mean()) if scale > 0 else 0.0


def rmse(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Root mean square error in the unit of the input."""
    y, p = _checked(actual, predicted)
    difference = np.abs(p - y)
    # Divide by the largest first: squares of large finite numbers would overflow.
    scale = float(difference.max())
    return scale * math.sqrt(float(np.square(difference / scale).mean())) if scale > 0 else 0.0


def within_name(tolerance_pct: float) -> str:
    """Record key of a tolerance: 5 → ``within_5_pct``, 2.5 → ``within_2.5_pct``."""
    return f"within_{tolerance_pct:g}_pct"


class Metric(NamedTuple):
    """One way to score predictions.

    Attributes:
        unit: of its value; empty for the unit of what is predicted.
        function: measured [n], predicted [n] → value; None where it is undefined (`spearman` of constants).
            Raises what `relative_errors` does.
    """

    unit: str
    function: Callable[[npt.ArrayLike, npt.ArrayLike], float | None]


def metrics(tolerances_pct: Sequence[float]) -> dict[str, Metric]:
    """Every metric that records hold, by its key there: a new one is one entry here.

    Args:
        tolerances_pct: x of "within x %".
    """
    within = {within_name(x): Metric("%", partial(within_pct, tolerance_pct=x)) for x in tolerances_pct}
    return {
        "mape_pct": Metric("%", mape_pct),
        "rmspe_pct": Metric("%", rmspe_pct),
        **within,
        "spearman": Metric("1", spearman),
        "mae": Metric("", mae),
        "rmse": Metric("", rmse),
    }


def _checked(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    y, p = np.asarray(actual, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    require(
        y.ndim == 1 and y.shape == p.shape and len(y) > 0,
        f"metrics need measured and predicted values of one equal length, got {y.shape} and {p.shape}",
    )
    for name, values in (("measured", y), ("predicted", p)):
        bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
        require(
            len(bad) == 0,
            f"metrics need finite positive values; {name} value {values[bad[0]] if len(bad) else ''} at "
            f"position {bad[0] if len(bad) else ''} is not ({len(bad)} of {len(values)} are not)",
        )
    return y, p
