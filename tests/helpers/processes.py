"""What a test process has started and not yet waited for; other tests may have left some of their own."""

from pathlib import Path


def children() -> set[int]:
    """Process ids of this process's children, zombies included."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()}
