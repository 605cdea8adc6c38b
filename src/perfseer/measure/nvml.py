"""What NVML tells of a device beside torch: clock, what holds it down, its own utilisation, who holds memory.

All of it is optional: without nvidia-ml-py, without permission or on devices that do not say (MIG slices),
readings are None. Only a device that is gone is a fault. Nothing here imports torch.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from statistics import fmean
from typing import Any, TypeVar

from perfseer.errors import PerfseerError

T = TypeVar("T")

# The driver averages utilisation over periods of a sixth of a second to a second (nvmlUtilization_t), so a
# shorter window cannot hold one whole.
SHORTEST_WINDOW_S = 1 / 3

# The same question under its name since driver 535 and its older one.
_CLOCK_QUESTIONS = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")

# Bits of nvmlClocksEventReasons*. An idle device (0x1) and clocks its owner has set (0x2) hold nothing down
# that would otherwise be faster.
_NO_THROTTLING = 0x1 | 0x2
_THROTTLING = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}


@dataclass(frozen=True)
class ProcessMemory:
    """Device memory by process, bytes; None where the driver does not tell.

    Attributes:
        own: of this process, CUDA context included.
        foreign: of all others together.
    """

    own: int | None
    foreign: int | None


@dataclass(frozen=True)
class Readings:
    """What was read while a phase was counted; fields as in `meters.PhaseResult`."""

    sm_clock_mhz: float | None
    throttled: str | None
    util_nvml_pct: float | None


def throttling(reasons: int) -> frozenset[str]:
    """The words for a bit mask of clock event reasons; empty if nothing holds the clock down."""
    held = reasons & ~_NO_THROTTLING
    bits = (1 << position for position in range(held.bit_length()))
    return frozenset(_THROTTLING.get(bit, f"reason {bit:#x}") for bit in bits if held & bit)


def memory_by_process(processes: Iterable[Any], pid: int) -> ProcessMemory:
    """Split the driver's list of processes into this one and the others.

    In containers the driver may list other process ids than the system's, or none. Where ``pid`` is not
    among them, nobody can say which entry is this process, so both are unknown.

    Args:
        processes: objects with ``pid`` and ``usedGpuMemory`` (bytes, or None where that is withheld); a
            process that both computes and draws is listed twice.
        pid: of this process.
    """
    used = {process.pid: process.usedGpuMemory for process in processes}
    if pid not in used:
        return ProcessMemory(None, None)
    own = used.pop(pid)
    known = [memory for memory in used.values() if memory is not None]
    return ProcessMemory(own, sum(known) if len(known) == len(used) else None)


def mean_in_window(samples: Sequence[tuple[int, int]], window_s: float) -> float | None:
    """Mean of the samples that lie within the last ``window_s`` seconds, None if there is none.

    A sample covers the period that ends at its time stamp, and the newest may be up to one period old. So a
    sample counts if its stamp is later than the newest's, plus two periods, less the window. Only stamps are
    compared with each other: no clock of this process comes into it.

    Args:
        samples: time stamp [microseconds] and value of each, any order.
        window_s: seconds until now.
    """
    ordered = sorted(samples)
    if len(ordered) < 2:
        return None
    newest = ordered[-1][0]
    earliest = newest + 2 * (newest - ordered[-2][0]) - window_s * 1e6
    inside = [value for stamp, value in ordered if stamp >= earliest]
    return fmean(inside) if inside else None


class NvmlDevice:
    """One device through NVML.

    Args:
        library: the module ``pynvml``, initialised.
        handle: the device's handle in it.
        pid: of this process.
    """

    def __init__(self, library: Any, handle: Any, pid: int) -> None:
        self._library = library
        self._handle = handle
        self._pid = pid
        # The second is what a library raises that is newer than its driver; older ones have no such error.
        mismatch = getattr(library, "NVMLLibraryMismatchError", library.NVMLError)
        self._refusals = (library.NVMLError, mismatch)

    def sm_clock_mhz(self) -> float | None:
        """Clock of the multiprocessors now."""
        return self._ask(
            lambda: self._library.nvmlDeviceGetClockInfo(self._handle, self._library.NVML_CLOCK_SM)
        )

    def throttled(self) -> frozenset[str] | None:
        """What holds the clock down now; empty if nothing does."""
        for name in _CLOCK_QUESTIONS:
            question = getattr(self._library, name, None)
            reasons = question and self._ask(partial(question, self._handle))
            if reasons is not None:
                return throttling(reasons)
        return None

    def utilisation_pct(self, window_s: float) -> float | None:
        """NVML's share of the last ``window_s`` seconds with a kernel running, 0 to 100."""
        if window_s < SHORTEST_WINDOW_S:
            return None
        library = self._library
        found = self._ask(
            lambda: library.nvmlDeviceGetSamples(self._handle, library.NVML_GPU_UTILIZATION_SAMPLES, 0)
        )
        samples = [] if found is None else [(one.timeStamp, one.sampleValue.uiVal) for one in found[1]]
        return mean_in_window(samples, window_s)

    def memory(self) -> ProcessMemory:
        """Device memory by process now."""
        library = self._library
        computing = self._ask(lambda: library.nvmlDeviceGetComputeRunningProcesses(self._handle))
        drawing = self._ask(lambda: library.nvmlDeviceGetGraphicsRunningProcesses(self._handle))
        if computing is None:
            return ProcessMemory(None, None)
        return memory_by_process([*(drawing or []), *computing], self._pid)

    def _ask(self, question: Callable[[], T]) -> T | None:
        try:
            return question()
        except self._refusals as error:
            require_present(self._library, error)
            return None


class Watch:
    """Looks at a device while a phase is counted.

    Args:
        device: None where there is no NVML; every reading is then None.
    """

    def __init__(self, device: NvmlDevice | None) -> None:
        self._device = device
        self._clocks: list[float | None] = []
        self._throttling: list[frozenset[str] | None] = []

    def look(self) -> None:
        """Read the clock and what holds it down; to be called while the device is at work."""
        if self._device is not None:
            self._clocks.append(self._device.sm_clock_mhz())
            self._throttling.append(self._device.throttled())

    def readings(self, window_s: float) -> Readings:
        """Mean clock and everything that held it down at any look; utilisation of the last ``window_s``."""
        clocks = [clock for clock in self._clocks if clock is not None]
        words = [seen for seen in self._throttling if seen is not None]
        return Readings(
            sm_clock_mhz=fmean(clocks) if clocks else None,
            throttled=", ".join(sorted(frozenset().union(*words))) if words else None,
            util_nvml_pct=self._device.utilisation_pct(window_s) if self._device else None,
        )


def require_present(library: Any, error: Any) -> None:
    """Raise `PerfseerError` if ``error``, one of NVML's, says that the device is gone."""
    if getattr(error, "value", None) in (library.NVML_ERROR_GPU_IS_LOST, library.NVML_ERROR_RESET_REQUIRED):
        raise PerfseerError(
            f"the CUDA device does not answer any more: NVML says {str(error)!r}. It fell off the bus or "
            "needs a reset (see dmesg for Xid); bring it back, then run the same command again: everything "
            "finished is in the journal"
        ) from error


def find_device(library: Any, uuid: str, pid: int) -> NvmlDevice | None:
    """Initialise NVML and find the device; None where the driver refuses or does not know it.

    Args:
        library: the module ``pynvml``.
        uuid: as torch gives it, with or without its prefix. Indices would not do, because
            CUDA_VISIBLE_DEVICES renumbers torch's devices but not NVML's.
        pid: of this process.

    Raises:
        PerfseerError: the device is gone.
    """
    bare = uuid.removeprefix("GPU-").removeprefix("MIG-")
    for name in (f"GPU-{bare}", f"MIG-{bare}"):
        try:
            library.nvmlInit()
            return NvmlDevice(library, library.nvmlDeviceGetHandleByUUID(name), pid)
        except library.NVMLError as error:
            require_present(library, error)
    return None


@lru_cache(maxsize=1)
def open_device(uuid: str) -> NvmlDevice | None:
    """The device with ``uuid`` through NVML, opened once; None where nvidia-ml-py or its library is missing.

    Raises:
        PerfseerError: the device is gone.
    """
    try:
        import pynvml
    except ModuleNotFoundError:
        return None
    return find_device(pynvml, uuid, os.getpid())
