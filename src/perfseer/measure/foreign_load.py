"""How busy other processes kept the cores meanwhile: the commonest reason for a wrong measurement."""

import os
import time
from collections.abc import Collection
from pathlib import Path

_STAT = Path("/proc/stat")
# Fields of a cpu line after its name: user nice system idle iowait irq softirq steal; guest is part of user.
_BUSY_FIELDS = (0, 1, 2, 5, 6, 7)


def parse_busy_ticks(text: str, cores: Collection[int]) -> int:
    """Clock ticks that ``cores`` were busy since the system started, from the text of /proc/stat."""
    ticks = 0
    for line in text.splitlines():
        name, *numbers = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            ticks += sum(int(numbers[index]) for index in _BUSY_FIELDS if index < len(numbers))
    return ticks


class ForeignLoad:
    """Cores kept busy by anything but this process, from its construction to `cores`.

    Counts the cores this process may use, time stolen by a hypervisor included. The kernel counts in ticks of
    usually 10 ms, so a single short phase is known to a few tenths of a core; the mean of many is not biased.
    """

    def __init__(self) -> None:
        self._start = _reading()

    def cores(self) -> float | None:
        """Mean number of cores busy with other work; None where the system does not tell."""
        end = _reading()
        if self._start is None or end is None or end[0] <= self._start[0]:
            return None
        wall_s, busy_s, own_s = (after - before for before, after in zip(self._start, end, strict=True))
        return max((busy_s - own_s) / wall_s, 0.0)


def _reading() -> tuple[float, float, float] | None:
    """Wall seconds, busy seconds of the cores, cpu seconds of this process."""
    if not _STAT.is_file() or not hasattr(os, "sched_getaffinity"):
        return None
    ticks = parse_busy_ticks(_STAT.read_text(encoding="ascii"), os.sched_getaffinity(0))
    return time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK"), time.process_time()
