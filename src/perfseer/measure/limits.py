"""How much time and memory one piece of work in a child process may take."""

import math
import re
import resource
from dataclasses import dataclass
from pathlib import Path

from perfseer.errors import require

_STATUS = Path("/proc/self/status")
_GIB = 2**30


@dataclass(frozen=True)
class Limits:
    """Of one request; what goes beyond ends the process.

    Attributes:
        time_s: by the clock, and of processor time.
        memory_bytes: beyond what the process had before.
    """

    time_s: float = 300.0
    memory_bytes: float = 8.0 * _GIB

    def __post_init__(self) -> None:
        for name, value, unit in (("time", self.time_s, "s"), ("memory", self.memory_bytes, "bytes")):
            require(
                math.isfinite(value) and value > 0,
                f"a limit of {value} {unit} of {name} for a model, expected a positive number",
            )

    @property
    def time_text(self) -> str:
        """For messages."""
        return f"{self.time_s:,g} s"

    @property
    def memory_text(self) -> str:
        """For messages."""
        return f"{self.memory_bytes / _GIB:,.3g} GiB"


def limit_this_process(limits: Limits) -> None:
    """Hold this process to ``limits`` from now on, until they are set again."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + limits.time_s))
    data = re.search(r"^VmData:\s+(\d+) kB", _STATUS.read_text("ascii"), re.MULTILINE)
    if data is not None:
        _lower(resource.RLIMIT_DATA, int(data[1]) * 1024 + int(limits.memory_bytes))


def no_core_dump() -> None:
    """A child that dies leaves no file behind."""
    _lower(resource.RLIMIT_CORE, 0)


def _lower(kind: int, wanted: int) -> None:
    """Set the limit that warns, as far as the one that cannot be raised allows."""
    _, hard = resource.getrlimit(kind)
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (min(soft, 2**62), hard))
