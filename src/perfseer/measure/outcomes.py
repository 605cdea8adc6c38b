"""How a piece of measuring work ended, and what its exceptions mean."""

import contextlib
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from perfseer.errors import PerfseerError

# `fault` is the machine's (no /proc, no CUDA), not the configuration's: it ends the run and makes no row.
Status = Literal["ok", "oom", "timeout", "error", "fault"]

# What torch and the C++ library say when an allocation fails without a MemoryError.
_OOM_PHRASES = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "bad_alloc",
    "status_alloc_failed",  # cuBLAS and cuDNN
)
# What only the device or its driver can have done: no program running on it causes these.
_DEVICE_PHRASES = (
    "no cuda-capable device",
    "no cuda gpus are available",
    "devices are busy or unavailable",
    "uncorrectable ecc error",
    "uncorrectable nvlink error",
    "hardware stack error",
    "is lost",
    "requires reset",
    "system not yet initialized",
    "driver shutting down",
    "unknown error",
)
_CUDA_WORDS = ("cuda", "cudnn", "cublas", "nvrtc", "cufft")
_REASON_LENGTH = 300


@dataclass(frozen=True)
class Outcome:
    """How a piece of work ended.

    Attributes:
        status: ``ok``, ``oom``, ``timeout``, ``error`` or ``fault``.
        reason: why it is not ok, one line; empty if it is.
        result: what the work returned, if it is ok.
    """

    status: Status
    reason: str = ""
    result: dict[str, Any] | None = None

    def required(self) -> dict[str, Any]:
        """The result.

        Raises:
            UnfinishedError: there is none; `guarded` turns it into this outcome again.
        """
        if self.result is None:
            raise UnfinishedError(self)
        return self.result


class UnfinishedError(Exception):
    """A piece of work that another one needs did not end well; bears its outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


def parse_outcome(answer: Any) -> Outcome:
    """The outcome in an answer of another process.

    Args:
        answer: decoded JSON, the fields of an `Outcome`.

    Raises:
        ValueError: it is not an outcome.
    """
    fields = dict(answer) if isinstance(answer, Mapping) else {}
    sound = (
        set(fields) == {"status", "reason", "result"}
        and fields["status"] in get_args(Status)
        and isinstance(fields["reason"], str)
        and isinstance(fields["result"], dict) == (fields["status"] == "ok")
    )
    if not sound:
        raise ValueError(f"{str(answer)[:_REASON_LENGTH]!r} is not an outcome")
    return Outcome(**fields)


def guarded(work: Callable[[], dict[str, Any]]) -> Outcome:
    """Run ``work`` in this process and turn what it raises into an outcome; tracebacks go to stderr.

    A result with NaN or infinity in it, which no journal takes, is an error like any other.
    """
    try:
        result = work()
        json.dumps(result, allow_nan=False)
        return Outcome("ok", result=result)
    except UnfinishedError as error:
        return error.outcome
    except PerfseerError as error:
        return Outcome("fault", str(error))
    except Exception as error:
        print_traceback()
        return Outcome("oom" if is_out_of_memory(error) else "error", describe(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` means that an allocation failed; on the cpu torch raises RuntimeError."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(phrase in text for phrase in _OOM_PHRASES)


def is_cuda_error(reason: str) -> bool:
    """Whether an error comes from the device or its libraries, so that its process may be past using."""
    return any(word in reason.lower() for word in _CUDA_WORDS)


def is_device_fault(reason: str) -> bool:
    """Whether a CUDA error is the device's, whatever ran on it: lost, broken, or taken by somebody else."""
    return is_cuda_error(reason) and any(phrase in reason.lower() for phrase in _DEVICE_PHRASES)


def print_traceback() -> None:
    """Print the exception being handled to stderr, if that can be written: a full disk changes no outcome."""
    with contextlib.suppress(OSError):
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()


def describe(error: BaseException) -> str:
    """Type and first line of ``error``, at most 300 characters."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text[:_REASON_LENGTH]
