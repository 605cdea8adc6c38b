"""One network at any batch size, from captures at two: what a PerfGraph counts is affine in the batch size.

From batch 2 on, every operator moves and computes a constant part (weights) and a part per sample, and the
structure stays. Batch 1 is a case of its own: a dimension of size 1 makes copies into views, so nodes and
bytes can vanish. It has to be captured, and is refused here.

Peak memory is a maximum over moments, each affine: convex, not affine. Between the two captures the value
given is an upper bound, beyond them a lower one. Captures far apart (`SMALL`, `LARGE`) keep both tight.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import NODE_FIELDS, IntArray, PerfGraph

# Batch sizes to capture a family at. The cost of a capture does not depend on them.
SMALL, LARGE = 2, 256
# What an operator is and who feeds whom: must be the same at both batch sizes.
STRUCTURE: tuple[str, ...] = (
    *("operators", "edge_index"),
    *("n_parameters", "parameter_bytes", "buffer_bytes", "has_backward", "unknown"),
)
AFFINE: tuple[str, ...] = (
    *NODE_FIELDS[1:],
    *("hyperparameters", "output_shapes", "edge_bytes", "edge_shapes", "train_only_bytes"),
)
CONVEX: tuple[str, ...] = ("peak_infer_bytes", "peak_train_bytes")


def slopes(low: IntArray, high: IntArray, n_low: int, n_high: int) -> IntArray | None:
    """What one more sample adds to each value; None if it is no whole number, or negative.

    Args:
        low: values at batch ``n_low``.
        high: the same values at batch ``n_high``, greater than ``n_low``.
        n_low: samples.
        n_high: samples.
    """
    slope, rest = np.divmod(high - low, n_high - n_low)
    return None if rest.any() or (slope < 0).any() else np.asarray(slope)


@dataclass(frozen=True)
class BatchFamily:
    """All graphs of one network from batch 2 on.

    Attributes:
        low: captured at the smaller batch size.
        high: captured at the greater one.
    """

    low: PerfGraph
    high: PerfGraph

    @classmethod
    def of(cls, first: PerfGraph, second: PerfGraph) -> "BatchFamily":
        """From two captures of one network, in any order.

        Raises:
            PerfseerError: a batch size is 1, or both are the same, or the graphs are not of one family: then
                capture the network at the batch size in question.
        """
        low, high = sorted((first, second), key=lambda graph: graph.batch_size)
        require(
            2 <= low.batch_size < high.batch_size,
            f"a batch family needs captures at two batch sizes from 2 on, given {low.batch_size} and "
            f"{high.batch_size}",
        )
        odd = [name for name in STRUCTURE if not _same(getattr(low, name), getattr(high, name))]
        odd = odd or [name for name in AFFINE if cls(low, high)._slopes(name) is None]
        if odd:
            raise PerfseerError(
                f"the graphs at batch {low.batch_size} and {high.batch_size} differ in {', '.join(odd)} by "
                "more than the batch: capture the network at the batch size in question"
            )
        return cls(low, high)

    def at(self, batch_size: int) -> PerfGraph:
        """The graph at ``batch_size`` samples; exact but for peak memory (see the module).

        Raises:
            PerfseerError: ``batch_size`` is below 2.
        """
        require(batch_size >= 2, f"batch {batch_size} is no member of a batch family: capture it")
        more = batch_size - self.low.batch_size
        values: dict[str, Any] = {
            name: _plus(getattr(self.low, name), more, self._slopes(name)) for name in AFFINE
        }
        values |= {name: self._peak(name, more) for name in CONVEX}
        return replace(self.low, batch_size=batch_size, **values)

    def _slopes(self, name: str) -> IntArray | None:
        low, high = (np.asarray(getattr(graph, name), dtype=np.int64) for graph in (self.low, self.high))
        return slopes(low, high, self.low.batch_size, self.high.batch_size)

    def _peak(self, name: str, more: int) -> int:
        low, high = getattr(self.low, name), getattr(self.high, name)
        return int(low + (high - low) * more // (self.high.batch_size - self.low.batch_size))


def _same(first: Any, second: Any) -> bool:
    return bool(np.array_equal(first, second)) if isinstance(first, np.ndarray) else bool(first == second)


def _plus(low: Any, more: int, slope: IntArray | None) -> Any:
    """``low`` at ``more`` samples more, of the type it has."""
    if slope is None:
        raise PerfseerError("the graphs are of no family; make it with BatchFamily.of")
    value = np.asarray(low) + more * slope
    return value if isinstance(low, np.ndarray) else int(value)
