"""The interface every meter fulfils, and the loop that counts iterations for all of them."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean
from typing import ClassVar

from torch import nn

from perfseer.measure.settings import DeviceKind, Protocol
from perfseer.measure.steps import Batch
from perfseer.measure.stopping import is_enough, is_warm, median_interval
from perfseer.targets import Phase


@dataclass(frozen=True)
class PhaseResult:
    """What one phase of one configuration cost (docs/measurement.md).

    Attributes:
        time_ms: median time per iteration.
        time_ci_low_ms: lower end of the median's confidence interval; None with too few iterations.
        time_ci_high_ms: upper end, likewise.
        time_mean_ms: mean over the counted iterations.
        iterations: counted.
        disturbed_iterations: set apart because the machine was slow beside them; always 0 on cuda.
        warmup_iterations: run before counting.
        warmup_drift_pct: change between the two latest groups of iterations of the warm-up; None if too few.
        mem_mib: the memory label.
        mem_allocated_mib: peak handed out by the framework's allocator; None where it keeps no count.
        mem_reserved_mib: peak the allocator held; None likewise.
        mem_process_mib: memory of the whole process; None where it is not to be had.
        util_pct: the utilisation label, 0 to 100.
        util_nvml_pct: what NVML samples, 0 to 100; None on the cpu and where its window is too long.
        probe_ms: median time of the fixed matrix product between iterations; None on cuda.
        sm_clock_mhz: clock of the multiprocessors while counting; None on the cpu or if NVML is silent.
        throttled: what held the clock down meanwhile, in NVML's words joined by ``, ``; empty if nothing did,
            None if unknown.
        foreign_cores: cores other processes kept busy meanwhile; None where the system does not tell.
        foreign_mem_mib: device memory other processes hold; None on the cpu or where NVML does not tell.
        seconds: where the wall time went: ``build``, ``warmup``, ``count`` and what a meter adds.
    """

    time_ms: float
    time_ci_low_ms: float | None
    time_ci_high_ms: float | None
    time_mean_ms: float
    iterations: int
    disturbed_iterations: int
    warmup_iterations: int
    warmup_drift_pct: float | None
    mem_mib: float
    mem_allocated_mib: float | None
    mem_reserved_mib: float | None
    mem_process_mib: float | None
    util_pct: float
    util_nvml_pct: float | None
    probe_ms: float | None
    sm_clock_mhz: float | None
    throttled: str | None
    foreign_cores: float | None
    foreign_mem_mib: float | None
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """Counted iterations of one phase.

    Attributes:
        times_ms: one number per counted iteration.
        warmup_iterations: iterations before counting.
        warmup_drift: change between the medians of the two latest groups of iterations of the warm-up, as a
            share; None if there were too few.
        disturbed: iterations set apart.
        warmup_s: wall seconds of warm-up.
        count_s: wall seconds of counting.
    """

    times_ms: list[float]
    warmup_iterations: int
    warmup_s: float
    count_s: float
    warmup_drift: float | None = None
    disturbed: int = 0

    def summary(self, confidence: float) -> dict[str, float | int | None]:
        """The time fields of a `PhaseResult`."""
        interval = median_interval(self.times_ms, confidence)
        return {
            "time_ms": interval.median,
            "time_ci_low_ms": interval.low,
            "time_ci_high_ms": interval.high,
            "time_mean_ms": fmean(self.times_ms),
            "iterations": len(self.times_ms),
            "disturbed_iterations": self.disturbed,
            "warmup_iterations": self.warmup_iterations,
            "warmup_drift_pct": None if self.warmup_drift is None else 100 * self.warmup_drift,
        }


class Meter(ABC):
    """Measures one phase of one configuration in the calling process.

    Attributes:
        device_kind: ``cpu`` or ``cuda``.
        forks: whether every phase runs in a process forked for it, which must not have run a parallel region
            before; otherwise phases share one process, replaced after a failure.
    """

    device_kind: ClassVar[DeviceKind]
    forks: ClassVar[bool]

    @abstractmethod
    def measure(
        self, build: Callable[[], nn.Module], batch: Batch, phase: Phase, protocol: Protocol
    ) -> PhaseResult:
        """Build the model and measure one phase of it.

        Args:
            build: builds the model on the cpu; called once, after the memory baseline is read, so that the
                model counts as memory of the configuration.
            batch: what the phase is run on.
            phase: ``train`` or ``infer``.
            protocol: warm-up and stopping rule.

        Raises:
            MemoryError: there is not enough memory for it; torch may raise RuntimeError instead.
            PerfseerError: the machine lacks what the meter reads.
        """


def warm_up(run: Callable[[], object], protocol: Protocol) -> tuple[int, float]:
    """Run iterations until `stopping.is_warm`; iterations run and seconds taken.

    Args:
        run: one iteration, finished on return.
        protocol: the rule's numbers.
    """
    start, iterations = time.perf_counter(), 0
    while not is_warm(elapsed := time.perf_counter() - start, iterations, protocol):
        run()
        iterations += 1
    return iterations, elapsed


def count(run: Callable[[], list[float]], protocol: Protocol) -> tuple[list[float], float]:
    """Run iterations until `stopping.is_enough`; their times in ms, and seconds taken.

    Args:
        run: runs one or more iterations and returns the time of each, ms.
        protocol: the rule's numbers.
    """
    times_ms: list[float] = []
    start = time.perf_counter()
    while not is_enough(times_ms, elapsed := time.perf_counter() - start, protocol):
        times_ms += run()
    return times_ms[: protocol.max_iterations], elapsed
