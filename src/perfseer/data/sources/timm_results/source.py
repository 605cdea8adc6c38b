"""timm's published results as a source: which network each row timed, or why it has no graph.

The published number of parameters says whether the network built today is the one that was measured:

- Some files time models with their training branches merged, others the same models as they are trained.
  Whichever agrees better over a file's models that have such branches is taken for all of them.
- A row whose network has another size today is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.data import building
from perfseer.data.building import INDEX_COLUMNS, NO_GRAPH
from perfseer.data.captures import KEY, Captures
from perfseer.data.capturing import capture_missing
from perfseer.data.dataset import Dataset
from perfseer.data.packed import PackedGraphs
from perfseer.data.source import Source
from perfseer.data.sources.timm_results.names import FILES, MERGED, Given
from perfseer.data.sources.timm_results.tables import Imported, open_all
from perfseer.digests import digest
from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.targets import TIMES

# A network whose parameters differ by more is another one; published counts have two decimals.
PARAMETER_TOLERANCE = 0.01
_ROUNDING = 0.0051


@dataclass(frozen=True, eq=False)
class Joined:
    """Rows of result files over their graphs.

    Attributes:
        data: the dataset: the columns of a measurement table, ``source`` (the file), ``published`` (the name
            there), ``configuration`` and ``graph``.
        refused: ``source``, ``published``, ``model_ref``, ``input_shape``, ``batch_size`` and ``reason`` of
            measured rows without a graph, or whose network is another one today.
    """

    data: Dataset
    refused: pd.DataFrame


@dataclass(eq=False)
class TimmResults(Source):
    """Result files, published or one's own.

    Attributes:
        given: what the files' names do not say.
    """

    name = "timm_results"
    title = "step times of the image classifiers of timm, by its benchmark.py (Wightman)"
    files = tuple(file.remote for file in FILES)
    labels = tuple(target.name for target in TIMES)
    given: Given | None = None

    @cached_property
    def opened(self) -> list[Imported]:
        """The chosen files, with what was refused of them; of a sample, its architectures."""
        files = open_all(self.places, self.given)
        if self.sample is None:
            return files
        rows = self.sampled(pd.concat([file.table for file in files]), self.sample)
        return [file.of_architectures(set(rows["architecture"])) for file in files]

    @cached_property
    def captures(self) -> Captures:
        """What the rows need is captured now or was earlier; see `data.capturing.capture_missing`.

        Raises:
            PerfseerError: timm is not installed, the cache cannot be written, or a worker died.
        """
        captures = self._capture([_measured(file) for file in self.opened], Captures.open())
        merged = [_merged(file, captures) for file in self.opened if _may_be_merged(file, captures)]
        return self._capture(merged, captures) if merged else captures

    def _capture(self, rows: list[pd.DataFrame], captures: Captures) -> Captures:
        wanted = _asked(pd.concat(rows), self.as_measured)
        return capture_missing(wanted, captures, self.workers, self.progress)

    def read(self) -> pd.DataFrame:
        """Rows in the files' order."""
        return pd.concat([file.table for file in self.opened], ignore_index=True)

    def rows(self) -> tuple[pd.DataFrame, PackedGraphs]:
        """See `Source.rows`; files that timed two networks under one name have a graph for each."""
        data = join(self.opened, self.captures, as_measured=self.as_measured).data
        return data.rows, data.graphs

    def graphs(self) -> tuple[PackedGraphs, pd.DataFrame]:
        """Of the networks that were measured, as far as their parameters tell.

        Raises:
            PerfseerError: as `join`; or the files timed two networks under one name.
        """
        joined = join(self.opened, self.captures, as_measured=self.as_measured)
        rows = pd.concat([joined.data.rows.assign(reason=None), joined.refused.assign(graph=NO_GRAPH)])
        rows["model_ref"] = rows["model_ref"].str.removesuffix(MERGED)  # as in the table
        index = rows[list(INDEX_COLUMNS)].drop_duplicates()
        twice = index.loc[index.duplicated(list(building.KEY)), "model_ref"]
        require(twice.empty, f"the files timed two networks as {next(iter(twice), '')}: take fewer at a time")
        return joined.data.graphs, index.sort_values(list(building.KEY), ignore_index=True)


def dataset(
    names: Sequence[str | Path] | None = None, captures: Captures | None = None, *, as_measured: bool = False
) -> Dataset:
    """Rows of result files, each over the graph at its own batch size.

    Args:
        names: published files by name, others by path; all of `FILES` if None.
        captures: what ``perfseer public graphs`` has captured; opened if None.
        as_measured: as in `TimmResults`.

    Raises:
        PerfseerError: a file cannot be had or read, two are the same, or no row has a graph.
    """
    captures = Captures.open() if captures is None else captures
    return join(open_all(names), captures, as_measured=as_measured).data


def join(files: Sequence[Imported], captures: Captures, *, as_measured: bool = False) -> Joined:
    """Give every row its graph, and say which have none; ``as_measured`` as in `TimmResults`.

    Raises:
        PerfseerError: two files are the same, or no row has a graph.
    """
    sources = [file.source for file in files]
    require(len(set(sources)) == len(sources), f"a result file is given twice: {', '.join(sorted(sources))}")
    rows = _with_identity(pd.concat([_with_networks(file, captures) for file in files], ignore_index=True))
    selected = captures.select(_asked(rows, as_measured))
    rows["graph"] = selected.numbers
    n_parameters = np.append(np.asarray(selected.graphs["n_parameters"], dtype=np.float64), np.nan)
    reasons = _reasons(rows, selected.reasons, n_parameters[selected.numbers] / 1e6)
    good = reasons == ""
    refused = rows.assign(reason=reasons)[~good]
    first = next(iter(refused["reason"]), "no row has a time")
    require(bool(good.any()), f"no row has a graph; the first reason: {first}")
    return Joined(
        Dataset.from_rows(rows[good].drop(columns="param_count"), selected.graphs),
        refused[["source", "published", "model_ref", "input_shape", "batch_size", "reason"]].reset_index(
            drop=True
        ),
    )


def _asked(rows: pd.DataFrame, as_measured: bool) -> pd.DataFrame:
    """What to capture for rows: TF32 changes no byte, so it is single precision."""
    precision = rows["precision"].replace({"tf32": "fp32"}) if as_measured else "fp32"
    asked: pd.DataFrame = rows.assign(precision=precision)[list(KEY)]
    return asked


def _measured(file: Imported) -> pd.DataFrame:
    """A file's rows with a time, and what was published of them."""
    rows = file.table.assign(
        source=file.source,
        published=file.published["model"].to_numpy(),
        param_count=file.published["param_count"].to_numpy(),
    )
    measured: pd.DataFrame = rows[rows["status"] == "ok"]
    return measured


def _merged(file: Imported, captures: Captures) -> pd.DataFrame:
    """The rows of models with branches to merge, as the models they are then."""
    rows = _measured(file)
    rows = rows[[captures.reparameterisable(ref) for ref in rows["model_ref"]]]
    return rows.assign(model_ref=rows["model_ref"] + MERGED)


def _deviation(rows: pd.DataFrame, captures: Captures) -> FloatArray:
    """[n] by how many millions the parameters of each row's network differ from those published; or NaN."""
    keys = zip(rows["model_ref"], rows["input_shape"], strict=True)
    counts = np.array([captures.parameters.get(key, np.nan) for key in keys], dtype=np.float64)
    return np.asarray(np.abs(counts / 1e6 - rows["param_count"].to_numpy(dtype=np.float64)))


def _may_be_merged(file: Imported, captures: Captures) -> bool:
    """Whether a model with branches had another number of parameters than it is trained with."""
    rows = _merged(file, captures)
    plain = rows.assign(model_ref=rows["model_ref"].str.removesuffix(MERGED))
    return file.phase == "infer" and bool((_deviation(plain, captures) > _ROUNDING).any())


def _with_networks(file: Imported, captures: Captures) -> pd.DataFrame:
    """A file's measured rows, naming merged models where those are what it timed."""
    rows, merged = _measured(file), _merged(file, captures)
    if file.phase != "infer" or not len(merged):
        return rows
    plain = _deviation(rows.loc[merged.index], captures)
    after = _deviation(merged, captures)
    both = ~np.isnan(plain) & ~np.isnan(after)
    if after[both].sum() < plain[both].sum():
        rows.loc[merged.index[~np.isnan(after)], "model_ref"] = merged.loc[~np.isnan(after), "model_ref"]
    return rows


def _with_identity(rows: pd.DataFrame) -> pd.DataFrame:
    """Name every row once over all files: file, published name, input and batch size."""
    names = ["source", "published", "input_shape", "batch_size"]
    identities = [digest(list(key)) for key in rows[names].itertuples(index=False)]
    return rows.assign(configuration=identities)


def _reasons(
    rows: pd.DataFrame, without_graph: Sequence[str], parameters: FloatArray
) -> npt.NDArray[np.object_]:
    """[n] why each row is left out; empty where it is not. ``parameters`` are in millions."""
    published = rows["param_count"].to_numpy(dtype=np.float64)
    other = np.abs(parameters - published) > np.maximum(PARAMETER_TOLERANCE * published, _ROUNDING)
    reasons = np.array(without_graph, dtype=object)
    words = [
        f"the network has {now:.2f} M parameters, {then:.2f} M when it was measured"
        for now, then in zip(parameters[other], published[other], strict=True)
    ]
    reasons[other] = words
    return reasons
