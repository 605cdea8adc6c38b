"""How a process that trains is set up."""

import os

import torch
from threadpoolctl import threadpool_limits

from perfseer.measure.heap import keep_freed_blocks

# Read by numerical libraries when they are loaded.
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def prepare_process(threads: int) -> None:
    """Use this many threads and keep freed memory, for the whole process.

    Results depend on the threads in the last bits, from which early stopping makes more, so they are set, in
    every numerical library, whatever the environment says; records say how many there were.

    By default freed blocks of a few megabytes go back to the kernel, and every step faults its pages in anew;
    kept, they make training markedly faster (docs/speed.md). Where the C library has no such switch nothing
    changes but the speed.

    Args:
        threads: of torch and of linear algebra, LightGBM and scikit-learn always have one.
    """
    for name in _VARIABLES:  # for libraries that are loaded later
        os.environ[name] = str(threads)
    threadpool_limits(threads)
    torch.set_num_threads(threads)
    keep_freed_blocks()
