"""The memory arithmetic of many configurations as a table, for what learns from it."""

from dataclasses import dataclass

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.data.platforms import ROW_COLUMNS, Platform
from perfseer.graphs.perfgraph import FloatArray, PerfGraph
from perfseer.predictors.memory.setup import MemorySetup
from perfseer.predictors.memory.terms import memory_terms
from perfseer.predictors.memory.workspace import convolution_columns
from perfseer.targets import Phase

MIB = 2**20
# Measured memory is learned as a sum of these with coefficients of at least 0; see `row_terms`.
COLUMNS: tuple[str, ...] = (
    *("tensors", "workspace", "process", "convolutions", "buffered"),
    *("largest_input", "largest_weight", "largest_output"),
)


@dataclass(frozen=True, eq=False)
class TermTable:
    """The arithmetic of n configurations.

    Attributes:
        computed_mib: [n] peak memory by arithmetic alone, MiB.
        terms: [n, C] columns `COLUMNS`.
    """

    computed_mib: FloatArray
    terms: FloatArray


def term_table(dataset: Dataset, phase: Phase) -> TermTable:
    """The arithmetic of every row; rows that share a graph and a setup are computed once.

    Args:
        dataset: n rows; those without the columns of a platform are taken as eager fp32 on a cpu.
        phase: ``train`` or ``infer``.

    Raises:
        PerfseerError: training is asked of a graph whose backward pass was not traced.
    """
    keys = list(zip(dataset.graph_rows.tolist(), row_setups(dataset), strict=True))
    distinct = dict.fromkeys(keys)
    rows = {
        (number, setup): row_terms(dataset.graphs.graph(number), phase, setup) for number, setup in distinct
    }
    values = np.array([rows[key] for key in keys], dtype=np.float64).reshape(len(keys), 1 + len(COLUMNS))
    return TermTable(values[:, 0], values[:, 1:])


def row_setups(dataset: Dataset) -> list[MemorySetup]:
    """How each row was run."""
    if not set(ROW_COLUMNS) <= set(dataset.rows.columns):
        return [MemorySetup("cpu")] * len(dataset)
    platforms = Platform.of_rows(dataset.rows)
    setups = {platform: MemorySetup.of(platform) for platform in set(platforms)}
    return [setups[platform] for platform in platforms]


def row_terms(graph: PerfGraph, phase: Phase, setup: MemorySetup) -> list[float]:
    """Computed memory, then `COLUMNS` of one configuration.

    In MiB: tensors alive at the peak, library workspaces, and 1 for what every process takes; then
    `convolution_columns`.
    """
    terms = memory_terms(graph, phase, setup)
    tensors = (terms.allocated_bytes - terms.workspace) / MIB
    workspace = terms.workspace / MIB
    return [tensors + workspace, tensors, workspace, 1.0, *convolution_columns(graph)]
