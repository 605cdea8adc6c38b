"""Index arithmetic over segments of different lengths laid end to end (nodes of graphs, edges of graphs)."""

from collections.abc import Iterator, Sequence

import numpy as np

from perfseer.graphs.perfgraph import FloatArray, IntArray


def offsets(lengths: IntArray) -> IntArray:
    """[S] segment lengths to [S + 1] offsets, starting at 0."""
    pointer = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=pointer[1:])
    return pointer


def segment_ids(pointer: IntArray) -> IntArray:
    """[S + 1] offsets to the segment of each of the N elements, [N]."""
    return np.repeat(np.arange(len(pointer) - 1, dtype=np.int64), np.diff(pointer))


def gather(pointer: IntArray, segments: IntArray) -> tuple[IntArray, IntArray]:
    """Positions of all elements of the chosen segments, in the order of ``segments``.

    Args:
        pointer: [S + 1] offsets.
        segments: [K] segments to take; may repeat and be in any order.

    Returns:
        positions [N'] into the elements, and the offsets [K + 1] of the result.
    """
    result = offsets(np.diff(pointer)[segments])
    shift = np.repeat(pointer[segments] - result[:-1], np.diff(result))
    return np.arange(result[-1], dtype=np.int64) + shift, result


def segment_sum(values: FloatArray, pointer: IntArray) -> FloatArray:
    """[N, ...] to [S, ...]; 0 for an empty segment."""
    return _reduce(np.add, values, pointer)


def segment_max(values: FloatArray, pointer: IntArray) -> FloatArray:
    """[N, ...] to [S, ...]; 0 for an empty segment."""
    return _reduce(np.maximum, values, pointer)


def segment_mean(values: FloatArray, pointer: IntArray) -> FloatArray:
    """[N] to [S]; 0 for an empty segment."""
    return segment_sum(values, pointer) / np.maximum(np.diff(pointer), 1)


def segment_median(values: FloatArray, pointer: IntArray) -> FloatArray:
    """[N] to [S], the mean of the two middle values for an even count; 0 for an empty segment.

    Segments of equal length are sorted together as rows of a matrix, much faster than one sort of all.
    """
    lengths, result = np.diff(pointer), np.zeros(len(pointer) - 1)
    for length in np.unique(lengths[lengths > 0]):
        segments = np.flatnonzero(lengths == length)
        rows = np.sort(values[pointer[segments, np.newaxis] + np.arange(length)], axis=1)
        result[segments] = 0.5 * (rows[:, (length - 1) // 2] + rows[:, length // 2])
    return result


def blocks(n: int, size: int = 8192) -> Iterator[slice]:
    """Slices of at most ``size`` that cover ``range(n)``: work on one stays in the processor's cache."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def stack_columns(columns: Sequence[FloatArray]) -> FloatArray:
    """F columns [N] to one array [N, F], as `numpy.column_stack` but in blocks: three times as fast."""
    result = np.empty((len(columns[0]), len(columns)))
    for block in blocks(len(result)):
        for number, column in enumerate(columns):
            result[block, number] = column[block]
    return result


def _reduce(operation: np.ufunc, values: FloatArray, pointer: IntArray) -> FloatArray:
    """``operation.reduceat`` that gives 0 for empty segments (reduceat gives a neighbour's value)."""
    result = np.zeros((len(pointer) - 1, *values.shape[1:]), dtype=np.float64)
    filled = np.flatnonzero(np.diff(pointer))
    if len(filled):
        result[filled] = operation.reduceat(values, pointer[filled], axis=0)
    return result
