"""The collector's end of the worker: start it, ask it, replace it when it fails, stop it."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from perfseer.errors import PerfseerError
from perfseer.measure.awake import AwakeClock, Deadline
from perfseer.measure.interrupts import Interrupts
from perfseer.measure.outcomes import Outcome, Status, is_cuda_error, is_device_fault, parse_outcome
from perfseer.measure.settings import DeviceKind
from perfseer.plain_data import parse_json

WORKER = "perfseer.measure.worker"
START_TIMEOUT_S = 300.0
# The worker ends an overlong phase by itself; only if it does not answer either is it killed from here.
GRACE_S = 5.0
# How long a killed process may take to be gone: the kernel frees its memory, the driver its context.
END_TIMEOUT_S = 60.0
# How long an idle OpenMP thread spins before it sleeps. The default, 300,000 rounds, lets waiting count as
# work in the utilisation; none at all makes small networks up to twice as slow (docs/measurement.md).
SPIN_COUNT = 2000


class WorkerFailedError(Exception):
    """The worker gave no answer that makes sense; the message says what it did instead."""


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

    Attributes:
        clock: counts the seconds that measuring takes; stands still while this process is stopped.
        lost_s: of those, what failed attempts and the restarts after them took.
        starts: workers started so far.
    """

    def __init__(
        self,
        device: DeviceKind,
        threads: int,
        interrupts: Interrupts,
        module: str = WORKER,
    ) -> None:
        self._device: DeviceKind = device
        self._module = module
        self._threads = threads
        self._interrupts = interrupts
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._buffer = b""
        self._number = 0
        self._environment: dict[str, Any] | None = None
        self.clock = AwakeClock()
        self.lost_s = 0.0
        self.starts = 0

    def environment(self) -> dict[str, Any]:
        """Start a fresh worker; the fingerprint of device and software.

        Raises:
            PerfseerError: the worker cannot start, the machine lacks what its meter needs, or a worker
                started before found another device or other software.
            InterruptError: a signal came.
        """
        self.stop()
        self._spawn()
        try:
            answer = self._exchange({"device": self._device, "threads": self._threads}, START_TIMEOUT_S)
        except (WorkerFailedError, TimeoutError) as error:
            self.stop()
            raise PerfseerError(
                f"the measuring process did not start: it {error}. It said: {self._tail()}"
            ) from error
        if "fault" in answer:
            raise PerfseerError(answer["fault"])
        environment: dict[str, Any] = answer["environment"]
        self._require_the_same(environment)
        self._environment = environment
        return environment

    def ask(self, request: Mapping[str, Any], timeout_s: float) -> Outcome:
        """Have one phase measured; once more in a fresh worker if the first one failed.

        A worker that dies, hangs or answers nonsense says little about what was asked for, and so does a
        CUDA error, which can be the device's or left over from an earlier phase. Happening twice, it counts.

        Args:
            request: see `worker.measure`.
            timeout_s: the worker's own limit for it.

        Raises:
            PerfseerError: the machine is at fault, not the configuration: the worker says so, cannot be
                started again, or the device fails in two workers in a row.
            InterruptError: a signal came; the worker is stopped by `__exit__`.
        """
        if self._process is None:
            self._restart(self.clock.read())
        start = self.clock.read()
        outcome, conclusive = self._attempt(request, timeout_s)
        if not conclusive:
            self._restart(start)
            outcome, conclusive = self._attempt(request, timeout_s)
        if outcome.status == "fault":
            raise PerfseerError(outcome.reason)
        if not conclusive and is_device_fault(outcome.reason):
            raise PerfseerError(
                f"the device failed, also in a fresh process: {outcome.reason}. Nothing is noted against the "
                "configuration it was measuring; see what nvidia-smi and the kernel's log say, then run the "
                "same command again"
            )
        return outcome if conclusive else replace(outcome, reason=f"{outcome.reason} (in two workers)")

    def stop(self) -> None:
        """End the worker and everything it started.

        Raises:
            PerfseerError: it cannot be ended, as when a driver hangs.
        """
        if self._process is None:
            return
        process, self._process = self._process, None
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        # Its own session, so its group is the worker and its children and nobody else.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise PerfseerError(
                f"the measuring process {process.pid} does not end, so its driver or disk hangs; everything "
                "finished is in the journal. Restart the machine and run the same command again"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()
        self.stop()

    def _restart(self, lost_since: float) -> None:
        self.environment()
        self.lost_s += self.clock.read() - lost_since

    def _attempt(self, request: Mapping[str, Any], timeout_s: float) -> tuple[Outcome, bool]:
        """One try; its outcome, and whether that is the request's and not the worker's."""
        self._number += 1
        try:
            numbered = {**request, "number": self._number, "timeout_s": timeout_s}
            outcome = self._answer(self._exchange(numbered, timeout_s + GRACE_S))
        except TimeoutError:
            self.stop()
            # On the cpu a worker ends its phases itself, so one that stays silent hangs for its own reasons.
            return Outcome("timeout", f"still busy after {timeout_s:.1f} s"), self._device == "cuda"
        except WorkerFailedError as error:
            self.stop()
            status: Status = "oom" if "SIGKILL" in str(error) else "error"
            return Outcome(status, f"the measuring process {error}"), False
        if outcome.status == "error" and self._device == "cuda":
            # After a CUDA error a context may be unusable for good.
            self.stop()
            return outcome, not is_cuda_error(outcome.reason)
        return outcome, True

    def _answer(self, answer: dict[str, Any]) -> Outcome:
        number = answer.pop("number", None)
        if number != self._number:
            raise WorkerFailedError(f"answered request {number} instead of {self._number}")
        try:
            return parse_outcome(answer)
        except ValueError as error:
            raise WorkerFailedError(f"answered nonsense: {error}") from error

    def _require_the_same(self, environment: Mapping[str, Any]) -> None:
        before = self._environment or environment
        changed = sorted(
            name for name in {*before, *environment} if before.get(name) != environment.get(name)
        )
        if changed:
            facts = "; ".join(
                f"{name}: {before.get(name)} before, {environment.get(name)} now" for name in changed
            )
            raise PerfseerError(
                "the measuring process was started again and found another device or other software "
                f"({facts}); their measurements must not mix. Everything finished is in the journal: restore "
                "what was there, or run the command again for a table of its own"
            )

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
        """Send one line and wait for one, a JSON object."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise WorkerFailedError("is not running")
        try:
            text = json.dumps(message).encode() + b"\n"
            while text:
                text = text[process.stdin.write(text) or 0 :]
        except BrokenPipeError as error:
            raise WorkerFailedError(_ending(process)) from error
        deadline = Deadline(self.clock, timeout_s)
        while b"\n" not in self._buffer:
            self._wait(process.stdout.fileno(), deadline)
            piece = os.read(process.stdout.fileno(), 65_536)
            if not piece:
                raise WorkerFailedError(_ending(process))
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return _decoded(line)

    def _wait(self, descriptor: int, deadline: Deadline) -> None:
        """Return when there is something to read; raise on a signal or when the time is up."""
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            if self._interrupts.descriptor is not None:
                selector.register(self._interrupts.descriptor, selectors.EVENT_READ)
            while True:
                left = deadline.look()
                # An answer counts even if it comes with a signal, or while this process was stopped.
                if descriptor in {key.fd for key, _ in selector.select(left)}:
                    return
                self._interrupts.check()
                if left == 0:
                    raise TimeoutError("gave no answer in time")

    def _tail(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        text = os.pread(self._log.fileno(), 2000, max(0, size - 2000)).decode(errors="replace")
        return " | ".join(text.strip().splitlines()[-3:]) or "nothing"


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        answer = parse_json(line, finite=False)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise WorkerFailedError(f"answered nonsense: {line[:80]!r}")
    return answer


def _ending(process: subprocess.Popen[bytes]) -> str:
    """How a worker that closed its end went; one that is still there is killed by whoever asked."""
    try:
        code = process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        return "closed its output and stayed"
    return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
