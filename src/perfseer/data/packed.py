"""The packed store: all PerfGraphs of a dataset as a few flat arrays with offsets, one safetensors file.

No object per graph: 53,000 graphs open in a blink because the arrays are memory-mapped, and anything
computed over all nodes is one array operation. Nodes of graph ``g`` are ``node_ptr[g]:node_ptr[g + 1]``,
its edges ``edge_ptr[g]:edge_ptr[g + 1]``; edge indices count nodes within their graph.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from perfseer.data.files import atomic
from perfseer.data.ragged import gather, offsets
from perfseer.errors import PerfseerError
from perfseer.graphs.perfgraph import NODE_FIELDS, IntArray, PerfGraph
from perfseer.graphs.vocabulary import OPERATORS, VOCABULARY_VERSION
from perfseer.plain_data import parse_json

SCHEMA_VERSION = 1
NODE_ARRAYS: tuple[str, ...] = (*NODE_FIELDS, "hyperparameters", "output_shapes")
EDGE_ARRAYS: tuple[str, ...] = ("edge_index", "edge_bytes", "edge_shapes")
GRAPH_ARRAYS: tuple[str, ...] = (
    "batch_size",
    "n_parameters",
    "parameter_bytes",
    "buffer_bytes",
    "peak_infer_bytes",
    "peak_train_bytes",
    "has_backward",
    "train_only_bytes",
)
_ARRAYS = (*NODE_ARRAYS, *EDGE_ARRAYS, *GRAPH_ARRAYS)
_POINTERS = ("node_ptr", "edge_ptr")
# Of arrays that have more than one number an entry.
_COLUMNS = {"hyperparameters": (13,), "output_shapes": (4,), "edge_shapes": (4,), "edge_index": (2,)}
_WIDTHS = (np.uint8, np.int16, np.int32, np.int64)
_DTYPES = {"U8": np.uint8, "I16": np.int16, "I32": np.int32, "I64": np.int64}
_WRITTEN_BY = "perfseer graph build"


@dataclass(frozen=True, eq=False)
class PackedGraphs:
    """G graphs with V nodes and E edges altogether.

    Attributes:
        arrays: `NODE_ARRAYS` [V, ...], `EDGE_ARRAYS` [E, ...] (edge_index here is [E, 2]) and
            `GRAPH_ARRAYS` [G], integers of the narrowest width that holds them.
        node_ptr: [G + 1] offsets of each graph's nodes.
        edge_ptr: [G + 1] offsets of each graph's edges.
        unknown: graph number to its ATen operators outside the vocabulary with their counts; graphs
            without any are absent.
    """

    arrays: Mapping[str, npt.NDArray[np.integer[Any]]]
    node_ptr: IntArray
    edge_ptr: IntArray
    unknown: Mapping[int, Mapping[str, int]]

    @classmethod
    def pack(cls, graphs: Iterable[PerfGraph]) -> "PackedGraphs":
        """Lay graphs end to end, in the order given."""
        graphs = list(graphs)
        arrays = {name: _stack([getattr(graph, name) for graph in graphs], name) for name in NODE_ARRAYS}
        arrays |= {name: _stack([_by_edge(graph, name) for graph in graphs], name) for name in EDGE_ARRAYS}
        counts = (*GRAPH_ARRAYS, "n_nodes", "n_edges")
        arrays |= {name: _int64([getattr(graph, name) for graph in graphs]) for name in counts}
        unknown = {number: dict(graph.unknown) for number, graph in enumerate(graphs) if graph.unknown}
        return cls.from_flat(arrays, arrays["n_nodes"], arrays["n_edges"], unknown)

    @classmethod
    def from_flat(
        cls,
        arrays: Mapping[str, IntArray],
        nodes_per_graph: IntArray,
        edges_per_graph: IntArray,
        unknown: Mapping[int, Mapping[str, int]] | None = None,
    ) -> "PackedGraphs":
        """From arrays that are flat already, for sources that compute many graphs at once.

        Args:
            arrays: `NODE_ARRAYS`, `EDGE_ARRAYS` and `GRAPH_ARRAYS` by name; others are left out.
            nodes_per_graph: [G]; a graph may have none.
            edges_per_graph: [G].
            unknown: as the attribute; None for nothing unknown.
        """
        narrowed = {name: narrow(arrays[name]) for name in _ARRAYS}
        return cls(narrowed, offsets(nodes_per_graph), offsets(edges_per_graph), unknown or {})

    @classmethod
    def concatenate(cls, parts: Sequence["PackedGraphs"]) -> "PackedGraphs":
        """The graphs of all parts, in order; equal to packing them in one go. At least one part."""
        first = np.cumsum([0, *map(len, parts)]).tolist()
        return cls.from_flat(
            {name: np.concatenate([part[name] for part in parts]) for name in _ARRAYS},
            np.concatenate([np.diff(part.node_ptr) for part in parts]),
            np.concatenate([np.diff(part.edge_ptr) for part in parts]),
            {
                start + number: counts
                for start, part in zip(first, parts, strict=False)
                for number, counts in part.unknown.items()
            },
        )

    def __len__(self) -> int:
        """Number of graphs."""
        return len(self.node_ptr) - 1

    def __getitem__(self, name: str) -> npt.NDArray[np.integer[Any]]:
        """The flat array called ``name``."""
        return self.arrays[name]

    def graph(self, number: int) -> PerfGraph:
        """Graph ``number`` as an object, equal to the one that was packed.

        Raises:
            IndexError: there is no such graph.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"graph {number} of {len(self)}")
        nodes = slice(*self.node_ptr[number : number + 2])
        edges = slice(*self.edge_ptr[number : number + 2])
        values: dict[str, Any] = {name: _int64(self[name][nodes]) for name in NODE_ARRAYS}
        values |= {name: _int64(self[name][edges]) for name in EDGE_ARRAYS}
        values["edge_index"] = np.ascontiguousarray(values["edge_index"].T)
        values |= {name: int(self[name][number]) for name in GRAPH_ARRAYS}
        values["has_backward"] = bool(values["has_backward"])
        return PerfGraph(**values, unknown=dict(self.unknown.get(number, {})))

    def take(self, numbers: IntArray) -> "PackedGraphs":
        """The graphs of those numbers, in that order; a graph may be taken more than once."""
        nodes, node_ptr = gather(self.node_ptr, numbers)
        edges, edge_ptr = gather(self.edge_ptr, numbers)
        positions = dict.fromkeys(NODE_ARRAYS, nodes) | dict.fromkeys(EDGE_ARRAYS, edges)
        positions |= dict.fromkeys(GRAPH_ARRAYS, numbers)
        return PackedGraphs(
            arrays={name: np.asarray(self[name])[chosen] for name, chosen in positions.items()},
            node_ptr=node_ptr,
            edge_ptr=edge_ptr,
            unknown={
                place: self.unknown[number]
                for place, number in enumerate(numbers.tolist())
                if number in self.unknown
            },
        )

    def save(self, path: Path) -> None:
        """Write one safetensors file, atomically; equal graphs give equal bytes.

        Raises:
            PerfseerError: the place cannot be written.
        """
        arrays = {**self.arrays, "node_ptr": self.node_ptr, "edge_ptr": self.edge_ptr}
        contents = {
            "schema_version": SCHEMA_VERSION,
            "vocabulary_version": VOCABULARY_VERSION,
            "unknown": {str(number): counts for number, counts in sorted(self.unknown.items())},
        }
        # One metadata entry: safetensors writes several in no fixed order.
        metadata = {"perfseer": json.dumps(contents, sort_keys=True)}
        whole = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
        with atomic(path) as temporary:
            try:
                save_file(whole, temporary, metadata)
            except SafetensorError as error:  # its own wrapper around the system's refusal
                raise OSError(str(error)) from error

    @classmethod
    def load(cls, path: Path) -> "PackedGraphs":
        """Memory-map a file written by `save`.

        Raises:
            PerfseerError: the file is missing, truncated, foreign, or of another schema or vocabulary.
        """
        contents = _read_contents(path)
        try:
            arrays = _map_arrays(path)
        except (OSError, LookupError, TypeError, ValueError) as error:
            raise PerfseerError(
                f"{path} has arrays of other types or shapes ({error}): run `{_WRITTEN_BY}`"
            ) from error
        missing = {*_ARRAYS, *_POINTERS} - set(arrays)
        if missing:
            raise PerfseerError(f"{path} lacks the arrays {sorted(missing)}: run `{_WRITTEN_BY}` again")
        node_ptr, edge_ptr = (np.array(arrays.pop(name), dtype=np.int64) for name in _POINTERS)
        packed = cls(arrays, node_ptr, edge_ptr, _unknown(contents.get("unknown"), path))
        _check_lengths(packed, path)
        return packed


def _by_edge(graph: PerfGraph, name: str) -> IntArray:
    """An edge array with edges first, so that all edge arrays cut the same way."""
    return graph.edge_index.T if name == "edge_index" else np.asarray(getattr(graph, name))


def _int64(values: npt.ArrayLike) -> IntArray:
    return np.array(values, dtype=np.int64)


def _stack(parts: Sequence[IntArray], name: str) -> IntArray:
    empty = np.zeros((0, *_COLUMNS.get(name, ())), dtype=np.int64)
    return np.concatenate([empty, *parts])


def narrow(values: IntArray) -> npt.NDArray[np.integer[Any]]:
    """The same integers in the narrowest of `_WIDTHS` that holds them: a third of the bytes on disk."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    width = next(w for w in _WIDTHS if np.iinfo(w).min <= low and high <= np.iinfo(w).max)
    return values.astype(width)


def _read_contents(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise PerfseerError(f"no graphs at {path}: run `{_WRITTEN_BY}` first")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
        contents = parse_json(metadata["perfseer"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise PerfseerError(
            f"{path} is not a whole file of packed graphs ({error}): run `{_WRITTEN_BY}`"
        ) from error
    expected = {"schema_version": SCHEMA_VERSION, "vocabulary_version": VOCABULARY_VERSION}
    found = {name: contents.get(name) for name in expected} if isinstance(contents, dict) else None
    if found != expected:
        raise PerfseerError(f"{path} has {found}, this perfseer reads {expected}: run `{_WRITTEN_BY}` again")
    return dict(contents)


def _map_arrays(path: Path) -> dict[str, npt.NDArray[np.integer[Any]]]:
    """Map every array without reading it (the library's own numpy reader copies).

    The format: 8 bytes header length, a JSON header, then the arrays at the offsets the header gives.
    """
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    start = 8 + length
    data = np.memmap(path, dtype=np.uint8, mode="r")
    return {
        name: data[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]]
        .view(_DTYPES[entry["dtype"]])
        .reshape(entry["shape"])
        for name, entry in header.items()
    }


def _unknown(value: Any, path: Path) -> dict[int, dict[str, int]]:
    """Operators outside the vocabulary by graph, as they were written."""
    sound = isinstance(value, dict) and all(
        number.isdecimal() and isinstance(counts, dict) and all(type(n) is int for n in counts.values())
        for number, counts in value.items()
    )
    if not sound:
        raise PerfseerError(f"{path} is inconsistent (unknown operators): run `{_WRITTEN_BY}` again")
    return {int(number): counts for number, counts in value.items()}


def _check_lengths(packed: PackedGraphs, path: Path) -> None:
    """Offsets span the arrays they cut, operators are in the vocabulary, edges join nodes of their graph."""
    pointers = (packed.node_ptr, packed.edge_ptr)
    wrong = [
        name
        for name, pointer in zip(_POINTERS, pointers, strict=True)
        if pointer.ndim != 1 or not len(pointer) or pointer[0] != 0 or bool((np.diff(pointer) < 0).any())
    ]
    if not wrong and len(packed.node_ptr) == len(packed.edge_ptr):
        totals = dict.fromkeys(NODE_ARRAYS, packed.node_ptr[-1])
        totals |= dict.fromkeys(EDGE_ARRAYS, packed.edge_ptr[-1])
        totals |= {name: len(packed) for name in GRAPH_ARRAYS}
        shapes = {name: (total, *_COLUMNS.get(name, ())) for name, total in totals.items()}
        wrong = [name for name, shape in shapes.items() if packed[name].shape != shape]
        wrong = wrong or _wrong_values(packed)
    else:
        wrong = wrong or list(_POINTERS)
    if wrong:
        raise PerfseerError(f"{path} is inconsistent ({', '.join(wrong)}): run `{_WRITTEN_BY}` again")


def _wrong_values(packed: PackedGraphs) -> list[str]:
    """Arrays of the right shape that name an operator, a node or a batch there cannot be."""
    nodes = np.repeat(np.diff(packed.node_ptr), np.diff(packed.edge_ptr))
    operators, edges = packed["operators"], packed["edge_index"]
    checks = {
        "operators": (operators >= 0) & (operators < len(OPERATORS)),
        "edge_index": (edges >= 0) & (edges < nodes[:, None]),
        "batch_size": packed["batch_size"] >= 1,
    }
    return [name for name, good in checks.items() if not good.all()]
