"""The cpu meter and its forked processes, in one worker-like process of their own.

The test process may have run parallel regions before, after which OpenMP cannot be used in a fork; the worker
never does, and neither does the script below.
"""

import json
import os
import subprocess
import sys
import time
from itertools import pairwise

import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.measure import foreign_load
from perfseer.measure.cpu_meter import time_on_cpu
from perfseer.measure.foreign_load import ForeignLoad, parse_busy_ticks
from perfseer.measure.outcomes import describe, guarded, is_out_of_memory
from perfseer.measure.process_memory import ResidentMemory, added_peak_bytes, parse_status
from perfseer.measure.settings import Protocol
from perfseer.measure.steps import Batch, make_step
from perfseer.measure.worker_process import worker_environment

PROTOCOL = {
    "warmup_s": 0.02,
    "warmup_iterations": 3,
    "warmup_drift": 1.0,
    "warmup_budget_s": 0.2,
    "probe_slack": 0.1,
    "ci_width": 0.05,
    "confidence": 0.95,
    "min_iterations": 7,
    "max_iterations": 30,
    "phase_budget_s": 0.5,
    "timeout_s": 60,
}

SCRIPT = """
import ctypes, json, os, sys, time
from dataclasses import asdict
import torch
from torch import nn
from perfseer.measure.cpu_meter import CpuMeter
from perfseer.measure.forked import run_forked
from perfseer.measure.settings import Protocol
from perfseer.measure.steps import Batch
from perfseer.measure.worker import release_free_heap, start

protocol = Protocol(**json.loads(sys.argv[1]))
meter, environment = start("cpu", 2)
MIB = 2**20

class Holds(nn.Module):
    def __init__(self, mib):
        super().__init__()
        self.linear, self.mib = nn.Linear(12, 4), mib
    def forward(self, x):
        held = torch.ones(self.mib * MIB // 4)
        return self.linear(x.flatten(1)) + held[:4] - 1

class Weights(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(12, 4)
        self.idle = nn.Linear(1024, 16 * 1024, bias=False)  # 64 MiB
    def forward(self, x):
        return self.linear(x.flatten(1)) + self.idle.weight.mean()

def phase(build, name, shape=(2, 3, 2, 2)):
    release_free_heap()
    work = lambda: asdict(meter.measure(build, Batch(shape, "fp32", "nchw", "cpu"), name, protocol))
    return asdict(run_forked(work, 60))

def after(work, timeout_s=60):
    started = time.monotonic()
    outcome = asdict(run_forked(work, timeout_s))
    return {**outcome, "wall_s": time.monotonic() - started}

def conv():
    return nn.Sequential(nn.Conv2d(16, 64, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

def threads():
    torch.set_num_threads(2)
    text = open("/proc/self/status").read()
    before = int(text.split("Threads:")[1].split()[0])
    conv()(torch.randn(4, 16, 64, 64))
    return {"threads": int(open("/proc/self/status").read().split("Threads:")[1].split()[0]) - before}

def too_much():
    torch.empty(2**60, dtype=torch.uint8)

report = {
    "environment": environment,
    "big": phase(lambda: Holds(200), "infer"),
    "small": phase(lambda: Holds(1), "infer"),
    "weights infer": phase(Weights, "infer"),
    "weights train": phase(Weights, "train"),
    "conv": phase(conv, "train", (4, 16, 64, 64)),
    "conv again": phase(conv, "train", (4, 16, 64, 64)),
    "threads": after(threads),
    "crash": after(lambda: ctypes.string_at(0)),
    "killed": after(lambda: os.kill(os.getpid(), 9)),
    "leaves": after(lambda: os._exit(3)),
    "hang": after(lambda: time.sleep(600), 0.5),
    "too much": after(too_much),
    "error": after(lambda: 1 / 0),
    "not finite": after(lambda: {"time_ms": float("nan")}),
    "alive": after(lambda: {"fine": True}),
}
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def report():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(PROTOCOL)],
        env=worker_environment("cpu", 2, os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_known_allocation_is_read_to_a_few_mib(report):
    assert report["big"]["result"]["mem_mib"] == pytest.approx(200, abs=5)


def test_memory_is_the_configurations_own_not_its_predecessors(report):
    # The 1 MiB it holds; the kernel's counters lag by a few dozen pages per core.
    assert report["small"]["result"]["mem_mib"] == pytest.approx(1, abs=0.5)


def test_memory_repeats_because_freed_blocks_are_given_back(report):
    first, again = (report[name]["result"]["mem_mib"] for name in ("conv", "conv again"))
    assert again == pytest.approx(first, abs=0.5)


def test_training_adds_gradients_and_momentum_to_the_weights(report):
    # 64 MiB of weights; training adds as much for the gradient and as much for the momentum.
    assert report["weights infer"]["result"]["mem_mib"] == pytest.approx(64, abs=5)
    assert report["weights train"]["result"]["mem_mib"] == pytest.approx(192, abs=8)


def test_process_memory_includes_the_libraries(report):
    result = report["big"]["result"]
    assert result["mem_process_mib"] > result["mem_mib"] + 50
    assert result["mem_allocated_mib"] is None
    assert result["mem_reserved_mib"] is None


def test_a_result_obeys_the_protocol(report):
    result = report["conv"]["result"]
    assert PROTOCOL["warmup_iterations"] <= result["warmup_iterations"]
    assert 0 < result["iterations"] <= PROTOCOL["max_iterations"]
    assert 0 < result["time_ci_low_ms"] <= result["time_ms"] <= result["time_ci_high_ms"]
    assert 0 < result["util_pct"] <= 100
    assert result["probe_ms"] > 0
    assert result["disturbed_iterations"] >= 0
    assert set(result["seconds"]) == {"memory", "build", "first", "warmup", "count"}


def test_openmp_works_in_the_forked_process(report):
    assert report["threads"]["result"]["threads"] == 1


def test_one_core_is_left_to_the_rest_of_the_system(report):
    environment = report["environment"]
    assert environment["threads"] == min(2, max(environment["cores"] - 1, 1))


@pytest.mark.parametrize(
    ("what", "status", "reason"),
    [
        ("crash", "error", "crashed with SIGSEGV"),
        ("killed", "oom", "killed by the kernel (SIGKILL), most likely out of memory"),
        ("leaves", "error", "ended with exit code 3 and no result"),
        ("hang", "timeout", "still busy after 0.5 s"),
        ("error", "error", "ZeroDivisionError: division by zero"),
        ("not finite", "error", "ValueError: Out of range float values are not JSON compliant"),
    ],
)
def test_a_child_that_fails_does_so_alone_and_says_how(report, what, status, reason):
    assert (report[what]["status"], report[what]["reason"]) == (status, reason)
    assert report[what]["result"] is None


def test_busy_ticks_are_those_of_the_cores_asked_for_and_leave_waiting_out():
    lines = [
        "cpu  99 99 99 99 99 99 99 99 0 0",
        "cpu0 1 2 3 1000 500 4 5 6 7 8",
        "cpu1 10 20 30 9 9 40 50 60 0 0",
    ]
    text = "\n".join([*lines, "cpu10 7 7 7 7 7 7 7 7 7 7", "intr 5", "ctxt 3"])
    assert parse_busy_ticks(text, {0}) == 1 + 2 + 3 + 4 + 5 + 6
    assert parse_busy_ticks(text, {0, 1}) == 21 + 210
    assert parse_busy_ticks("cpu0 1 2 3 4\n", {0}) == 6  # kernels before 2.6 stop at idle


def test_a_busy_neighbour_is_seen_and_the_process_itself_is_not(tmp_path, monkeypatch):
    clock = {"wall": 100.0, "own": 7.0}
    monkeypatch.setattr(foreign_load, "_STAT", tmp_path / "stat")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(os, "sysconf", {"SC_CLK_TCK": 100}.get)
    monkeypatch.setattr(time, "perf_counter", lambda: clock["wall"])
    monkeypatch.setattr(time, "process_time", lambda: clock["own"])
    (tmp_path / "stat").write_text("cpu0 500 0 0 9 0\ncpu1 0 0 0 9 0\n")
    load = ForeignLoad()
    assert load.cores() is None  # no time has passed
    # Two seconds: this process keeps the first core busy, a neighbour the other one for half of them.
    clock |= {"wall": 102.0, "own": 9.0}
    (tmp_path / "stat").write_text("cpu0 700 0 0 9 0\ncpu1 100 0 0 109 0\n")
    assert load.cores() == pytest.approx(0.5)


def test_this_system_tells_its_load():
    load, start = ForeignLoad(), time.perf_counter()
    while time.perf_counter() == start:
        pass
    assert load.cores() >= 0


def test_a_hang_ends_at_its_limit_and_not_before(report):
    assert report["hang"]["wall_s"] >= 0.5  # it would have lasted ten minutes


def test_an_allocation_that_fails_is_out_of_memory(report):
    assert report["too much"]["status"] == "oom"


def test_the_worker_outlives_all_of_it(report):
    assert report["alive"]["result"] == {"fine": True}


def test_peak_is_the_mark_less_files_and_what_was_there():
    before = ResidentMemory(peak=100, anonymous=60, file=40, shared=0)
    after = ResidentMemory(peak=500, anonymous=200, file=70, shared=10)
    assert added_peak_bytes(before, after) == 500 - 70 - 10 - 60
    assert added_peak_bytes(after, before) == 0


def test_status_is_read_in_bytes_and_a_strange_one_is_refused():
    text = "Name:\tx\nVmHWM:\t 300 kB\nRssAnon:\t 100 kB\nRssFile:\t 50 kB\nRssShmem:\t 0 kB\n"
    assert parse_status(text) == ResidentMemory(300 * 1024, 100 * 1024, 50 * 1024, 0)
    with pytest.raises(PerfseerError, match=r"RssAnon, RssFile, RssShmem.* Linux 4\.5"):
        parse_status("Name:\tx\nVmHWM:\t 300 kB\n")


def test_utilisation_is_busy_time_over_wall_time_and_threads(monkeypatch):
    clock = {"wall": 0.0, "cpu": 0.0}

    def half_busy():
        clock["wall"] += 0.010
        clock["cpu"] += 0.005

    with monkeypatch.context() as patched:
        patched.setattr(time, "perf_counter", lambda: clock["wall"])
        patched.setattr(time, "process_time", lambda: clock["cpu"])
        timing, util_pct = time_on_cpu(half_busy, Protocol(**PROTOCOL), threads=2)
    # Half of one thread's time, of two threads.
    assert util_pct == pytest.approx(25)
    assert timing.counted.times_ms == pytest.approx([10] * PROTOCOL["min_iterations"])


class SlowAtFirst:
    """A watch on a machine that is slow until 0.1 s; a reading takes 1 ms, which must not count anywhere."""

    def __init__(self, clock):
        self.clock, self.asked = clock, [0.0]

    def steady(self):
        self.asked.append(self.clock["wall"])
        self.clock["wall"] += 0.001
        self.clock["cpu"] += 0.001
        return self.asked[-2] > 0.1


def test_iterations_on_a_slow_machine_do_not_count_and_readings_cost_no_utilisation(monkeypatch):
    clock = {"wall": 0.0, "cpu": 0.0}

    def half_busy():
        slow = clock["wall"] < 0.1
        clock["wall"] += 0.004 if slow else 0.002
        clock["cpu"] += 0.002 if slow else 0.001

    watch = SlowAtFirst(clock)
    with monkeypatch.context() as patched:
        patched.setattr(time, "perf_counter", lambda: clock["wall"])
        patched.setattr(time, "process_time", lambda: clock["cpu"])
        timing, util_pct = time_on_cpu(half_busy, Protocol(**PROTOCOL), threads=1, watch=watch)
    assert util_pct == pytest.approx(50)
    assert timing.counted.times_ms == pytest.approx([2.0] * 9)  # three stretches of 5 ms, seven at least
    assert timing.counted.disturbed > 10
    assert all(later - earlier > 0.005 for earlier, later in pairwise(watch.asked))


@pytest.mark.parametrize("phase", ["train", "infer"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_trains_or_leaves_the_weights_alone(phase, precision):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    step = make_step(model, Batch((2, 3, 8, 8), precision, "nhwc", "cpu"), phase)
    step()
    same = [torch.equal(a.to(b.dtype), b) for a, b in zip(before, model.parameters(), strict=True)]
    assert all(same) is (phase == "infer")
    assert model.training is (phase == "train")
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert model[0].weight.dtype is (torch.bfloat16 if precision == "bf16" else torch.float32)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError(), "oom"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "oom"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "oom"),
        (RuntimeError("shapes do not match"), "error"),
        (PerfseerError("no /proc"), "fault"),
    ],
)
def test_exceptions_become_outcomes(error, status, capsys):
    def work():
        raise error

    assert guarded(work).status == status
    assert is_out_of_memory(error) is (status == "oom")


def test_reasons_are_one_short_line():
    assert describe(ValueError("first\nsecond")) == "ValueError: first"
    assert describe(MemoryError()) == "MemoryError"
    assert len(describe(ValueError("x" * 999))) == 300
