"""Published step times of several sources as rows over graphs, to learn from or to judge by.

Labels are made to mean the same: a training step ends with SGD's, and precision is that of the row.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.data.building import Progress
from perfseer.data.dataset import Dataset
from perfseer.data.packed import PackedGraphs
from perfseer.data.platforms import ROW_COLUMNS, Platform
from perfseer.data.source import source_class
from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.parts.platforms.host import host_prior, launches
from perfseer.predictors.parts.roofline import Work, graph_column, row_features
from perfseer.predictors.parts.work_profile import nominal_rates
from perfseer.studies.wanted_times import PublishedTimes
from perfseer.targets import PHASES, TARGET_NAMES, Phase

# Of a host that nobody knows, the time that so large a share of hosts stays below.
_SLOW_HOST = 0.95


def published_rows(
    name: str, wanted: PublishedTimes, seed: int, workers: int = 1, progress: Progress | None = None
) -> Dataset:
    """The rows of a source that are of devices in the catalogue, over graphs in their precision.

    Args:
        name: of the source.
        wanted: which of its rows.
        seed: draws a sample.
        workers: processes that capture.
        progress: called with graphs done and graphs there are.

    Returns:
        Rows with the times of the wanted phases alone, the column ``published_by`` besides.

    Raises:
        PerfseerError: a file cannot be had or read, or no model could be captured.
    """
    source = source_class(name)(
        list(wanted.files), workers, progress, sample=wanted.sample, seed=seed, as_measured=True
    )
    data = _of_known_devices(*source.rows(), wanted, name)
    return data if wanted.optimiser else _with_optimiser(data)


def _of_known_devices(rows: pd.DataFrame, packed: PackedGraphs, wanted: PublishedTimes, name: str) -> Dataset:
    rows = _timed(rows, wanted)
    platforms = Platform.of_rows(rows[list(ROW_COLUMNS)])
    known = np.array([platform.spec is not None for platform in platforms], dtype=bool)
    require(bool(known.any()), f"{name} has no row of a device that the catalogue has")
    rows = rows[known].assign(published_by=name)
    rows["configuration"] = [f"{name}:{number}" for number in range(len(rows))]
    return Dataset.from_rows(rows, packed)


def _timed(rows: pd.DataFrame, wanted: PublishedTimes) -> pd.DataFrame:
    """Rows with a time of a wanted phase; other labels are left out."""
    kept = [f"{phase}_time_ms" for phase in wanted.phases]
    dropped = {name: np.nan for name in TARGET_NAMES if name not in kept}
    rows = rows.assign(**dropped)
    return rows[rows[kept].notna().any(axis=1)]


def _with_optimiser(data: Dataset) -> Dataset:
    """Training steps with the time that SGD with momentum moves its tensors for, at rates programs reach."""
    features = row_features(data)
    moved = Work.of(features, "train").extra_bytes - graph_column(features, "train_only_bytes")
    per_s = np.array([nominal_rates(platform).bytes_per_s for platform in Platform.of_rows(data.rows)])
    added = data.rows["train_time_ms"] + 1e3 * moved / per_s
    return Dataset.from_rows(data.rows.assign(train_time_ms=added), data.graphs)


def kernels_started(data: Dataset, phase: Phase) -> npt.NDArray[np.int64]:
    """[n] kernels that a step of each row starts."""
    platforms = Platform.of_rows(data.rows)
    counts = [launches(data.graph(row), phase, platform) for row, platform in enumerate(platforms)]
    return np.array(counts, dtype=np.int64)


def bound_by_device(data: Dataset) -> Dataset:
    """The rows in which no host, not even a slow one, decides how long a step takes.

    Times of other phases are left out of them.
    """
    labels = {}
    for phase in PHASES:
        times = data.label(f"{phase}_time_ms")
        least = np.full(len(data), np.inf)
        timed = np.flatnonzero(~np.isnan(times))
        if len(timed):
            least[timed] = _slow_host_ms(data.subset(timed), phase)
        labels[f"{phase}_time_ms"] = np.where(times > least, times, np.nan)
    kept = np.flatnonzero(~np.isnan(np.stack(list(labels.values()))).all(axis=0))
    return Dataset.from_rows(data.rows.assign(**labels).iloc[kept], data.graphs)


def _slow_host_ms(data: Dataset, phase: Phase) -> FloatArray:
    """[n] ms that a slow host starts each row's kernels for; 0 where no host starts kernels for a device."""
    platforms = Platform.of_rows(data.rows)
    started = kernels_started(data, phase)
    return np.array(
        [
            host_prior(platform.mode, phase).ms(int(count), _SLOW_HOST)
            if platform.device_kind == "cuda"
            else 0.0
            for platform, count in zip(platforms, started, strict=True)
        ]
    )
