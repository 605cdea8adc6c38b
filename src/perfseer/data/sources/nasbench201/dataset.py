"""Latencies as a measurement table and as a dataset of connected cells, with the published split."""

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.folds import Fold, fit_normaliser
from perfseer.data.published import published_table
from perfseer.data.settings import LabelSettings
from perfseer.data.sources.nasbench201.cells import (
    LABEL,
    N_CELLS,
    SOURCE,
    Cells,
    Device,
    Reading,
    View,
    cells,
    latencies_ms,
)
from perfseer.data.sources.nasbench201.graphs import cell_graphs, network_graphs
from perfseer.errors import require
from perfseer.graphs.perfgraph import IntArray
from perfseer.targets import TARGET_NAMES

SPLIT = "cells"
# Of tables measured here it is a small number, of timm's another: no two pass for each other.
PROTOCOL_VERSION = 1002


def connected_cells() -> tuple[IntArray, Cells]:
    """[15,284] indices of the cells whose output is reachable from the input, and those cells."""
    whole = cells()
    kept = np.flatnonzero(whole.connected)
    return kept, Cells(whole.operations[kept])


def device_table(device: Device) -> pd.DataFrame:
    """All cells' latencies on one device as a measurement table, in the order of their indices.

    Precision, layout and framework are not stated: a framework's defaults are assumed. The phone's converted
    networks are others than those of the same cells elsewhere, and so are their references.

    Raises:
        PerfseerError: the file cannot be had.
    """
    cell = pd.Series(np.arange(N_CELLS)).map("{:05d}".format)
    rows = {
        "model_ref": f"{SOURCE}:" + cell + ("@leading" if device.runs == "leading" else ""),
        "architecture": f"{SOURCE}-" + cell,
        "family": SOURCE,
        "input_shape": "3x32x32",
        "batch_size": device.batch_size,
        LABEL: latencies_ms(device),
    }
    return published_table(
        pd.DataFrame(rows),
        device=device.title,
        device_kind=device.kind,
        protocol={"benchmark": "HELP (Lee et al., 2021)", "statistic": "not stated"},
        protocol_version=PROTOCOL_VERSION,
        environment={"source": device.name},
    )


def dataset(device: Device, reading: Reading, view: View) -> Dataset:
    """Connected cells with their latency on one device; all other labels are absent (NaN).

    Args:
        device: one of `DEVICES`.
        reading: which operations a graph shows, see the module.
        view: the cell alone (a cell of nothing but skips has no nodes), or the whole network.

    Returns:
        15,284 rows in the order of the cells' indices.

    Raises:
        PerfseerError: a file cannot be had.
    """
    kept, chosen = connected_cells()
    build = {"cell": cell_graphs, "network": network_graphs}[view]
    graphs = build(chosen.operations, chosen.ran(reading, device), device.batch_size)
    rows = device_table(device).loc[kept, ["architecture", "family", "batch_size", *TARGET_NAMES]]
    return Dataset.from_rows(
        rows.assign(configuration=rows["architecture"], graph=np.arange(len(kept))), graphs
    )


def draw(n: int, seed: int, n_train: int, n_valid: int) -> tuple[IntArray, IntArray, IntArray]:
    """Rows to train on, to validate on and to test on: equal for every device, reading and view.

    Raises:
        PerfseerError: no rows are left to test on.
    """
    require(
        n_train + n_valid < n,
        f"{n_train} training and {n_valid} validation cells leave none of {n} to test on",
    )
    order = np.random.default_rng([201, seed]).permutation(n)
    train, valid, test = np.split(order, [n_train, n_train + n_valid])
    return train, valid, test


def fold(data: Dataset, seed: int, n_train: int, n_valid: int, labels: LabelSettings) -> Fold:
    """The published split, drawn anew for each seed: a few cells to train and validate, all others to test.

    Args:
        data: of `dataset`.
        seed: which draw.
        n_train: training cells; BRP-NAS: 900.
        n_valid: validation cells; BRP-NAS: 100.
        labels: section ``labels`` of params.yaml.

    Raises:
        PerfseerError: no cells are left to test on.
    """
    train, valid, test = (data.subset(part) for part in draw(len(data), seed, n_train, n_valid))
    return Fold(SPLIT, seed, train, valid, test, fit_normaliser(train, labels))
