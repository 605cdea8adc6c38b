"""Processes that end with the one they work for, however that ended, and a folder that knows who works in it.

Nobody can clean up after ``kill -9``. So every process that another one started holds on to it: workers of a
pool to the verb (`end_with`), a verb to the run of Snakemake that started it (`follow_run`). And a run holds
on to its folder with a lock that the kernel releases (`begin_run`), so that the next one knows whether the
locks it finds are a dead one's.
"""

import contextlib
import os
import select
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import IO

# What the jobs of a run of Snakemake find the run by.
RUN_VARIABLE = "PERFSEER_RUN"
# So long are the processes of a killed run given to notice.
_WAIT_S = 5.0
_POLL_S = 1.0
_SHELLS = ("sh", "bash", "dash", "zsh", "ash", "ksh")
_held: list[IO[bytes]] = []


def this_process() -> str:
    """This process, so that others of the same machine find it, and no later one of the same number."""
    return _name(os.getpid())


def end_with(process: str) -> None:
    """Kill this process as soon as another one has ended.

    Args:
        process: what `this_process` said there. One of another machine or container cannot be seen from here,
            and is left alone.
    """
    machine, _, number = process.rpartition(":")[0].rpartition(":")
    if machine != _machine() or not number.isdecimal():
        return
    pid = int(number)
    try:
        handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    except OSError:
        _end()
    # Asked after the handle was opened, so that it is of the process that is meant.
    if _name(pid) != process:
        _end()
    threading.Thread(target=_watch, args=(pid, handle), name="lifeline", daemon=True).start()


def follow_run() -> None:
    """End with the run of Snakemake that started this process, if one did."""
    process = os.environ.get(RUN_VARIABLE)
    if process:
        end_with(process)


def begin_run(folder: Path) -> None:
    """Tell the jobs of this run of Snakemake whom they work for, and clear what a killed run has left.

    Under DVC the run in turn ends with DVC.

    Args:
        folder: Snakemake's own, ``.snakemake``. Its locks are removed where no other run is alive in it.
    """
    os.environ[RUN_VARIABLE] = this_process()
    if "DVC_ROOT" in os.environ:
        end_with(_name(_caller()))
    # A file system without locks leaves things as they are: Snakemake says how to unlock by hand.
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        _hold(folder)


def _hold(folder: Path) -> None:
    """Remove a dead run's locks, and hold the folder as one of those that work in it."""
    import fcntl  # where Snakemake does not run, it may not exist

    locks = folder / "locks"
    stream = (folder / "perfseer.lock").open("ab")
    _held.append(stream)
    deadline = time.monotonic() + (_WAIT_S if locks.is_dir() and any(locks.iterdir()) else 0)
    while not _alone(stream):
        if time.monotonic() >= deadline:
            break
        time.sleep(0.1)
    else:
        shutil.rmtree(locks, ignore_errors=True)
    fcntl.flock(stream, fcntl.LOCK_SH)


def _alone(stream: IO[bytes]) -> bool:
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _watch(pid: int, handle: int | None) -> None:
    if handle is not None:
        waiting = select.poll()
        waiting.register(handle, select.POLLIN)
        waiting.poll()
    else:
        while _is_alive(pid):
            time.sleep(_POLL_S)
    _end()


def _end() -> None:
    # Nobody waits for what this process does, and nothing it could still say would be read.
    os.kill(os.getpid(), signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _caller() -> int:
    """The process that started this one; of a shell that only passed it on, who started that."""
    parent = os.getppid()
    fields = _stat(parent)
    return int(fields[1]) if fields and _read(f"/proc/{parent}/comm").strip() in _SHELLS else parent


def _name(pid: int) -> str:
    fields = _stat(pid)
    return f"{_machine()}:{pid}:{fields[19] if fields else ''}"


def _machine() -> str:
    """This start of this machine, and this container of it."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return f"{_read('/proc/sys/kernel/random/boot_id').strip()}/{space}".replace(":", "")


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/<pid>/stat`` from the state on; empty where there are none."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
