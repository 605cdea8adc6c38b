"""A child process that works within limits: its deaths are answers, its answers are plain data."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.measure import sandbox as sandbox_module
from perfseer.measure.frames import Frame, read_frame
from perfseer.measure.limits import Limits
from perfseer.measure.sandbox import DeathError, Sandbox

MIB = 2**20
ADVICE = {"slower": "take your time", "larger": "take more"}


class Works:
    """Does what it is asked; keeps the numbers it was given."""

    def __init__(self):
        self.kept = []

    def __call__(self, request):
        act, *arguments = request
        return getattr(self, act)(*arguments)

    def keep(self, number):
        self.kept.append(number)
        return Frame({"kept": self.kept, "pid": os.getpid()}, [np.arange(number).reshape(1, -1)])

    def raise_it(self, error):
        raise error

    def leave(self, code):
        os._exit(code)

    def crash(self):
        ctypes.string_at(0)

    def divide(self):
        os.kill(os.getpid(), signal.SIGFPE)

    def spin(self):
        while True:
            pass

    def sleep(self, started):
        Path(started).touch()
        time.sleep(1000)

    def hoard(self):
        held = []
        while True:
            held.append(bytearray(10 * MIB))

    def ask_back(self):
        return Frame(input())

    def fork(self):
        os.fork()
        return Frame(os.getpid())


@pytest.fixture
def sandbox():
    with Sandbox(Works, Limits(20.0, 400.0 * MIB), **ADVICE) as made:
        yield made


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_one_child_serves_many_requests(sandbox):
    first = sandbox.ask(("keep", 3), "while it worked")
    second = sandbox.ask(("keep", 5), "while it worked")
    assert second.value == {"kept": [3, 5], "pid": first.value["pid"]}
    assert second.value["pid"] != os.getpid()
    assert second.arrays[0].tolist() == [[0, 1, 2, 3, 4]]
    assert sandbox.starts == 1
    sandbox.stop()
    assert is_gone(first.value["pid"])


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (("raise_it", SystemExit(7)), "SystemExit: 7"),
        (("raise_it", KeyboardInterrupt()), "KeyboardInterrupt"),
        (("raise_it", GeneratorExit("x")), "GeneratorExit: x"),
        (("raise_it", PerfseerError("as it is")), "as it is"),
        (("ask_back",), "EOFError"),
    ],
)
def test_what_is_raised_is_said_with_its_line_and_the_child_lives(sandbox, request_, says):
    with pytest.raises(PerfseerError, match=says) as caught:
        sandbox.ask(request_, "while it worked")
    assert not isinstance(caught.value, DeathError)
    assert isinstance(request_[-1], PerfseerError) or "test_sandbox.py:" in str(caught.value)
    sandbox.ask(("keep", 1), "while it worked")
    assert sandbox.starts == 1


@pytest.mark.parametrize(
    ("request_", "says", "line"),
    [
        (("leave", 3), "exit code 3", False),
        (("crash",), "SIGSEGV", True),
        (("divide",), "SIGFPE", True),
    ],
)
def test_a_death_is_an_answer_and_the_next_child_works(sandbox, request_, says, line):
    with pytest.raises(DeathError, match=says) as caught:
        sandbox.ask(request_, "while it worked")
    assert ("test_sandbox.py:" in str(caught.value)) == line
    assert sandbox.ask(("keep", 2), "while it worked").value["kept"] == [2]
    assert sandbox.starts == 2


def test_time_is_limited():
    with Sandbox(Works, Limits(3.0), **ADVICE) as sandbox:
        with pytest.raises(DeathError, match=r"test_sandbox\.py:.*take your time"):
            sandbox.ask(("spin",), "while it worked")
        assert sandbox.ask(("keep", 1), "while it worked").value["kept"] == [1]


def test_memory_is_limited(sandbox):
    with pytest.raises(DeathError, match="take more"):
        sandbox.ask(("hoard",), "while it worked")
    assert sandbox.ask(("keep", 1), "while it worked").value["kept"] == [1]


def test_a_copy_that_the_work_forgot_answers_nothing(sandbox):
    child = sandbox.ask(("keep", 1), "while it worked").value["pid"]
    assert sandbox.ask(("fork",), "while it worked").value == child
    assert sandbox.ask(("keep", 2), "while it worked").value["kept"] == [1, 2]


def test_where_no_fork_is_possible_the_work_is_done_here(monkeypatch):
    monkeypatch.setattr(sandbox_module, "can_fork", lambda: False)
    with Sandbox(Works, Limits(), **ADVICE) as sandbox:
        assert sandbox.ask(("keep", 2), "").value == {"kept": [2], "pid": os.getpid()}
        with pytest.raises(PerfseerError, match="SystemExit: 7"):
            sandbox.ask(("raise_it", SystemExit(7)), "")
        with pytest.raises(KeyboardInterrupt):
            sandbox.ask(("raise_it", KeyboardInterrupt()), "")


def test_ctrl_c_ends_the_wait_and_the_child(sandbox, tmp_path):
    pid = sandbox.ask(("keep", 1), "while it worked").value["pid"]
    started = tmp_path / "started"

    def interrupt():
        while not started.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        sandbox.ask(("sleep", str(started)), "while it worked")
    assert is_gone(pid)
    assert not sandbox.running


def test_a_child_ends_with_its_parent():
    code = (
        "import os, signal\n"
        "from perfseer.measure.limits import Limits\n"
        "from perfseer.measure.sandbox import Sandbox\n"
        "from tests.measure.test_sandbox import ADVICE, Works\n"
        "sandbox = Sandbox(Works, Limits(), **ADVICE)\n"
        "print(sandbox.ask(('keep', 1), '').value['pid'], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    for _ in range(500):
        if is_gone(pid):
            break
        time.sleep(0.02)
    assert is_gone(pid)


@pytest.mark.parametrize("limits", [(0.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0), (1.0, float("inf"))])
def test_limits_are_positive_and_finite(limits):
    with pytest.raises(PerfseerError):
        Limits(*limits)


@pytest.mark.parametrize(
    "text",
    [
        *(b"[]", b"{}", b"\x80", b'{"value":1,"shapes":[[-1]]}', b'{"value":1,"shapes":[[1e9]]}'),
        b'{"value":1,"shapes":[[99999999999]]}',
    ],
)
def test_nonsense_is_no_message(text):
    content = len(text).to_bytes(8, "little") + text

    def read(count):
        nonlocal content
        piece, content = content[:count], content[count:]
        return piece

    with pytest.raises((ValueError, KeyError, TypeError)):
        read_frame(read)
