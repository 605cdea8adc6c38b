"""The cuda meter: events, the allocator's peak, NVML's process memory, kernel intervals of the profiler."""

import gc
import os
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.measure.foreign_load import ForeignLoad
from perfseer.measure.meters import Meter, PhaseResult, Timing, count, warm_up
from perfseer.measure.process_memory import MIB
from perfseer.measure.settings import DeviceKind, Protocol
from perfseer.measure.steps import Batch, declare_precision, make_step
from perfseer.targets import Phase

# Iterations are timed in chunks of about this long, so that waiting for the device does not starve it.
CHUNK_MS = 20.0
# Iterations traced for utilisation last about this long; the profiler keeps every kernel in memory.
TRACE_MS = 100.0


class CudaMeter(Meter):
    """Measures on the first visible CUDA device; all phases share one process and one context."""

    device_kind: ClassVar[DeviceKind] = "cuda"
    forks: ClassVar[bool] = False

    def measure(
        self, build: Callable[[], nn.Module], batch: Batch, phase: Phase, protocol: Protocol
    ) -> PhaseResult:
        """See `Meter.measure`; the six labels are defined in docs/measurement.md."""
        declare_precision(batch.precision)
        base = empty_device()
        start = time.perf_counter()
        step = make_step(build(), batch, phase)
        build_s = time.perf_counter() - start
        foreign = ForeignLoad()
        timing = time_on_cuda(step, protocol)
        foreign_cores = foreign.cores()
        allocated, reserved = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
        process = process_memory_bytes()
        start = time.perf_counter()
        util_pct = busy_share(step, chunk_size(TRACE_MS, timing.counted.times_ms[-1])) * 100
        seconds = {"build": build_s, "warmup": timing.warmup.seconds, "count": timing.counted.seconds}
        return PhaseResult(
            **timing.summary(protocol.confidence),  # type: ignore[arg-type]  # heterogeneous by design
            mem_mib=(allocated - base) / MIB,
            mem_allocated_mib=allocated / MIB,
            mem_reserved_mib=reserved / MIB,
            mem_process_mib=None if process is None else process / MIB,
            util_pct=util_pct,
            util_nvml_pct=None,
            probe_ms=None,
            sm_clock_mhz=None,
            throttled=None,
            foreign_mem_mib=None,
            foreign_cores=foreign_cores,
            seconds={**seconds, "trace": time.perf_counter() - start},
        )


def require_cuda() -> None:
    """Raise `PerfseerError` unless torch can use a CUDA device."""
    if not torch.cuda.is_available():
        built = torch.version.cuda or "no CUDA at all"
        raise PerfseerError(
            f"--device cuda was asked for, but torch {torch.__version__} (built for {built}) finds no CUDA "
            "device; check nvidia-smi and the torch build, or use --device cpu"
        )


def empty_device() -> int:
    """Give cached memory back, reset the peaks and return the bytes still allocated."""
    gc.collect()
    torch.cuda.synchronize()
    # cuBLAS keeps workspaces of earlier configurations, which would count as memory of this one.
    torch._C._cuda_clearCublasWorkspaces()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return int(torch.cuda.memory_allocated())


def chunk_size(target_ms: float, iteration_ms: float) -> int:
    """Iterations that last about ``target_ms``, from 1 to 100."""
    return max(1, min(100, round(target_ms / max(iteration_ms, 1e-3))))


def time_on_cuda(step: Callable[[], None], protocol: Protocol) -> Timing:
    """Time iterations of ``step`` with CUDA events, one between every two iterations.

    The host queues a chunk ahead and waits once per chunk, as a training loop does, so that launches overlap
    the device's work; where launching is the slower of the two, the events show that.
    """
    warmup = warm_up(lambda: timed_chunk(step, 1), protocol)
    size = chunk_size(CHUNK_MS, warmup.times_ms[-1])
    return Timing(warmup, count(lambda: timed_chunk(step, size), protocol))


def timed_chunk(step: Callable[[], None], iterations: int) -> list[float]:
    """Milliseconds between the events around each of ``iterations`` iterations."""
    events = [torch.cuda.Event(enable_timing=True) for _ in range(iterations + 1)]
    events[0].record()
    for event in events[1:]:
        step()
        event.record()
    torch.cuda.synchronize()
    return [first.elapsed_time(second) for first, second in pairwise(events)]


def busy_share(step: Callable[[], None], iterations: int) -> float:
    """Share of the time from the first kernel's start to the last one's end with a kernel running, 0 to 1."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        for _ in range(iterations):
            step()
        torch.cuda.synchronize()
    cuda = torch.autograd.DeviceType.CUDA
    # Annotations such as the optimiser's also appear on the device, but span the gaps between their kernels.
    work = [e for e in profiler.events() or () if e.device_type == cuda and not e.is_user_annotation]
    return covered_share((event.time_range.start, event.time_range.end) for event in work)


def covered_share(intervals: Iterable[tuple[float, float]]) -> float:
    """Length of the union of ``intervals`` over the span from the first start to the last end.

    Args:
        intervals: start and end of each, any order and unit; they may overlap.

    Returns:
        A share from 0 to 1; 0 without intervals or without extent.
    """
    ordered = sorted(intervals)
    if not ordered:
        return 0.0
    covered, reach = 0.0, ordered[0][0]
    for start, end in ordered:
        covered += max(end - max(start, reach), 0.0)
        reach = max(reach, end)
    span = reach - ordered[0][0]
    return covered / span if span > 0 else 0.0


def process_memory_bytes() -> int | None:
    """Device memory NVML ascribes to this process, context included; None where NVML does not tell.

    It does not without nvidia-ml-py, nor inside containers whose process ids the driver cannot see.
    """
    try:
        import pynvml
    except ModuleNotFoundError:
        return None
    try:
        pynvml.nvmlInit()
        processes = pynvml.nvmlDeviceGetComputeRunningProcesses(_nvml_handle(pynvml))
    except pynvml.NVMLError:
        return None
    own = [process.usedGpuMemory for process in processes if process.pid == os.getpid()]
    return own[0] if own else None


def _nvml_handle(pynvml: Any) -> Any:
    # By UUID, because CUDA_VISIBLE_DEVICES renumbers torch's devices but not NVML's.
    uuid = str(torch.cuda.get_device_properties(0).uuid)
    return pynvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")
