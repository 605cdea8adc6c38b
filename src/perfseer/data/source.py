"""Published measurements: what a source is, and which there are.

A source is one set of measurements that others published. The name of its file ``sources/<name>.py``, or of
its folder ``sources/<name>/`` with a module ``source``, is its name; no list has to be told of it
(docs/adding-a-dataset.md). Modules are imported when asked for: listing names needs none of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from perfseer.data.building import Progress, build_graphs
from perfseer.data.download import RemoteFile, fetch
from perfseer.data.packed import PackedGraphs
from perfseer.digests import canonical_json, digest
from perfseer.errors import PerfseerError, require
from perfseer.measure.table import COLUMNS, typed_table

LIBRARY = Path(__file__).with_name("sources")
# What a row is where its publisher's table has no such column.
_USUAL: dict[str, str] = {
    **{"model_spec": "", "precision": "fp32", "memory_format": "nchw", "mode": "eager"},
    **{"status": "ok", "reason": ""},
}


@dataclass(eq=False)
class Source(ABC):
    """One published set, or some files of it; nothing is fetched or read before it is asked for.

    Attributes:
        name: of its file or folder.
        title: what was published, by whom, in a line.
        files: what is fetched, each with URL, digest, licence and size.
        graphs_by: ``capture`` of the models that rows refer to; ``rebuilding``, by a method `graphs` of its
            own; or ``none``.
        places: published files by name, others by path; none for all that are published.
        workers: processes.
        progress: called with graphs done and graphs there are.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    files: ClassVar[tuple[RemoteFile, ...]]
    graphs_by: ClassVar[Literal["capture", "rebuilding", "none"]] = "capture"
    places: Sequence[str | Path] = ()
    workers: int = 1
    progress: Progress | None = None

    @abstractmethod
    def read(self) -> pd.DataFrame:
        """The measurement table, a row for each published one; see `published_table`.

        Raises:
            PerfseerError: a file cannot be had, or is not what it should be.
        """

    @cached_property
    def table(self) -> pd.DataFrame:
        """What `read` gives, read once."""
        return self.read()

    def graphs(self) -> tuple[PackedGraphs, pd.DataFrame]:
        """Graphs of `table`, and which belongs to which row (`data.building.INDEX_COLUMNS`).

        Raises:
            PerfseerError: as `read`; or there are none.
        """
        require(self.graphs_by == "capture", f"source {self.name} has no graphs, only a table")
        return build_graphs(self.table, self.workers, self.progress)

    def paths(self) -> list[Path]:
        """The chosen files; published ones are fetched and checked.

        Raises:
            PerfseerError: one is neither here nor published, or cannot be had.
        """
        return [self._path(place) for place in self.places or [file.name for file in self.files]]

    def _path(self, place: str | Path) -> Path:
        if Path(place).is_file():
            return Path(place)
        named = {name: file for file in self.files for name in (Path(file.name).stem, file.name)}
        if str(place) not in named:
            names = ", ".join(file.name for file in self.files)
            raise PerfseerError(f"no file {place}, nor does {self.name} publish one; there are {names}")
        return fetch(named[str(place)])


def published_table(
    rows: pd.DataFrame,
    *,
    device: str,
    device_kind: str,
    protocol: Mapping[str, Any],
    protocol_version: int,
    environment: Mapping[str, Any],
) -> pd.DataFrame:
    """Published rows as a measurement table.

    Args:
        rows: columns of `measure.table.COLUMNS`. Those that are absent are null, but for ``precision``
            (fp32), ``memory_format`` (nchw), ``mode`` (eager) and ``status`` (ok).
        device: what was measured.
        device_kind: ``cpu`` or ``cuda``.
        protocol: how it was measured, as far as is known.
        protocol_version: a number of the source's own, so that no table passes for one measured here.
        environment: what else is known, ``torch`` for one.

    Raises:
        PerfseerError: a column is unknown or ill-typed.
    """
    facts = {"device": device, "device_kind": device_kind, **environment}
    constants = {
        "device": device,
        "device_kind": device_kind,
        "environment": canonical_json({**facts, "digest": digest(facts)}),
        "protocol": canonical_json(protocol),
        "protocol_version": protocol_version,
        "order": np.arange(len(rows)),
    }
    absent = {name: value for name, value in _USUAL.items() if name not in rows.columns}
    unknown = [name for name in rows.columns if name not in COLUMNS]
    require(not unknown, f"a measurement table has no columns {', '.join(unknown)}")
    return typed_table(rows.reindex(columns=list(COLUMNS)).assign(**absent, **constants))


def source_names() -> tuple[str, ...]:
    """Names of all sources, sorted."""
    return tuple(sorted(path.stem for path in LIBRARY.glob("[!_]*") if path.suffix == ".py" or _folder(path)))


def source_class(name: str) -> type[Source]:
    """The source called ``name``.

    Raises:
        PerfseerError: there is none, or its file does not hold exactly one of that name.
    """
    if name not in source_names():
        raise PerfseerError(f"no source {name!r}; there are {', '.join(source_names())}")
    within = ".source" if _folder(LIBRARY / name) else ""
    module = import_module(f"perfseer.data.sources.{name}{within}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Source) and value.__module__ == module.__name__
    ]
    require(
        len(found) == 1 and getattr(found[0], "name", None) == name,
        f"{module.__file__} must hold exactly one Source, with name = {name!r}; it holds "
        f"{[(value.__name__, getattr(value, 'name', None)) for value in found]}",
    )
    return found[0]


def _folder(path: Path) -> bool:
    return (path / "source.py").is_file()
