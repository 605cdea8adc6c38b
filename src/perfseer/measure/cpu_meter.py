"""The cpu meter: wall clock, kernel memory counters, process CPU time. Runs in a freshly forked process."""

import gc
import time
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import nn

from perfseer.measure.foreign_load import ForeignLoad
from perfseer.measure.heap import give_back_freed_blocks, keep_freed_blocks
from perfseer.measure.meters import Meter, PhaseResult, Timing, count, warm_up
from perfseer.measure.pace import STRETCH_S, Pace, Watch
from perfseer.measure.process_memory import (
    MIB,
    ResidentMemory,
    added_peak_bytes,
    reset_peak,
    resident_memory,
)
from perfseer.measure.settings import DeviceKind, Protocol
from perfseer.measure.steps import Batch, make_step
from perfseer.targets import Phase

# The first iteration makes gradients and the optimiser's state, the second holds them all the while.
MEMORY_ITERATIONS = 2


class CpuMeter(Meter):
    """Measures on the cpu, in the calling process and with the threads torch is set to.

    Peak memory is read from the process's high-water mark, so every call needs a process of its own, forked
    from the one that made the meter. What they see of the machine's speed, they share.

    Raises:
        PerfseerError: the machine's speed cannot be read.
    """

    device_kind: ClassVar[DeviceKind] = "cpu"
    forks: ClassVar[bool] = True

    def __init__(self) -> None:
        self._pace = Pace()
        self._pace.calibrate()

    def measure(
        self, build: Callable[[], nn.Module], batch: Batch, phase: Phase, protocol: Protocol
    ) -> PhaseResult:
        """See `Meter.measure`; the six labels are defined in docs/measurement.md."""
        gc.disable()  # a collection inside an iteration would be timed as part of it
        reset_peak()
        before, start = resident_memory(), time.perf_counter()
        give_back_freed_blocks()
        step = make_step(build(), batch, phase)
        build_s = time.perf_counter() - start
        memory_start = time.perf_counter()
        after = memory_of(step)
        memory_s = time.perf_counter() - memory_start
        keep_freed_blocks()
        foreign = ForeignLoad()
        watch = Watch(self._pace, protocol.probe_slack)
        timing, util_pct = time_on_cpu(step, protocol, torch.get_num_threads(), watch)
        return PhaseResult(
            **timing.summary(protocol.confidence),  # type: ignore[arg-type]  # heterogeneous by design
            mem_mib=added_peak_bytes(before, after) / MIB,
            mem_allocated_mib=None,
            mem_reserved_mib=None,
            mem_process_mib=after.peak / MIB,
            util_pct=util_pct,
            util_nvml_pct=None,
            probe_ms=watch.median_ms(everything=timing.counted.disturbed == 0),
            sm_clock_mhz=None,
            throttled=None,
            foreign_mem_mib=None,
            foreign_cores=foreign.cores(),
            seconds={
                "build": build_s,
                "memory": memory_s,
                "warmup": timing.warmup.seconds,
                "count": timing.counted.seconds,
            },
        )


def memory_of(step: Callable[[], None]) -> ResidentMemory:
    """Resident memory, with its high-water mark, after enough iterations for everything to be there.

    Freed blocks must go back to the kernel meanwhile (`heap.give_back_freed_blocks`).
    """
    for _ in range(MEMORY_ITERATIONS):
        step()
    return resident_memory()


def time_on_cpu(
    step: Callable[[], None], protocol: Protocol, threads: int, watch: Watch | None = None
) -> tuple[Timing, float]:
    """Time iterations of ``step`` by the wall clock, and the share of ``threads`` kept busy meanwhile.

    Args:
        step: one iteration, finished on return.
        protocol: warm-up and stopping rule.
        threads: threads that could have been busy.
        watch: tells which iterations the machine's slowness disturbed; None to count all.

    Returns:
        The timing, and utilisation in %: process CPU time over wall time x threads during the iterations
        after warm-up, disturbed ones included; at most 100.
    """
    wall_s = busy_s = 0.0

    def iteration() -> list[float]:
        start = time.perf_counter()
        step()
        return [(time.perf_counter() - start) * 1e3]

    def stretch() -> list[float]:
        nonlocal wall_s, busy_s
        start, busy = time.perf_counter(), time.process_time()
        times_ms = iteration()
        while watch is not None and time.perf_counter() - start < STRETCH_S:
            times_ms += iteration()
        busy_s += time.process_time() - busy
        wall_s += time.perf_counter() - start
        return times_ms

    warmup = warm_up(iteration, protocol)
    counted = count(stretch, protocol) if watch is None else count(stretch, protocol, watch.steady)
    return Timing(warmup, counted), min(busy_s / (wall_s * threads) * 100, 100.0)
