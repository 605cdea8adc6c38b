"""Processes forked to measure in: how they die, hang or answer, and that nothing of them stays."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perfseer.measure import forked
from perfseer.measure.forked import run_forked
from perfseer.measure.outcomes import Outcome
from tests.helpers.processes import PAUSED_CLOCK, children, open_files, state, wait_until


def kill_self(number):
    return lambda: os.kill(os.getpid(), number)


def no_memory():
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    return {"size": len(bytearray(2**33))}


@pytest.mark.parametrize(
    ("work", "status", "reason"),
    [
        (kill_self(signal.SIGKILL), "oom", "killed by the kernel (SIGKILL), most likely out of memory"),
        (kill_self(signal.SIGSEGV), "error", "crashed with SIGSEGV"),
        (kill_self(signal.SIGSTOP), "timeout", "still busy after 0.5 s"),
        (lambda: time.sleep(60), "timeout", "still busy after 0.5 s"),
        (lambda: os._exit(3), "error", "ended with exit code 3 and no result"),
        (lambda: sys.exit(3), "error", "ended with exit code 1 and no result"),
        (no_memory, "oom", "MemoryError"),
        (lambda: {"time_ms": float("nan")}, "error", "ValueError: Out of range float values"),
        (lambda: {"time_ms": object()}, "error", "TypeError: Object of type object is not JSON"),
    ],
)
def test_a_process_that_fails_says_how_and_leaves_nothing(work, status, reason):
    before, others = open_files(), children()
    outcome = run_forked(work, 0.5 if status == "timeout" else 60)
    assert (outcome.status, outcome.result) == (status, None)
    assert outcome.reason.startswith(reason)
    assert open_files() == before
    assert not children() - others


def test_half_an_answer_is_no_answer(monkeypatch):
    real = os.write

    def write(descriptor, content):
        real(descriptor, content[:9])
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(os, "write", write)
    assert run_forked(lambda: {"time_ms": 1.0}, 5).status == "oom"


def test_an_answer_that_is_no_outcome_is_an_error(monkeypatch):
    monkeypatch.setattr(forked, "asdict", lambda outcome: ["ok"])
    outcome = run_forked(lambda: {"time_ms": 1.0}, 5)
    assert outcome.status == "error"
    assert "['ok']" in outcome.reason


def test_the_answer_counts_although_a_grandchild_keeps_the_pipe_open():
    def work():
        grandchild = os.fork()
        if grandchild == 0:
            time.sleep(60)
            os._exit(0)
        return {"grandchild": grandchild}

    grandchild = run_forked(work, 600).result["grandchild"]
    assert state(grandchild) != "Z"  # the pipe is open to this moment
    os.kill(grandchild, signal.SIGKILL)


def test_a_log_that_cannot_be_written_changes_no_outcome(monkeypatch):
    def work():
        raise ValueError("why")

    with Path("/dev/full").open("w", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        outcome = run_forked(work, 5)
        monkeypatch.undo()
    assert outcome == Outcome("error", "ValueError: why")


def test_a_child_never_returns_up_the_parents_stack(monkeypatch):
    """Whatever fails in it, even the printing of that: two workers must not read one pipe."""
    parent = os.getpid()

    def fails():
        raise RuntimeError("printing failed too")

    monkeypatch.setattr(forked, "print_traceback", fails)
    monkeypatch.setattr(forked, "guarded", lambda work: 1 / 0)
    outcome = run_forked(lambda: {}, 5)
    assert os.getpid() == parent
    assert outcome.status == "error"
    assert "exit code 1 " in outcome.reason


def test_a_system_without_room_for_a_process_is_at_fault_and_not_the_network(monkeypatch):
    def refuse():
        raise BlockingIOError(11, "Out of tune")

    monkeypatch.setattr(os, "fork", refuse)
    before = open_files()
    outcome = run_forked(lambda: {}, 5)
    assert outcome.status == "fault"
    assert "(Out of tune)" in outcome.reason
    assert "ulimit -u" in outcome.reason
    assert open_files() == before


def test_many_processes_leave_no_file_open():
    before = open_files()
    for number in range(100):
        assert run_forked(lambda number=number: {"number": number}, 20).result == {"number": number}
    assert open_files() == before


def test_a_time_out_does_not_pass_while_everything_stands_still(tmp_path):
    """A paused container, a suspended machine: parent and child stop and go on together."""
    program = (
        f"{PAUSED_CLOCK}"
        "from perfseer.measure.forked import run_forked\n"
        "def work():\n"
        "    print('working', flush=True)\n"
        "    while not Path('go').exists(): time.sleep(0.01)\n"
        "    return {}\n"
        "print(run_forked(work, 30).status)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        **{"stdout": subprocess.PIPE, "text": True, "start_new_session": True, "cwd": tmp_path},
    )
    assert process.stdout.readline() == "working\n"
    os.killpg(process.pid, signal.SIGSTOP)
    wait_until(lambda: state(process.pid) == "T")
    (tmp_path / "a day has passed").touch()
    os.killpg(process.pid, signal.SIGCONT)
    assert process.communicate()[0] == "ok\n"


def test_answers_are_lines_of_json():
    outcome = run_forked(lambda: {"text": "two\nlines"}, 5)
    assert json.loads(json.dumps(outcome.result)) == {"text": "two\nlines"}
