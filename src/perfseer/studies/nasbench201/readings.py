"""Which operations of a cell a device ran, from its latencies alone.

No publisher says whether operations without effect were executed. Under a right reading, latency is close to
a constant and a cost for each operation that ran; under a wrong one it is not. So a sum over counts of
operations is fitted to training cells under each reading and held against validation cells.

Cells whose graphs are equal bound what any predictor of such graphs can reach: the ceiling predicts each cell
by the median latency of all cells with its graph, test cells included.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import RootModel

from perfseer.data.files import write_json
from perfseer.data.settings import DatasetSettings
from perfseer.data.sources.nasbench201.cells import (
    DEVICES,
    Cells,
    Device,
    Reading,
    cells,
    data_digest,
    latencies_ms,
)
from perfseer.data.sources.nasbench201.dataset import draw
from perfseer.data.sources.nasbench201.graphs import OPERATIONS, cell_flows
from perfseer.evaluation.metrics import mape_pct, within_name, within_pct
from perfseer.evaluation.records import NonNegative, read_as
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.studies.nasbench201.settings import NasBench201Settings
from perfseer.validation import Strict, section

BoolArray = npt.NDArray[np.bool_]
# Rounds of `graph_classes`: no path through a cell is longer.
_ROUNDS = 3


class DeviceReadings(Strict):
    """What one device's latencies say.

    Attributes:
        data: digest of the published files.
        counts_mape_pct: what ran → error of a sum over its counts on validation cells, one per seed [%].
        ceilings: reading → metric → what predicting each cell by the median of its graph gives.
    """

    data: str
    counts_mape_pct: dict[str, tuple[NonNegative, ...]]
    ceilings: dict[Reading, dict[str, NonNegative]]


class _Devices(RootModel[dict[str, DeviceReadings]]):
    """Readings by device, as the file holds them."""


def describe_all(parameters: Mapping[str, Any]) -> dict[str, DeviceReadings]:
    """`describe` every device of the study.

    Args:
        parameters: raw mapping of params.yaml; sections ``nasbench201``, ``seeds``, ``labels`` and
            ``splits``.

    Raises:
        PerfseerError: a section is at fault, or the published files cannot be had.
    """
    settings = section(NasBench201Settings, parameters, "nasbench201")
    seeds = DatasetSettings.from_mapping(parameters).seeds
    return {name: describe(settings, seeds, DEVICES[name]) for name in settings.devices}


def describe(settings: NasBench201Settings, seeds: Iterable[int], device: Device) -> DeviceReadings:
    """Hold every reading against one device's latencies.

    Raises:
        PerfseerError: the published files cannot be had.
    """
    whole = cells()
    kept = np.flatnonzero(whole.connected)
    chosen, latency_ms = Cells(whole.operations[kept]), latencies_ms(device)[kept]
    ran = {
        "all": np.ones(chosen.operations.shape, dtype=bool),
        "leading": chosen.leading,
        "pruned": chosen.pruned,
    }
    parts = [draw(len(kept), seed, settings.train_cells, settings.valid_cells) for seed in seeds]
    return DeviceReadings(
        data=data_digest(device),
        counts_mape_pct={
            name: tuple(_counts_error(chosen, mask, latency_ms, part) for part in parts)
            for name, mask in ran.items()
        },
        ceilings={
            reading: _ceiling(chosen, chosen.ran(reading, device), latency_ms, settings.within_pct)
            for reading in settings.readings
        },
    )


def operation_counts(chosen: Cells, ran: BoolArray) -> FloatArray:
    """[n, 4] how often each of `OPERATIONS` counts in each cell; skips cost nothing and are left out."""
    costly = [name != "skip_connect" for name in OPERATIONS]
    kinds = np.eye(len(OPERATIONS))[chosen.operations][:, :, costly]
    return np.asarray((kinds * ran[:, :, np.newaxis]).sum(axis=1))


def graph_classes(operations: IntArray, ran: BoolArray) -> IntArray:
    """[n] a number for each cell, equal for cells whose graphs are equal up to the order of their nodes.

    Colour refinement (Weisfeiler and Leman) over all cells at once, on 64-bit hashes.

    Args:
        operations: [n, 6] index into `OPERATIONS`.
        ran: [n, 6] whether the edge's operation counts.
    """
    nodes, flows = cell_flows(operations, ran)
    colours = np.where(nodes, _mix(operations.astype(np.uint64), 1), 0)
    for _ in range(_ROUNDS):
        sent = (_mix(colours, 2)[:, :, np.newaxis] * flows).sum(axis=1, dtype=np.uint64)
        returned = (_mix(colours, 3)[:, np.newaxis, :] * flows).sum(axis=2, dtype=np.uint64)
        colours = np.where(nodes, _mix(colours + _mix(sent, 4) + _mix(returned, 5), 6), 0)
    classes = np.unique(_mix(colours, 7).sum(axis=1, dtype=np.uint64), return_inverse=True)[1]
    return np.asarray(classes, dtype=np.int64)


def write_readings(path: Path, devices: dict[str, DeviceReadings]) -> None:
    """Write what `describe` found, by device."""
    write_json(path, _Devices(devices).model_dump(mode="json"))


def read_readings(path: Path) -> dict[str, DeviceReadings]:
    """Read what `write_readings` wrote, without devices whose published files have changed since.

    Raises:
        PerfseerError: the file is missing or damaged.
    """
    devices = read_as(path, _Devices, "perfseer nasbench201 readings").root
    return {
        name: readings
        for name, readings in devices.items()
        if name in DEVICES and readings.data == data_digest(DEVICES[name])
    }


def _counts_error(
    chosen: Cells, ran: BoolArray, latency_ms: FloatArray, parts: tuple[IntArray, IntArray, IntArray]
) -> float:
    """Validation MAPE of a constant and a cost per operation, fitted on relative errors [%]."""
    train, valid, _ = parts
    inputs = np.column_stack([np.ones(len(chosen)), operation_counts(chosen, ran)])
    costs = np.linalg.lstsq(inputs[train] / latency_ms[train, np.newaxis], np.ones(len(train)), rcond=None)[0]
    # A wrong reading may give a sum below 0, which has no relative error.
    least = latency_ms[train].min() / 10
    return mape_pct(latency_ms[valid], np.maximum(inputs[valid] @ costs, least))


def _ceiling(
    chosen: Cells, ran: BoolArray, latency_ms: FloatArray, tolerances_pct: Iterable[float]
) -> dict[str, float]:
    groups = pd.Series(latency_ms).groupby(graph_classes(chosen.operations, ran))
    medians = groups.transform("median").to_numpy()
    shares = {within_name(x): within_pct(latency_ms, medians, x) for x in tolerances_pct}
    return {"graphs": float(groups.ngroups), "mape_pct": mape_pct(latency_ms, medians), **shares}


def _mix(values: npt.NDArray[np.uint64], salt: int) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each value (the finaliser of SplitMix64)."""
    mixed = values + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
