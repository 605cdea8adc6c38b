"""Least squares whose intervals take cards of one die for one witness."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student_t

from perfseer.graphs.perfgraph import FloatArray


@dataclass(frozen=True)
class Fit:
    """A linear model.

    Attributes:
        coefficients: [k], in the order of the columns.
        covariance: [k, k] of them, robust to dependence within clusters.
        n: rows.
        clusters: independent groups of rows.
        quantile: half width of an interval over its standard error.
        r2: share of the variance that the model explains.
    """

    coefficients: FloatArray
    covariance: FloatArray
    n: int
    clusters: int
    quantile: float
    r2: float

    def interval(self, place: int) -> tuple[float, float]:
        """Ends of a coefficient's interval."""
        half = self.quantile * float(np.sqrt(self.covariance[place, place]))
        middle = float(self.coefficients[place])
        return middle - half, middle + half

    def line(self, at: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean, lower and upper end at the rows ``at`` [m, k]."""
        mean = at @ self.coefficients
        half = self.quantile * np.sqrt(np.einsum("ij,jk,ik->i", at, self.covariance, at))
        return mean, mean - half, mean + half


def least_squares(
    columns: FloatArray, values: FloatArray, clusters: npt.ArrayLike, confidence: float
) -> Fit | None:
    """Fit ``values`` [n] to ``columns`` [n, k]; None where the rows cannot tell the columns apart.

    Standard errors are those of Liang and Zeger (1986) with the usual correction for few clusters, and
    intervals Student's with clusters − 1 degrees of freedom.

    Args:
        columns: one of them constant.
        values: finite.
        clusters: [n] cluster of each row.
        confidence: share in (0, 1).
    """
    n, k = columns.shape
    places = np.unique(clusters, return_inverse=True)[1] if n else np.zeros(0, dtype=np.int64)
    groups = int(places.max()) + 1 if n else 0
    if groups <= k or np.linalg.matrix_rank(columns) < k:
        return None
    # Columns on one scale, or squares of years and of logarithms would drown one another.
    scale = np.sqrt((columns**2).mean(axis=0))
    scaled = columns / scale
    inverse = np.linalg.inv(scaled.T @ scaled)
    coefficients = inverse @ scaled.T @ values
    left = values - scaled @ coefficients
    scores = np.zeros((groups, k))
    np.add.at(scores, places, scaled * left[:, None])
    correction = groups / (groups - 1) * (n - 1) / (n - k)
    covariance = correction * inverse @ scores.T @ scores @ inverse
    spread = float(((values - values.mean()) ** 2).sum())
    return Fit(
        coefficients / scale,
        covariance / np.outer(scale, scale),
        n,
        groups,
        float(student_t.ppf(0.5 + confidence / 2, groups - 1)),
        1 - float((left**2).sum()) / spread if spread > 0 else float("nan"),
    )
