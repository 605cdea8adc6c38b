"""Real worker processes that die, hang, lie and come back; no torch in them, so that they start at once."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from perfseer.errors import PerfseerError
from perfseer.measure import awake, worker_process
from perfseer.measure.awake import AwakeClock, Deadline
from perfseer.measure.interrupts import InterruptError, Interrupts
from perfseer.measure.outcomes import is_cuda_error, is_device_fault, is_out_of_memory, parse_outcome
from perfseer.measure.worker_process import WorkerProcess
from tests.helpers.processes import children

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
if birth == "hang": time.sleep(60)
if isinstance(birth, str): say(json.dumps({"fault": birth}) + "\\n"); sys.exit(0)
say(json.dumps({"environment": birth}) + "\\n")
for line in sys.stdin:
    request = json.loads(line)
    number, what = request["number"], at(request["do"])
    answer = lambda status, reason="", result=None, number=number: json.dumps(
        {"number": number, "status": status, "reason": reason, "result": result}) + "\\n"
    ok = answer("ok", result={"life": life})
    if what == "ok": say(ok)
    elif what.startswith("SIG"): os.kill(os.getpid(), getattr(signal, what))
    elif what == "exit": sys.exit(7)
    elif what == "hang": time.sleep(60)
    elif what == "garbage": say("Killed: \\x00 not JSON\\n")
    elif what == "number": say("12\\n")
    elif what == "unknown status": say(answer("fine", result={}))
    elif what == "half a line": say(ok[:20]); sys.exit(0)
    elif what == "half, then hang": say(ok[:20]); time.sleep(60)
    elif what == "two lines": say(ok + ok)
    elif what == "earlier": say(answer("ok", result={"life": -1}, number=number - 1))
    elif what == "slow": time.sleep(1.5); say(ok)
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
    monkeypatch.setattr(worker_process, "GRACE_S", 0.2)
    opened = []

    def begin(device="cpu", births=(ENVIRONMENT,), interrupts=None):
        Path("settings.json").write_text(json.dumps({"births": list(births)}))
        worker = WorkerProcess(device, 1, interrupts or Interrupts(), "fake_worker")
        opened.append(worker)
        worker.environment()
        return worker

    yield begin
    for worker in opened:
        worker.__exit__(None, None, None)


def ask(worker, *do, timeout_s=5.0):
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
    ("hang", "timeout", "still busy after 0.3 s"),
    ("half, then hang", "timeout", "still busy after 0.3 s"),
    ("SIGSTOP", "timeout", "still busy after 0.3 s"),
]


@pytest.mark.parametrize(("how", "status", "reason"), FAILURES)
def test_a_worker_that_fails_once_costs_no_row(start, how, status, reason):
    worker = start()
    outcome = ask(worker, how, "ok", timeout_s=0.3)
    assert (outcome.status, outcome.result) == ("ok", {"life": 1})
    assert worker.starts == 2
    assert worker.lost_s > 0


@pytest.mark.parametrize(("how", "status", "reason"), FAILURES)
def test_a_worker_that_fails_twice_is_the_outcome_and_the_next_request_works(start, how, status, reason):
    worker = start()
    outcome = ask(worker, how, how, "ok", timeout_s=0.3)
    assert outcome.status == status
    assert outcome.reason.startswith(reason.replace("0 instead of 1", "1 instead of 2"))
    assert outcome.reason.endswith(" (in two workers)")
    assert outcome.result is None
    assert ask(worker, "ok").result == {"life": 2}


def test_a_line_too_many_is_not_taken_for_the_next_answer(start):
    worker = start()
    assert ask(worker, "two lines").result == {"life": 0}
    # What is left answers request 1 and not 2: a fresh worker is asked.
    assert ask(worker, "ok").result == {"life": 1}


def test_a_time_out_on_cuda_is_the_configurations_own(start):
    worker = start("cuda")
    outcome = ask(worker, "hang", "ok", timeout_s=0.3)
    assert (outcome.status, outcome.reason) == ("timeout", "still busy after 0.3 s")
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
    assert outcome.reason.endswith("illegal memory access was encountered (in two workers)")
    assert worker.starts == 2


def test_an_error_of_the_network_is_not_tried_again_but_leaves_a_fresh_worker(start):
    worker = start("cuda")
    assert ask(worker, "ValueError: Expected more than 1 value per channel").status == "error"
    assert worker.starts == 1
    assert ask(worker, "ok").result == {"life": 1}


def test_a_device_that_fails_in_two_workers_is_no_row(start):
    worker = start("cuda")
    with pytest.raises(
        PerfseerError, match=r"device failed, also in a fresh process.*uncorrectable ECC error"
    ):
        ask(worker, "AcceleratorError: CUDA error: uncorrectable ECC error encountered")


def test_an_unplugged_device_ends_the_run_instead_of_being_a_row(start):
    gone = "--device cuda was asked for, but torch finds no CUDA device"
    worker = start("cuda", births=[ENVIRONMENT, gone])
    with pytest.raises(PerfseerError, match="finds no CUDA device"):
        ask(worker, "RuntimeError: CUDA error: unspecified launch failure")


def test_a_worker_that_cannot_start_again_ends_the_run(start):
    worker = start(births=[ENVIRONMENT, "die"])
    with pytest.raises(PerfseerError, match=r"did not start: it ended with exit code 3. It said: nothing"):
        ask(worker, "SIGKILL")


def test_a_worker_that_hangs_as_it_starts_ends_the_run(start, monkeypatch):
    monkeypatch.setattr(worker_process, "START_TIMEOUT_S", 0.3)
    with pytest.raises(PerfseerError, match="did not start: it gave no answer in time"):
        start(births=["hang"])


def test_another_device_after_a_restart_does_not_mix_with_the_first(start):
    worker = start("cuda", births=[ENVIRONMENT, {"device": "another", "digest": "def"}])
    with pytest.raises(
        PerfseerError, match="device: a device before, another now; digest: abc before, def now"
    ):
        ask(worker, "SIGKILL")


def test_a_fault_of_the_machine_is_no_row(start):
    with pytest.raises(PerfseerError, match="no counters here"):
        ask(start(), "fault")


def test_a_worker_that_cannot_be_ended_is_said_and_not_waited_for(start, monkeypatch):
    worker = start()

    def never(process, timeout=None):
        raise subprocess.TimeoutExpired("worker", timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", never)
    with pytest.raises(
        PerfseerError, match=r"measuring process \d+ does not end, so its driver or disk hangs"
    ):
        worker.stop()
    monkeypatch.undo()


def test_nothing_is_left_of_many_failed_workers(start):
    others = children()
    worker = start()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        ask(worker, "SIGKILL")
    worker.stop()
    assert worker.starts == 20
    # The first start's two pipes are closed as well; nothing was added.
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 2
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
    with pytest.raises(PerfseerError, match="another device or other software"):
        worker.ask({}, 5.0)
    worker.__exit__(None, None, None)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and _state(child) != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_wait(start, number):
    with Interrupts() as interrupts:
        worker = start(interrupts=interrupts)
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        began = time.monotonic()
        with pytest.raises(InterruptError):
            ask(worker, "hang", timeout_s=30)
        assert time.monotonic() - began < 5


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
        time.sleep(0.3)
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
        "import sys\n"
        "from perfseer.measure import awake, worker_process\n"
        "from perfseer.measure.interrupts import Interrupts\n"
        "awake.LOOK_EVERY_S, awake.MOST_PER_LOOK_S, worker_process.GRACE_S = 0.1, 0.2, 0.1\n"
        "worker = worker_process.WorkerProcess('cpu', 1, Interrupts(), 'fake_worker')\n"
        "worker.environment()\n"
        "print('asking', flush=True)\n"
        "start = worker.clock.read()\n"
        "print(worker.ask({'do': ['slow']}, 1.9).status, worker.clock.read() - start, flush=True)\n"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    collector = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    )
    assert collector.stdout.readline() == "asking\n"
    time.sleep(0.3)
    os.kill(collector.pid, signal.SIGSTOP)
    time.sleep(2.5)
    os.kill(collector.pid, signal.SIGCONT)
    status, seconds = collector.communicate(timeout=10)[0].split()
    assert status == "ok"
    assert 0.2 < float(seconds) < 1.5


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
    with pytest.raises(ValueError, match="is not an outcome"):
        parse_outcome(answer)
