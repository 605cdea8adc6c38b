import gc
import os
import subprocess
import sys
import time
import weakref
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.measure import cuda_meter
from perfseer.measure.cuda_meter import (
    CudaMeter,
    IterationQueue,
    chunk_size,
    covered_length,
    detach_profiler_after_use,
    device_intervals,
    require_cuda,
    require_profiler,
    require_undisturbed,
    starvation_is_out_of_memory,
    time_on_cuda,
)
from perfseer.measure.nvml import ProcessMemory
from perfseer.measure.outcomes import guarded
from perfseer.measure.settings import Protocol
from perfseer.measure.steps import Batch, declare_precision
from perfseer.measure.worker import start

MIB = 2**20
PROTOCOL = Protocol(
    warmup_s=0.05,
    warmup_iterations=3,
    warmup_drift=1.0,
    warmup_budget_s=0.2,
    probe_slack=0.1,
    ci_width=0.05,
    confidence=0.95,
    min_iterations=7,
    max_iterations=200,
    phase_budget_s=0.5,
    timeout_s=60,
)


class Device:
    """A device that takes ``step_ms(iteration)`` for each iteration, and a host whose clock follows it."""

    def __init__(self, step_ms):
        self.step_ms = step_ms
        self.queued_ms = self.now_ms = 0.0
        self.steps = self.waiting = self.emptied = 0

    def step(self):
        self.steps += 1
        self.waiting += 1
        self.queued_ms += self.step_ms(self.steps)

    def event(self, enable_timing):
        assert enable_timing
        return DeviceEvent(self)


class DeviceEvent:
    def __init__(self, device):
        self.device = device

    def record(self):
        self.at_ms, self.after_steps = self.device.queued_ms, self.device.steps

    def synchronize(self):
        device = self.device
        device.now_ms = max(device.now_ms, self.at_ms)
        device.waiting = device.steps - self.after_steps
        device.emptied += device.waiting == 0

    def elapsed_time(self, other):
        return other.at_ms - self.at_ms


@pytest.fixture
def device_of(monkeypatch):
    def make(step_ms):
        device = Device(step_ms)
        monkeypatch.setattr(torch.cuda, "Event", device.event)
        monkeypatch.setattr(time, "perf_counter", lambda: device.now_ms / 1e3)
        return device

    return make


@pytest.mark.parametrize(
    ("intervals", "length"),
    [
        ([], 0.0),
        ([(3.0, 3.0)], 0.0),
        ([(0.0, 1.0)], 1.0),
        ([(0.0, 1.0), (3.0, 4.0)], 2.0),
        ([(3.0, 4.0), (0.0, 1.0)], 2.0),  # any order
        ([(0.0, 2.0), (1.0, 3.0), (3.0, 4.0)], 4.0),  # overlaps and touching ones count once
        ([(0.0, 10.0), (2.0, 3.0), (4.0, 5.0)], 10.0),  # nested
        ([(-2.0, -1.0), (5.0, 6.0), (5.0, 7.0)], 3.0),
    ],
)
def test_covered_length_is_that_of_the_union(intervals, length):
    assert covered_length(intervals) == pytest.approx(length)


def test_kernels_and_copies_are_work_of_the_device_and_annotations_are_not():
    def event(device, start, end, *, annotation=False):
        return SimpleNamespace(
            device_type=lambda: device,
            is_user_annotation=lambda: annotation,
            start_ns=lambda: start,
            end_ns=lambda: end,
        )

    kinds = torch.autograd.DeviceType
    events = [
        event(kinds.CPU, 0, 100),
        event(kinds.CUDA, 10, 20),
        event(kinds.CUDA, 5, 90, annotation=True),
        event(kinds.CUDA, 30, 35),
    ]
    assert list(device_intervals(events)) == [(10, 20), (30, 35)]


def test_the_profilers_raw_results_have_what_is_read_of_them():
    """On the cpu: the very calls, on events of the kind that the device's are."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        torch.ones(8, 8) @ torch.ones(8, 8)
    events = profiler.profiler.kineto_results.events()
    assert any(event.name() == "aten::matmul" for event in events)
    assert all(event.end_ns() >= event.start_ns() > 0 for event in events)
    assert list(device_intervals(events)) == []


@pytest.mark.parametrize(
    ("target_ms", "iteration_ms", "most", "size"),
    [(20, 2, 100, 10), (20, 500, 100, 1), (20, 0.0, 100, 100), (20, 0.01, 100, 100), (30, 1, 20, 20)],
)
def test_chunks_last_about_as_long_as_asked(target_ms, iteration_ms, most, size):
    assert chunk_size(target_ms, iteration_ms, most) == size


def test_the_devices_queue_never_runs_empty_until_it_is_drained(device_of):
    device = device_of(lambda step: 2.0)
    queue = IterationQueue(device.step)
    times = [time_ms for _ in range(9) for time_ms in queue.run()]
    assert device.emptied == 0
    assert device.waiting == 10  # a chunk of 20 ms
    times += queue.drain()
    assert device.emptied == 1
    assert times == [2.0] * device.steps  # every iteration comes out, each once
    assert queue.drain() == []


def test_chunks_follow_the_iterations(device_of):
    device = device_of(lambda step: 500.0 if step <= 2 else 5.0)
    queue = IterationQueue(device.step)
    assert [len(queue.run()) for _ in range(6)] == [1, 1, 1, 1, 4, 4]


def test_counting_begins_where_warm_up_ends_and_nothing_is_lost(device_of):
    device = device_of(lambda step: 40.0 if step <= 5 else 4.0)
    looks = []
    timing = time_on_cuda(device.step, PROTOCOL, lambda: looks.append(device.waiting))
    assert len(timing.warmup.times_ms) >= 3
    assert timing.counted.times_ms[-7:] == [4.0] * 7
    assert len(timing.warmup.times_ms) + len(timing.counted.times_ms) == device.steps
    assert len(looks) == 2
    assert min(looks) > 0  # the device was at work when it was looked at


def test_slow_iterations_are_not_queued_beyond_the_budget(device_of):
    device = device_of(lambda step: 900.0)
    timing = time_on_cuda(device.step, PROTOCOL)
    assert (timing.warmup.times_ms, timing.counted.times_ms) == ([900.0], [900.0, 900.0])
    assert device.steps == 3


def test_no_more_is_counted_than_allowed(device_of):
    device = device_of(lambda step: 0.1 + 0.05 * (step % 2))
    timing = time_on_cuda(device.step, replace(PROTOCOL, max_iterations=50))
    assert len(timing.counted.times_ms) == 50


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_device_the_message_says_what_to_do():
    with pytest.raises(PerfseerError, match=r"CUDA .*nvidia-smi.* --device cpu"):
        require_cuda()


def test_a_profiler_that_sees_nothing_is_found_out_before_anything_is_measured(monkeypatch):
    monkeypatch.setattr(cuda_meter, "busy_ms", lambda step, iterations: 0.0)
    with pytest.raises(PerfseerError, match="no kernels"):
        require_profiler(lambda: None)


def test_the_profilers_library_leaves_after_use_unless_the_user_decided(monkeypatch):
    monkeypatch.delenv("TEARDOWN_CUPTI", raising=False)
    detach_profiler_after_use()
    assert os.environ["TEARDOWN_CUPTI"] == "1"
    monkeypatch.setenv("TEARDOWN_CUPTI", "0")
    detach_profiler_after_use()
    assert os.environ["TEARDOWN_CUPTI"] == "0"


@pytest.mark.parametrize(
    ("environment", "allowed"),
    [
        ({}, True),
        ({"CUDA_LAUNCH_BLOCKING": "0", "NVIDIA_TF32_OVERRIDE": ""}, True),
        ({"CUDA_LAUNCH_BLOCKING": "1"}, False),
        ({"NVIDIA_TF32_OVERRIDE": "1"}, False),
        ({"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}, False),
    ],
)
def test_variables_that_change_what_is_measured_are_refused(environment, allowed):
    if allowed:
        require_undisturbed(environment)
    else:
        with pytest.raises(PerfseerError, match="=1 is"):
            require_undisturbed(environment)


class Nvml:
    """A device of NVML's that is at work."""

    def sm_clock_mhz(self):
        return 1410.0

    def throttled(self):
        return frozenset({"power cap"})

    def utilisation_pct(self, window_s):
        return 97.0

    def memory(self):
        return ProcessMemory(500 * MIB, 30 * MIB)


@pytest.fixture
def fake_cuda(monkeypatch, device_of):
    """The device's counters replaced by constants; the model runs on the cpu, an iteration takes 4 ms."""
    device = device_of(lambda step: 4.0)
    monkeypatch.setattr(cuda_meter, "empty_device", lambda: (gc.collect(), 10 * MIB)[1])
    monkeypatch.setattr(cuda_meter, "nvml_device", Nvml)
    monkeypatch.setattr(cuda_meter, "busy_ms", lambda step, iterations: iterations / 4)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 70 * MIB)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 90 * MIB)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda index: SimpleNamespace(total_memory=100 * MIB)
    )
    return device


def timed_model(device):
    """A network whose every iteration takes the device's time."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    model.register_forward_hook(lambda *_: device.step())
    return model


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_readings_become_the_labels(fake_cuda, monkeypatch, mode):
    """The arithmetic around the device's counters."""
    monkeypatch.setattr(torch, "compile", lambda model, **how: model)
    batch = Batch((2, 3, 2, 2), "fp32", "nchw", "cpu", mode)
    result = CudaMeter().measure(lambda: timed_model(fake_cuda), batch, "train", PROTOCOL)
    assert (result.mem_mib, result.mem_allocated_mib, result.mem_reserved_mib) == (60, 70, 90)
    assert (result.mem_process_mib, result.foreign_mem_mib) == (500, 30)
    assert (result.time_ms, result.time_ci_low_ms, result.time_ci_high_ms) == (4.0, 4.0, 4.0)
    assert (result.time_mean_ms, result.disturbed_iterations, result.probe_ms) == (4.0, 0, None)
    assert result.util_pct == pytest.approx(25)  # 15 ms are 4 iterations; 4 / 4 = 1 ms busy of 4 ms each
    assert (result.util_nvml_pct, result.sm_clock_mhz, result.throttled) == (97, 1410, "power cap")
    expected = {"clean", "build", "warmup", "count", "trace"} | ({"compile"} if mode == "compiled" else set())
    assert set(result.seconds) == expected


def test_without_nvml_everything_else_is_measured(fake_cuda, monkeypatch):
    monkeypatch.setattr(cuda_meter, "nvml_device", lambda: None)
    batch = Batch((2, 3, 2, 2), "fp32", "nchw", "cpu")
    result = asdict(CudaMeter().measure(lambda: timed_model(fake_cuda), batch, "infer", PROTOCOL))
    absent = {"probe_ms", "sm_clock_mhz", "throttled", "util_nvml_pct", "mem_process_mib", "foreign_mem_mib"}
    assert {name for name in absent if result[name] is not None} == set()
    assert result["time_ms"] == 4.0


def test_utilisation_is_at_most_all_of_the_time(fake_cuda, monkeypatch):
    monkeypatch.setattr(cuda_meter, "busy_ms", lambda step, iterations: 4.01)
    batch = Batch((2, 3, 2, 2), "fp32", "nchw", "cpu")
    assert CudaMeter().measure(lambda: timed_model(fake_cuda), batch, "infer", PROTOCOL).util_pct == 100


@pytest.mark.parametrize("phase", ["train", "infer"])
def test_what_did_not_fit_is_dropped_from_memory(fake_cuda, phase):
    """An allocation fails in the middle of an iteration; no tensor of that configuration outlives it."""
    held = []

    class Grows(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(12, 4)

        def forward(self, x):
            activation = self.linear(x.flatten(1))
            held.append(weakref.ref(activation))
            held.append(weakref.ref(self.linear.weight))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")

    batch = Batch((2, 3, 2, 2), "fp32", "nchw", "cpu")
    outcome = guarded(lambda: asdict(CudaMeter().measure(Grows, batch, phase, PROTOCOL)))
    assert (outcome.status, outcome.result) == ("oom", None)
    gc.collect()
    assert [ref() for ref in held] == [None, None]


@pytest.mark.parametrize(
    ("text", "reserved", "status"),
    [
        ("GET was unable to find an engine to execute this computation", 90, "oom"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", 90, "oom"),
        ("GET was unable to find an engine to execute this computation", 20, "error"),  # memory was not short
        ("shapes do not match", 90, "error"),
    ],
)
def test_libraries_that_starve_say_it_in_their_own_words(fake_cuda, monkeypatch, text, reserved, status):
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: reserved * MIB)

    def work():
        with starvation_is_out_of_memory():
            raise RuntimeError(text)

    assert guarded(work).status == status


@pytest.mark.parametrize("precision", ["fp32", "tf32", "amp-fp16", "bf16"])
def test_the_switches_are_those_of_the_precision_and_the_autotuner_is_off(precision):
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark
    try:
        cudnn.benchmark = True
        declare_precision(precision)
        assert (cudnn.allow_tf32, matmul.allow_tf32) == (precision == "tf32",) * 2
        assert cudnn.benchmark is False
    finally:
        cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark = before


# From here on with a real device.


@pytest.fixture(scope="module")
def meter():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return start("cuda", 1)[0]


def on_cuda(*shape, precision="fp32", memory_format="nchw", mode="eager"):
    return Batch(shape, precision, memory_format, "cuda", mode)


class Holds(nn.Module):
    """A linear layer whose forward holds 256 MiB for a moment."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(12, 4)

    def forward(self, x):
        held = torch.ones(64 * 1024 * 1024, device=x.device)
        return self.linear(x.flatten(1)) + held[:4] - 1


def small():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 4))


def convolutions(count=8):
    layers = [nn.Conv2d(64, 64, 3, padding=1) for _ in range(count)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def launches(count=60):
    """Many operations with next to nothing to do: as slow as they can be launched."""
    return nn.Sequential(nn.Flatten(), *[nn.Tanh() for _ in range(count)])


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "tf32", "amp-fp16"])
@pytest.mark.parametrize("phase", ["train", "infer"])
def test_cuda_reads_known_memory_and_not_its_predecessors(meter, precision, phase):
    batch = on_cuda(2, 3, 2, 2, precision=precision)
    result = meter.measure(Holds, batch, phase, PROTOCOL)
    assert result.mem_mib == pytest.approx(256, abs=24)
    assert result.mem_reserved_mib >= result.mem_allocated_mib
    assert result.iterations >= PROTOCOL.min_iterations
    assert 0 < result.util_pct <= 100
    assert meter.measure(small, batch, phase, PROTOCOL).mem_mib < 24


@pytest.mark.gpu
def test_cuda_time_agrees_with_a_plain_loop_on_the_wall_clock(meter):
    result = meter.measure(convolutions, on_cuda(32, 64, 64, 64), "infer", PROTOCOL)
    declare_precision("fp32")
    model, x = convolutions().cuda().eval(), torch.randn(32, 64, 64, 64, device="cuda")
    with torch.inference_mode():
        for _ in range(20):
            model(x)
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(50):
            model(x)
        torch.cuda.synchronize()
    wall_ms = (time.perf_counter() - begin) * 1e3 / 50
    assert result.time_ms == pytest.approx(wall_ms, rel=0.1)


@pytest.mark.gpu
def test_cuda_what_does_not_fit_is_out_of_memory_at_once_and_harms_nothing_after(meter):
    class TooMuch(Holds):
        def forward(self, x):
            gib = [torch.ones(2**28, device=x.device) for _ in range(2048)]
            return self.linear(x.flatten(1)) + gib[0][:4]

    batch = on_cuda(2, 3, 2, 2)
    before = meter.measure(convolutions, on_cuda(8, 64, 32, 32), "train", PROTOCOL)
    begin = time.perf_counter()
    outcome = guarded(lambda: asdict(meter.measure(TooMuch, batch, "train", PROTOCOL)))
    took_s = time.perf_counter() - begin
    after = meter.measure(convolutions, on_cuda(8, 64, 32, 32), "train", PROTOCOL)
    assert outcome.status == "oom"
    assert took_s < 1
    assert after.mem_mib == pytest.approx(before.mem_mib, abs=0.1)
    assert after.time_ms == pytest.approx(before.time_ms, rel=0.2)


@pytest.mark.gpu
def test_cuda_half_precisions_take_less_memory_than_full(meter):
    used = {
        precision: meter.measure(
            convolutions,
            on_cuda(32, 64, 64, 64, precision=precision, memory_format="nhwc"),
            "infer",
            PROTOCOL,
        )
        for precision in ("fp32", "bf16")
    }
    assert used["bf16"].mem_mib < 0.7 * used["fp32"].mem_mib


@pytest.mark.gpu
@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
def test_cuda_layouts_run(meter, memory_format):
    batch = on_cuda(4, 64, 32, 32, precision="amp-fp16", memory_format=memory_format)
    assert meter.measure(convolutions, batch, "train", PROTOCOL).time_ms > 0


@pytest.mark.gpu
@pytest.mark.slow
def test_cuda_compiles_and_says_how_long_it_took(meter):
    result = meter.measure(convolutions, on_cuda(4, 64, 32, 32, mode="compiled"), "train", PROTOCOL)
    assert result.seconds["compile"] > result.seconds["build"]
    assert result.time_ms > 0


@pytest.mark.gpu
def test_cuda_utilisation_is_high_where_kernels_are_long_and_low_where_the_host_sleeps(meter):
    class Sleeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(12, 4)

        def forward(self, x):
            time.sleep(0.002)
            return self.linear(x.flatten(1))

    product = nn.Sequential(nn.Linear(4096, 4096), nn.Linear(4096, 4096))
    assert meter.measure(lambda: product, on_cuda(4096, 4096), "infer", PROTOCOL).util_pct > 95
    assert meter.measure(Sleeps, on_cuda(2, 3, 2, 2), "infer", PROTOCOL).util_pct < 10


# What anybody would write to time 60 launches, in a process that never traces.
PLAIN_LOOP = """
import time, torch
from torch import nn
model = nn.Sequential(nn.Flatten(), *[nn.Tanh() for _ in range(60)]).cuda().eval()
x = torch.randn(2, 3, 8, 8, device="cuda")
with torch.inference_mode():
    for iterations in (500, 2000):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(iterations):
            model(x)
        torch.cuda.synchronize()
print((time.perf_counter() - begin) * 1e3 / iterations)
"""


@pytest.mark.gpu
def test_cuda_tracing_leaves_nothing_behind_that_slows_launches(meter):
    plain = subprocess.run([sys.executable, "-c", PLAIN_LOOP], capture_output=True, text=True, check=True)
    meter.measure(launches, on_cuda(2, 3, 8, 8), "infer", PROTOCOL)
    traced_before = meter.measure(launches, on_cuda(2, 3, 8, 8), "infer", PROTOCOL)
    assert traced_before.time_ms == pytest.approx(float(plain.stdout), rel=0.2)


@pytest.mark.gpu
def test_cuda_nvml_is_asked_where_it_is_installed(meter):
    pytest.importorskip("pynvml", reason="needs nvidia-ml-py")
    assert cuda_meter.nvml_device() is not None
    long = replace(PROTOCOL, ci_width=1e-6, phase_budget_s=2.5, max_iterations=100_000, timeout_s=60)
    product = nn.Linear(4096, 4096)
    result = meter.measure(lambda: product, on_cuda(4096, 4096), "infer", long)
    assert result.throttled is not None
    assert result.sm_clock_mhz > 100
    assert result.util_nvml_pct > 80
    assert result.util_nvml_pct == pytest.approx(result.util_pct, abs=15)
