"""Everything the study is about as one table over one store of graphs: gathered once, read by every fit."""

from pathlib import Path

import numpy as np
import pandas as pd

from perfseer.data.building import Progress
from perfseer.data.dataset import ROW_COLUMNS, Dataset
from perfseer.data.devices import DeviceSpec
from perfseer.data.files import read_parquet, write_parquet
from perfseer.data.packed import PackedGraphs
from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError
from perfseer.evaluation.trials import Log
from perfseer.studies.devices.settings import DevicesSettings
from perfseer.studies.published_times import published_rows

ROWS_FILE, GRAPHS_FILE = "rows.parquet", "graphs.safetensors"
WRITTEN_BY = "perfseer devices gather"
# Besides those of a dataset: who published a row, and whether it is a single operator.
OWN_COLUMNS: tuple[str, ...] = ("published_by", "is_operator")


def gather(settings: DevicesSettings, workers: int, progress: Progress | None, log: Log) -> Dataset:
    """Read every source of the section and capture its models.

    Args:
        settings: section ``devices``.
        workers: processes that capture.
        progress: called with graphs done and graphs there are.
        log: receives a line for each source.

    Raises:
        PerfseerError: a file cannot be had or read, or no model of a source could be captured.
    """
    parts: list[Dataset] = []
    for name, wanted in {**settings.sources, **settings.operators}.items():
        data = published_rows(name, wanted, settings.seeds[0], workers, progress)
        parts.append(_told_apart(data, is_operator=name in settings.operators))
        log(f"{name}: {len(data):,d} rows of {_n_devices(data)} devices")
    return Dataset.joined(parts)


def _told_apart(data: Dataset, *, is_operator: bool) -> Dataset:
    return Dataset.from_rows(data.rows.assign(is_operator=is_operator), data.graphs)


def _n_devices(data: Dataset) -> int:
    return int(data.rows["device"].nunique())


def write_rows(folder: Path, data: Dataset) -> list[Path]:
    """Write what `gather` gave, the rows last."""
    rows, graphs = folder / ROWS_FILE, folder / GRAPHS_FILE
    data.graphs.save(graphs)
    write_parquet(rows, data.rows)
    return [rows, graphs]


def read_rows(folder: Path) -> Dataset:
    """Read it.

    Raises:
        PerfseerError: a file is missing or damaged.
    """
    rows = read_parquet(folder / ROWS_FILE, (*ROW_COLUMNS, *OWN_COLUMNS), WRITTEN_BY)
    return Dataset.from_rows(rows, PackedGraphs.load(folder / GRAPHS_FILE))


def device_of(platform: Platform) -> DeviceSpec:
    """The device of a platform.

    Raises:
        PerfseerError: the catalogue has none of that name.
    """
    if platform.spec is None:
        raise PerfseerError(f"the catalogue has no device {platform.device!r}, so nothing is predicted of it")
    return platform.spec


def device_keys(rows: pd.DataFrame) -> np.ndarray:
    """[n] key of the device of each row, which is in the catalogue."""
    return np.array([device_of(platform).key for platform in Platform.of_rows(rows)])
