r"""What a few measurements on a new device say about a predictor's errors there.

.. math::
    \ln measured - \ln predicted = a + \sum_c b_c \, (x_c - \bar x_c)

where x is the kind of work (`work_profile`). The common factor :math:`e^a` is always learned. The exponents b
are pulled to 0 by a ridge whose strength is chosen by leaving architectures out in turn, "infinitely
strong" being among the choices, so five measurements seldom move more than the factor and fifty do.
Single odd measurements count linearly (Huber).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray

# Strengths tried, strongest first: noise variance over the prior variance of an exponent.
STRENGTHS: tuple[float, ...] = (np.inf, 1.0, 0.3, 0.1, 0.03)
# Prior scale of an exponent: a factor e per whole share is 1; size counts in e-folds, so less of it, and a
# precision (`forecast.transfer`) is no kind of work but stands for whatever goes with it.
_PRIOR = {"ln_roofline_s": 0.1, "single": 0.3}
# A weaker ridge has to be better by this share of the strongest one's error to be taken.
_GAIN = 0.05
_HUBER = 1.5
_LEAST_SPREAD = 0.01
_ROUNDS = 5
# Architectures are left out one at a time, or in so many parts where there are more.
_PARTS = 10
# Which of n rows.
Rows = npt.NDArray[np.bool_] | slice
_ARRAYS = ("exponents", "centre", "lowest", "highest")


@dataclass(frozen=True, eq=False)
class Correction:
    """ln of the factor by which measurements on a device differ from predictions.

    Attributes:
        offset: a, at the centre.
        exponents: [F] b.
        centre: [F] mean kind of work of the measured rows.
        lowest: [F] least of it; beyond, exponents count as at the edge.
        highest: [F] greatest.
        strength: of the ridge that was chosen.
    """

    offset: float
    exponents: FloatArray
    centre: FloatArray
    lowest: FloatArray
    highest: FloatArray
    strength: float

    @classmethod
    def fit(
        cls,
        errors: FloatArray,
        profile: FloatArray,
        clusters: npt.ArrayLike,
        columns: Sequence[str],
        weights: FloatArray | None = None,
        strengths: Sequence[float] = STRENGTHS,
        *,
        anchored: bool = False,
    ) -> "Correction":
        """Fit, the strength chosen by leaving clusters out in turn; earlier ones where errors are alike.

        Args:
            errors: [n] ln measured - ln predicted, n >= 1.
            profile: [n, F] kind of work.
            clusters: [n] architecture of each row.
            columns: names of the F columns.
            weights: [n] positive, of the rows; None: all weigh the same.
            strengths: to choose from, strongest first.
            anchored: whether rows whose profile is 0 need no correction, so that there is no common factor.

        Raises:
            PerfseerError: there are no rows, or a value is not finite.
        """
        require(len(errors) > 0, "no measurement to correct predictions with")
        good = bool(np.isfinite(errors).all() and np.isfinite(profile).all())
        require(good, "measurements to correct predictions with are not all finite")
        scales = np.array([_PRIOR.get(name, 1.0) for name in columns])
        shares = np.ones(len(errors)) if weights is None else weights

        def at(strength: float, kept: Rows) -> "Correction":
            return cls._at(errors[kept], profile[kept], scales, strength, shares[kept], anchored=anchored)

        if len(strengths) == 1:
            return at(strengths[0], slice(None))
        left = [_left_out(errors, profile, clusters, partial(at, strength)) for strength in strengths]
        losses = [float(np.average(np.abs(residuals), weights=shares)) for residuals in left]
        best = int(np.argmin(losses))
        chosen = best if losses[best] < (1 - _GAIN) * losses[0] else 0
        return at(strengths[chosen], slice(None))

    @classmethod
    def _at(
        cls,
        errors: FloatArray,
        profile: FloatArray,
        scales: FloatArray,
        strength: float,
        shares: FloatArray,
        *,
        anchored: bool,
    ) -> "Correction":
        """Huber's estimate at one strength, by reweighting."""
        weights = np.ones(len(errors))
        for _ in range(_ROUNDS):
            fitted = cls._weighted(errors, profile, scales, strength, shares * weights, anchored=anchored)
            residuals = np.abs(errors - fitted.values(profile))
            spread = max(1.4826 * float(np.median(residuals)), _LEAST_SPREAD)
            weights = np.minimum(1.0, _HUBER * spread / np.maximum(residuals, 1e-12))
        return fitted

    @classmethod
    def _weighted(
        cls,
        errors: FloatArray,
        profile: FloatArray,
        scales: FloatArray,
        strength: float,
        weights: FloatArray,
        *,
        anchored: bool,
    ) -> "Correction":
        centre = np.average(profile, axis=0, weights=weights)
        offset = float(np.average(errors, weights=weights))
        edges = profile.min(axis=0), profile.max(axis=0)
        if anchored:
            centre, offset = np.zeros(len(scales)), 0.0
            edges = np.minimum(edges[0], 0.0), np.maximum(edges[1], 0.0)
        if not np.isfinite(strength):
            return cls(offset, np.zeros(len(scales)), centre, *edges, strength)
        scaled = (profile - centre) * scales
        gram = (scaled * weights[:, None]).T @ scaled + strength * np.eye(len(scales))
        exponents = scales * np.linalg.solve(gram, scaled.T @ (weights * (errors - offset)))
        return cls(offset, exponents, centre, *edges, strength)

    def values(self, profile: FloatArray) -> FloatArray:
        """[n] ln of the factor for rows of a kind of work [n, F]."""
        inside = np.clip(profile, self.lowest, self.highest)
        return np.asarray(self.offset + (inside - self.centre) @ self.exponents)

    @property
    def n_parameters(self) -> int:
        """Numbers learned."""
        return 1 + int((self.exponents != 0).sum())

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` turns into an equal correction."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        strength = self.strength if np.isfinite(self.strength) else None
        return {"offset": self.offset, "strength": strength, **arrays}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Correction":
        """Read what `to_json` gave."""
        arrays = {name: np.asarray(value[name], dtype=np.float64) for name in _ARRAYS}
        strength = np.inf if value["strength"] is None else float(value["strength"])
        return cls(offset=float(value["offset"]), strength=strength, **arrays)


def honest_residuals(
    errors: FloatArray,
    profile: FloatArray,
    clusters: npt.ArrayLike,
    columns: Sequence[str],
    weights: FloatArray | None = None,
    strengths: Sequence[float] = STRENGTHS,
    *,
    anchored: bool = False,
) -> FloatArray:
    """[n] what is left of each error when its architecture takes no part in fitting or choosing anything.

    With a single architecture nothing can be left out: its errors stay as they are, uncorrected.
    """
    owners = np.asarray(clusters)

    def fit(kept: Rows) -> Correction:
        shares = None if weights is None else weights[kept]
        return Correction.fit(
            errors[kept], profile[kept], owners[kept], columns, shares, strengths, anchored=anchored
        )

    return _left_out(errors, profile, owners, fit)


def _left_out(
    errors: FloatArray, profile: FloatArray, clusters: npt.ArrayLike, fit: Callable[[Rows], Correction]
) -> FloatArray:
    """[n] errors left where each part of the clusters is predicted by the others; a single one by nothing."""
    names, members = np.unique(np.asarray(clusters), return_inverse=True)
    left = np.array(errors, dtype=np.float64)
    part = members % _PARTS
    for number in np.unique(part) if len(names) > 1 else ():
        out = part == number
        left[out] -= fit(~out).values(profile[out])
    return left
