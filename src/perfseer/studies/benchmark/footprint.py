"""Time and memory of a block of code, in a process that has done nothing else before.

Memory is what the Linux kernel counts (`perfseer.measure.process_memory`): anonymous pages are heap, stacks
and private copies; pages of libraries are left out of what a block added.
"""

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from perfseer.measure.process_memory import MIB, added_peak_bytes, resident_memory
from perfseer.studies.benchmark.records import Cost

_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class FootprintMeter:
    """Measures the ``with`` block, the first thing a process does: the kernel keeps one highest mark.

    Args:
        sampling_s: interval between two readings for the mean [s]; None reads at the end only, so that no
            other thread runs while short calls are timed.

    Attributes:
        footprint: set when the block ends without an error.
    """

    footprint: Cost

    def __init__(self, sampling_s: float | None) -> None:
        self._sampling_s = sampling_s
        self._ended = threading.Event()
        self._samples: list[int] = []
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._before = resident_memory()
        if self._sampling_s is not None:
            self._sampler.start()
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        after = resident_memory()
        self._samples.append(anonymous_bytes())
        self._ended.set()
        if self._sampler.is_alive():
            self._sampler.join()
        samples = [max(sample - self._before.anonymous, 0) for sample in self._samples]
        self.footprint = Cost(
            wall_s=wall,
            cpu_s=cpu,
            # The mark leaves out library pages that came in after it; a sample cannot be above it otherwise.
            peak_mib=max(added_peak_bytes(self._before, after), *samples) / MIB,
            mean_mib=sum(samples) / len(samples) / MIB,
            total_peak_mib=after.peak / MIB,
        )

    def _sample(self) -> None:
        while not self._ended.wait(self._sampling_s):
            self._samples.append(anonymous_bytes())


def anonymous_bytes() -> int:
    """Anonymous resident memory of this process now [bytes], by the cheapest reading there is."""
    _, resident, shared, *_ = _STATM.read_text(encoding="ascii").split()
    return (int(resident) - int(shared)) * _PAGE
