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
from perfseer.measure.stopping import drift, is_narrow, is_warm, median_interval, next_look
from perfseer.targets import Phase

# Counting on a machine that is slow meanwhile may take so many seconds more than the phase's budget; slow
# stretches last for tenths of a second, rarely for seconds.
EXTENSION_S = 2.0


@dataclass(frozen=True, kw_only=True)
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
    mem_allocated_mib: float | None = None
    mem_reserved_mib: float | None = None
    mem_process_mib: float | None
    util_pct: float
    util_nvml_pct: float | None = None
    probe_ms: float | None = None
    sm_clock_mhz: float | None = None
    throttled: str | None = None
    foreign_cores: float | None
    foreign_mem_mib: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class WarmUp:
    """A warm-up that is over.

    Attributes:
        times_ms: one number per iteration, in order.
        seconds: wall seconds it took.
    """

    times_ms: list[float]
    seconds: float


@dataclass(frozen=True)
class Count:
    """Iterations counted.

    Attributes:
        times_ms: one number per iteration that counts.
        seconds: wall seconds it took, those of iterations set apart included.
        disturbed: iterations set apart.
    """

    times_ms: list[float]
    seconds: float
    disturbed: int = 0


@dataclass(frozen=True)
class Timing:
    """Warm-up and counted iterations of one phase."""

    warmup: WarmUp
    counted: Count

    def summary(self, confidence: float) -> dict[str, float | int | None]:
        """The time fields of a `PhaseResult`."""
        times_ms, reached = self.counted.times_ms, drift(self.warmup.times_ms)
        interval = median_interval(times_ms, confidence)
        return {
            "time_ms": interval.median,
            "time_ci_low_ms": interval.low,
            "time_ci_high_ms": interval.high,
            "time_mean_ms": fmean(times_ms),
            "iterations": len(times_ms),
            "disturbed_iterations": self.counted.disturbed,
            "warmup_iterations": len(self.warmup.times_ms),
            "warmup_drift_pct": None if reached is None else 100 * reached,
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
            build: gives the model memory and weights on the device; called after the memory baseline is
                read, so that the model counts as memory of the configuration, and once in every process.
            batch: what the phase is run on.
            phase: ``train`` or ``infer``.
            protocol: warm-up and stopping rule.

        Raises:
            MemoryError: there is not enough memory for it; torch may raise RuntimeError instead.
            PerfseerError: the machine lacks what the meter reads.
        """


def warm_up(run: Callable[[], list[float]], protocol: Protocol) -> WarmUp:
    """Run iterations until `stopping.is_warm`.

    Args:
        run: runs one or more iterations, finished on return, and returns the time of each, ms.
        protocol: the rule's numbers.
    """
    times_ms: list[float] = []
    start = time.perf_counter()
    while not is_warm(times_ms, elapsed := time.perf_counter() - start, protocol):
        times_ms += run()
    return WarmUp(times_ms, elapsed)


def count(
    run: Callable[[], list[float]], protocol: Protocol, steady: Callable[[], bool] = lambda: True
) -> Count:
    """Run iterations until there are enough, setting those apart that the machine's slowness disturbed.

    Enough are so many that the median's interval is narrow, or ``max_iterations``, or ``phase_budget_s`` of
    them. Disturbed ones do not count, nor does their time against the budget; with both kinds, counting ends
    `EXTENSION_S` after the budget. If the undisturbed ones are by then fewer than ``min_iterations``, all
    count.

    Args:
        run: runs one or more iterations, finished on return, and returns the time of each, ms.
        protocol: the rule's numbers.
        steady: asked after every ``run``: whether the machine was at its full speed meanwhile.
    """
    sound: list[float] = []
    disturbed: list[float] = []
    sound_s = elapsed = 0.0
    look = protocol.min_iterations
    start = time.perf_counter()
    while not _used_up(len(sound), sound_s, elapsed, protocol):
        times_ms = run()
        before, elapsed = elapsed, time.perf_counter() - start
        if not steady():
            disturbed += times_ms
            continue
        sound += times_ms
        sound_s += elapsed - before
        if len(sound) >= look:
            if is_narrow(sound, protocol):
                break
            look = next_look(len(sound))
    if len(sound) < protocol.min_iterations and sound_s < protocol.phase_budget_s:
        sound, disturbed = sound + disturbed, []
    return Count(sound[: protocol.max_iterations], elapsed, len(disturbed))


def _used_up(sound: int, sound_s: float, elapsed_s: float, protocol: Protocol) -> bool:
    """Whether iterations, their time or the time of both kinds have reached what the protocol allows."""
    budget_s = protocol.phase_budget_s
    return sound >= protocol.max_iterations or sound_s >= budget_s or elapsed_s >= budget_s + EXTENSION_S
