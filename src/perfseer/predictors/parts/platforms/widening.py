"""Features outside the training range: how far, and by how much that widens intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
        values = _single(features)
        require(len(values) > 0 and bool(np.isfinite(values).all()), "training features are not all finite")
        lowest, highest = values.min(axis=0), values.max(axis=0)
        least = 1e-3 * np.maximum(np.maximum(np.abs(lowest), np.abs(highest)), 1.0)
        return cls(lowest, highest, _single(np.maximum(values.std(axis=0), least)))

    def predict(self, inputs: FloatArray) -> FloatArray:
        """[n] factor on the difficulty of rows of features [n, F], 1 to `MOST`."""
        values = _single(inputs)
        beyond = np.maximum(self.lowest - values, values - self.highest) / self.spread
        return np.asarray(np.minimum(1.0 + beyond.max(axis=1, initial=0.0), MOST))

    @property
    def n_parameters(self) -> int:
        """Three numbers a feature."""
        return 3 * len(self.spread)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays by name, which `of_arrays` turns into an equal range."""
        return {name: values.astype(np.float32) for name, values in vars(self).items()}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "FeatureRange":
        """Read what `arrays` gave.

        Raises:
            PerfseerError: the arrays do not fit together.
        """
        names = ("lowest", "highest", "spread")
        fit = set(arrays) == set(names) and len({arrays[name].shape for name in names}) == 1
        require(fit, "the arrays of a training range do not fit together: train it again")
        return cls(*(arrays[name].astype(np.float64) for name in names))


def _single(values: FloatArray) -> FloatArray:
    """Rounded to single precision, in which ranges are kept: what is on the edge stays there."""
    return np.asarray(values).astype(np.float32).astype(np.float64)
