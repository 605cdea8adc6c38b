"""Real worker processes that die, hang, lie and come back; no torch in them, so that they start at once."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from perfseer.errors import PerfseerError
from perfseer.measure import awake, worker_process
from perfseer.measure.awake import AwakeClock, Deadline
from perfseer.measure.interrupts import InterruptError, Interrupts
from perfseer.measure.outcomes import is_cuda_error, is_device_fault, is_out_of_memory, parse_outcome
from perfseer.measure.worker_process import WorkerProcess
from tests.helpers.processes import PAUSED_CLOCK, children, open_files, state, wait_until

# Does in its n-th life what the n-th word of a request says, the last word in every later life.
WORKER = """
import json, os, signal, sys, time
life = int(open("lives").read()) if os.path.exists("lives") else 0
open("lives", "w").write(str(life + 1))
settings = json.load(open("settings.json"))
say = lambda text: (sys.stdout.write(text), sys.stdout.flush())
def at(words):
    return words[min(life, len(words) - 1)]
sys.stdin.readline()
birth = at(settings["births"])
if birth == "die": sys.exit(3)
# What hangs says so, and the collector's clock moves on: no test waits for a time-out.
mark = lambda: open("hung", "a").write("x")
if birth == "hang": mark(); time.sleep(60)
if isinstance(birth, str): say(json.dumps({"fault": birth}) + "\\n"); sys.exit(0)
say(json.dumps({"environment": birth}) + "\\n")
for line in sys.stdin:
    request = json.loads(line)
    number, what = request["number"], at(request["do"])
    answer = lambda status, reason="", result=None, number=number: json.dumps(
        {"number": number, "status": status, "reason": reason, "result": result}) + "\\n"
    ok = answer("ok", result={"life": life})
    if what == "ok": say(ok)
    elif what.startswith("SIG"): what == "SIGSTOP" and mark(); os.kill(os.getpid(), getattr(signal, what))
    elif what == "exit": sys.exit(7)
    elif what == "hang": mark(); time.sleep(60)
    elif what == "wait": time.sleep(60)
    elif what == "garbage": say("Killed: \\x00 not JSON\\n")
    elif what == "number": say("12\\n")
    elif what == "unknown status": say(answer("fine", result={}))
    elif what == "half a line": say(ok[:20]); sys.exit(0)
    elif what == "half, then hang": say(ok[:20]); mark(); time.sleep(60)
    elif what == "two lines": say(ok + ok)
    elif what == "earlier": say(answer("ok", result={"life": -1}, number=number - 1))
    elif what == "slow":
        open("asked", "w")
        while not os.path.exists("go"): time.sleep(0.01)
        say(ok)
    elif what == "closed": os.close(1); time.sleep(60)
    elif what == "fault": say(answer("fault", "no counters here"))
    else: say(answer("error", what))
"""
ENVIRONMENT = {"device": "a device", "digest": "abc"}


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Makes a worker process; ``births`` are what its lives begin with."""
    (tmp_path / "fake_worker.py").write_text(WORKER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(awake, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 1000 * hung()))
    monkeypatch.setattr(awake, "MOST_PER_LOOK_S", 1000.0)
    monkeypatch.setattr(awake, "LOOK_EVERY_S", 0.02)
    opened = []

    def hung():
        return (tmp_path / "hung").stat().st_size if (tmp_path / "hung").exists() else 0

    def begin(device="cpu", births=(ENVIRONMENT,), interrupts=None, grace_s=60.0):
        monkeypatch.setattr(worker_process, "GRACE_S", grace_s)
        Path("settings.json").write_text(json.dumps({"births": list(births)}))
        worker = WorkerProcess(device, 1, interrupts or Interrupts(), "fake_worker")
        opened.append(worker)
        worker.environment()
        return worker

    yield begin
    for worker in opened:
        worker.__exit__(None, None, None)


def ask(worker, *do, timeout_s=60.0):
    return worker.ask({"do": do}, timeout_s)


FAILURES = [
    ("SIGKILL", "oom", "the measuring process died of SIGKILL"),
    ("SIGSEGV", "error", "the measuring process died of SIGSEGV"),
    ("exit", "error", "the measuring process ended with exit code 7"),
    ("garbage", "error", "the measuring process answered nonsense: b'Killed: "),
    ("number", "error", "the measuring process answered nonsense: b'12'"),
    ("unknown status", "error", "the measuring process answered nonsense: "),
    ("half a line", "error", "the measuring process ended with exit code 0"),
    ("earlier", "error", "the measuring process answered request 0 instead of 1"),
    ("closed", "error", "the measuring process closed its output and stayed"),
    ("hang", "timeout", "still busy after 60.0 s"),
    ("half, then hang", "timeout", "still busy after 60.0 s"),
    ("SIGSTOP", "timeout", "still busy after 60.0 s"),
]


@pytest.mark.parametrize(("how", "status", "reason"), FAILURES)
def test_a_worker_that_fails_once_costs_no_row(start, how, status, reason):
    worker = start(grace_s=0.1 if how == "closed" else 60.0)
    outcome = ask(worker, how, "ok")
    assert (outcome.status, outcome.result) == ("ok", {"life": 1})
    assert worker.starts == 2
    assert worker.lost_s > 0


@pytest.mark.parametrize(("how", "status", "reason"), FAILURES)
def test_a_worker_that_fails_twice_is_the_outcome_and_the_next_request_works(start, how, status, reason):
    worker = start(grace_s=0.1 if how == "closed" else 60.0)
    outcome = ask(worker, how, how, "ok")
    assert outcome.status == status
    assert outcome.reason.startswith(reason.replace("0 instead of 1", "1 instead of 2"))
    assert outcome.reason.endswith("two workers)")
    assert outcome.result is None
    assert ask(worker, "ok").result == {"life": 2}


def test_a_line_too_many_is_not_taken_for_the_next_answer(start):
    worker = start()
    assert ask(worker, "two lines").result == {"life": 0}
    # What is left answers request 1 and not 2: a fresh worker is asked.
    assert ask(worker, "ok").result == {"life": 1}


def test_a_time_out_on_cuda_is_the_configurations_own(start):
    worker = start("cuda")
    outcome = ask(worker, "hang", "ok", timeout_s=7.0)
    assert outcome.status == "timeout"
    assert "7.0 s" in outcome.reason
    # The late answer of the killed worker cannot come: a fresh one is asked.
    assert ask(worker, "ok").result == {"life": 1}


def test_a_cuda_error_is_tried_again_in_a_fresh_worker(start):
    worker = start("cuda")
    outcome = ask(worker, "RuntimeError: CUDA error: unspecified launch failure", "ok")
    assert outcome.result == {"life": 1}
    assert worker.starts == 2


def test_a_cuda_error_in_two_workers_is_the_configurations(start):
    worker = start("cuda")
    outcome = ask(worker, "RuntimeError: CUDA error: an illegal memory access was encountered")
    assert outcome.status == "error"
    assert outcome.reason.endswith("encountered (in two workers)")
    assert worker.starts == 2


def test_an_error_of_the_network_is_not_tried_again_but_leaves_a_fresh_worker(start):
    worker = start("cuda")
    assert ask(worker, "ValueError: 1 value").status == "error"
    assert worker.starts == 1
    assert ask(worker, "ok").result == {"life": 1}


def test_a_device_that_fails_in_two_workers_is_no_row(start):
    worker = start("cuda")
    with pytest.raises(PerfseerError, match=r"fresh process: .*ECC"):
        ask(worker, "AcceleratorError: CUDA error: uncorrectable ECC error encountered")


def test_an_unplugged_device_ends_the_run_instead_of_being_a_row(start):
    gone = "--device cuda was asked for, but torch finds no CUDA device"
    worker = start("cuda", births=[ENVIRONMENT, gone])
    with pytest.raises(PerfseerError, match="no CUDA"):
        ask(worker, "RuntimeError: CUDA error: unspecified launch failure")


def test_a_worker_that_cannot_start_again_ends_the_run(start):
    worker = start(births=[ENVIRONMENT, "die"])
    with pytest.raises(PerfseerError, match=r"code 3\. .* nothing"):
        ask(worker, "SIGKILL")


def test_a_worker_that_hangs_as_it_starts_ends_the_run(start):
    with pytest.raises(PerfseerError, match="no answer"):
        start(births=["hang"])


def test_another_device_after_a_restart_does_not_mix_with_the_first(start):
    worker = start("cuda", births=[ENVIRONMENT, {"device": "another", "digest": "def"}])
    with pytest.raises(PerfseerError, match=r"device: .*another.*digest: abc .*def"):
        ask(worker, "SIGKILL")


def test_a_fault_of_the_machine_is_no_row(start):
    with pytest.raises(PerfseerError, match="no counters"):
        ask(start(), "fault")


def test_a_worker_that_cannot_be_ended_is_said_and_not_waited_for(start, monkeypatch):
    worker = start()

    def never(process, timeout=None):
        raise subprocess.TimeoutExpired("worker", timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", never)
    with pytest.raises(PerfseerError, match=f"process {worker._process.pid} does"):
        worker.stop()
    monkeypatch.undo()


def test_nothing_is_left_of_many_failed_workers(start):
    others = children()
    worker = start()
    before = open_files()
    for _ in range(10):
        ask(worker, "SIGKILL")
    worker.stop()
    assert worker.starts == 20
    # The first start's two pipes are closed as well; nothing was added.
    assert open_files() == before - 2
    assert not children() - others


def test_what_a_dead_worker_started_is_ended_with_it(start, tmp_path):
    (tmp_path / "fake_worker.py").write_text(
        "import os, subprocess, sys\n"
        "sys.stdin.readline()\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], stdout=2)\n"
        'print(\'{"environment": {"child": %d}}\' % child.pid, flush=True)\n'
        "sys.stdin.readline()\n"
        "os._exit(1)\n"
    )
    worker = WorkerProcess("cpu", 1, Interrupts(), "fake_worker")
    child = worker.environment()["child"]
    with pytest.raises(PerfseerError, match=r"child: \d+"):
        worker.ask({}, 5.0)
    worker.__exit__(None, None, None)
    wait_until(lambda: state(child) == "Z")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_wait(start, number):
    with Interrupts() as interrupts:
        worker = start(interrupts=interrupts)
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        with pytest.raises(InterruptError):
            ask(worker, "wait", timeout_s=600)


def test_a_second_and_third_signal_change_nothing():
    with Interrupts() as interrupts:
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
        with pytest.raises(InterruptError):
            interrupts.check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_answer_that_is_there_counts_although_a_signal_came(start):
    with Interrupts() as interrupts:
        worker = start(interrupts=interrupts)
        process = worker._process
        process.stdin.write(json.dumps({"number": 1, "do": ["ok"]}).encode() + b"\n")
        assert select.select([process.stdout], [], [], 60)[0]
        os.kill(os.getpid(), signal.SIGTERM)
        worker._wait(process.stdout.fileno(), Deadline(AwakeClock(), 1.0))
        with pytest.raises(InterruptError):
            interrupts.check()


def test_an_ignored_signal_stays_ignored():
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            interrupts.check()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_a_stopped_collector_takes_the_answer_that_came_meanwhile(start, tmp_path):
    """Ctrl-Z for longer than the time-out: nothing is timed out, and the pause is not measuring time."""
    start().stop()
    program = (
        f"{PAUSED_CLOCK}"
        "from perfseer.measure import worker_process\n"
        "from perfseer.measure.interrupts import Interrupts\n"
        "worker = worker_process.WorkerProcess('cpu', 1, Interrupts(), 'fake_worker')\n"
        "worker.environment()\n"
        "start = worker.clock.read()\n"
        "print(worker.ask({'do': ['slow']}, 30).status, worker.clock.read() - start, flush=True)\n"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    collector = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    )
    wait_until((tmp_path / "asked").exists)
    os.kill(collector.pid, signal.SIGSTOP)
    wait_until(lambda: state(collector.pid) == "T")
    (tmp_path / "a day has passed").touch()
    os.kill(collector.pid, signal.SIGCONT)
    status, seconds = collector.communicate()[0].split()
    assert status == "ok"
    assert 0.2 < float(seconds) < 60


def test_the_clock_stands_still_over_a_gap(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(awake.time, "monotonic", lambda: now[0])
    clock = AwakeClock()
    deadline = Deadline(clock, 2.5)
    assert deadline.look() == awake.LOOK_EVERY_S == 1.0
    now[0] += 1.0
    assert clock.read() == 1.0
    now[0] += 86_400.0  # a night asleep counts as one look
    assert clock.read() == 1.0 + awake.MOST_PER_LOOK_S == 3.0
    assert deadline.look() == 0.0


@pytest.mark.parametrize(
    ("text", "cuda", "device", "memory"),
    [
        ("RuntimeError: CUDA error: unspecified launch failure", True, False, False),
        ("RuntimeError: CUDA error: device-side assert triggered", True, False, False),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", True, False, False),
        ("AcceleratorError: CUDA error: uncorrectable ECC error encountered", True, True, False),
        ("RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable", True, True, False),
        ("RuntimeError: No CUDA GPUs are available", True, True, False),
        ("RuntimeError: CUDA error: unknown error", True, True, False),
        ("RuntimeError: unknown error while parsing", False, False, False),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate", True, False, True),
        ("RuntimeError: [enforce fail at alloc_cpu.cpp] can't allocate memory", False, False, True),
    ],
)
def test_what_errors_say_about_the_device(text, cuda, device, memory):
    assert (is_cuda_error(text), is_device_fault(text)) == (cuda, device)
    assert is_out_of_memory(RuntimeError(text)) is memory


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"status": "ok"},
        {"status": "ok", "reason": "", "result": None},
        {"status": "error", "reason": "why", "result": {}},
        {"status": "error", "reason": None, "result": None},
        {"status": "ok", "reason": "", "result": {}, "more": 1},
    ],
)
def test_what_is_no_outcome_is_refused(answer):
    with pytest.raises(ValueError, match="outcome"):
        parse_outcome(answer)
