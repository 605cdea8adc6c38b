"""What a source of published measurements is: its files, its rows, their graphs.

How one is added without telling any list is in docs/adding-a-dataset.md.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd

from perfseer.data.building import KEY, NO_GRAPH, Progress, build_graphs
from perfseer.data.download import RemoteFile, fetch
from perfseer.data.packed import PackedGraphs
from perfseer.data.sources import module_name, source_names
from perfseer.digests import digest
from perfseer.discovery import only_class
from perfseer.errors import PerfseerError, require
from perfseer.targets import TARGET_NAMES


@dataclass(eq=False)
class Source(ABC):
    """One published set, or some files of it; nothing is fetched or read before it is asked for.

    Attributes:
        name: of its file or folder.
        title: what was published, by whom, in a line.
        files: what is fetched, each with URL, digest, licence and size.
        labels: that were published; the pipeline needs all there are, studies may do with some.
        graphs_by: ``capture`` of the models that rows refer to; ``rebuilding``, by a method `graphs` of its
            own; or ``none``.
        places: published files by name, others by path; none for all that are published.
        workers: processes.
        progress: called with graphs done and graphs there are.
        sample: only rows of so many architectures are in `table`, drawn by ``seed``; None for all. A smaller
            sample lies in a greater one of the same seed.
        seed: of the draw.
        as_measured: graphs in each row's precision, with the casts of mixed precision, from a source that
            would else give all in single precision.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    files: ClassVar[tuple[RemoteFile, ...]]
    labels: ClassVar[tuple[str, ...]] = TARGET_NAMES
    graphs_by: ClassVar[Literal["capture", "rebuilding", "none"]] = "capture"
    places: Sequence[str | Path] = ()
    workers: int = 1
    progress: Progress | None = None
    sample: int | None = field(default=None, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    as_measured: bool = field(default=False, kw_only=True)

    @abstractmethod
    def read(self) -> pd.DataFrame:
        """The measurement table, a row for each published one; see `data.published.published_table`.

        Raises:
            PerfseerError: a file cannot be had, or is not what it should be.
        """

    @cached_property
    def table(self) -> pd.DataFrame:
        """What `read` gives, or a sample of it, read once."""
        return self.read() if self.sample is None else self.sampled(self.read(), self.sample)

    def sampled(self, table: pd.DataFrame, n: int) -> pd.DataFrame:
        """The rows of n architectures; which ones depends on their names and ``seed``, not on their order.

        Raises:
            PerfseerError: ``n`` is not positive.
        """
        require(n > 0, f"a sample of {n} architectures: expected at least 1")
        names = sorted(set(table["architecture"].dropna()), key=lambda name: digest([self.seed, name], 64))
        return table[table["architecture"].isin(names[:n])].reset_index(drop=True)

    def graphs(self) -> tuple[PackedGraphs, pd.DataFrame]:
        """Graphs of `table`, and which belongs to which row (`data.building.INDEX_COLUMNS`).

        Raises:
            PerfseerError: as `read`; or there are none.
        """
        require(self.graphs_by == "capture", f"source {self.name} has no graphs, only a table")
        return build_graphs(self.table, self.workers, self.progress)

    def rows(self) -> tuple[pd.DataFrame, PackedGraphs]:
        """Measured rows that have a graph, with its number in ``graph``; and those graphs.

        Raises:
            PerfseerError: as `graphs`.
        """
        packed, index = self.graphs()
        return over_graphs(self.table, index), packed

    def paths(self) -> list[Path]:
        """The chosen files; published ones are fetched and checked.

        Raises:
            PerfseerError: one is neither here nor published, or cannot be had.
        """
        return [self._path(place) for place in self.places or [file.name for file in self.files]]

    def _path(self, place: str | Path) -> Path:
        if Path(place).is_file():
            return Path(place)
        stems = Counter(_stem(file.name) for file in self.files)
        named = {_stem(file.name): file for file in self.files if stems[_stem(file.name)] == 1}
        named |= {file.name: file for file in self.files}
        if str(place) not in named:
            names = ", ".join(file.name for file in self.files)
            raise PerfseerError(f"no file {place}, nor does {self.name} publish one; there are {names}")
        return fetch(named[str(place)])


def over_graphs(table: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """Measured rows of a table that have a graph, with its number.

    Args:
        table: a measurement table.
        index: `data.building.INDEX_COLUMNS`, maybe by precision.
    """
    key = [*KEY, "precision"] if "precision" in index.columns else list(KEY)
    kept = index.loc[index["graph"] != NO_GRAPH, [*key, "graph"]]
    return table[table["status"] == "ok"].merge(kept, on=key, how="inner", validate="many_to_one")


def source_class(name: str) -> type[Source]:
    """The source called ``name``.

    Raises:
        PerfseerError: there is none, or its file does not hold exactly one of that name.
    """
    if name not in source_names():
        raise PerfseerError(f"no source {name!r}; there are {', '.join(source_names())}")
    return only_class(module_name(name), Source, name)  # type: ignore[type-abstract]


def _stem(name: str) -> str:
    """A file's name, with its folder and without its suffix."""
    return name.removesuffix(Path(name).suffix)
