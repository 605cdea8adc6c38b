"""Graphs out of pickles from strangers: read as data, bounded in time and memory, nothing ever run.

Python's unpickler imports what a pickle names and calls it. Restricting what it may find still leaves states
that overwrite attributes, hashes that never end and lengths that take all memory. So pickles are interpreted
by a `Machine` of ours: plain data becomes plain data, a named class becomes an inert stand-in if `symbols`
admits it, and everything else ends the file, with its name and what it asked for. It is bounded because

- a file has at most `MAX_BYTES` and `machine.MAX_OPERATIONS`, and every operation makes at most what it
  reads, plus a constant;
- keys of dicts are texts and integers of 64 bits, whose hashes cost nothing and rarely meet;
- nothing recurses, however deep the data, and nothing is compared or printed;
- a graph has at most `MAX_NODES` and `MAX_EDGES`, counted before they are listed, and what its nodes share is
  copied once.
"""

import struct
from collections.abc import Mapping
from typing import Any

from perfseer.data.sources.perfseer_release.machine import Machine
from perfseer.data.sources.perfseer_release.raw import RawGraph
from perfseer.data.sources.perfseer_release.symbols import Instance, RefusedError
from perfseer.data.sources.perfseer_release.wording import printable
from perfseer.errors import PerfseerError

# Published graphs have hundreds of nodes and tens of kilobytes.
MAX_BYTES = 8 * 2**20
MAX_NODES = 5_000
MAX_EDGES = 20_000
_MAX_TEXT = 1000
_DIRECTED = ("networkx.classes.digraph.DiGraph", "networkx.classes.multidigraph.MultiDiGraph")
# Where a DiGraph keeps its nodes and its successors, from networkx 2 on and in networkx 1.
_NODES, _SUCCESSORS = ("_node", "node"), ("_succ", "_adj", "succ", "adj")


def load(content: bytes, name: str) -> Any:
    """The data in a pickle.

    Args:
        content: the whole file.
        name: of the file, for messages.

    Returns:
        None, bool, int, float, str, bytes, list, tuple, dict or `symbols.Instance`, nested and shared as the
        pickle says, in circles too.

    Raises:
        PerfseerError: it is too large, damaged, or asks for what no graph needs; names the file and that.
    """
    where = printable(name)
    if len(content) > MAX_BYTES:
        raise PerfseerError(f"{where}: refused, it has more than the {MAX_BYTES} bytes a graph may have")
    machine = Machine(content)
    try:
        return machine.run()
    except RefusedError as refusal:
        raise PerfseerError(
            f"{where}: refused, {refusal} (at byte {machine.at}; nothing was run)"
        ) from refusal
    except (LookupError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise PerfseerError(f"{where}: not a whole pickle, damaged at byte {machine.at}") from error
    except (MemoryError, RecursionError) as error:
        raise PerfseerError(f"{where}: refused, it takes more memory than there is") from error


def read_graph(content: bytes, name: str) -> RawGraph:
    """The graph in a pickle of networkx, of any version, without networkx.

    Args:
        content: the whole file.
        name: of the file, for messages.

    Raises:
        PerfseerError: as `load`; or it is no directed graph, or a node has no ``feature`` of the published
            form; names the file.
    """
    graph = load(content, name)
    try:
        return _raw_graph(graph)
    except RefusedError as refusal:
        raise PerfseerError(f"{printable(name)}: refused, {refusal}") from refusal


def _raw_graph(graph: Any) -> RawGraph:
    if not isinstance(graph, Instance) or graph.kind not in _DIRECTED:
        found = graph.kind if isinstance(graph, Instance) else f"a {type(graph).__name__}"
        raise RefusedError(f"it holds {found}, expected a DiGraph of networkx")
    state = graph.state or {}
    nodes, successors = _first_dict(state, _NODES), _first_dict(state, _SUCCESSORS)
    if not 0 < len(nodes) <= MAX_NODES:
        raise RefusedError(f"its graph has {len(nodes)} nodes, expected 1 to {MAX_NODES}")
    flat = _Flattener()
    features = tuple(flat.feature(attributes, number) for number, attributes in enumerate(nodes.values()))
    return RawGraph(features, _edges(nodes, successors))


def _first_dict(state: dict[Any, Any], names: tuple[str, ...]) -> dict[Any, Any]:
    for name in names:
        found: Any = state.get(name)
        if type(found) is dict:
            return found
    raise RefusedError(f"its graph has none of {', '.join(names)}")


def _edges(nodes: dict[Any, Any], successors: dict[Any, Any]) -> tuple[tuple[int, int], ...]:
    """Edges as positions, in the order in which networkx gives them."""
    if not all(type(receivers) is dict for receivers in successors.values()):
        raise RefusedError("its graph has successors that are no dict")
    count = sum(len(receivers) for receivers in successors.values())
    if count > MAX_EDGES:
        raise RefusedError(f"its graph has {count} edges, expected at most {MAX_EDGES}")
    position = {node: number for number, node in enumerate(nodes)}
    pairs = [(sender, receiver) for sender, receivers in successors.items() for receiver in receivers]
    try:
        return tuple((position[sender], position[receiver]) for sender, receiver in pairs)
    except KeyError as error:
        raise RefusedError("its graph has an edge to a node it does not have") from error


class _Flattener:
    """Node attributes as mappings of scalars and of one further level; what nodes share stays shared."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}  # by identity; the graph keeps the originals alive

    def feature(self, attributes: Any, node: int) -> Mapping[str, Any]:
        """The ``feature`` of a node's attributes."""
        feature = _plain(attributes.get("feature")) if type(attributes) is dict else None
        if type(feature) is not dict:
            raise RefusedError(f"node {node} has no feature that is a dict")
        if id(feature) not in self._done:
            self._done[id(feature)] = {_text(key): self._value(item, key) for key, item in feature.items()}
        found: Mapping[str, Any] = self._done[id(feature)]
        return found

    def _value(self, item: Any, key: Any) -> Any:
        """A scalar, or a dict or list of scalars."""
        item = _plain(item)
        if not isinstance(item, dict | list | tuple):
            return _scalar(item, key)
        if id(item) not in self._done:
            self._done[id(item)] = (
                {_text(inner): _scalar(value, inner) for inner, value in item.items()}
                if isinstance(item, dict)
                else [_scalar(value, key) for value in item]
            )
        return self._done[id(item)]


def _plain(item: Any) -> Any:
    """The attributes of a stand-in (the authors' ``Feature``, a namespace), else the item itself."""
    return item.state if isinstance(item, Instance) else item


def _scalar(value: Any, key: Any) -> Any:
    if type(value) is str and len(value) > _MAX_TEXT:
        raise RefusedError(f"it has a text of {len(value)} characters as {printable(key)} of a node")
    if value is None or type(value) in (bool, int, float, str):
        return value
    kind = type(value).__name__
    raise RefusedError(f"it has a {kind} as {printable(key)} of a node, expected a number or a text")


def _text(key: Any) -> str:
    if type(key) is not str:
        raise RefusedError(f"it has a {type(key).__name__} as the name of a feature, expected a text")
    return key
