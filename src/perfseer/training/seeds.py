"""Randomness that is drawn from a seed and from nothing else: the same seed gives the same bits on a CPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw torch's random numbers (initial weights) from ``seed``, then restore the caller's state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def generator(seed: int, stream: int = 0) -> torch.Generator:
    """A random stream of its own.

    Args:
        seed: of the run.
        stream: tells apart the streams of one run (order of rows, order of tasks).
    """
    return torch.Generator().manual_seed(seed * 1009 + stream)
