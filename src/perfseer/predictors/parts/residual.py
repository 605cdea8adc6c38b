"""Learning the deviation from the fitted roofline instead of times and memory from nothing.

On the normalised scale (log, z-score) the roofline's prediction is z_0; a predictor learns
(z - z_0) / spread. Decoding goes through the label normaliser's bounds in any case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.data.normalisation import LabelNormaliser
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.parts.roofline import BASELINE_TARGETS, Roofline, row_features
from perfseer.targets import TARGET_NAMES


@dataclass(frozen=True, eq=False)
class Residual:
    """Labels of a dataset <-> what a predictor learns.

    Attributes:
        labels: normaliser of the T targets, in order.
        roofline: the baseline; without one, normalised labels are learned as they are.
        spread: [T] standard deviation of the training rows' deviation from the baseline; 1 without one.
    """

    labels: LabelNormaliser
    roofline: Roofline | None
    spread: FloatArray

    @classmethod
    def fit(cls, train: Dataset, labels: LabelNormaliser, *, baseline: bool) -> "Residual":
        """Fit the baseline, if wanted, and the spread on training rows.

        Args:
            train: rows to learn from.
            labels: normaliser of the targets, in order.
            baseline: whether there is one.
        """
        unit = np.ones(len(labels.targets))
        if not baseline:
            return cls(labels, None, unit)
        roofline = Roofline.fit(train)
        deviation = cls(labels, roofline, unit).encode(train)
        known = np.array([name in BASELINE_TARGETS for name in labels.targets])
        spread = np.where(known, np.maximum(deviation.std(axis=0), 1e-6), 1.0)
        return cls(labels, roofline, spread)

    def baseline(self, dataset: Dataset) -> FloatArray:
        """[n, T] what deviations are counted from: 0 without a roofline."""
        return normalised_roofline(self.roofline, self.labels, dataset)

    def encode(self, dataset: Dataset) -> FloatArray:
        """[n, T] what is to be learned of the dataset's labels."""
        columns = [TARGET_NAMES.index(name) for name in self.labels.targets]
        z = self.labels.encode(dataset.labels[:, columns])
        return (z - self.baseline(dataset)) / self.spread

    def decode(self, learned: FloatArray, dataset: Dataset) -> FloatArray:
        """[n, T] learned values to physical units, within the label normaliser's bounds.

        Raises:
            PerfseerError: a value is NaN or infinite.
        """
        return self.labels.decode(self.baseline(dataset) + self.spread * learned)

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` reads."""
        roofline = None if self.roofline is None else self.roofline.to_json()
        return {"roofline": roofline, "spread": self.spread.tolist()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], labels: LabelNormaliser) -> "Residual":
        """Read what `to_json` gave."""
        roofline = None if value["roofline"] is None else Roofline.from_json(value["roofline"])
        return cls(labels, roofline, np.array(value["spread"], dtype=np.float64))


def normalised_roofline(roofline: Roofline | None, labels: LabelNormaliser, dataset: Dataset) -> FloatArray:
    """[n, T] normalised predictions of a roofline; 0 (the training mean) where it has none, or is None."""
    values = np.zeros((len(dataset), len(labels.targets)))
    if roofline is None:
        return values
    features = row_features(dataset)
    for column, name in enumerate(labels.targets):
        if name in BASELINE_TARGETS:
            predicted = roofline.predict(features, name)
            values[:, column] = labels.select((name,)).encode(predicted[:, None])[:, 0]
    return values
