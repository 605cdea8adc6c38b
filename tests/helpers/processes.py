"""What processes are doing, and waiting for it without a guess at how long it takes."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path


def children() -> set[int]:
    """Process ids of this process's children, zombies and what other tests left included."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()}


def descendants(pid: int) -> set[int]:
    """Processes whose parent, or parent's parent and so on, is ``pid``."""
    parents = {int(place.name): parent(int(place.name)) for place in Path("/proc").glob("[0-9]*")}
    found: set[int] = set()
    generation = {pid}
    while generation:
        generation = {child for child, of in parents.items() if of in generation}
        found |= generation
    return found


def parent(pid: int) -> int:
    """The parent's process id; 0 of a process that has just ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def assert_gone(pids: Iterable[int]) -> None:
    """Every one of them ends."""
    for pid in pids:
        wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), f"orphan: {pid}")


def open_files() -> int:
    """File descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def state(pid: int) -> str:
    """The kernel's letter for what a process is doing: ``T`` is stopped; ``Z``, also if it is gone, ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def wait_until(condition: Callable[[], bool], what: str = "", limit_s: float = 300) -> None:
    """Return as soon as ``condition`` holds; so long without is a failure, not a slow machine."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


# The head of a program whose clock of seconds awake jumps by a day once the file ``a day has passed`` is
# there, and which makes the file ``go`` after a few looks at that clock.
PAUSED_CLOCK = """
import time
from pathlib import Path
from types import SimpleNamespace
from perfseer.measure import awake
looks = 0
def monotonic():
    global looks
    if not Path("a day has passed").exists():
        return time.monotonic()
    looks += 1
    if looks == 5:
        Path("go").touch()
    return 86_400 + time.monotonic()
awake.time = SimpleNamespace(monotonic=monotonic)
awake.LOOK_EVERY_S, awake.MOST_PER_LOOK_S = 0.1, 0.2
"""
