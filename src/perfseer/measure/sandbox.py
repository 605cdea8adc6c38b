"""A child process that does one piece of work after the other, within limits, and may die of any of them.

What it is asked for is a pickle of ours; what it answers is plain data (`perfseer.measure.frames`). It is
forked, so it has what this process has imported, and is forked again after a death. It ends with its parent.
"""

import contextlib
import os
import pickle
import select
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from perfseer.blame import described, place_in_dump
from perfseer.errors import PerfseerError
from perfseer.measure.awake import AwakeClock, Deadline
from perfseer.measure.frames import Frame, read_frame, write_bytes
from perfseer.measure.limits import Limits
from perfseer.measure.sandboxed import Handler, Refusal, answer, run_child, whole

_THREADS = Path("/proc/self/task")
# So torch calls the threads that compute gradients on a GPU; after a fork of their process none works.
_GRADIENTS = "pt_autograd"
_PIECE_BYTES = 2**20
_DUMP_S = 0.3
_ADVICE = "free some memory, or allow more processes (ulimit -u, or the container's limit)"


def can_fork() -> bool:
    """Whether a fork of this process can do its work, and is heeded by limits."""
    if sys.platform != "linux":
        return False
    for name in _THREADS.glob("*/comm"):
        with contextlib.suppress(OSError):  # a thread that has ended
            if name.read_text(encoding="utf-8", errors="replace").startswith(_GRADIENTS):
                return False
    return True


class DeathError(PerfseerError):
    """The child did not survive what it was asked for; whatever it held is lost."""


class Sandbox:
    """A child that is forked when first asked; a context manager.

    Args:
        make: makes, in the child, what answers its requests; what it keeps lives as long as the child.
        limits: of every request.
        slower: what to do where the time does not suffice: "raise --model-timeout".
        larger: likewise for memory.

    Attributes:
        starts: children so far.
    """

    def __init__(self, make: Callable[[], Handler], limits: Limits, *, slower: str, larger: str) -> None:
        self._make = make
        self._limits = limits
        self._slower, self._larger = slower, larger
        self._child: _Child | None = None
        self._here: Handler | None = None
        self.starts = 0

    @property
    def running(self) -> bool:
        """Whether there is a child that can be asked."""
        return self._child is not None

    def ask(self, request: Any, doing: str) -> Frame:
        """Have a request answered.

        Args:
            request: anything that can be pickled.
            doing: for messages: "while it was captured".

        Raises:
            DeathError: the child died, took too long or too much memory.
            PerfseerError: the work raised something; the message says what, and where.
        """
        if self._child is None and not can_fork():
            return self._ask_here(request)
        try:
            content = pickle.dumps(request)
        except Exception as error:
            raise PerfseerError(
                f"the inputs cannot be handed to another process: {described(error)}"
            ) from error
        child = self._child or self._start()
        try:
            found = child.exchange(content, self._limits.time_s)
            refusal = Refusal.of(found)
        except TimeoutError:
            where = child.whereabouts()
            self.stop()
            raise DeathError(
                f"it took longer than {self._limits.time_text} {doing}{where}: {self._slower}"
            ) from None
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            self._child = None
            raise DeathError(self._death(child, doing, error)) from None
        except BaseException:  # Ctrl-C above all: an answer that comes later would be taken for another's
            self.stop()
            raise
        if refusal is None:
            return found
        if refusal.out_of_memory:
            self.stop()
            raise DeathError(
                f"it needed more than {self._limits.memory_text} of memory {doing} ({refusal.text}): "
                f"{self._larger}"
            )
        raise PerfseerError(refusal.text)

    def stop(self) -> None:
        """End the child and what it started; another one is forked when it is needed."""
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _ask_here(self, request: Any) -> Frame:
        self._here = self._here or self._make()
        found = answer(self._here, request, interruptible=True)
        refusal = Refusal.of(found)
        if refusal is not None:
            raise PerfseerError(refusal.text)
        return found

    def _start(self) -> "_Child":
        try:
            self._child = _Child(self._make, self._limits)
        except OSError as error:
            raise PerfseerError(
                f"no process can be started to read the model in ({error.strerror}); {_ADVICE}"
            ) from error
        self.starts += 1
        return self._child

    def _death(self, child: "_Child", doing: str, error: Exception) -> str:
        """How a child ended that closed its pipe or answered nonsense."""
        where = child.whereabouts(alive=False)
        code = child.end()
        if code == -signal.SIGXCPU:
            return (
                f"it took more than {self._limits.time_text} of processor time {doing}{where}: {self._slower}"
            )
        if code == -signal.SIGKILL and not isinstance(error, EOFError | OSError):
            return f"the process that read it answered nonsense {doing}"
        if code == -signal.SIGKILL:
            return f"the process that read it was killed (SIGKILL) {doing}, most likely for want of memory"
        if code < 0:
            return f"the process that read it died of {_signal_name(-code)} {doing}{where}"
        return f"it ended the process that read it with exit code {code} {doing}{where}"


class _Child:
    """One child and the pipes to it."""

    def __init__(self, make: Callable[[], Handler], limits: Limits) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed by end()
        requests, replies = _pipe(), _pipe()
        for stream in (sys.stdout, sys.stderr):  # or what is in their buffers would be written twice
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        parent, alone = os.getpid(), threading.current_thread() is threading.main_thread()
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with warnings.catch_warnings():
                # other threads hold no lock that the child needs: it runs torch on one thread
                warnings.simplefilter("ignore", DeprecationWarning)
                self.pid = os.fork()
            if self.pid == 0:
                os.close(requests[1])
                os.close(replies[0])
                # the kernel counts threads, not processes, as parents
                run_child(make, limits, requests[0], replies[1], self._log, parent if alone else None)
        except OSError:
            for descriptor in (*requests, *replies):
                os.close(descriptor)
            self._log.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)
        os.close(requests[0])
        os.close(replies[1])
        self._writer, self._reader = requests[1], replies[0]

    def exchange(self, content: bytes, time_s: float) -> Frame:
        """Ask and wait.

        Raises:
            TimeoutError: it is still busy after ``time_s``.
            EOFError: it has ended.
            OSError: likewise.
            ValueError: what it says is no answer.
        """
        os.ftruncate(self._log.fileno(), 0)
        os.lseek(self._log.fileno(), 0, os.SEEK_SET)
        write_bytes(self._writer, whole(content))
        deadline = Deadline(AwakeClock(), time_s)
        return read_frame(lambda count: self._read(count, deadline))

    def whereabouts(self, *, alive: bool = True) -> str:
        """Where in somebody's code it is, or was when it died; empty where that is not known."""
        if alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGUSR1)
            select.select([self._reader], [], [], _DUMP_S)
        size = os.fstat(self._log.fileno()).st_size
        found = place_in_dump(os.pread(self._log.fileno(), size, 0).decode(errors="replace"))
        return f" (at {found})" if found else ""

    def end(self) -> int:
        """Kill it and what it started; its exit code, negative for a signal."""
        try:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if not ended and self._closed():  # it is on its way out, and its own end is worth knowing
                ended, status = self._wait(_DUMP_S)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            if not ended:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
                _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:  # somebody else waits for all children of this process
            return -signal.SIGKILL
        finally:
            os.close(self._writer)
            os.close(self._reader)
            self._log.close()
        return os.waitstatus_to_exitcode(status)

    def _closed(self) -> bool:
        return bool(select.select([self._reader], [], [], 0)[0]) and not os.read(self._reader, 1)

    def _wait(self, seconds: float) -> tuple[int, int]:
        deadline = Deadline(AwakeClock(), seconds)
        while deadline.look():
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                return ended, status
            select.select([], [], [], 0.005)
        return 0, 0

    def _read(self, count: int, deadline: Deadline) -> bytes | bytearray:
        """Exactly so many bytes; an answer that has begun is read to its end."""
        content = bytearray()
        while len(content) < count:
            left = deadline.look()
            if not select.select([self._reader], [], [], left)[0]:
                if left == 0:
                    raise TimeoutError
                continue
            piece = os.read(self._reader, min(count - len(content), _PIECE_BYTES))
            if not piece:
                raise EOFError
            content += piece
        return content


def _pipe() -> tuple[int, int]:
    """A pipe beyond the three standard descriptors, which may be closed in this process."""
    ends = os.pipe()
    moved = tuple(_beyond_standard(end) for end in ends)
    return moved[0], moved[1]


def _beyond_standard(descriptor: int) -> int:
    if descriptor > 2:
        return descriptor
    import fcntl

    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return moved


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
