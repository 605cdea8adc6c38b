"""Synthetic graphs with labels that follow a known law: chains with skips, times from a roofline, noise."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.normalisation import FeatureNormaliser, LabelNormaliser, Normaliser
from perfseer.data.packed import PackedGraphs
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.vocabulary import HYPERPARAMETERS, OPERATOR_INDEX
from perfseer.targets import TARGET_NAMES
from tests.helpers.synthetic import SETTINGS

LABELS = SETTINGS.labels
TYPES = [OPERATOR_INDEX[name] for name in ("conv", "relu", "batch_norm", "add", "linear")]


def lawful_graph(rng: np.random.Generator, batch_size: int) -> PerfGraph:
    """A chain of 6 to 24 nodes with a few skip edges; sizes grow with the batch."""
    n = int(rng.integers(6, 25))
    skips = [(i, i + 3) for i in range(n - 3) if rng.random() < 0.2]
    edges = np.array(sorted([(i, i + 1) for i in range(n - 1)] + skips)).T
    operators = rng.choice(TYPES, size=n)
    out = batch_size * rng.integers(1_000, 50_000, size=n)
    weights = np.where(operators == OPERATOR_INDEX["conv"], rng.integers(1_000, 100_000, size=n), 0)
    flops = np.where(weights > 0, batch_size * weights * rng.integers(10, 60, size=n), out // 4)
    shape = np.column_stack(
        [np.full(n, batch_size), rng.integers(8, 65, size=n), *[rng.integers(4, 33, size=n)] * 2]
    )
    hyper = np.zeros((n, len(HYPERPARAMETERS)), dtype=np.int64)
    hyper[:, 0] = np.where(weights > 0, 3, 0)
    inputs = np.concatenate([out[:1], out[:-1]])
    return PerfGraph(
        operators=operators.astype(np.int64),
        hyperparameters=hyper,
        output_shapes=shape.astype(np.int64),
        flops=flops.astype(np.int64),
        input_bytes=inputs,
        weight_bytes=weights.astype(np.int64),
        output_bytes=out,
        backward_flops=(2 * flops).astype(np.int64),
        backward_bytes=2 * (inputs + out + weights),
        edge_index=edges.astype(np.int64),
        edge_bytes=out[edges[0]],
        edge_shapes=shape[edges[0]].astype(np.int64),
        batch_size=batch_size,
        n_parameters=int(weights.sum() // 4),
        parameter_bytes=int(weights.sum()),
        buffer_bytes=0,
        peak_infer_bytes=int(weights.sum() + 2 * out.max()),
        peak_train_bytes=int(3 * weights.sum() + out.sum()),
        has_backward=True,
        train_only_bytes=int(weights.sum()),
    )


def chain(
    flops: npt.ArrayLike,
    moved: npt.ArrayLike,
    *,
    parameters: int = 0,
    train_only: int = 0,
    peak: tuple[int, int] = (2**20, 4 * 2**20),
) -> PerfGraph:
    """A chain of nodes with the given FLOPs and bytes; the backward pass asks for twice as much."""
    flops, moved = np.array(flops, dtype=np.int64), np.array(moved, dtype=np.int64)
    n, zero = len(flops), np.zeros(len(flops), dtype=np.int64)
    return PerfGraph(
        operators=zero.copy(),
        hyperparameters=np.zeros((n, len(HYPERPARAMETERS)), dtype=np.int64),
        output_shapes=np.ones((n, 4), dtype=np.int64),
        flops=flops,
        input_bytes=moved,
        weight_bytes=zero,
        output_bytes=zero,
        backward_flops=2 * flops,
        backward_bytes=2 * moved,
        edge_index=np.array([range(n - 1), range(1, n)], dtype=np.int64),
        edge_bytes=zero[1:],
        edge_shapes=np.ones((n - 1, 4), dtype=np.int64),
        batch_size=1,
        n_parameters=parameters,
        parameter_bytes=4 * parameters,
        buffer_bytes=0,
        peak_infer_bytes=peak[0],
        peak_train_bytes=peak[1],
        has_backward=True,
        train_only_bytes=train_only,
    )


def make_labels(graph: PerfGraph, rng: np.random.Generator) -> list[float]:
    """The six labels: a roofline of 50 GFLOP/s, 10 GB/s and 2 µs a node, and 2 % noise."""
    moved = graph.bytes
    infer = (np.maximum(graph.flops / 5e10, moved / 1e10) + 2e-6).sum()
    back = np.maximum(graph.backward_flops / 5e10, graph.backward_bytes / 1e10).sum()
    train = infer + back
    noise = np.exp(0.02 * rng.standard_normal(4))
    util = 100 * graph.total_flops / 5e10 / infer
    return [
        1e3 * train * noise[0],
        (5 + graph.peak_train_bytes / 2**20) * noise[1],
        min(99.0, 40 + 0.5 * util),
        1e3 * infer * noise[2],
        (5 + 1.2 * graph.peak_infer_bytes / 2**20) * noise[3],
        min(99.0, 30 + 0.6 * util),
    ]


def make_dataset(n: int, seed: int) -> Dataset:
    """``n`` rows, each with a graph of its own."""
    rng = np.random.default_rng(seed)
    graphs = [lawful_graph(rng, int(2 ** rng.integers(0, 6))) for _ in range(n)]
    return dataset_of(graphs, [make_labels(graph, rng) for graph in graphs])


def dataset_of(graphs: Sequence[PerfGraph], labels: npt.ArrayLike | None = None) -> Dataset:
    """Rows of the given graphs and labels; without labels, such that grow with the row number."""
    n = len(graphs)
    growing = np.repeat(10.0 + 80.0 * np.arange(n)[:, None] / n, len(TARGET_NAMES), axis=1)
    rows = pd.DataFrame(growing if labels is None else labels, columns=list(TARGET_NAMES))
    rows["graph"] = np.arange(n)
    rows["architecture"] = [f"net-{number}" for number in range(n)]
    platform = {"device": "Synthetic", "device_kind": "cpu", "precision": "fp32", "memory_format": "nchw"}
    rows = rows.assign(**platform, mode="eager", environment='{"torch": "2.13.0"}')
    return Dataset.from_rows(rows, PackedGraphs.pack(graphs))


def make_normaliser(train: Dataset) -> Normaliser:
    """Fitted on ``train`` only."""
    features = FeatureNormaliser.fit(train.features, train.graph_rows)
    return Normaliser(LabelNormaliser.fit(train.labels, LABELS), features)
