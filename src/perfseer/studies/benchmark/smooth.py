"""A smooth function of five numbers, and rows of it.

The old report does not say what its function was, so this one is ours: smooth, with every input in it, a
product of two, and a spread like the old one's (its RMSE and R² put that near 3).
"""

from dataclasses import dataclass

import numpy as np

from perfseer.evaluation.metrics import FloatArray

N_INPUTS = 5
# Inputs are uniform between minus and plus this.
BOUND = 2.0
FORMULA = "x1 + 2 sin(x1) + 2 cos(x2) + x3² / 2 + 0.4 x4 x5"
TRAIN_STREAM, TEST_STREAM = 0, 1


@dataclass(frozen=True)
class Rows:
    """Inputs [n, 5] and noisy values [n] of the function."""

    x: FloatArray
    y: FloatArray

    def part(self, start: int, stop: int) -> "Rows":
        """Rows from ``start`` up to, not including, ``stop``."""
        return Rows(self.x[start:stop], self.y[start:stop])


def function(x: FloatArray) -> FloatArray:
    """`FORMULA` without noise, [n], for inputs [n, 5]."""
    first, second, third, fourth, fifth = x.T
    return np.asarray(first + 2 * np.sin(first) + 2 * np.cos(second) + third**2 / 2 + 0.4 * fourth * fifth)


def draw(n: int, seed: int, noise_sd: float, stream: int = TRAIN_STREAM) -> Rows:
    """``n`` rows of uniform inputs with noise on the values.

    Args:
        n: number of rows; fewer are the first of more.
        seed: which draw.
        noise_sd: standard deviation of the noise.
        stream: tells training from test rows.
    """
    streams = [np.random.default_rng([seed, stream, part]) for part in (0, 1)]
    x = streams[0].uniform(-BOUND, BOUND, size=(n, N_INPUTS))
    return Rows(x, function(x) + noise_sd * streams[1].standard_normal(n))
