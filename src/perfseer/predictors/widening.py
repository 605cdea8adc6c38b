"""Features outside the training range: how far, and by how much that widens intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray

# The widest factor: by then the interval says that the prediction is a guess.
MOST = 5.0


@dataclass(frozen=True, eq=False)
class FeatureRange:
    """Where training features lie, and how far beyond widens an interval.

    A value outside the training range by d standard deviations of its column widens by 1 + d; the column
    that lies furthest outside counts, and `MOST` is the most. So nothing jumps at the edge of the range, and
    what is one spread beyond everything seen is trusted half as much.

    Attributes:
        lowest: [F] least training value.
        highest: [F] greatest.
        spread: [F] standard deviation; of a constant column a small share of its size.
    """

    lowest: FloatArray
    highest: FloatArray
    spread: FloatArray

    @classmethod
    def of(cls, features: FloatArray) -> "FeatureRange":
        """Of training features [n, F], n >= 1, best on the scale that a model sees (sizes as logarithms)."""
        values = np.asarray(features, dtype=np.float64)
        require(len(values) > 0 and bool(np.isfinite(values).all()), "training features are not all finite")
        lowest, highest = values.min(axis=0), values.max(axis=0)
        least = 1e-3 * np.maximum(np.maximum(np.abs(lowest), np.abs(highest)), 1.0)
        return cls(lowest, highest, np.maximum(values.std(axis=0), least))

    def outside(self, features: FloatArray) -> FloatArray:
        """[n, F] distance from the training range in standard deviations; 0 inside."""
        values = np.asarray(features, dtype=np.float64)
        beyond = np.maximum(self.lowest - values, values - self.highest)
        return np.maximum(beyond, 0.0) / self.spread

    def widening(self, features: FloatArray) -> FloatArray:
        """[n] factor on the difficulty, 1 to `MOST`."""
        furthest = self.outside(features).max(axis=1, initial=0.0)
        return np.asarray(np.minimum(1.0 + furthest, MOST))

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` turns into an equal range."""
        return {name: getattr(self, name).tolist() for name in ("lowest", "highest", "spread")}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FeatureRange":
        """Read what `to_json` gave."""
        return cls(*(np.asarray(value[name], dtype=np.float64) for name in ("lowest", "highest", "spread")))
