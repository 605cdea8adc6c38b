"""The release as the measurement table and packed graphs, on all cores (METHODS 1.1).

Every graph that can be read is one row; what its labels lack is null, with the reason, so that the quarantine
lists it. Nothing of a file that is refused is used, and every file that is not used as it stands is noted.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.building import INDEX_COLUMNS, KEY, Progress
from perfseer.data.packed import PackedGraphs
from perfseer.data.processes import mapper
from perfseer.data.published import published_table
from perfseer.data.sources.perfseer_release.archive import Member, Pair, Reader, Release, find_release
from perfseer.data.sources.perfseer_release.conversion import to_perfgraph
from perfseer.data.sources.perfseer_release.labels import MAX_CHARACTERS, ReleaseLabels, read_labels
from perfseer.data.sources.perfseer_release.raw import RawGraph
from perfseer.data.sources.perfseer_release.stems import parse_stem
from perfseer.data.sources.perfseer_release.unpickling import MAX_BYTES, read_graph
from perfseer.data.sources.perfseer_release.wording import printable
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import PerfGraph

DEVICE = "NVIDIA GeForce RTX 3090"
# Not a version of ours: other definitions of the labels, so that the two never mix.
PROTOCOL_VERSION = 0
PROTOCOL = {"source": "PerfSeer release", "warmup_s": 30.0, "counted_s": 30.0}
REFUSED = ("refused graph", "refused labels")
_PLAIN = re.compile(r"[\w.:+-]+")  # what a name may hold that goes into reports
_CHUNK = 64  # graphs per task: some tenths of a second
_PRELOAD = ("perfseer.data.sources.perfseer_release.reading",)


@dataclass(frozen=True)
class Note:
    """One file that is not used as it stands.

    Attributes:
        file: its name.
        kind: ``refused graph``, ``refused labels``, ``no labels``, ``no graph``, ``repeated``, ``repeated
            configuration`` or ``label: <kind of fault>`` (`labels.Fault`).
        reason: in words.
    """

    file: str
    kind: str
    reason: str


@dataclass(frozen=True, eq=False)
class Imported:
    """A release, read.

    Attributes:
        table: measurement table, a row per readable graph, in the order of the stems.
        graphs: their graphs, in the same order.
        index: which graph belongs to which row (`data.building.INDEX_COLUMNS`), sorted by key.
        notes: `Note` as columns.
    """

    table: pd.DataFrame
    graphs: PackedGraphs
    index: pd.DataFrame
    notes: pd.DataFrame

    @property
    def refused(self) -> pd.DataFrame:
        """Notes of files that were refused."""
        return self.notes[self.notes["kind"].isin(REFUSED)]


def read_release(
    path: Path, *, device_name: str = DEVICE, workers: int = 1, progress: Progress | None = None
) -> Imported:
    """Read all of a release.

    Args:
        path: see `archive.find_release`.
        device_name: the device that was measured.
        workers: processes.
        progress: called with graphs done and graphs there are.

    Raises:
        PerfseerError: there is no release, not one graph of it can be read, or a worker died.
    """
    release = find_release(path)
    chunks = [release.pairs[at : at + _CHUNK] for at in range(0, len(release.pairs), _CHUNK)]
    parts: list[_Part] = []
    try:
        with mapper(workers, "reads graphs", _PRELOAD) as apply:
            for part in apply(_read_chunk, chunks):
                parts.append(part)
                if progress is not None:
                    progress(min(len(parts) * _CHUNK, len(release.pairs)), len(release.pairs))
    finally:
        _reader.cache_clear()
    return _join(release, parts, device_name)


@dataclass(frozen=True)
class _Part:
    """What came of one chunk: packed graphs (None if there is none), a row for each, notes."""

    graphs: PackedGraphs | None
    rows: list[dict[str, Any]]
    notes: list[Note]


@cache
def _reader() -> Reader:
    """This process's own: archives are opened once, not for every chunk."""
    return Reader()


def _read_chunk(pairs: Sequence[Pair]) -> _Part:
    graphs, rows, notes = [], [], []
    for pair in pairs:
        try:
            raw = read_graph(_reader().read(pair.graph, MAX_BYTES), pair.graph.name)
            graph = to_perfgraph(raw, pair.graph.name)
            row = _describe(raw, graph, pair)
        except Exception as error:  # a stranger's file may fail in any way; which and how is noted
            notes.append(Note(pair.graph.name, "refused graph", _reason(error, pair.graph)))
            continue
        graphs.append(graph)
        rows.append(row | _label(pair, graph.batch_size, notes))
    return _Part(PackedGraphs.pack(graphs) if graphs else None, rows, notes)


def _reason(error: Exception, member: Member) -> str:
    if isinstance(error, PerfseerError):
        return str(error)
    return f"{member.name}: cannot be understood ({type(error).__name__}: {printable(error)})"


def _describe(raw: RawGraph, graph: PerfGraph, pair: Pair) -> dict[str, Any]:
    """The file, and the columns of a row that say which configuration it is."""
    family, architecture = _named(pair.stem, graph.batch_size) or ("unknown", _architecture(graph))
    return {
        "file": pair.graph.name,
        "model_ref": f"perfseer-release:{architecture}",
        "architecture": architecture,
        "family": family,
        "input_shape": _input_shape(raw, pair.graph.name),
        "batch_size": graph.batch_size,
    }


def _named(stem: str, batch_size: int) -> tuple[str, str] | None:
    """Family and architecture as our own exports are named; None of another name, or one the graph denies."""
    found = parse_stem(stem)
    if found is None or found[2] != batch_size or not all(map(_PLAIN.fullmatch, found[:2])):
        return None
    return found[:2]


def _architecture(graph: PerfGraph) -> str:
    """Digest of what does not depend on the batch: operators, arguments, shapes of a sample, edges."""
    found = hashlib.sha256()
    for array in (graph.operators, graph.hyperparameters, graph.output_shapes[:, 1:], graph.edge_index):
        found.update(f"{array.shape}".encode())
        found.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    return found.hexdigest()[:12]


def _input_shape(raw: RawGraph, name: str) -> str:
    """``C x H x W`` of what the first node without a predecessor reads."""
    fed = {receiver for _, receiver in raw.edges}
    first = next(position for position in range(len(raw.features)) if position not in fed)
    memory = raw.features[first]["memory_info"]
    sizes = [memory.get(f"input_{side}") for side in ("channels", "h", "w")]
    try:
        numbers = [int(float(size)) for size in sizes]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    require(
        len(numbers) == 3 and 0 < min(numbers) <= max(numbers) < 2**31,
        f"{name}: its first node reads an input of {printable(sizes)}, expected channels, height and width",
    )
    return "x".join(map(str, numbers))


def _label(pair: Pair, batch_size: int, notes: list[Note]) -> dict[str, Any]:
    """The columns of a row that hold labels, status and reason; adds to ``notes``."""
    if pair.label is None:
        notes.append(Note(pair.graph.name, "no labels", "there is no label file of this stem"))
        return {"status": "error", "reason": "no label file"}
    try:
        content = _reader().read(pair.label, 4 * MAX_CHARACTERS)
        labels = read_labels(content.decode("utf-8"), pair.label.name)
    except (PerfseerError, UnicodeDecodeError) as error:
        reason = _reason(error, pair.label)
        notes.append(Note(pair.label.name, "refused labels", reason))
        return {"status": "error", "reason": reason}
    notes.extend(Note(pair.label.name, f"label: {fault.kind}", fault.detail) for fault in labels.faults)
    missing = "; ".join(fault.detail for fault in labels.faults)
    return _values(labels, batch_size) | {"status": "error" if missing else "ok", "reason": missing}


def _values(labels: ReleaseLabels, batch_size: int) -> dict[str, float]:
    """Times per iteration, as everywhere here; the release has them per sample."""
    values = {}
    for phase, found in (("train", labels.train), ("infer", labels.infer)):
        values[f"{phase}_time_ms"] = found.sample_time_ms * batch_size
        values[f"{phase}_util_pct"] = values[f"{phase}_util_nvml_pct"] = found.util_pct
        values[f"{phase}_mem_mib"] = values[f"{phase}_mem_process_mib"] = found.mem_mib
    return values


def _join(release: Release, parts: Sequence[_Part], device_name: str) -> Imported:
    rows = [row for part in parts for row in part.rows]
    notes = [note for part in parts for note in part.notes]
    first = notes[0].reason if notes else ""
    require(bool(rows), f"none of {len(release.pairs)} graphs could be read; the first: {first}")
    notes += [Note(member.name, "no graph", "labels without a graph") for member in release.unpaired]
    notes += [Note(member.name, "repeated", "another file has this stem") for member in release.repeated]
    frame = pd.DataFrame(rows)
    repeated = frame.duplicated(list(KEY))
    notes += [
        Note(str(file), "repeated configuration", f"graph and batch of an earlier file: {ref}")
        for file, ref in frame.loc[repeated, ["file", "model_ref"]].itertuples(index=False)
    ]
    index = frame.assign(graph=np.arange(len(frame)), reason=None)[~repeated]
    return Imported(
        table=_table(frame, device_name),
        graphs=PackedGraphs.concatenate([part.graphs for part in parts if part.graphs is not None]),
        index=index[list(INDEX_COLUMNS)].sort_values(list(KEY), ignore_index=True),
        notes=pd.DataFrame([asdict(note) for note in notes], columns=["file", "kind", "reason"]),
    )


def _table(frame: pd.DataFrame, device_name: str) -> pd.DataFrame:
    """The measurement table; what the release does not say is null."""
    return published_table(
        frame.drop(columns="file"),
        device=device_name,
        device_kind="cuda",
        protocol=PROTOCOL,
        protocol_version=PROTOCOL_VERSION,
        environment={"source": PROTOCOL["source"]},
    )
