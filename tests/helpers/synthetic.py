"""Small made-up graphs and measurement tables, the same every time for the same arguments."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from perfseer.data.packed import PackedGraphs
from perfseer.data.settings import DatasetSettings
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.targets import TARGETS

STYLES = ("densenet", "googlenet", "mobilenet", "resnet", "vgg")
SETTINGS = DatasetSettings.from_mapping(
    {
        "seeds": [0, 1],
        "labels": {
            "time": {"transform": "log", "standardise": True, "margin": 2.3},
            "mem": {"transform": "log", "standardise": True, "margin": 2.3},
            "util": {"transform": "logit", "standardise": True, "margin": 2.3, "ceiling": 101},
        },
        "splits": {
            "names": ["architecture", "random", "family"],
            "headline": "architecture",
            "fractions": {"train": 0.5, "valid": 0.25, "test": 0.25},
        },
    }
)


def make_graph(n_nodes: int, n_edges: int, seed: int = 0, batch_size: int = 8) -> PerfGraph:
    """A random graph; with one node it has no edges whatever is asked."""
    rng = np.random.default_rng([n_nodes, n_edges, seed])
    n_edges = n_edges if n_nodes > 1 else 0
    senders = np.sort(rng.integers(0, max(n_nodes - 1, 1), n_edges))
    receivers = senders + 1 + rng.integers(0, n_nodes, n_edges) % np.maximum(n_nodes - 1 - senders, 1)

    def sizes(*shape: int, low: int = 0) -> np.ndarray:
        return np.exp(rng.uniform(0, 18, shape)).astype(np.int64) + low

    return PerfGraph(
        operators=rng.integers(0, len(OPERATORS), n_nodes),
        hyperparameters=rng.integers(0, 64, (n_nodes, 13)),
        output_shapes=rng.integers(1, 512, (n_nodes, 4)),
        flops=sizes(n_nodes),
        input_bytes=sizes(n_nodes, low=1),
        weight_bytes=sizes(n_nodes),
        output_bytes=sizes(n_nodes, low=1),
        backward_flops=sizes(n_nodes),
        backward_bytes=sizes(n_nodes),
        edge_index=np.stack([senders, receivers]).astype(np.int64),
        edge_bytes=sizes(n_edges, low=1),
        edge_shapes=rng.integers(1, 512, (n_edges, 4)),
        batch_size=batch_size,
        n_parameters=int(rng.integers(1, 10**6)),
        parameter_bytes=int(rng.integers(4, 10**7)),
        buffer_bytes=int(rng.integers(0, 10**5)),
        peak_infer_bytes=int(rng.integers(10**6, 10**9)),
        peak_train_bytes=int(rng.integers(10**7, 10**10)),
        has_backward=True,
        train_only_bytes=int(rng.integers(0, 10**6)),
        unknown={"aten.frobnicate": 2} if seed % 3 == 0 else {},
    )


def make_table(n_architectures: int, batch_sizes: Sequence[int] = (1, 4), seed: int = 0) -> pd.DataFrame:
    """A measurement table of networks of four random styles each; every row is usable."""
    rng = np.random.default_rng([n_architectures, len(batch_sizes), seed])
    rows = []
    for number in range(n_architectures):
        family = "+".join(rng.choice(STYLES, 4))
        for batch_size in batch_sizes:
            scale = batch_size * np.exp(rng.normal())
            labels = {"time": scale, "mem": 50 + 10 * scale, "util": 100 * scale / (scale + 1)}
            rows.append(
                {
                    "model_ref": f"zoo:{number:012x}",
                    "model_spec": "{}",
                    "architecture": f"{number:012x}",
                    "family": family,
                    "input_shape": "3x64x64",
                    "batch_size": batch_size,
                    "precision": "fp32",
                    "memory_format": "nchw",
                    "mode": "eager",
                    "status": "ok",
                    "reason": None,
                    **{target.name: float(labels[target.quantity]) for target in TARGETS},
                }
            )
    return pd.DataFrame(rows)


def spoil(table: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    """The table with one cell replaced, whatever the value is."""
    values = table[column].astype(object).tolist()
    values[row] = value
    return table.assign(**{column: pd.Series(values, dtype=object, index=table.index)})


def make_store(table: pd.DataFrame) -> tuple[PackedGraphs, pd.DataFrame]:
    """Graphs for every model, input and batch size that ``table`` names, and their index."""
    key = ["model_ref", "input_shape", "batch_size"]
    index = table[key].drop_duplicates().reset_index(drop=True)
    graphs = [make_graph(3 + i % 5, 2 + i % 7, i, int(size)) for i, size in enumerate(index["batch_size"])]
    index["graph"] = np.arange(len(index))
    index["reason"] = pd.Series([None] * len(index), dtype=object)
    return PackedGraphs.pack(graphs), index
