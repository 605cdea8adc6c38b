"""Examples of any platform as one row of numbers each: what trees learn from."""

from dataclasses import dataclass

import numpy as np

from perfseer.data.ragged import blocks
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.predictors.parts.platforms.examples import Pairs, PlatformExamples
from perfseer.predictors.parts.platforms.work import TOLD
from perfseer.predictors.parts.tabular import OPERATOR_TYPES

_AT_ONCE = 2048
_N_BY_TYPE = 9  # blocks of one column for each operator type
# Kernels that share out work by channels leave parts of a device idle where there are fewer.
_CHANNELS = 64.0


@dataclass(frozen=True, eq=False)
class PlatformTable:
    """N examples.

    Attributes:
        columns: [N, C] finite.
        base: [N] ln of the roofline time in ms, which learners are relative to.
    """

    columns: FloatArray
    base: FloatArray

    @property
    def of_graphs(self) -> FloatArray:
        """[N, C'] the columns that say what a graph asks of a platform; without what is told of it."""
        return self.columns[:, : -len(TOLD) - 1]

    @property
    def blocks(self) -> IntArray:
        """[C] the block of each column: one for each sum by operator type, and one for all that is not."""
        by_type = np.repeat(np.arange(_N_BY_TYPE), len(OPERATOR_TYPES))
        rest = self.columns.shape[1] - len(by_type)
        return np.concatenate([by_type, np.full(rest, _N_BY_TYPE)])


def platform_table(examples: PlatformExamples) -> PlatformTable:
    """Features of all examples, and the baseline they are relative to.

    Columns: for every operator type its roofline time, its share of that time, its nodes, FLOPs, activation
    and weight bytes, its time were that shared out by channels, what a channel's share passes through, and
    its pixels; then totals; means over the nodes, weighted by roofline time, of what they are; what is told
    of the platform; and the phase. Sizes are ln(1 + x).
    """
    parts = [
        _block(examples, np.arange(block.start, block.stop)) for block in blocks(len(examples), _AT_ONCE)
    ]
    return PlatformTable(
        np.concatenate([table for table, _ in parts]), np.concatenate([base for _, base in parts])
    )


def _block(examples: PlatformExamples, chosen: IntArray) -> tuple[FloatArray, FloatArray]:
    pairs = examples.pairs(chosen)
    computing, moving = examples.ln_times(pairs, chosen)
    count = pairs.count.astype(np.float64)
    node_ms = np.exp(np.maximum(computing, moving))
    ms = node_ms * count
    n = len(chosen)
    total = np.bincount(pairs.example, weights=ms, minlength=n) + examples.extra_ms(chosen)
    by_type = _by_type(examples, chosen, pairs, node_ms, total)
    weight = ms / total[pairs.example]
    work = examples.work

    def mean(values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(pairs.example, weights=weight * values, minlength=n), dtype=np.float64)

    described = work.described[pairs.kind]
    moved = work.ln_moved[examples.rates.compiled[examples.platform[chosen]][pairs.example], pairs.kind]
    means = [mean(column) for column in (*described.T, *moved.T, np.log(node_ms + 1e-9))]
    sums = [
        np.bincount(pairs.example, weights=np.exp(part) * count, minlength=n) for part in (computing, moving)
    ]
    totals = [
        np.log(total),
        *(np.log(part + 1e-9) for part in sums),
        *(np.log1p(values[chosen]) for values in examples.totals.values()),
        np.log1p(np.bincount(pairs.example, minlength=n)),
    ]
    told = examples.rates.told[examples.platform[chosen]]
    rows = np.column_stack([by_type, *totals, *means, told, examples.in_training[chosen]])
    return rows, np.log(total)


def _by_type(
    examples: PlatformExamples, chosen: IntArray, pairs: Pairs, node_ms: FloatArray, total: FloatArray
) -> FloatArray:
    """[B, 9 x types] sums of each example over the nodes of each operator type."""
    n, width = len(chosen), len(OPERATOR_TYPES)
    work = examples.work
    cells = pairs.example * width + work.codes[pairs.kind, 0]
    compiled = examples.rates.compiled[examples.platform[chosen]][pairs.example]
    moved = np.expm1(work.ln_moved[compiled, pairs.kind])
    backward = pairs.backward == 1
    activations = np.where(backward, np.exp(work.ln_bytes[2, pairs.kind]), moved[:, 0] + moved[:, 2])

    def sums(values: FloatArray) -> FloatArray:
        found = np.bincount(cells, weights=values * pairs.count, minlength=n * width)
        return np.asarray(found.reshape(n, width), dtype=np.float64)

    time = sums(node_ms)
    per_ms = np.divide(1.0, time, out=np.zeros_like(time), where=time > 0)
    return np.concatenate(
        [
            np.log1p(1e3 * time),
            time / total[:, None],
            np.log1p(sums((~backward).astype(np.float64))),
            np.log1p(sums(np.exp(work.ln_flops[pairs.backward, pairs.kind]))),
            np.log1p(sums(activations)),
            np.log1p(sums(np.where(backward, 0.0, moved[:, 1]))),
            np.log1p(1e3 * sums(node_ms * _CHANNELS / work.channels[pairs.kind])),
            np.log1p(sums(work.walked[pairs.kind])),
            sums(node_ms * np.log(work.pixels[pairs.kind])) * per_ms,
        ],
        axis=1,
    )
