"""The dataset: clean rows and their graphs, finite by construction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.data.features import GraphFeatures, graph_features
from perfseer.data.files import read_json, read_parquet
from perfseer.data.packed import PackedGraphs
from perfseer.digests import file_digest
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray, IntArray, PerfGraph
from perfseer.targets import TARGET_NAMES, TARGETS

SCHEMA_VERSION = 1
WRITTEN_BY = "perfseer dataset"
# Of rows.parquet, beside the measurement table's own: the row's identity and its graph's number.
ROW_COLUMNS: tuple[str, ...] = ("configuration", "graph", "architecture", "family", *TARGET_NAMES)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Configurations with their labels and graphs.

    Attributes:
        rows: one row per configuration, RangeIndex, the measurement table's columns, ``configuration`` (id)
            and ``graph`` (number in ``graphs``).
        labels: [n, 6] float64, columns `targets.TARGET_NAMES` in their units; finite and positive, or NaN
            where the source did not measure that label. Every row has at least one.
        graphs: all graphs of the store, flat memory-mapped arrays.
        graph_rows: [n] which graph of ``graphs`` belongs to each row.
    """

    rows: pd.DataFrame
    labels: FloatArray
    graphs: PackedGraphs
    graph_rows: IntArray
    _shared: dict[str, GraphFeatures] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        expected = (len(self.rows), len(TARGET_NAMES))
        require(self.labels.shape == expected, f"labels of shape {self.labels.shape}, expected {expected}")
        require(self.graph_rows.shape == expected[:1], f"graph_rows of shape {self.graph_rows.shape}")
        for column, target in zip(self.labels.T, TARGETS, strict=True):
            if target.name not in self.targets:
                continue
            highest = 100.0 if target.quantity == "util" else np.inf
            there = column[~np.isnan(column)]
            good = bool((np.isfinite(there) & (there > 0) & (there <= highest)).all())
            require(
                good, f"label {target.name} has values that are not finite and in range: run `{WRITTEN_BY}`"
            )
        bare = int(np.isnan(self.labels).all(axis=1).sum()) if self.targets else 0
        require(bare == 0, f"{bare} of {len(self)} rows have no label at all: leave them out")
        inside = (self.graph_rows >= 0) & (self.graph_rows < len(self.graphs))
        require(
            bool(inside.all()),
            f"rows name graphs outside the {len(self.graphs)} there are: run `{WRITTEN_BY}`",
        )

    @classmethod
    def open(cls, folder: Path, graphs: Path) -> "Dataset":
        """Open what ``perfseer dataset`` wrote, checking digests against its manifest.

        Args:
            folder: holds rows.parquet and manifest.json.
            graphs: graphs.safetensors, the one the dataset was made from.

        Raises:
            PerfseerError: a file is missing, damaged, or not the one the manifest names.
        """
        manifest = read_manifest(folder)
        check_digest(folder / "rows.parquet", manifest["digests"]["outputs"]["rows.parquet"])
        check_digest(graphs, manifest["digests"]["inputs"]["graphs"])
        rows = read_parquet(folder / "rows.parquet", ROW_COLUMNS, WRITTEN_BY)
        return cls.from_rows(rows, PackedGraphs.load(graphs))

    @classmethod
    def from_rows(cls, rows: pd.DataFrame, graphs: PackedGraphs) -> "Dataset":
        """From a table with `ROW_COLUMNS`; ``graph`` numbers index ``graphs``."""
        rows = rows.reset_index(drop=True)
        labels = np.ascontiguousarray(rows[list(TARGET_NAMES)].to_numpy(dtype=np.float64))
        return cls(rows, labels, graphs, rows["graph"].to_numpy(dtype=np.int64))

    @classmethod
    def joined(cls, parts: Sequence["Dataset"]) -> "Dataset":
        """The rows of all parts in order, at least one, over the graphs they use."""
        used = [np.unique(part.graph_rows, return_inverse=True) for part in parts]
        shifts = np.cumsum([0, *(len(numbers) for numbers, _ in used)]).tolist()
        rows = [
            part.rows.assign(graph=own + shift)
            for part, (_, own), shift in zip(parts, used, shifts, strict=False)
        ]
        graphs = [part.graphs.take(numbers) for part, (numbers, _) in zip(parts, used, strict=True)]
        return cls.from_rows(pd.concat(rows, ignore_index=True), PackedGraphs.concatenate(graphs))

    def __len__(self) -> int:
        """Number of configurations."""
        return len(self.rows)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the labels there are; those of public sources are often times alone."""
        present = [not len(column) or not np.isnan(column).all() for column in self.labels.T]
        return tuple(name for name, there in zip(TARGET_NAMES, present, strict=True) if there)

    def label(self, target: str) -> FloatArray:
        """[n] one label in its unit; NaN where a row has none."""
        return self.labels[:, TARGET_NAMES.index(target)]

    def with_label(self, target: str) -> "Dataset":
        """The rows that have one label."""
        there = ~np.isnan(self.label(target))
        return self if there.all() else self.subset(np.flatnonzero(there))

    @property
    def complete(self) -> bool:
        """Whether every row has all of `targets`; tables of several sources may lack some in some rows."""
        columns = [TARGET_NAMES.index(name) for name in self.targets]
        return not np.isnan(self.labels[:, columns]).any()

    @property
    def features(self) -> GraphFeatures:
        """Raw features of all graphs, computed once for a dataset and its subsets."""
        if "features" not in self._shared:
            self._shared["features"] = graph_features(self.graphs)
        return self._shared["features"]

    @property
    def owners(self) -> npt.NDArray[Any]:
        """[n] what rows that err alike share: their architecture, or their graph where none is named."""
        named = "architecture" in self.rows.columns
        return self.rows["architecture"].to_numpy(dtype=str) if named else self.graph_rows

    def distinct_graphs(self) -> tuple[GraphFeatures, IntArray]:
        """Raw features of the graphs in use, each once, and [n] which of them each row has."""
        used, rows = np.unique(self.graph_rows, return_inverse=True)
        return self.features.take(used), rows

    def subset(self, indices: npt.ArrayLike) -> "Dataset":
        """The chosen rows, in that order, over the same graphs and features."""
        chosen = np.asarray(indices, dtype=np.int64)
        return Dataset(
            self.rows.iloc[chosen].reset_index(drop=True),
            self.labels[chosen],
            self.graphs,
            self.graph_rows[chosen],
            self._shared,
        )

    def graph(self, row: int) -> PerfGraph:
        """The PerfGraph of one row."""
        return self.graphs.graph(int(self.graph_rows[row]))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read manifest.json.

    Raises:
        PerfseerError: it is missing, damaged, or of another schema.
    """
    manifest = read_json(folder / "manifest.json", WRITTEN_BY)
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise PerfseerError(
            f"{folder} has schema version {version}, expected {SCHEMA_VERSION}: run `{WRITTEN_BY}` again"
        )
    return manifest


def check_digest(path: Path, expected: str) -> None:
    """Require that ``path`` is still the file the manifest was written with.

    Raises:
        PerfseerError: it is missing or has changed since.
    """
    require(path.is_file(), f"no file {path}: run `{WRITTEN_BY}` first")
    found = file_digest(path)
    require(
        found == expected,
        f"{path} has digest {found}, the dataset's manifest says {expected}: run `{WRITTEN_BY}` again",
    )
