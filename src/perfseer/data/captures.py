"""Captures kept for next time: graphs of library models at any batch size, for sources that name models.

A model at an input size is captured at two batch sizes, which gives its graph at any other
(`graphs.batch_family`); at batch 1, where it was measured there; and at every batch size it was measured at
only where the two are not of one family. `data/capturing.py` makes captures, this module finds them.

A model has other graphs in other precisions: automatic mixed precision adds casts and halves bytes. So the
precision is part of what is asked for.

They lie in ``<cache>/captures/<versions and digest of the code>/`` as segments: a file of packed graphs and
its index, which is written after it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from perfseer.data import building
from perfseer.data.building import NO_GRAPH
from perfseer.data.download import cache_folder
from perfseer.data.families import PackedFamilies
from perfseer.data.files import read_parquet
from perfseer.data.packed import PackedGraphs
from perfseer.errors import PerfseerError
from perfseer.graphs.batch_family import LARGE, SMALL
from perfseer.graphs.perfgraph import IntArray
from perfseer.provenance import code_digest

WRITTEN_BY = "perfseer public graphs"
# What a capture is of.
KEY: tuple[str, ...] = (*building.KEY, "precision")
INDEX_COLUMNS: tuple[str, ...] = (*KEY, "graph", "reason", "reparameterisable")
# What a graph depends on: this code and these libraries.
CODE = ("perfseer.graphs.capture", "perfseer.zoo.libraries")
_LIBRARIES = ("torch", "timm", "torchvision")

Key = tuple[str, str, int, str]
Network = tuple[str, str, str]


@dataclass(frozen=True, eq=False)
class Selected:
    """Graphs for n rows.

    Attributes:
        graphs: of every distinct model, input and batch size that has one.
        numbers: [n] which of them belongs to each row; `NO_GRAPH` where there is none.
        reasons: [n] why there is none; empty where there is one.
    """

    graphs: PackedGraphs
    numbers: IntArray
    reasons: list[str]


@dataclass(frozen=True, eq=False)
class Captures:
    """All captures of a folder.

    Attributes:
        folder: where they lie.
        graphs: every graph captured.
        index: `INDEX_COLUMNS`: model, input, batch size, precision, number in ``graphs`` (`NO_GRAPH` where
            capture failed), why it failed or shows the forward pass only, and whether the model has branches
            to merge.
    """

    folder: Path
    graphs: PackedGraphs
    index: pd.DataFrame

    @classmethod
    def open(cls, folder: Path | None = None) -> "Captures":
        """Read a folder's captures; there are none if it does not exist.

        Args:
            folder: None for the one of this code and these libraries.

        Raises:
            PerfseerError: a file is damaged.
        """
        folder = default_folder() if folder is None else folder
        parts = [_read_segment(path) for path in sorted(folder.glob("*.parquet"))]
        graphs = [graphs for graphs, _ in parts]
        return cls(
            folder=folder,
            graphs=graphs[0]
            if len(graphs) == 1
            else PackedGraphs.concatenate([PackedGraphs.pack([]), *graphs]),
            index=_join([index for _, index in parts], list(map(len, graphs))),
        )

    def reparameterisable(self, model_ref: str) -> bool:
        """Whether a captured model has branches to merge; False for one that is not captured."""
        return model_ref in self._with_branches

    @cached_property
    def parameters(self) -> dict[tuple[str, str], int]:
        """Trainable parameters of every captured model by reference and input shape."""
        counts = self.graphs["n_parameters"]
        return {key[:2]: int(counts[graph]) for key, (graph, _) in self._rows.items() if graph != NO_GRAPH}

    def missing(self, wanted: pd.DataFrame) -> list[Key]:
        """What is still to be captured for the rows of ``wanted`` (columns `KEY`)."""
        families, pairs = self._families
        needed: dict[Key, None] = {}
        for ref, shape, size, precision in _keys(wanted):
            sizes = [1] if size == 1 else [SMALL, LARGE]
            pair = pairs.get((ref, shape, precision))
            if size > 1 and pair is not None and not families.whole[pair]:
                sizes.append(size)
            needed |= dict.fromkeys((ref, shape, n, precision) for n in sizes)
        return [key for key in needed if key not in self._rows]

    def select(self, wanted: pd.DataFrame) -> Selected:
        """The graphs of n rows.

        Args:
            wanted: n rows with the columns `KEY`.
        """
        families, pairs = self._families
        exact: dict[Key, int] = {}
        given: dict[Key, int] = {}
        reasons: dict[Key, str] = {}
        keys = list(_keys(wanted))
        for key in dict.fromkeys(keys):
            pair = pairs.get(_network(key))
            if self._graph(key) != NO_GRAPH:
                exact[key] = self._graph(key)
            elif key[2] > 1 and pair is not None and families.whole[pair]:
                given[key] = pair
            else:
                reasons[key] = self._reason(key)
        sizes = _integers(size for _, _, size, _ in given)
        parts = [self.graphs.take(_integers(exact.values())), families.at(_integers(given.values()), sizes)]
        numbers = {key: number for number, key in enumerate([*exact, *given])}
        return Selected(
            graphs=PackedGraphs.concatenate(parts) if all(map(len, parts)) else max(parts, key=len),
            numbers=np.array([numbers.get(key, NO_GRAPH) for key in keys], dtype=np.int64),
            reasons=[reasons.get(key, "") for key in keys],
        )

    @cached_property
    def _rows(self) -> dict[Key, tuple[int, str]]:
        """Graph number and reason of every capture."""
        found = zip(self.index["graph"], self.index["reason"], strict=True)
        return {
            key: (int(graph), str(reason))
            for key, (graph, reason) in zip(_keys(self.index), found, strict=True)
        }

    @cached_property
    def _with_branches(self) -> frozenset[str]:
        return frozenset(self.index.loc[self.index["reparameterisable"].astype(bool), "model_ref"])

    @cached_property
    def _families(self) -> tuple[PackedFamilies, dict[Network, int]]:
        """Models captured at both batch sizes, and the number of each model, input and precision."""
        captured = [key for key in self._rows if self._graph(key) != NO_GRAPH]
        low = {_network(key): self._graph(key) for key in captured if key[2] == SMALL}
        high = {_network(key): self._graph(key) for key in captured if key[2] == LARGE}
        both = [key for key in low if key in high]
        pair = [self.graphs.take(_integers(some[key] for key in both)) for some in (low, high)]
        return PackedFamilies.of(*pair), {key: number for number, key in enumerate(both)}

    def _graph(self, key: Key) -> int:
        return self._rows.get(key, (NO_GRAPH, ""))[0]

    def _reason(self, key: Key) -> str:
        """Why there is no graph: what a capture that should give it says, or that none was made."""
        ref, shape, size, precision = key
        tried = [(ref, shape, n, precision) for n in ((size, SMALL, LARGE) if size > 1 else (size,))]
        reasons = [self._rows[one][1] for one in tried if one in self._rows and self._graph(one) == NO_GRAPH]
        return next(iter(reasons), f"not captured: run `{WRITTEN_BY}`")


def default_folder(*builders: str) -> Path:
    """Where captures of this code and these libraries lie.

    Args:
        builders: modules of ours that build the models, where `CODE` does not: their captures lie apart.
    """
    versions = "-".join(name + version for name in _LIBRARIES if (version := _version(name)))
    return cache_folder() / "captures" / f"{versions}-{code_digest(*CODE, *builders)}"


def segment_paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Graphs and index of a segment."""
    return folder / f"{name}.safetensors", folder / f"{name}.parquet"


def _keys(wanted: pd.DataFrame) -> Iterator[Key]:
    for ref, shape, size, precision in wanted[list(KEY)].itertuples(index=False, name=None):
        yield ref, shape, int(size), precision


def _network(key: Key) -> Network:
    ref, shape, _, precision = key
    return ref, shape, precision


def _read_segment(path: Path) -> tuple[PackedGraphs, pd.DataFrame]:
    index = read_parquet(path, INDEX_COLUMNS, WRITTEN_BY)
    graphs = PackedGraphs.load(segment_paths(path.parent, path.stem)[0])
    if len(index) and int(index["graph"].max()) >= len(graphs):
        raise PerfseerError(f"{path} names graphs that its segment does not have: delete {path.parent}")
    return graphs, index


def _join(indices: list[pd.DataFrame], lengths: list[int]) -> pd.DataFrame:
    """One index over segments laid end to end; of what was captured twice, the later."""
    starts = np.cumsum([0, *lengths])
    shifted = [pd.DataFrame({name: pd.Series(dtype=object) for name in INDEX_COLUMNS})]
    for start, index in zip(starts, indices, strict=False):
        moved = index["graph"].where(index["graph"] == NO_GRAPH, index["graph"] + start)
        shifted.append(index.assign(graph=moved).astype(object))
    joined = pd.concat(shifted).drop_duplicates(list(KEY), keep="last", ignore_index=True)
    return joined.astype({"graph": "int64", "batch_size": "int64"})


def _integers(numbers: Iterable[int]) -> IntArray:
    return np.array(list(numbers), dtype=np.int64)


def _version(library: str) -> str:
    """Its version without the build; empty where it is not installed."""
    try:
        return re.split(r"\+", version(library))[0]
    except PackageNotFoundError:
        return ""
