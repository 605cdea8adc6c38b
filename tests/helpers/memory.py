"""What a piece of a test takes of memory."""

import tracemalloc
from collections.abc import Callable
from typing import Any


def traced_peak(run: Callable[[], Any]) -> tuple[Any, int]:
    """What ``run`` gives, and the most bytes that Python and numpy held meanwhile."""
    tracemalloc.start()
    try:
        result = run()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
