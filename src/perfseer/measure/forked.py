"""Run a function in a forked process, which may crash, run out of memory or hang by itself."""

import ctypes
import json
import os
import select
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from perfseer.measure.awake import AwakeClock, Deadline
from perfseer.measure.outcomes import Outcome, guarded, parse_outcome, print_traceback
from perfseer.plain_data import parse_json

_OOM_SCORE = Path("/proc/self/oom_score_adj")
_PR_SET_PDEATHSIG = 1
_FORK_ADVICE = "free some memory, or allow more processes (ulimit -u, or the container's limit)"


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, so that a killed collector leaves no orphans.

    Args:
        parent: process id of the parent, to notice one that ended before this call.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def first_for_the_memory_killer() -> None:
    """If memory runs out, the kernel shall kill this process, not the one that waits for it."""
    if _OOM_SCORE.is_file():
        _OOM_SCORE.write_text("1000", encoding="ascii")


def run_forked(work: Callable[[], dict[str, Any]], timeout_s: float) -> Outcome:
    """Run ``work`` in a forked process and wait for it, at most ``timeout_s`` seconds.

    Args:
        work: returns a JSON-ready mapping of finite numbers.
        timeout_s: the process is killed when it is still busy after this.

    Returns:
        The outcome. A process that died of SIGKILL is ``oom``, since only the kernel's memory killer sends it
        unasked; of another signal, ``error``. ``fault`` if the system lets no process be started.
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    try:
        child = os.fork()
    except OSError as error:
        os.close(reader)
        os.close(writer)
        return Outcome("fault", f"no process can be started to measure in ({error.strerror}); {_FORK_ADVICE}")
    if child == 0:
        _run_child(work, writer, parent)
    os.close(writer)
    try:
        answer = _read_line(reader, Deadline(AwakeClock(), timeout_s))
    finally:
        # Harmless to a child that has ended; one that has not, or whose parent is interrupted here, must go.
        os.kill(child, signal.SIGKILL)
        _, wait_status = os.waitpid(child, 0)
        os.close(reader)
    if answer is None:
        return Outcome("timeout", f"still busy after {timeout_s:.1f} s")
    return _parsed(answer) if answer.endswith(b"\n") else _death(wait_status)


def _run_child(work: Callable[[], dict[str, Any]], writer: int, parent: int) -> NoReturn:
    """The forked process; it never returns, so nothing further up the parent's stack runs twice."""
    exit_code = 1
    try:
        die_with_parent(parent)
        first_for_the_memory_killer()
        answer = json.dumps(asdict(guarded(work)), allow_nan=False).encode() + b"\n"
        while answer:
            answer = answer[os.write(writer, answer) :]
        exit_code = 0
    except BaseException:
        print_traceback()
    finally:
        os._exit(exit_code)


def _read_line(reader: int, deadline: Deadline) -> bytes | None:
    """The child's line, or what it wrote of it before it ended; None if neither came in time.

    Not until the other end closes: what the child started itself may hold that open.
    """
    text = b""
    while not text.endswith(b"\n"):
        left = deadline.look()
        if select.select([reader], [], [], left)[0]:
            piece = os.read(reader, 65_536)
            if not piece:
                return text
            text += piece
        elif left == 0:
            return None
    return text


def _parsed(answer: bytes) -> Outcome:
    try:
        return parse_outcome(parse_json(answer, finite=False))
    except ValueError as error:
        return Outcome("error", f"the process answered nonsense: {error}")


def _death(wait_status: int) -> Outcome:
    code = os.waitstatus_to_exitcode(wait_status)
    if code == -signal.SIGKILL:
        return Outcome("oom", "killed by the kernel (SIGKILL), most likely out of memory")
    if code < 0:
        return Outcome("error", f"crashed with {signal.Signals(-code).name}")
    return Outcome("error", f"ended with exit code {code} and no result")
