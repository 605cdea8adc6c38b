"""How fast the machine is just now, by a fixed matrix product, and what is its full speed.

A virtual machine's speed drops for tenths of a second at a time, because of what its neighbours do.
Iterations then take up to twice as long and nothing inside the process says why. A small product timed
between them is a few per cent slower at the same time (docs/measurement.md), which is enough to tell: its own
spread is below one per cent.
"""

import mmap
import time
from statistics import median

import numpy as np

from perfseer.errors import PerfseerError
from perfseer.measure.forked import run_forked

# The product's operands stay in the second-level cache and leave most of it to the model.
_SIZE = 128
# Of so many products the fastest is the reading, since an interrupt lengthens one of them.
_TRIES = 3
# Readings remembered: a few minutes of counting, so that a slow minute cannot become the full speed.
_REMEMBERED = 16_384
# The reading that counts as full speed: not the fastest, which may be a fluke or a moment of turbo clock, and
# right as long as the machine is fast for a quarter of the time.
_FULL_SPEED_QUANTILE = 0.25
_CALIBRATION_S = 0.3
# Products between two readings of the calibration, as there are iterations between those of a phase: a
# calibration on a slow machine shall not outweigh the phases that follow.
_BETWEEN = 30
_CALIBRATION_TIMEOUT_S = 60.0
# How long iterations run between two readings, at least; a reading takes some 0.15 ms.
STRETCH_S = 0.005


class Pace:
    """Readings of the machine's speed, shared by a worker and all processes forked from it, one at a time.

    They lie in memory shared with the forked processes: what one phase saw, the next one knows. BLAS may use
    threads, which do not survive a fork, so nothing here runs a product in the worker itself.
    """

    def __init__(self) -> None:
        draw = np.random.default_rng(0)
        self._left, self._right = (draw.standard_normal((_SIZE, _SIZE), dtype=np.float32) for _ in range(2))
        self._product = np.zeros_like(self._left)
        # One number more: how many readings there have been.
        shared = mmap.mmap(-1, 8 * (_REMEMBERED + 1))
        self._ring = np.frombuffer(shared, dtype=np.float64)

    def calibrate(self) -> None:
        """Read for a third of a second in a forked process, so that the first phase knows the full speed.

        Raises:
            PerfseerError: that process failed.
        """
        outcome = run_forked(self._read_for_a_while, _CALIBRATION_TIMEOUT_S)
        if outcome.status != "ok":
            raise PerfseerError(f"the machine's speed cannot be read: {outcome.reason}")

    def read(self) -> float:
        """Time the product now and remember it.

        Returns:
            Milliseconds.
        """
        best = min(self._once() for _ in range(_TRIES)) * 1e3
        seen = int(self._ring[0])
        self._ring[1 + seen % _REMEMBERED] = best
        self._ring[0] = seen + 1
        return best

    def warm(self) -> None:
        """Run the product once: a process new to it copies pages, and BLAS makes its buffers."""
        self._once()

    def full_speed_ms(self) -> float:
        """The lower quartile of the readings remembered, ms.

        Raises:
            ValueError: there are none.
        """
        seen = min(int(self._ring[0]), _REMEMBERED)
        if seen == 0:
            raise ValueError("the machine's full speed was asked for before any reading")
        return float(np.quantile(self._ring[1 : 1 + seen], _FULL_SPEED_QUANTILE))

    def _once(self) -> float:
        start = time.perf_counter()
        np.dot(self._left, self._right, out=self._product)
        return time.perf_counter() - start

    def _read_for_a_while(self) -> dict[str, float]:
        self.warm()
        start = time.perf_counter()
        while time.perf_counter() - start < _CALIBRATION_S:
            for _ in range(_BETWEEN):
                self._once()
            self.read()
        return {}


class Watch:
    """Watches the machine's speed over one phase.

    Args:
        pace: has at least one reading.
        slack: a reading above the full speed's by more than this share is slow.
    """

    def __init__(self, pace: Pace, slack: float) -> None:
        pace.warm()
        self._pace = pace
        self._limit_ms = (1 + slack) * pace.full_speed_ms()
        self._latest_ms = pace.read()
        self._steady: list[float] = []
        self._all: list[float] = []

    def steady(self) -> bool:
        """Read the speed; whether neither this reading nor the one before is slow."""
        before, self._latest_ms = self._latest_ms, self._pace.read()
        steady = max(before, self._latest_ms) <= self._limit_ms
        self._all.append(self._latest_ms)
        if steady:
            self._steady.append(self._latest_ms)
        return steady

    def median_ms(self, *, everything: bool) -> float:
        """Median of the readings, ms: of all of them or of those that `steady` said yes to."""
        return median(self._all if everything else self._steady)
