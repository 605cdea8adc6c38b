"""A dataset's kernels and their features (nn-Meter, MobiSys'21; METHODS 2.1 and 2.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.features import EDGE_COLUMNS, GLOBAL_COLUMNS, NODE_COLUMNS, GraphFeatures
from perfseer.data.ragged import segment_ids
from perfseer.graphs.kernels import CONVOLUTIONS, COSTS, FusionRules, Nodes, kernels_of
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.graphs.vocabulary import HYPERPARAMETERS
from perfseer.targets import Phase

# The published features of each type (METHODS 2.1), by name; batch, height and width
# apart, groups, bytes and the roofline time are METHODS 2.3's.
_CONVOLUTION = ("channels_in", "channels_out", "kernel", "stride", "flops", "parameters")
_POOLING = ("channels_in", "channels_out", "kernel", "stride")
_PUBLISHED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(CONVOLUTIONS, _CONVOLUTION),
    "linear": ("channels_in", "channels_out", "flops", "parameters"),
    **dict.fromkeys(("max_pool", "avg_pool", "global_avg_pool"), _POOLING),
    "concat": ("inputs", "c1", "c2", "c3", "c4"),
    "add": ("channels_in",),
    "optimiser": ("inputs", "parameters"),
}
_OTHERS = ("channels_in",)
_ADDED = ("batch", "height", "width", "groups", "itemsize", "bytes", "roofline_ms")
# nn-Meter's units, so that its features read as published.
_FLOPS_UNIT, _PARAMETERS_UNIT = 2e6, 1e6
_NODE_COSTS = ("input_bytes", "output_bytes", *(name for name in COSTS if name != "bytes"))
_NODE_INTEGERS = {*HYPERPARAMETERS, *_NODE_COSTS, *(f"output_{axis}" for axis in "nchw")}
# Of the best kernels: single ones are outliers.
_PEAK_QUANTILE = 0.98


def forest_of(name: str) -> str:
    """Name of the forest that predicts kernels called ``name``: whatever starts with a convolution shares it.

    >>> forest_of("conv+batch_norm+relu"), forest_of("batch_norm+relu")
    ('conv', 'batch_norm+relu')
    """
    first = name.partition("+")[0]
    return first if first in CONVOLUTIONS else name


def feature_names(forest: str) -> tuple[str, ...]:
    """Features of the forest called ``forest``."""
    return (*_PUBLISHED.get(forest.partition("+")[0], _OTHERS), *_ADDED)


@dataclass(frozen=True)
class Peaks:
    """What the device does at best, from the measured kernels.

    Attributes:
        flops_per_s: compute rate.
        bytes_per_s: memory rate.
    """

    flops_per_s: float
    bytes_per_s: float

    @classmethod
    def of(cls, kernels: pd.DataFrame, time_ms: FloatArray, phase: Phase) -> "Peaks":
        """High quantiles of the rates of measured kernels; at least 1, where nothing counts FLOPs."""
        flops, moved = work_of(kernels, phase)
        rates = [1e3 * np.quantile(done / time_ms, _PEAK_QUANTILE) for done in (flops, moved)]
        return cls(*(max(float(rate), 1.0) for rate in rates))


def work_of(kernels: pd.DataFrame, phase: Phase) -> tuple[FloatArray, FloatArray]:
    """[K] FLOPs and [K] bytes of kernels in one phase."""
    flops, moved = kernels["flops"], kernels["bytes"]
    if phase == "train":
        flops, moved = flops + kernels["backward_flops"], moved + kernels["backward_bytes"]
    return flops.to_numpy(dtype=np.float64), moved.to_numpy(dtype=np.float64)


def kernel_features(kernels: pd.DataFrame, forest: str, phase: Phase, peaks: Peaks) -> FloatArray:
    """[K, F] features of kernels of one forest.

    Args:
        kernels: columns `graphs.kernels.CONFIGURATION` and `COSTS`.
        forest: decides which features there are.
        phase: FLOPs and bytes are those of its passes.
        peaks: for the roofline time.
    """
    flops, moved = work_of(kernels, phase)
    derived: Mapping[str, FloatArray] = {
        "flops": flops / _FLOPS_UNIT,
        "bytes": moved,
        "parameters": (kernels["weight_bytes"] / kernels["itemsize"]).to_numpy() / _PARAMETERS_UNIT,
        "roofline_ms": 1e3 * np.maximum(flops / peaks.flops_per_s, moved / peaks.bytes_per_s),
    }
    columns = [derived[name] if name in derived else kernels[name] for name in feature_names(forest)]
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])


@dataclass(frozen=True, eq=False)
class DatasetKernels:
    """The kernels of the graphs that n rows use, equal ones once.

    Attributes:
        distinct: one row per distinct kernel, as `graphs.kernels.kernels_of` without ``graph``.
        members: [K] which of them each kernel of each graph is.
        graphs: [K] which graph it belongs to, counted from 0 through those used.
        rows: [n] which of those graphs each row has.
    """

    distinct: pd.DataFrame
    members: IntArray
    graphs: IntArray
    rows: IntArray

    @classmethod
    def of(cls, dataset: Dataset, rules: FusionRules) -> "DatasetKernels":
        """Split the graphs of all rows into kernels; a graph that several rows share is split once."""
        return cls.of_features(*dataset.distinct_graphs(), rules)

    @classmethod
    def of_features(cls, features: GraphFeatures, rows: IntArray, rules: FusionRules) -> "DatasetKernels":
        """Split graphs into kernels; ``rows`` [n] count the graphs of raw ``features``."""
        table = kernels_of(nodes_of(features), rules)
        kinds = table.drop(columns="graph")
        codes = kinds.assign(name=kinds["name"].cat.codes)
        # A 64-bit digest of each row: sorting whole rows would take longer than everything else.
        keys = pd.util.hash_pandas_object(codes, index=False).to_numpy()
        _, examples, members = np.unique(keys, return_index=True, return_inverse=True)
        distinct = kinds.iloc[examples].reset_index(drop=True)
        return cls(distinct, members, table["graph"].to_numpy(), rows)

    @property
    def counts(self) -> FloatArray:
        """[D] how often each distinct kernel occurs in the graphs of all rows."""
        rows_of_graph = np.bincount(self.rows)
        counted = np.bincount(self.members, weights=rows_of_graph[self.graphs], minlength=len(self.distinct))
        return np.asarray(counted, dtype=np.float64)

    def totals(self, values: FloatArray) -> FloatArray:
        """[n] sums over each row's kernels of what the distinct kernels have ([D])."""
        count = int(self.rows.max()) + 1
        per_graph = np.bincount(self.graphs, weights=values[self.members], minlength=count)
        return np.asarray(per_graph[self.rows], dtype=np.float64)


def fit_launch_ms(counts: FloatArray, sums_ms: FloatArray, measured_ms: FloatArray) -> float:
    """The least time per kernel for which max(counts x it, sums) is nearest to what was measured.

    Args:
        counts: [n] kernels of each row.
        sums_ms: [n] predicted by the sum over kernels.
        measured_ms: [n] of the whole network.

    Returns:
        Milliseconds, 0 or one that explains some row exactly; least mean relative error.
    """
    candidates = np.unique(np.append(0.0, measured_ms / np.maximum(counts, 1)))
    # Hundreds of candidates tell the constant closely enough; thousands would only take longer.
    candidates = candidates[np.unique(np.linspace(0, len(candidates) - 1, 512).astype(int))]
    predicted = np.maximum(counts * candidates[:, None], sums_ms)
    errors = np.abs(predicted / measured_ms - 1).mean(axis=1)
    return float(candidates[np.argmin(errors)])


def nodes_of(features: GraphFeatures) -> Nodes:
    """Nodes of raw graph features."""
    nodes: dict[str, Any] = {
        name: np.asarray(features.nodes[:, column], dtype=np.int64)
        for column, name in enumerate(NODE_COLUMNS)
        if name in _NODE_INTEGERS
    }
    edges = [EDGE_COLUMNS.index(f"edge_{axis}") for axis in "nchw"]
    parameters = features.globals_[:, GLOBAL_COLUMNS.index("n_parameters")]
    first = features.node_ptr[segment_ids(features.edge_ptr)]
    return Nodes(
        operators=features.operators,
        hyperparameters=np.column_stack([nodes[name] for name in HYPERPARAMETERS]),
        output_shapes=np.column_stack([nodes[f"output_{axis}"] for axis in "nchw"]),
        costs={name: nodes[name] for name in _NODE_COSTS},
        graphs=segment_ids(features.node_ptr),
        edge_index=features.edge_index + first,
        edge_shapes=np.asarray(features.edges[:, edges], dtype=np.int64),
        n_parameters=np.asarray(parameters, dtype=np.int64),
    )
