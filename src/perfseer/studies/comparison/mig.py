"""Which slice of a multi-instance GPU holds a workload, by the memory it is predicted to take (METHODS 4)."""

# Upper bounds in MB (10^6 bytes) and profiles of an A100 with 40 GB, smallest first; DIPPM's rule.
PROFILES: tuple[tuple[float, str], ...] = (
    (5_000.0, "1g.5gb"),
    (10_000.0, "2g.10gb"),
    (20_000.0, "3g.20gb"),
    (40_000.0, "7g.40gb"),
)
_MB_PER_MIB = 2**20 / 1e6


def mig_profile(memory_mib: float) -> str | None:
    """The smallest profile whose bound lies above the predicted memory.

    Args:
        memory_mib: predicted peak memory, MiB.

    Returns:
        A profile of an A100 with 40 GB, or None where the whole device is too small.
    """
    memory_mb = memory_mib * _MB_PER_MIB
    return next((profile for bound_mb, profile in PROFILES if memory_mb < bound_mb), None)
