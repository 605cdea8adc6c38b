"""Examples of any platform as one row of numbers each: what trees learn from."""

import numpy as np

from perfseer.data.ragged import blocks
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.predictors.platform_examples import Pairs, PlatformExamples
from perfseer.predictors.tabular import OPERATOR_TYPES

_AT_ONCE = 2048


def platform_table(examples: PlatformExamples) -> tuple[FloatArray, FloatArray]:
    """Features of all examples, and the baseline they are relative to.

    Columns: for every operator type its roofline time, its share of that time, its nodes, FLOPs, activation
    and weight bytes; then totals; means over the nodes, weighted by roofline time, of what they are; what is
    told of the platform; and the phase. Sizes are ln(1 + x).

    Returns:
        [N, C] finite, and [N] ln of the roofline time in ms.
    """
    parts = [
        _block(examples, np.arange(block.start, block.stop)) for block in blocks(len(examples), _AT_ONCE)
    ]
    return np.concatenate([table for table, _ in parts]), np.concatenate([base for _, base in parts])


def _block(examples: PlatformExamples, chosen: IntArray) -> tuple[FloatArray, FloatArray]:
    pairs = examples.pairs(chosen)
    computing, moving = examples.ln_times(pairs, chosen)
    count = pairs.count.astype(np.float64)
    node_ms = np.exp(np.maximum(computing, moving))
    ms = node_ms * count
    n = len(chosen)
    total = np.bincount(pairs.example, weights=ms, minlength=n) + examples.extra_ms(chosen)
    by_type = _by_type(examples, chosen, pairs, ms, total)
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
    examples: PlatformExamples, chosen: IntArray, pairs: Pairs, ms: FloatArray, total: FloatArray
) -> FloatArray:
    """[B, 6 x types] sums of each example over the nodes of each operator type."""
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

    time = np.bincount(cells, weights=ms, minlength=n * width).reshape(n, width)
    return np.concatenate(
        [
            np.log1p(1e3 * time),
            time / total[:, None],
            np.log1p(sums((~backward).astype(np.float64))),
            np.log1p(sums(np.exp(work.ln_flops[pairs.backward, pairs.kind]))),
            np.log1p(sums(activations)),
            np.log1p(sums(np.where(backward, 0.0, moved[:, 1]))),
        ],
        axis=1,
    )
