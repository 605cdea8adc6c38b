"""What a run costs: wall time and peak memory."""

import sys
import time
from types import TracebackType
from typing import Self


class Stopwatch:
    """Wall time of a ``with`` block.

    Attributes:
        seconds: elapsed [s], set when the block ends.
    """

    seconds: float = 0.0

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._start


def peak_memory_mib() -> float | None:
    """Peak resident memory of this process so far [MiB]; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
