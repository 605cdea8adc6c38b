"""How a piece of measuring work ended, and what its exceptions mean."""

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

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
)
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


def guarded(work: Callable[[], dict[str, Any]]) -> Outcome:
    """Run ``work`` in this process and turn what it raises into an outcome; tracebacks go to stderr."""
    try:
        return Outcome("ok", result=work())
    except PerfseerError as error:
        return Outcome("fault", str(error))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return Outcome("oom" if is_out_of_memory(error) else "error", describe(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` means that an allocation failed; on the cpu torch raises RuntimeError."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(phrase in text for phrase in _OOM_PHRASES)


def describe(error: BaseException) -> str:
    """Type and first line of ``error``, at most 300 characters."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text[:_REASON_LENGTH]
