"""What a run costs besides time: peak memory."""

import sys


def peak_memory_mib() -> float | None:
    """Peak resident memory of this process so far [MiB]; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
