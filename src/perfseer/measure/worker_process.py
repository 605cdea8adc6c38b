"""The collector's end of the worker: start it, ask it, replace it when it fails, stop it."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from perfseer.errors import PerfseerError
from perfseer.measure.awake import AwakeClock
from perfseer.measure.interrupts import Interrupts
from perfseer.measure.outcomes import Outcome
from perfseer.measure.settings import DeviceKind

START_TIMEOUT_S = 300.0
# The worker ends an overlong phase by itself; only if it does not answer either is it killed from here.
GRACE_S = 5.0
# How long an idle OpenMP thread spins before it sleeps. The default, 300,000 rounds, lets waiting count as
# work in the utilisation; none at all makes small networks up to twice as slow (docs/measurement.md).
SPIN_COUNT = 2000


class WorkerDiedError(Exception):
    """The worker ended without an answer; the message says how."""


def worker_environment(device: DeviceKind, threads: int, inherited: Mapping[str, str]) -> dict[str, str]:
    """Environment variables of the worker: what fixes its threads, over what is inherited."""
    if device == "cuda":
        return dict(inherited)
    fixed = {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OMP_DYNAMIC": "FALSE",
        "GOMP_SPINCOUNT": str(SPIN_COUNT),
        # numpy's own threads would make every fork a fork of a multi-threaded process.
        "OPENBLAS_NUM_THREADS": "1",
        # A context on a GPU makes autograd start threads, which do not survive a fork.
        "CUDA_VISIBLE_DEVICES": "",
    }
    # An inherited policy would override the spin count and so change what is measured.
    return {**{name: value for name, value in inherited.items() if name != "OMP_WAIT_POLICY"}, **fixed}


class WorkerProcess:
    """A worker that is started when needed and replaced after a failure; a context manager.

    Args:
        device: ``cpu`` or ``cuda``.
        threads: intra-operator threads wanted.
        interrupts: what ends a wait early.
        module: what the worker runs.
    """

    def __init__(
        self,
        device: DeviceKind,
        threads: int,
        interrupts: Interrupts,
        module: str = "perfseer.measure.worker",
    ) -> None:
        self._device: DeviceKind = device
        self._module = module
        self._threads = threads
        self._interrupts = interrupts
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._buffer = b""
        self._number = 0
        self.clock = AwakeClock()
        self.starts = 0

    def environment(self) -> dict[str, Any]:
        """Start the worker if it is not running; the fingerprint of device and software.

        Raises:
            PerfseerError: the worker cannot start, or the machine lacks what its meter needs.
            InterruptError: a signal came.
        """
        self.stop()
        self._spawn()
        try:
            answer = self._exchange({"device": self._device, "threads": self._threads}, START_TIMEOUT_S)
        except (WorkerDiedError, TimeoutError) as error:
            self.stop()
            raise PerfseerError(
                f"the measuring process did not start: {error}. It said: {self._tail()}"
            ) from error
        if "fault" in answer:
            raise PerfseerError(answer["fault"])
        environment: dict[str, Any] = answer["environment"]
        return environment

    def ask(self, request: Mapping[str, Any], timeout_s: float) -> Outcome:
        """Have one phase measured.

        Args:
            request: see `worker.measure`.
            timeout_s: the worker's own limit for it.

        Raises:
            PerfseerError: the machine is at fault, not the configuration.
            InterruptError: a signal came; the worker is stopped.
        """
        if self._process is None:
            self.environment()
        try:
            self._number += 1
            numbered = {**request, "number": self._number, "timeout_s": timeout_s}
            answer = self._exchange(numbered, timeout_s + GRACE_S)
            if answer.pop("number") != self._number:
                raise WorkerDiedError("answered an earlier request")
            outcome = Outcome(**answer)
        except TimeoutError:
            self.stop()
            return Outcome("timeout", f"still busy after {timeout_s:.1f} s")
        except WorkerDiedError as error:
            self.stop()
            return Outcome("oom" if "SIGKILL" in str(error) else "error", f"the measuring process {error}")
        if outcome.status == "fault":
            raise PerfseerError(outcome.reason)
        # After a CUDA error a context may be unusable for good.
        if outcome.status == "error" and self._device == "cuda":
            self.stop()
        return outcome

    def stop(self) -> None:
        """End the worker and everything it started."""
        if self._process is None:
            return
        if self._process.poll() is None:
            # Its own session, so its group is the worker and its children and nobody else.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._log.close()

    def _spawn(self) -> None:
        self._buffer = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Unbuffered, because `select` cannot see what a buffer already took.
            bufsize=0,
            # Ctrl-C goes to everything in the terminal's foreground group; the collector decides what stops.
            start_new_session=True,
            env=worker_environment(self._device, self._threads, os.environ),
        )
        self.starts += 1

    def _exchange(self, message: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Send one line and wait for one."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise WorkerDiedError("is not running")
        try:
            process.stdin.write(json.dumps(message).encode() + b"\n")
        except BrokenPipeError as error:
            raise WorkerDiedError(_ending(process.wait())) from error
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            self._wait(process.stdout.fileno(), deadline - time.monotonic())
            piece = os.read(process.stdout.fileno(), 65_536)
            if not piece:
                raise WorkerDiedError(_ending(process.wait()))
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _wait(self, descriptor: int, timeout_s: float) -> None:
        """Return when there is something to read; raise on a signal or when the time is up."""
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            if self._interrupts.descriptor is not None:
                selector.register(self._interrupts.descriptor, selectors.EVENT_READ)
            ready = selector.select(max(timeout_s, 0)) if timeout_s > 0 else []
        self._interrupts.check()
        if not ready:
            raise TimeoutError(f"no answer within {timeout_s:.0f} s")

    def _tail(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        text = os.pread(self._log.fileno(), 2000, max(0, size - 2000)).decode(errors="replace")
        return " | ".join(text.strip().splitlines()[-3:]) or "nothing"


def _ending(code: int) -> str:
    return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
