"""NVML's readings, with the library replaced by one that says what a test wants."""

import sys
from types import SimpleNamespace

import pytest

from perfseer.errors import PerfseerError
from perfseer.measure.nvml import (
    NvmlDevice,
    ProcessMemory,
    Readings,
    Watch,
    find_device,
    mean_in_window,
    memory_by_process,
    open_device,
    throttling,
)

PID = 4711


class NVMLError(Exception):
    def __init__(self, value):
        super().__init__(f"error {value}")
        self.value = value


NOT_SUPPORTED, NOT_FOUND, FUNCTION_NOT_FOUND, LOST, RESET = 3, 6, 13, 15, 16


class Library:
    """pynvml as far as it is used. ``answers`` by function: a value, a list of one per call, or an error."""

    NVMLError = NVMLError
    NVML_ERROR_GPU_IS_LOST = LOST
    NVML_ERROR_RESET_REQUIRED = RESET
    NVML_CLOCK_SM = 1
    NVML_GPU_UTILIZATION_SAMPLES = 1

    def __init__(self, **answers):
        self.answers = {
            "nvmlInit": None,
            "nvmlDeviceGetHandleByUUID": "handle",
            "nvmlDeviceGetGraphicsRunningProcesses": [],
            **answers,
        }
        self.asked = []

    def __getattr__(self, name):
        if name not in self.__dict__.get("answers", {}):
            raise AttributeError(name)

        def function(*arguments):
            self.asked.append((name, *arguments))
            answer = self.answers[name]
            answer = answer.pop(0) if isinstance(answer, Turns) else answer
            if isinstance(answer, Exception):
                raise answer
            return answer

        return function


class Turns(list):
    """One answer per call."""


def process(pid, used):
    return SimpleNamespace(pid=pid, usedGpuMemory=used)


def sample(stamp_us, value):
    return SimpleNamespace(timeStamp=stamp_us, sampleValue=SimpleNamespace(uiVal=value))


def device(**answers):
    answers.setdefault("nvmlDeviceGetCurrentClocksEventReasons", 0)
    return NvmlDevice(Library(**answers), "handle", PID)


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        (0, set()),
        (0x1, set()),  # idle
        (0x2, set()),  # clocks set by the owner
        (0x3 | 0x4, {"power cap"}),
        (0x8 | 0x40, {"hardware slowdown", "hardware thermal slowdown"}),
        (0x20 | 0x80, {"software thermal slowdown", "power brake"}),
        (1 << 20, {"reason 0x100000"}),  # of a driver newer than this
    ],
)
def test_throttling_in_words(reasons, words):
    assert throttling(reasons) == words


@pytest.mark.parametrize(
    ("processes", "memory"),
    [
        ([process(PID, 500)], ProcessMemory(500, 0)),
        ([process(PID, 500), process(1, 70), process(2, 30)], ProcessMemory(500, 100)),
        ([process(1, 70), process(1, 70), process(PID, 5)], ProcessMemory(5, 70)),  # listed twice
        ([process(PID, None)], ProcessMemory(None, 0)),
        ([process(PID, 5), process(1, None)], ProcessMemory(5, None)),
        # In a container: other process ids, or none. Nobody knows which of them is this one.
        ([process(1, 70)], ProcessMemory(None, None)),
        ([], ProcessMemory(None, None)),
    ],
)
def test_memory_is_split_into_own_and_foreign(processes, memory):
    assert memory_by_process(processes, PID) == memory


def test_a_window_holds_the_samples_whose_whole_period_lies_in_it():
    # Every 200 ms. The newest, at 2.0 s, may be 200 ms old, so it is 2.0 to 2.2 s now.
    samples = [(1_000_000 + 200_000 * k, 10 * k) for k in range(6)]
    # 0.5 s before 2.2 s is 1.7 s; a period that begins there or later ends at 1.9 s or later.
    assert mean_in_window(samples, 0.5) == 50
    assert mean_in_window(samples, 0.8) == 40  # the periods that end at 1.6, 1.8 and 2.0 s
    assert mean_in_window(samples[::-1], 100) == 25
    assert mean_in_window(samples, 0.3) is None
    assert mean_in_window(samples[:1], 9) is None
    assert mean_in_window([], 9) is None


def test_a_short_phase_has_no_utilisation_and_nobody_is_asked():
    one = device(nvmlDeviceGetSamples=(1, [sample(k * 200_000, 80) for k in range(9)]))
    assert one.utilisation_pct(0.2) is None
    assert not one._library.asked
    assert one.utilisation_pct(1.0) == 80


def test_what_the_driver_refuses_is_none():
    refused = NVMLError(NOT_SUPPORTED)
    one = device(
        nvmlDeviceGetClockInfo=refused,
        nvmlDeviceGetCurrentClocksEventReasons=refused,
        nvmlDeviceGetSamples=refused,
        nvmlDeviceGetComputeRunningProcesses=refused,
        nvmlDeviceGetGraphicsRunningProcesses=refused,
    )
    assert one.sm_clock_mhz() is None
    assert one.throttled() is None
    assert one.utilisation_pct(5) is None
    assert one.memory() == ProcessMemory(None, None)


def test_graphics_processes_are_foreign_too_and_may_be_refused():
    computing = {"nvmlDeviceGetComputeRunningProcesses": [process(PID, 500)]}
    drawing = {"nvmlDeviceGetGraphicsRunningProcesses": [process(9, 60)]}
    assert device(**computing, **drawing).memory() == ProcessMemory(500, 60)
    refused = {"nvmlDeviceGetGraphicsRunningProcesses": NVMLError(NOT_SUPPORTED)}
    assert device(**computing, **refused).memory() == ProcessMemory(500, 0)


def test_the_old_name_of_the_clock_question_will_do():
    old_library = Library(nvmlDeviceGetCurrentClocksThrottleReasons=0x4)
    assert NvmlDevice(old_library, "handle", PID).throttled() == {"power cap"}
    refused = {"nvmlDeviceGetCurrentClocksEventReasons": NVMLError(FUNCTION_NOT_FOUND)}
    old_driver = device(**refused, nvmlDeviceGetCurrentClocksThrottleReasons=0x8)
    assert old_driver.throttled() == {"hardware slowdown"}


def test_a_library_newer_than_its_driver_refuses_in_its_own_way():
    class MismatchError(Exception):
        pass

    library = Library(nvmlDeviceGetComputeRunningProcesses=MismatchError("pyNVML does not match"))
    library.NVMLLibraryMismatchError = MismatchError
    assert NvmlDevice(library, "handle", PID).memory() == ProcessMemory(None, None)


@pytest.mark.parametrize("code", [LOST, RESET])
def test_a_device_that_is_gone_is_a_fault_with_advice(code):
    advice = r"does not answer any more: NVML says 'error 1[56]'.*run the same command again"
    with pytest.raises(PerfseerError, match=advice):
        device(nvmlDeviceGetClockInfo=NVMLError(code)).sm_clock_mhz()
    with pytest.raises(PerfseerError, match=advice):
        find_device(Library(nvmlDeviceGetHandleByUUID=NVMLError(code)), "abc", PID)


def test_a_watch_means_the_clocks_and_joins_the_reasons():
    one = device(
        nvmlDeviceGetClockInfo=Turns([1400, 1500]),
        nvmlDeviceGetCurrentClocksEventReasons=Turns([0x4, 0x4 | 0x40]),
        nvmlDeviceGetSamples=(1, [sample(k * 200_000, 80) for k in range(9)]),
    )
    watch = Watch(one)
    watch.look()
    watch.look()
    throttling = ("hardware thermal slowdown", "power cap")
    assert watch.readings(1.0) == Readings(1450, ", ".join(throttling), 80)


def test_a_watch_tells_nothing_held_down_from_unknown():
    calm = device(nvmlDeviceGetClockInfo=NVMLError(NOT_SUPPORTED), nvmlDeviceGetSamples=NVMLError(NOT_FOUND))
    watch = Watch(calm)
    watch.look()
    assert watch.readings(1.0) == Readings(None, "", None)
    blind = Watch(None)
    blind.look()
    assert blind.readings(1.0) == Readings(None, None, None)


def test_a_device_is_found_by_its_uuid_whatever_the_prefix():
    library = Library(nvmlDeviceGetCurrentClocksEventReasons=0)
    assert find_device(library, "GPU-12-34", PID) is not None
    assert ("nvmlDeviceGetHandleByUUID", "GPU-12-34") in library.asked
    slice_ = Library(
        nvmlDeviceGetCurrentClocksEventReasons=0,
        nvmlDeviceGetHandleByUUID=Turns([NVMLError(NOT_FOUND), "slice"]),
    )
    assert find_device(slice_, "12-34", PID) is not None
    assert slice_.asked[-1] == ("nvmlDeviceGetHandleByUUID", "MIG-12-34")


def test_without_a_driver_or_the_library_there_is_no_device(monkeypatch):
    assert find_device(Library(nvmlInit=NVMLError(9)), "12-34", PID) is None
    open_device.cache_clear()
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert open_device("12-34") is None
    open_device.cache_clear()


def test_the_installed_library_has_every_name_that_is_used():
    pynvml = pytest.importorskip("pynvml", reason="needs nvidia-ml-py")
    for name in (
        *("NVMLError", "NVML_ERROR_GPU_IS_LOST", "NVML_ERROR_RESET_REQUIRED", "NVML_CLOCK_SM", "nvmlInit"),
        *("NVML_GPU_UTILIZATION_SAMPLES", "nvmlDeviceGetSamples", "nvmlDeviceGetClockInfo"),
        *("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses"),
        *("nvmlDeviceGetHandleByUUID", "nvmlDeviceGetCurrentClocksEventReasons"),
    ):
        assert hasattr(pynvml, name), name
    assert pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST).value == LOST
