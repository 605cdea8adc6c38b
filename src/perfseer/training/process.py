"""How a process that trains is set up."""

import torch

from perfseer.measure.heap import keep_freed_blocks


def prepare_process(threads: int) -> None:
    """Use this many threads and keep freed memory, for the whole process.

    Results depend on the threads in the last bits, so they are set, not guessed. By default freed blocks of a
    few megabytes go back to the kernel, and every step faults its pages in anew; kept, they make training
    markedly faster (docs/speed.md). Where the C library has no such switch nothing changes but the speed.

    Args:
        threads: of torch.
    """
    torch.set_num_threads(threads)
    keep_freed_blocks()
