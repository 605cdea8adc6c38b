"""Writing a dataset exactly as the release has it, for other people's programs.

``cg/cg/<stem>.pkl`` and ``label/label/<stem>.txt``, doubled as the published archives unpack; or those
archives, ``cg.zip`` and ``label.zip``. A graph is a pickled `networkx.DiGraph` of nodes 0, 1, …; nowhere else
is a pickle written. A label is the text of a dictionary of two texts of seven numbers. Only rows with all six
labels are written: the format has no word for a missing one.

Of the seven numbers three are ours. The four that we do not measure are 0, which no program can take for a
reading, and which every program can read as a number.
"""

import importlib
import io
import os
import pickle
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.data.assembly import usable
from perfseer.data.building import Progress
from perfseer.data.packed import PackedGraphs
from perfseer.data.quarantine import count_reasons
from perfseer.data.sources.perfseer_release.inversion import to_raw
from perfseer.data.sources.perfseer_release.raw import RawGraph
from perfseer.data.sources.perfseer_release.stems import stem
from perfseer.errors import PerfseerError, require
from perfseer.targets import PHASES, TARGET_NAMES

# time per sample, mean SM utilisation, mean memory utilisation, mean memory, peak SM utilisation, peak memory
# utilisation, peak memory
FIELDS: tuple[str | None, ...] = ("time_ms", "util_pct", None, None, None, None, "mem_mib")
PICKLE_PROTOCOL = 4  # as old as Python 3.4
# A number read back, multiplied by the batch size and divided by it again has the same fifteen digits.
_DIGITS = ".15g"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of zip members: equal datasets give equal bytes
_FILE_MODE = 0o644 << 16


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        configurations: graphs, and as many labels.
        rows_left_out: rows of the measurement table that were not.
        left_out: reasons and how many rows each kept out, most first; a row may have several.
    """

    configurations: int
    rows_left_out: int
    left_out: dict[str, int]


def export(
    measurements: pd.DataFrame,
    graphs: PackedGraphs,
    index: pd.DataFrame,
    out: Path,
    *,
    archives: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write a measurement table and its graphs as the release has them.

    The folder appears whole or not at all; equal input gives equal bytes under one version of networkx.

    Args:
        measurements: the measurement table; rows that `perfseer dataset` would not learn from are left out.
        graphs: the packed store.
        index: which graph belongs to which row.
        out: folder; it must be absent or empty.
        archives: two zip files instead of two folders.
        progress: called with configurations done and configurations there are.

    Raises:
        PerfseerError: no row is usable, two rows would have one name, networkx is missing, or ``out`` is in
            use or cannot be written.
    """
    digraph = _networkx_digraph()
    screening = usable(measurements, graphs, index)
    rows = screening.rows
    stems = _stems(rows)
    wanted = rows[["graph", "input_shape", "batch_size", *TARGET_NAMES]]
    with _appearing(out) as folder, _store(folder, archives) as write:
        for done, (name, row) in enumerate(zip(stems, wanted.to_dict("records"), strict=True), start=1):
            raw = to_raw(graphs.graph(row["graph"]), _sizes(row["input_shape"]))
            write("cg", f"{name}.pkl", pickled(raw, digraph))
            write("label", f"{name}.txt", label_text(row).encode("ascii"))
            if progress is not None:
                progress(done, len(rows))
    quarantine = screening.quarantine
    return Exported(len(rows), int(quarantine["row"].nunique()), count_reasons(quarantine))


def pickled(raw: RawGraph, digraph: Any) -> bytes:
    """A graph as ``cg/*.pkl`` holds it; ``digraph`` is `networkx.DiGraph`."""
    graph = digraph()
    graph.add_nodes_from((position, {"feature": feature}) for position, feature in enumerate(raw.features))
    graph.add_edges_from(raw.edges)
    stream = io.BytesIO()
    pickle.Pickler(stream, PICKLE_PROTOCOL).dump(graph)
    return stream.getvalue()


def label_text(row: Mapping[Any, Any]) -> str:
    """The six labels of a row as ``label/*.txt`` holds them.

    >>> label_text({"batch_size": 4, "train_time_ms": 10.0, "train_util_pct": 97.5, "train_mem_mib": 512.25,
    ...             "infer_time_ms": 3.0, "infer_util_pct": 88.0, "infer_mem_mib": 128.0})
    "{'train': '2.5|97.5|0|0|0|0|512.25', 'infer': '0.75|88|0|0|0|0|128'}"
    """
    return repr({phase: "|".join(_field(row, phase, field) for field in FIELDS) for phase in PHASES})


def _field(row: Mapping[Any, Any], phase: str, field: str | None) -> str:
    if field is None:
        return "0"
    value = row[f"{phase}_{field}"]
    return format(value / row["batch_size"] if field == "time_ms" else value, _DIGITS)


def _sizes(input_shape: str) -> tuple[int, ...] | None:
    """C, H, W of ``3x64x64``; None of anything else."""
    parts = input_shape.split("x")
    return tuple(map(int, parts)) if len(parts) == 3 and all(part.isdecimal() for part in parts) else None


def _stems(rows: pd.DataFrame) -> list[str]:
    names = [stem(*key) for key in rows[["family", "architecture", "batch_size"]].itertuples(index=False)]
    repeated = pd.Series(names).duplicated(keep=False).to_numpy()
    if repeated.any():
        columns = ("input_shape", "precision", "memory_format", "mode")
        found = {column: sorted(rows.loc[repeated, column].unique()) for column in columns}
        differing = [f"{column} ({', '.join(values)})" for column, values in found.items() if len(values) > 1]
        raise PerfseerError(
            f"the format tells configurations by architecture and batch size alone, but rows differ in "
            f"{' and '.join(differing) or 'nothing but their model'}: export the rows of each by themselves"
        )
    return names


def _networkx_digraph() -> Any:
    try:
        return importlib.import_module("networkx").DiGraph
    except ModuleNotFoundError as error:
        raise PerfseerError(
            "the release's graphs are networkx graphs, and networkx is not installed: pip install networkx"
        ) from error


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` that takes its place when the block ends without an error."""
    out = Path(os.path.realpath(out))  # a link stays one
    require(
        not out.exists() or (out.is_dir() and not any(out.iterdir())),
        f"{out} is in use: name another folder, or remove it, so that no older file stays among the new",
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
            folder = Path(temporary) / out.name
            folder.mkdir()
            yield folder
            folder.replace(out)
    except OSError as error:
        raise PerfseerError(
            f"cannot write {out}: {error.strerror or error}. Free some space, or name another folder"
        ) from error


@contextmanager
def _store(folder: Path, archives: bool) -> Iterator[Callable[[str, str, bytes], object]]:
    """How to write one file, given its kind (cg or label), name and content."""
    kinds = ("cg", "label")
    if not archives:
        places = {kind: folder / kind / kind for kind in kinds}
        for place in places.values():
            place.mkdir(parents=True)
        yield lambda kind, name, content: (places[kind] / name).write_bytes(content)
        return
    with (
        zipfile.ZipFile(folder / "cg.zip", "w") as graphs,
        zipfile.ZipFile(folder / "label.zip", "w") as labels,
    ):
        opened = {"cg": graphs, "label": labels}
        yield lambda kind, name, content: _write_member(opened[kind], f"{kind}/{name}", content)


def _write_member(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = _FILE_MODE
    archive.writestr(member, content)
