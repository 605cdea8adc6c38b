"""The map of one label between physical units and what a network learns: invertible and bounded."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from perfseer.data.settings import BoundedTransform, LabelSettings, PositiveTransform
from perfseer.graphs.perfgraph import FloatArray
from perfseer.targets import TARGET_BY_NAME

# exp(±_EXTREME) is finite and positive; transformed labels beyond it cannot be decoded.
_EXTREME = 708.0
_SQUARE_OVERFLOWS = 1e150
# A spread below this share of the mean is rounding: the column is constant.
_CONSTANT = 1e-9
Transform = Literal["log", "log1p", "identity"]
# There and back.
_MAPS: dict[Transform, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "log": (np.log, np.exp),
    "log1p": (np.log1p, np.expm1),
    "identity": (np.asarray, np.asarray),
}


@dataclass(frozen=True)
class LabelScale:
    """The map of one label, y ↔ z.

    Attributes:
        ceiling: None, or the percentage above 100 that utilisation stays below.
        mean: of the transformed training labels; 0 if they are not standardised.
        scale: their standard deviation; 1 if they are all equal or not standardised.
        low: lower clamp of decoding, on the transformed scale.
        high: upper clamp of decoding.
        transform: log is ln y, or with a ceiling the log-odds ln(y / (ceiling − y)); log1p is ln(1 + y).
    """

    ceiling: float | None
    mean: float
    scale: float
    low: float
    high: float
    transform: Transform = "log"

    def encode(self, labels: FloatArray) -> FloatArray:
        """Physical values to z."""
        return (self.transformed(labels) - self.mean) / self.scale

    def decode(self, z: FloatArray) -> FloatArray:
        """Network outputs z to physical values, clamped."""
        with np.errstate(over="ignore"):  # an output of 1e300 overflows to ±infinity and is clamped
            clamped = np.clip(z * self.scale + self.mean, self.low, self.high)
        return self.physical(clamped)

    def transformed(self, labels: FloatArray) -> FloatArray:
        """Physical values to the transformed scale."""
        if self.transform == "log" and self.ceiling is not None:
            return np.asarray(np.log(labels) - np.log(self.ceiling - labels))
        return np.asarray(_MAPS[self.transform][0](labels), dtype=np.float64)

    def physical(self, transformed: FloatArray) -> FloatArray:
        """The inverse of `transformed`; utilisation is at most 100."""
        if self.transform == "log" and self.ceiling is not None:
            return np.minimum(self.ceiling / (1.0 + np.exp(-transformed)), 100.0)
        values = np.asarray(_MAPS[self.transform][1](transformed))
        return values if self.ceiling is None else np.minimum(values, 100.0)


def fit_scale(labels: FloatArray, name: str, settings: LabelSettings) -> LabelScale:
    """The map of one label.

    Args:
        labels: [n] training labels in physical units, finite and positive, n >= 1.
        name: of the target.
        settings: section ``labels`` of params.yaml.
    """
    chosen: PositiveTransform | BoundedTransform = getattr(settings, TARGET_BY_NAME[name].quantity)
    ceiling = chosen.ceiling if isinstance(chosen, BoundedTransform) else None
    transform: Transform = "log" if chosen.transform == "logit" else chosen.transform
    scale = LabelScale(ceiling, 0.0, 1.0, *_bounds(labels, ceiling, transform, chosen.margin), transform)
    if not chosen.standardise:
        return scale
    mean, deviation = _moments(scale.transformed(labels))
    return replace(scale, mean=mean, scale=deviation or 1.0)


def _bounds(
    labels: FloatArray, ceiling: float | None, transform: Transform, margin: float
) -> tuple[float, float]:
    """Clamps on the transformed scale: the range of the logarithms (log-odds) widened by the margin."""
    log = LabelScale(ceiling, 0.0, 1.0, -_EXTREME, _EXTREME)
    values = log.transformed(labels)
    widened = np.array([values.min() - margin, values.max() + margin]).clip(-_EXTREME, _EXTREME)
    if transform != "log":
        widened = replace(log, transform=transform).transformed(log.physical(widened))
    return float(widened[0]), float(widened[1])


def _moments(values: FloatArray) -> tuple[float, float]:
    """Mean and standard deviation, the latter 0 where all values are equal up to rounding."""
    largest = float(np.abs(values).max())
    unit = largest if largest > _SQUARE_OVERFLOWS else 1.0
    mean, deviation = (values / unit).mean(), (values / unit).std()
    return float(mean * unit), float(without_rounding(deviation * unit, np.asarray(mean * unit)))


def without_rounding(deviations: FloatArray, means: FloatArray) -> FloatArray:
    """Standard deviations, 0 where all values are equal up to rounding."""
    return np.where(deviations > _CONSTANT * np.maximum(np.abs(means), 1.0), deviations, 0.0)
