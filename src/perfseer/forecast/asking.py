"""The one place where questions become a `Dataset`: rows without labels, on the platforms asked about."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.packed import PackedGraphs
from perfseer.data.platforms import Platform
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.targets import TARGET_NAMES


def unlabelled(graphs: Sequence[PerfGraph], pairs: Sequence[tuple[int, Platform | None]]) -> Dataset:
    """Rows to predict.

    Args:
        graphs: G captured graphs.
        pairs: n times the number of a graph and the platform asked about; None names no platform.

    Returns:
        n rows in that order with the columns a predictor may read: identity, batch size, platform; every
        label is NaN.
    """
    names = [f"question-{number}" for number in range(len(pairs))]
    columns: dict[str, Any] = {
        "configuration": names,
        "graph": [graph for graph, _ in pairs],
        "architecture": [f"graph-{graph}" for graph, _ in pairs],
        "family": "",
        "batch_size": [graphs[graph].batch_size for graph, _ in pairs],
        **dict.fromkeys(TARGET_NAMES, np.nan),
    }
    if all(platform is not None for _, platform in pairs):
        rows = [platform_row(platform) for _, platform in pairs if platform is not None]
        columns |= {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}
    return Dataset.from_rows(pd.DataFrame(columns, index=range(len(pairs))), PackedGraphs.pack(graphs))


def platform_row(platform: Platform) -> dict[str, str]:
    """The columns of a measurement table that say what a row was measured on: `Platform.of_rows` reversed."""
    environment: dict[str, Any] = {"torch": platform.software.removeprefix("torch ").replace(" ", "+", 1)}
    if platform.units is not None:
        environment["threads" if platform.device_kind == "cpu" else "multiprocessors"] = platform.units
    return {
        "device": platform.device,
        "device_kind": platform.device_kind,
        "precision": platform.precision,
        "memory_format": platform.memory_format,
        "mode": platform.mode,
        "environment": json.dumps(environment, sort_keys=True),
    }
