"""The study's data: its result files, their rows and their graphs."""

from collections.abc import Collection
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.sources.timm_results import source as timm_results
from perfseer.data.sources.timm_results.names import find_file
from perfseer.data.sources.timm_results.tables import open_results
from perfseer.digests import digest, file_digest
from perfseer.errors import PerfseerError
from perfseer.evaluation.group_folds import Grouping
from perfseer.studies.public.settings import PublicSettings
from perfseer.studies.published_times import bound_by_device, published_rows
from perfseer.studies.wanted_times import PublishedTimes


def place_of(settings: PublicSettings, name: str) -> str | Path:
    """A result file as the source takes it: the path of one's own, or the name of a published one.

    Args:
        settings: section ``public``; its ``folder`` comes first.
        name: one of its ``files``.

    Raises:
        PerfseerError: it is neither in the folder nor published.
    """
    if settings.folder is not None:
        for stem in (name, f"benchmark-{name}"):
            path = Path(settings.folder, f"{stem}.csv")
            if path.is_file():
                return path
    try:
        return find_file(name).name
    except PerfseerError as error:
        raise PerfseerError(f"public.files: {error}") from error


@cache
def _group_rows(place: str | Path) -> pd.DataFrame:
    table = open_results(place).table
    return table.loc[table["status"] == "ok", ["architecture", "family"]]


def group_rows(settings: PublicSettings) -> pd.DataFrame:
    """Columns ``architecture`` and ``family`` of the measured rows of all files; reads no graphs."""
    tables = [_group_rows(place_of(settings, name)) for name in settings.files]
    return pd.concat(tables, ignore_index=True)


def data_digest(settings: PublicSettings) -> str:
    """Of the contents of all files; those that are published are not fetched for it."""
    places = [place_of(settings, name) for name in settings.files]
    return digest(
        [file_digest(place) if isinstance(place, Path) else find_file(place).sha256 for place in places]
    )


def dataset(settings: PublicSettings, names: tuple[str, ...]) -> Dataset:
    """Rows of some of the files over graphs at each row's own batch size."""
    places = [place_of(settings, name) for name in names]
    return timm_results.dataset(places, as_measured=settings.as_measured)


@cache
def _elsewhere(wanted: tuple[tuple[str, PublishedTimes], ...], seed: int) -> Dataset:
    return Dataset.joined([bound_by_device(published_rows(name, times, seed)) for name, times in wanted])


def elsewhere(settings: PublicSettings, grouping: Grouping, without: Collection[str]) -> Dataset | None:
    """What joint fits learn of other devices; None where the section names no sources.

    Rows in which a host may have decided how long a step takes are left out: they tell nothing of a device.

    Args:
        settings: section ``public``.
        grouping: what folds keep together.
        without: groups that a fold is tested or calibrated on.

    Raises:
        PerfseerError: a source cannot be had, or nothing is left of them.
    """
    if not settings.elsewhere:
        return None
    data = _elsewhere(tuple(settings.elsewhere.items()), settings.seeds[0])
    return data.subset(np.flatnonzero(~data.rows[grouping].isin(set(without)).to_numpy()))
