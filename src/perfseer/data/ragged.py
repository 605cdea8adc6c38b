"""Index arithmetic over segments of different lengths laid end to end (nodes of graphs, edges of graphs)."""

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
    """[N] to [S], the mean of the two middle values for an even count; 0 for an empty segment."""
    lengths = np.diff(pointer)
    ordered = np.append(values[np.lexsort((values, segment_ids(pointer)))], 0.0)
    lower = ordered[np.minimum(pointer[:-1] + np.maximum(lengths - 1, 0) // 2, len(values))]
    upper = ordered[np.minimum(pointer[:-1] + lengths // 2, len(values))]
    return np.where(lengths > 0, 0.5 * (lower + upper), 0.0)


def _reduce(operation: np.ufunc, values: FloatArray, pointer: IntArray) -> FloatArray:
    """``operation.reduceat`` that gives 0 for empty segments (reduceat gives a neighbour's value)."""
    result = np.zeros((len(pointer) - 1, *values.shape[1:]), dtype=np.float64)
    filled = np.flatnonzero(np.diff(pointer))
    if len(filled):
        result[filled] = operation.reduceat(values, pointer[filled], axis=0)
    return result
