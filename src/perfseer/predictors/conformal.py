r"""Conformal intervals: how far measurements fell from predictions on rows that nobody learned from.

A score is the error on the logarithmic scale in units of the predictor's own difficulty,
:math:`s = (\ln measured - \ln predicted) / difficulty`. An interval reaches as many difficulties to either
side as the wanted share of calibration scores did; nothing is assumed of their distribution. Groups, such as
a platform and a phase, are calibrated apart (Mondrian), so that the share holds in each.

Rows of one architecture err alike, so architectures are counted, not rows: each has weight 1, shared among
its rows, and the architecture to come has weight 1 at infinity (hierarchical conformal prediction: Lee,
Barber and Willett, arXiv 2306.06342). So the coverage of a new architecture's rows is at least the
confidence, on average over draws of the calibration architectures, however few there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student_t

from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray

# Confidences whose quantiles are kept; one in between takes the next above.
LEVELS: tuple[float, ...] = (*(percent / 100 for percent in range(1, 100)), 0.995)
# A group with fewer architectures is calibrated by all groups together.
FEWEST_CLUSTERS = 20
# ln of the widest interval to either side: beyond a factor of a million nothing is said anyway.
_WIDEST = float(np.log(1e6))
_RESAMPLES = 1000


@dataclass(frozen=True)
class Quantiles:
    """How many difficulties to go to either side for each confidence of `LEVELS`.

    Attributes:
        clusters: architectures they come from.
        reach: difficulties; None where the architectures are too few for that confidence.
    """

    clusters: int
    reach: tuple[float | None, ...]

    @classmethod
    def of(cls, scores: FloatArray, clusters: npt.ArrayLike) -> "Quantiles":
        """Quantiles of scores [n] whose rows belong to clusters [n], n >= 1."""
        _, members, counts = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
        return cls(len(counts), _quantiles(np.abs(scores), 1.0 / counts[members]))

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` turns into equal quantiles; sides may differ in it."""
        return {"clusters": self.clusters, "down": self.reach, "up": self.reach}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Quantiles":
        """Read what `to_json` gave.

        Raises:
            PerfseerError: there is not one for every level, or the sides differ.
        """
        whole = value["down"] == value["up"] and len(value["up"]) == len(LEVELS)
        require(whole, "intervals are damaged: train again")
        return cls(int(value["clusters"]), tuple(None if v is None else float(v) for v in value["up"]))


@dataclass(frozen=True, eq=False)
class Conformal:
    """Calibrated quantiles of scores, by group and of all groups together.

    Attributes:
        groups: name of a group to its quantiles.
        pooled: of all rows; finite at every level.
    """

    groups: Mapping[str, Quantiles]
    pooled: Quantiles

    @classmethod
    def fit(
        cls,
        log_errors: FloatArray,
        difficulty: FloatArray,
        groups: Sequence[str],
        clusters: npt.ArrayLike,
    ) -> "Conformal":
        """Calibrate on rows that the predictor has not learned from.

        Args:
            log_errors: [n] ln measured - ln predicted.
            difficulty: [n] the predictor's own scale of its error, positive.
            groups: [n] names of what is calibrated apart, for example platform and phase.
            clusters: [n] what rows that err alike share: their architecture.

        Raises:
            PerfseerError: there are no rows, lengths differ, or a value is not finite or not positive.
        """
        scores = _scores(log_errors, difficulty, (len(groups), len(np.asarray(clusters))))
        names, owners = np.asarray(groups, dtype=str), np.asarray(clusters)
        found = {
            str(name): Quantiles.of(scores[names == name], owners[names == name]) for name in np.unique(names)
        }
        enough = {name: part for name, part in found.items() if part.clusters >= FEWEST_CLUSTERS}
        return cls(enough, _finite(Quantiles.of(scores, owners), scores))

    def interval(
        self,
        predicted: FloatArray,
        difficulty: FloatArray,
        groups: Sequence[str],
        confidence: float,
        widening: FloatArray | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Where measurements will lie.

        Args:
            predicted: [n] predictions, positive.
            difficulty: [n] the predictor's own scale of its error, positive.
            groups: [n] names; one that was not calibrated takes the quantiles of all.
            confidence: share of measurements wanted inside, in (0, 0.995].
            widening: [n] factors on the difficulty, at least 1 (`widening.FeatureRange`).

        Returns:
            [n] lower and [n] upper ends in the unit of ``predicted``, finite, around it.

        Raises:
            PerfseerError: the confidence is out of range, lengths differ, or a value is not positive.
        """
        level = level_of(confidence)
        factor = np.ones(len(predicted)) if widening is None else np.asarray(widening, dtype=np.float64)
        for name, values in {"predicted": predicted, "difficulty": difficulty, "widening": factor}.items():
            _require_positive(name, values, len(groups))
        reach = {name: self._reach(name, level) for name in set(groups)}
        sides = np.array([reach[name] for name in groups], dtype=np.float64)
        logs = np.clip(sides * (difficulty * factor), -_WIDEST, _WIDEST)
        return predicted * np.exp(-logs), predicted * np.exp(logs)

    def _reach(self, group: str, level: int) -> float | None:
        """Difficulties to either side for one group at one of `LEVELS`."""
        own = self.groups.get(group, self.pooled).reach[level]
        # Where a group is too small for the confidence, all together speak for it.
        return self.pooled.reach[level] if own is None else own

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` turns into equal intervals."""
        return {
            "symmetric": True,
            "levels": list(LEVELS),
            "groups": {name: part.to_json() for name, part in self.groups.items()},
            "pooled": self.pooled.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Conformal":
        """Read what `to_json` gave.

        Raises:
            PerfseerError: it was written with other levels.
        """
        require(list(value["levels"]) == list(LEVELS), "intervals were saved with other levels: train again")
        groups = {name: Quantiles.from_json(part) for name, part in value["groups"].items()}
        return cls(groups, Quantiles.from_json(value["pooled"]))


def _scores(log_errors: FloatArray, difficulty: FloatArray, lengths: tuple[int, int]) -> FloatArray:
    require(len(log_errors) > 0, "no rows to calibrate intervals on: keep some aside from training")
    require(
        {len(log_errors)} == set(lengths),
        f"{len(log_errors)} errors for {lengths[0]} groups and {lengths[1]} clusters, expected as many",
    )
    _require_positive("difficulty", difficulty, len(log_errors))
    require(bool(np.isfinite(log_errors).all()), "errors to calibrate on are not all finite")
    return np.asarray(log_errors, dtype=np.float64) / difficulty


def _require_positive(name: str, values: FloatArray, n: int) -> None:
    require(len(values) == n, f"{name} has {len(values)} values, expected {n}")
    good = bool((np.isfinite(values) & (values > 0)).all())
    require(good, f"{name} has values that are not finite and positive")


def level_of(confidence: float) -> int:
    """Number of the first of `LEVELS` that is at least ``confidence``.

    Raises:
        PerfseerError: it is not in (0, 0.995].
    """
    highest = LEVELS[-1]
    if not 0 < confidence <= highest:
        raise PerfseerError(f"confidence {confidence} is not in (0, {highest}]: give a share such as 0.9")
    return int(np.searchsorted(LEVELS, confidence - 1e-9))


def _quantiles(scores: FloatArray, weights: FloatArray) -> tuple[float | None, ...]:
    """At each level the least score below which that share lies, one more cluster standing at infinity."""
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order])
    clusters = round(float(reached[-1]))
    # Weights of 1/rows add up to whole clusters but for rounding.
    places = np.searchsorted(reached, np.asarray(LEVELS) * (clusters + 1) - 1e-9)
    ordered = scores[order]
    return tuple(float(ordered[place]) if place < len(ordered) else None for place in places.tolist())


def _finite(quantiles: Quantiles, scores: FloatArray) -> Quantiles:
    """With Student's t where the clusters are too few for a level, as if scores were normal around 0.

    That is a model where the rest is none; only calibration on less than about ten architectures needs it.
    """
    spread = float(np.sqrt(np.mean(scores**2))) * np.sqrt(1 + 1 / quantiles.clusters)
    tails = (spread * student_t.ppf((1 + np.array(LEVELS)) / 2, quantiles.clusters)).tolist()
    most = max((value for value in quantiles.reach if value is not None), default=0.0)
    filled = (
        max(tail, most) if own is None else own for tail, own in zip(tails, quantiles.reach, strict=True)
    )
    return Quantiles(quantiles.clusters, tuple(filled))


@dataclass(frozen=True)
class IntervalCoverage:
    """How many measurements lay inside their intervals.

    Attributes:
        share: of the rows, 0 to 1.
        low: lower end of its interval by bootstrap over architectures.
        high: upper end.
        n: rows.
        n_clusters: architectures.
    """

    share: float
    low: float
    high: float
    n: int
    n_clusters: int


def coverage(
    measured: FloatArray,
    low: FloatArray,
    high: FloatArray,
    clusters: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> IntervalCoverage:
    """Share of measurements inside, with an interval that counts architectures.

    Args:
        measured: [n] labels.
        low: [n] lower ends.
        high: [n] upper ends.
        clusters: [n] architecture of each row.
        confidence: of the interval of the share.

    Raises:
        PerfseerError: there are no rows, or lengths differ.
    """
    owners = np.asarray(clusters)
    lengths = {len(measured), len(low), len(high), len(owners)}
    require(lengths == {len(measured)} != {0}, f"coverage of {sorted(lengths)} rows: expected as many, not 0")
    _, members = np.unique(owners, return_inverse=True)
    rows = np.bincount(members)
    inside = np.bincount(members, weights=(measured >= low) & (measured <= high))
    draws = np.random.default_rng(0).integers(len(rows), size=(_RESAMPLES, len(rows)))
    shares = inside[draws].sum(axis=1) / rows[draws].sum(axis=1)
    tail = (1 - confidence) / 2
    ends = np.quantile(shares, [tail, 1 - tail])
    return IntervalCoverage(
        float(inside.sum() / rows.sum()), float(ends[0]), float(ends[1]), len(measured), len(rows)
    )
