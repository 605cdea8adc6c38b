"""The study's data: result files by name or path, their rows and their graphs."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.sources import timm_results
from perfseer.data.sources.download import fetch
from perfseer.digests import digest, file_digest
from perfseer.errors import PerfseerError

_BY_NAME = {file.name: file for file in timm_results.FILES}


def path_of(name: str) -> Path:
    """A result file on this machine, fetched if it is one of the published.

    Args:
        name: of `timm_results.FILES`, or the path of a CSV whose name follows the same grammar.

    Raises:
        PerfseerError: there is no such file, or it cannot be had.
    """
    if name in _BY_NAME:
        return fetch(_BY_NAME[name].remote)
    path = Path(name)
    if not path.is_file():
        known = ", ".join(_BY_NAME)
        raise PerfseerError(f"public.files names {name!r}, which is no file and none of {known}")
    return path


@cache
def results(name: str) -> pd.DataFrame:
    """The measurement table of one result file, refused rows left out."""
    return timm_results.read_results(path_of(name)).table


def group_rows(names: Sequence[str]) -> pd.DataFrame:
    """Columns ``architecture`` and ``family`` of the rows of all files; reads no graphs."""
    return pd.concat([results(name)[["architecture", "family"]] for name in names], ignore_index=True)


def dataset(names: Sequence[str]) -> Dataset:
    """Rows of all files over graphs at each row's own batch size."""
    return timm_results.dataset(tuple(names))


def data_digest(names: Sequence[str]) -> str:
    """Of the contents of the files."""
    return digest([file_digest(path_of(name)) for name in names])
