"""Cells of NAS-Bench-201 for tests, which have no published file."""

from itertools import product

import numpy as np

from perfseer.data.sources.nasbench201.cells import DEVICES, Cells
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.vocabulary import OPERATORS

NONE, SKIP, CONV_1, CONV_3, POOL = range(5)
GPU, PHONE = DEVICES["1080ti_256"], DEVICES["pixel3"]
# One edge after another: 0→1, 0→2, 1→2, 0→3, 1→3, 2→3.
CHAIN = [CONV_1, NONE, CONV_3, NONE, NONE, POOL]
DEAD_ENDS = [NONE, CONV_3, POOL, CONV_1, POOL, NONE]  # 0→2 leads nowhere; 1→3 is fed by zeros


def cells_of(*operations: list[int]) -> Cells:
    """These cells."""
    return Cells(np.array(operations))


def every_cell() -> Cells:
    """All cells, in an order of their own."""
    return Cells(np.array(list(product(range(5), repeat=6))))


def names(graph: PerfGraph) -> list[str]:
    """Operators of a graph's nodes."""
    return [OPERATORS[index] for index in graph.operators]
