"""How the C library's malloc treats freed blocks.

By default glibc raises its own threshold as blocks are freed and keeps them on a heap whose gaps depend on
how many iterations ran: the peak of one and the same network then differs by 10 % and more from process to
process. While memory is read, freed blocks go back to the kernel at once, so the peak is what is alive
together. While single kernels are timed, and while networks learn, they are kept, so no page is faulted in
twice. Networks are timed under the default, as they run in anybody's script (docs/measurement.md).
"""

import ctypes
from collections.abc import Callable

# glibc's malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_KIB, _MIB = 2**10, 2**20


def release_free_heap() -> None:
    """Give free heap pages back to the kernel, or a child could use them without its memory growing."""
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # other C libraries keep little
        trim(0)


def give_back_freed_blocks() -> bool:
    """From now on, blocks of 64 KiB and more are mapped singly and unmapped when freed.

    Returns:
        False where the C library has no such switch (not glibc).
    """
    return _set(mmap_threshold=64 * _KIB, trim_threshold=128 * _KIB, top_pad=0)


def keep_freed_blocks() -> bool:
    """From now on, blocks up to 32 MiB come from the heap and stay there: glibc's own settled state.

    Returns:
        False where the C library has no such switch (not glibc).
    """
    return _set(mmap_threshold=32 * _MIB, trim_threshold=2**31 - 1, top_pad=_MIB)


def _set(*, mmap_threshold: int, trim_threshold: int, top_pad: int) -> bool:
    mallopt: Callable[[int, int], int] | None = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = ((_MMAP_THRESHOLD, mmap_threshold), (_TRIM_THRESHOLD, trim_threshold), (_TOP_PAD, top_pad))
    return all(mallopt(parameter, value) == 1 for parameter, value in wanted)
