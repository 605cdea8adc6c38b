"""The cuda meter: events, the allocator's peak, kernel intervals of the profiler, and what NVML tells."""

import gc
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.measure.foreign_load import ForeignLoad
from perfseer.measure.meters import Meter, PhaseResult, Timing, count, warm_up
from perfseer.measure.nvml import NvmlDevice, ProcessMemory, Watch, open_device
from perfseer.measure.process_memory import MIB
from perfseer.measure.settings import DeviceKind, Protocol
from perfseer.measure.steps import Batch, declare_precision, make_step
from perfseer.targets import Phase

Step = Callable[[], None]

# Iterations are queued in chunks of about this long, of which two are in the queue at a time.
CHUNK_MS = 20.0
# Iterations traced for utilisation last about this long: kernels take as long in every one of them.
TRACE_MS = 15.0
_MOST_TRACED = 10
# What cuDNN and cuBLAS say where torch's own allocator would have said out of memory, if memory is short.
_STARVED_PHRASES = (
    "unable to find an engine",
    "valid cudnn algorithm",
    "alloc_failed",
    "cudnn_status_internal",
)
_SHORT_SHARE = 0.5
# Variables that change what is measured behind its declaration.
_DISTURBING = {
    "CUDA_LAUNCH_BLOCKING": "launches would wait for their kernels",
    "NVIDIA_TF32_OVERRIDE": "libraries would not compute in the precision asked for",
    "PYTORCH_NO_CUDA_MEMORY_CACHING": "every allocation would wait for the device",
}


class CudaMeter(Meter):
    """Measures on the first visible CUDA device; all phases share one process and one context."""

    device_kind: ClassVar[DeviceKind] = "cuda"
    forks: ClassVar[bool] = False

    def measure(
        self, build: Callable[[], nn.Module], batch: Batch, phase: Phase, protocol: Protocol
    ) -> PhaseResult:
        """See `Meter.measure`; the six labels are defined in docs/measurement.md."""
        seconds: dict[str, float] = {}
        with starvation_is_out_of_memory():
            with clocked(seconds, "clean"):
                base = empty_device()
            step = ready_step(build, batch, phase, seconds)
            device, foreign = nvml_device(), ForeignLoad()
            watch = Watch(device)
            timing = time_on_cuda(step, protocol, watch.look)
            seconds |= {"warmup": timing.warmup.seconds, "count": timing.counted.seconds}
            foreign_cores, readings = foreign.cores(), watch.readings(timing.counted.seconds)
            allocated, reserved = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
            memory = device.memory() if device else ProcessMemory(None, None)
            summary: dict[str, Any] = timing.summary(protocol.confidence)
            with clocked(seconds, "trace"):
                busy = busy_ms(step, chunk_size(TRACE_MS, summary["time_ms"], _MOST_TRACED))
        return PhaseResult(
            **summary,
            **asdict(readings),
            mem_mib=(allocated - base) / MIB,
            mem_allocated_mib=allocated / MIB,
            mem_reserved_mib=reserved / MIB,
            mem_process_mib=in_mib(memory.own),
            foreign_mem_mib=in_mib(memory.foreign),
            util_pct=min(busy / summary["time_ms"] * 100, 100.0),
            probe_ms=None,
            foreign_cores=foreign_cores,
            seconds=seconds,
        )


def require_cuda() -> None:
    """Raise `PerfseerError` unless torch can use a CUDA device."""
    if not torch.cuda.is_available():
        built = torch.version.cuda or "no CUDA at all"
        raise PerfseerError(
            f"--device cuda was asked for, but torch {torch.__version__} (built for {built}) finds no CUDA "
            "device; check nvidia-smi and the torch build, or use --device cpu"
        )


def require_undisturbed(environment: Mapping[str, str]) -> None:
    """Raise `PerfseerError` if a variable of the environment would change what is measured."""
    for name, harm in _DISTURBING.items():
        if environment.get(name, "0") not in ("", "0"):
            raise PerfseerError(
                f"{name}={environment[name]} is set in the environment, and {harm}: unset it and run again"
            )


def require_profiler(step: Step) -> None:
    """Trace ``step`` once, which loads the profiler; raise `PerfseerError` if it sees no kernel."""
    if busy_ms(step, 1) <= 0:
        raise PerfseerError(
            "the profiler sees no kernels on this device, so utilisation cannot be measured: end other "
            "profilers (Nsight, DCGM), and let users profile (NVreg_RestrictProfilingToAdminUsers=0)"
        )


def detach_profiler_after_use() -> None:
    """Have the profiler's library (CUPTI) leave the process after every trace, unless the user decided.

    Left attached, it slows every later launch: networks bound by launches took 10 to 20 % longer from the
    first trace on (pytorch/pytorch issue 144455, kineto pull request 1264).
    """
    os.environ.setdefault("TEARDOWN_CUPTI", "1")


def nvml_device() -> NvmlDevice | None:
    """The measured device through NVML, or None."""
    return open_device(str(torch.cuda.get_device_properties(0).uuid))


def empty_device() -> int:
    """Give cached memory back, reset the peaks and return the bytes still allocated."""
    gc.collect()
    gc.disable()  # a collection inside an iteration would be timed as part of it
    torch.cuda.synchronize()
    # cuBLAS keeps workspaces of earlier configurations, which would count as memory of this one.
    torch._C._cuda_clearCublasWorkspaces()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return int(torch.cuda.memory_allocated())


def ready_step(build: Callable[[], nn.Module], batch: Batch, phase: Phase, seconds: dict[str, float]) -> Step:
    """Build the model and make its iteration, compiled if asked for; peaks of memory count from here.

    Args:
        build: see `Meter.measure`.
        batch: what the phase is run on.
        phase: ``train`` or ``infer``.
        seconds: gets ``build`` and, in mode ``compiled``, ``compile``.
    """
    declare_precision(batch.precision)
    with clocked(seconds, "build"):
        step = make_step(build(), batch, phase)
    if batch.mode == "compiled":
        with clocked(seconds, "compile"):
            step()
            torch.cuda.synchronize()
    # What building or compiling took for a moment is no part of running.
    torch.cuda.reset_peak_memory_stats()
    return step


def time_on_cuda(step: Step, protocol: Protocol, look: Callable[[], None] = lambda: None) -> Timing:
    """Time iterations of ``step`` with CUDA events, one between every two iterations.

    Warm-up runs through the same queue as counting, so that nothing changes where one ends and the other
    begins.

    Args:
        step: one iteration, queued on return.
        protocol: warm-up and stopping rule.
        look: called before and after counting, while the device is at work.
    """
    queue = IterationQueue(step)
    warmup = warm_up(queue.run, protocol)
    look()
    counted = count(queue.run, protocol)
    look()
    times_ms = (counted.times_ms + queue.drain())[: protocol.max_iterations]
    return Timing(warmup, replace(counted, times_ms=times_ms))


class IterationQueue:
    """Iterations timed by CUDA events, with one chunk in the device's queue while another is awaited.

    The queue never runs empty, as in a training loop that does not wait for results. Were the host to wait
    for every chunk, each would begin with the host's delay. Where launching is slower than computing, the
    events show that.

    Args:
        step: one iteration, queued on return.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._size = 1
        self._latest: torch.cuda.Event | None = None
        self._chunks: deque[list[torch.cuda.Event]] = deque()

    def run(self) -> list[float]:
        """Queue a chunk, wait for the one before it; the time of each of that one's iterations, ms."""
        while len(self._chunks) < 2:
            self._enqueue()
        return self._finish()

    def drain(self) -> list[float]:
        """Wait for what is queued; the time of each iteration, ms."""
        return [time_ms for _ in range(len(self._chunks)) for time_ms in self._finish()]

    def _enqueue(self) -> None:
        events = [self._latest or mark()]
        for _ in range(self._size):
            self._step()
            events.append(mark())
        self._latest = events[-1]
        self._chunks.append(events)

    def _finish(self) -> list[float]:
        events = self._chunks.popleft()
        events[-1].synchronize()
        times_ms = [first.elapsed_time(second) for first, second in pairwise(events)]
        self._size = chunk_size(CHUNK_MS, times_ms[-1])
        return times_ms


def mark() -> torch.cuda.Event:
    """An event with a time, put into the queue now."""
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def chunk_size(target_ms: float, iteration_ms: float, most: int = 100) -> int:
    """Iterations that last about ``target_ms``, from 1 to ``most``."""
    return max(1, min(most, round(target_ms / max(iteration_ms, 1e-3))))


def busy_ms(step: Step, iterations: int) -> float:
    """Milliseconds per iteration in which at least one kernel or copy ran, by the profiler's intervals."""
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        for _ in range(iterations):
            step()
        torch.cuda.synchronize()
    # The raw results: `profiler.events()` builds a tree of Python objects, which takes longer than the trace.
    results = profiler.profiler.kineto_results
    return covered_length(device_intervals(results.events())) / iterations / 1e6


def device_intervals(events: Iterable[Any]) -> Iterator[tuple[int, int]]:
    """Start and end [ns] of the profiler's events that are work of the device.

    Annotations such as the optimiser's appear on the device too, but span the gaps between their kernels.
    """
    cuda = torch.autograd.DeviceType.CUDA
    for event in events:
        if event.device_type() == cuda and not event.is_user_annotation():
            yield event.start_ns(), event.end_ns()


def covered_length(intervals: Iterable[tuple[float, float]]) -> float:
    """Length of the union of ``intervals``.

    Args:
        intervals: start and end of each, any order and unit; they may overlap.
    """
    covered, reach = 0.0, float("-inf")
    for start, end in sorted(intervals):
        covered += max(end - max(start, reach), 0.0)
        reach = max(reach, end)
    return covered


@contextmanager
def clocked(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note under ``name`` the wall seconds that the block takes."""
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start


@contextmanager
def starvation_is_out_of_memory() -> Iterator[None]:
    """Raise `MemoryError` where cuDNN or cuBLAS fails while most of the device's memory is taken."""
    try:
        yield
    except RuntimeError as error:
        text = str(error).lower()
        if any(phrase in text for phrase in _STARVED_PHRASES) and memory_is_short():
            raise MemoryError(f"out of device memory, said as: {str(error).splitlines()[0]}") from error
        raise


def memory_is_short() -> bool:
    """Whether torch has held more than half of the device's memory since the peaks were reset."""
    total = torch.cuda.get_device_properties(0).total_memory
    return bool(torch.cuda.max_memory_reserved() > _SHORT_SHARE * total)


def in_mib(nbytes: int | None) -> float | None:
    """Bytes in MiB; None stays None."""
    return None if nbytes is None else nbytes / MIB
