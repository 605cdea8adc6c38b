"""Measured kernels that follow the law of `synthetic_graphs`, as `perfseer kernels` would write them."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from perfseer.data.files import write_json, write_parquet
from perfseer.graphs.kernels import OPTIMISER, FusionRules, Nodes, kernels_of
from perfseer.measure.kernels.table import kernel_table
from tests.helpers.synthetic_graphs import lawful_graph

_FOLDER = tempfile.TemporaryDirectory(prefix="perfseer-kernels-")


def make_kernels(n_graphs: int, seed: int, device_kind: str = "cpu") -> pd.DataFrame:
    """Kernels of random graphs: a roofline of 50 GFLOP/s, 10 GB/s and 2 µs each; the optimiser is free."""
    rng = np.random.default_rng(seed)
    graphs = [lawful_graph(rng, int(2 ** rng.integers(0, 6))) for _ in range(n_graphs)]
    table = kernels_of(Nodes.of(graphs), FusionRules()).drop(columns="graph")
    free = table["name"] == OPTIMISER
    infer = 1e3 * (np.maximum(table["flops"] / 5e10, table["bytes"] / 1e10) + 2e-6)
    back = 1e3 * np.maximum(table["backward_flops"] / 5e10, table["backward_bytes"] / 1e10)
    results = {"infer_time_ms": infer.where(~free), "train_time_ms": (infer + back).where(~free, 1e-6)}
    table = table.assign(name=table["name"].astype(str), round=0, status="ok", reason="", measured_s=0.01)
    rows = table.assign(**results).to_dict("records")
    constant = {"device": "law", "device_kind": device_kind, "environment": "{}", "protocol": "{}"}
    return kernel_table(rows, constant)


@cache
def kernels_file() -> Path:
    """Such a table on disk, rules without any fusion beside it."""
    path = Path(_FOLDER.name) / "kernels.parquet"
    write_parquet(path, make_kernels(80, seed=11))
    write_json(path.with_name("fusion.json"), {"rules": FusionRules().to_json()})
    return path
