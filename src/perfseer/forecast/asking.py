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


def unlabelled(graph: PerfGraph, platforms: Sequence[Platform | None]) -> Dataset:
    """Rows to predict: one graph on n platforms.

    Args:
        graph: captured at the batch size asked about.
        platforms: None names no platform; then all are None.

    Returns:
        n rows in that order with the columns a predictor may read: identity, batch size, platform; every
        label is NaN.
    """
    n = len(platforms)
    columns: dict[str, Any] = {
        "configuration": [f"question-{number}" for number in range(n)],
        "graph": np.zeros(n, dtype=np.int64),
        "architecture": "question",
        "family": "",
        "batch_size": graph.batch_size,
        **dict.fromkeys(TARGET_NAMES, np.nan),
    }
    rows = [platform_row(platform) for platform in platforms if platform is not None]
    if rows:
        columns |= {name: [row[name] for row in rows] for name in rows[0]}
    return Dataset.from_rows(pd.DataFrame(columns, index=range(n)), PackedGraphs.pack([graph]))


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
