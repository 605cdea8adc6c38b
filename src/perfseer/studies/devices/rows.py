"""Published times on devices that a predictor never saw, each over its graph."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from perfseer.data.building import KEY, NO_GRAPH, Progress
from perfseer.data.dataset import Dataset
from perfseer.data.devices import DeviceSpec
from perfseer.data.platforms import ROW_COLUMNS, Platform
from perfseer.data.source import source_class
from perfseer.errors import PerfseerError, require
from perfseer.forecast.transfer import balanced
from perfseer.studies.devices.settings import DevicesSettings, PublishedTimes
from perfseer.targets import PHASES, TARGET_NAMES


def unseen_rows(
    settings: DevicesSettings,
    name: str,
    trained: Sequence[Platform],
    workers: int = 1,
    progress: Progress | None = None,
) -> Dataset | None:
    """The rows of a source that are of devices nobody trained on, over graphs in their precision.

    Args:
        settings: section ``devices``.
        name: of the source.
        trained: platforms of the predictor.
        workers: processes that capture.
        progress: called with graphs done and graphs there are.

    Returns:
        Rows with the times of the wanted phases alone, at most `DevicesSettings.rows` of a device, precision
        and mode; None where all are of devices it was trained on.

    Raises:
        PerfseerError: a file cannot be had or read, or no model could be captured.
    """
    wanted = settings.sources[name]
    source = source_class(name)(
        list(wanted.files), workers, progress, sample=wanted.sample, seed=settings.seed, as_measured=True
    )
    packed, index = source.graphs()
    rows = _over_graphs(source.table, index)
    rows = _timed(rows, wanted)
    rows = rows[_of_new_devices(rows, trained)]
    if not len(rows):
        return None
    groups = rows["device"] + rows["precision"] + rows["mode"]
    chosen = balanced(groups.tolist(), settings.rows, settings.seed)
    return Dataset.from_rows(rows.iloc[chosen], packed)


def _over_graphs(table: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """Measured rows that have a graph, with its number."""
    key = [*KEY, "precision"] if "precision" in index.columns else list(KEY)
    kept = index.loc[index["graph"] != NO_GRAPH, [*key, "graph"]]
    rows = table[table["status"] == "ok"].merge(kept, on=key, how="inner", validate="many_to_one")
    rows["configuration"] = [f"{number}" for number in range(len(rows))]
    return rows


def _timed(rows: pd.DataFrame, wanted: PublishedTimes) -> pd.DataFrame:
    """Rows with a time of a wanted phase; other labels are left out."""
    kept = [f"{phase}_time_ms" for phase in wanted.phases]
    dropped = {name: np.nan for name in TARGET_NAMES if name not in kept}
    rows = rows.assign(**dropped)
    return rows[rows[kept].notna().any(axis=1)]


def _of_new_devices(rows: pd.DataFrame, trained: Sequence[Platform]) -> np.ndarray:
    """[n] whether a row is of a device in the catalogue that no trained platform has."""
    known = {platform.spec for platform in trained}
    devices = [platform.spec for platform in Platform.of_rows(rows[list(ROW_COLUMNS)])]
    return np.array([spec is not None and spec not in known for spec in devices], dtype=bool)


def device_of(platform: Platform) -> DeviceSpec:
    """The device of a platform.

    Raises:
        PerfseerError: the catalogue has none of that name.
    """
    if platform.spec is None:
        raise PerfseerError(f"the catalogue has no device {platform.device!r}, so nothing is predicted of it")
    return platform.spec


def require_rows(found: Sequence[Dataset | None], settings: DevicesSettings) -> None:
    """Raise unless a source has rows.

    Raises:
        PerfseerError: none has.
    """
    require(
        any(data is not None for data in found),
        f"no row of {', '.join(settings.sources)} is of a device that {settings.predictor} was not trained "
        f"on in a phase of {', '.join(PHASES)}: name other sources in devices.sources",
    )
