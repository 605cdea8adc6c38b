"""The cpu meter: wall clock, kernel memory counters, process CPU time. Runs in a freshly forked process."""

import gc
import time
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import nn

from perfseer.measure.foreign_load import ForeignLoad
from perfseer.measure.forked import run_forked
from perfseer.measure.heap import give_back_freed_blocks
from perfseer.measure.meters import Meter, PhaseResult, Timing, count, warm_up
from perfseer.measure.pace import STRETCH_S, Pace, Watch
from perfseer.measure.process_memory import MIB, added_peak_bytes, reset_peak, resident_memory
from perfseer.measure.settings import DeviceKind, Protocol
from perfseer.measure.steps import Batch, make_step
from perfseer.targets import Phase

# The first iteration makes gradients and the optimiser's state, the second holds them all the while.
MEMORY_ITERATIONS = 2


class CpuMeter(Meter):
    """Measures on the cpu, in the calling process and with the threads torch is set to.

    Every call needs a process of its own, forked from the one that made the meter, and forks another one to
    read memory in; time is read under the C library's own malloc, as in anybody's program. What all of them
    see of the machine's speed, they share.

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
        start = time.perf_counter()
        memory = run_forked(lambda: memory_of(build, batch, phase), protocol.timeout_s).required()
        memory_s = time.perf_counter() - start
        step = make_step(build(), batch, phase)
        build_s = time.perf_counter() - start - memory_s
        step()  # builds oneDNN's kernels, for which warm-up shall not wait
        first_s = time.perf_counter() - start - memory_s - build_s
        foreign = ForeignLoad()
        watch = Watch(self._pace, protocol.probe_slack)
        timing, util_pct = time_on_cpu(step, protocol, torch.get_num_threads(), watch)
        return PhaseResult(
            **timing.summary(protocol.confidence),  # type: ignore[arg-type]  # heterogeneous by design
            mem_mib=memory["added_bytes"] / MIB,
            mem_process_mib=memory["process_bytes"] / MIB,
            util_pct=util_pct,
            probe_ms=watch.median_ms(everything=timing.counted.disturbed == 0),
            foreign_cores=foreign.cores(),
            seconds={
                "memory": memory_s,
                "build": build_s,
                "first": first_s,
                "warmup": timing.warmup.seconds,
                "count": timing.counted.seconds,
            },
        )


def memory_of(build: Callable[[], nn.Module], batch: Batch, phase: Phase) -> dict[str, int]:
    """Peak memory of one phase; in a process of its own, because malloc is not as it was afterwards.

    Args:
        build: builds the model, whose memory counts.
        batch: what the phase is run on.
        phase: ``train`` or ``infer``.

    Returns:
        ``added_bytes`` to the process by model and phase, and ``process_bytes``, its whole peak.
    """
    reset_peak()
    before = resident_memory()
    give_back_freed_blocks()
    step = make_step(build(), batch, phase)
    for _ in range(MEMORY_ITERATIONS):
        step()
    after = resident_memory()
    return {"added_bytes": added_peak_bytes(before, after), "process_bytes": after.peak}


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
