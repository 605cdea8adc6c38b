"""Memory of this process as the Linux kernel counts it, from /proc/self."""

from dataclasses import dataclass
from pathlib import Path

from perfseer.errors import PerfseerError

MIB = 1024 * 1024
_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_FIELDS = ("VmHWM", "RssAnon", "RssFile", "RssShmem")


@dataclass(frozen=True)
class ResidentMemory:
    """Resident memory of a process, bytes.

    Attributes:
        peak: high-water mark of everything resident (VmHWM).
        anonymous: heap, stacks and private pages resident now (RssAnon).
        file: pages of files, such as libraries, resident now (RssFile).
        shared: shared-memory pages resident now (RssShmem).
    """

    peak: int
    anonymous: int
    file: int
    shared: int


def parse_status(text: str) -> ResidentMemory:
    """Read the four counters out of the text of ``/proc/<pid>/status``.

    Raises:
        PerfseerError: a counter is missing (not Linux, or a kernel before 4.5).
    """
    found = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    missing = [name for name in _FIELDS if name not in found]
    if missing:
        raise PerfseerError(
            f"/proc/self/status has no {', '.join(missing)}: the cpu meter reads memory there and needs "
            "Linux 4.5 or newer; measure on such a machine, or with --device cuda"
        )
    return ResidentMemory(*(int(found[name].split()[0]) * 1024 for name in _FIELDS))


def resident_memory() -> ResidentMemory:
    """Resident memory of this process now.

    Raises:
        PerfseerError: the system has no /proc/self/status with these counters.
    """
    if not _STATUS.is_file():
        raise PerfseerError(
            "this system has no /proc/self/status, from which the cpu meter reads peak memory; measure on "
            "Linux, or with --device cuda"
        )
    return parse_status(_STATUS.read_text(encoding="ascii", errors="replace"))


def reset_peak() -> bool:
    """Set the high-water mark back to what is resident now; False where the system does not allow it.

    A process just forked needs no reset: the kernel starts its mark at what it inherited.
    """
    try:
        _CLEAR_REFS.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def added_peak_bytes(before: ResidentMemory, after: ResidentMemory) -> int:
    """Peak anonymous memory added between two readings of one process, bytes.

    High-water mark, less the file and shared pages resident at the end, less the anonymous memory there was
    before. Libraries only page in further during a phase, so their share at the peak is at most their share
    at the end and the result errs, if at all, on the low side (docs/measurement.md).
    """
    return max(after.peak - after.file - after.shared - before.anonymous, 0)
