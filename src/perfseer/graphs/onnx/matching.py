"""Finding small trees of operators in a graph, and replacing each by one operator."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any, Union

from perfseer.graphs.onnx.model import OnnxGraph, OnnxNode, Stored, single_number
from perfseer.graphs.onnx.ordering import names_read

_COMMUTATIVE = frozenset({"Add", "Mul"})
_TOLERANCE = 2e-3  # exporters write constants in half precision too

Bindings = Mapping[str, str]


@dataclass(frozen=True)
class Part:
    """An operator and what it reads.

    Attributes:
        op: its type.
        inputs: for each argument a part, a number it must be, or a name to bind to what is read (the same
            name twice is the same tensor). Further arguments are not looked at.
        check: what else must hold of the node, given the tensors that are stored.
    """

    op: str
    inputs: tuple[Union["Part", str, float], ...]
    check: Callable[[OnnxNode, Mapping[str, Stored]], bool] | None = None


@dataclass(frozen=True)
class Match:
    """What was found: names bound, and the nodes by their first output."""

    names: Bindings
    nodes: Mapping[str, OnnxNode]


@dataclass(frozen=True)
class Rewrite:
    """A tree and what it is.

    Attributes:
        part: its last operator.
        make: the operator's name, the names of its inputs among those bound, and its attributes; None if the
            match is not what it seems.
    """

    part: Part
    make: Callable[[Match, Mapping[str, Stored]], tuple[str, Sequence[str], Mapping[str, Any]] | None]


def renamed(op: str, *inputs: str) -> Callable[..., tuple[str, Sequence[str], Mapping[str, Any]]]:
    """A `Rewrite.make` that needs nothing but names."""
    return lambda match, _: (op, [match.names[name] for name in inputs], {})


class Matcher:
    """The trees of one graph.

    Args:
        graph: where to look.
    """

    def __init__(self, graph: OnnxGraph) -> None:
        self._stored = graph.stored
        self._outputs = frozenset(graph.outputs)
        self._producers = {name: node for node in graph.nodes for name in node.outputs if name}
        self._readers: dict[str, set[str]] = {}
        for node in graph.nodes:
            self._note_reads(node)

    def _note_reads(self, node: OnnxNode) -> None:
        for name in names_read(node):
            self._readers.setdefault(name, set()).add(node.outputs[0])

    def find(self, rewrite: Rewrite, node: OnnxNode) -> tuple[OnnxNode, set[str]] | None:
        """The operator that a tree ending in ``node`` is, and the first outputs of the nodes it replaces."""
        if node.op != rewrite.part.op or node.domain:
            return None
        for match in self._match(rewrite.part, node, Match({}, {})):
            if not self._is_closed(match, node):
                continue
            made = rewrite.make(match, self._stored)
            if made is not None:
                op, inputs, attributes = made
                fused = OnnxNode(op, "", node.name, tuple(inputs), node.outputs, attributes)
                return fused, set(match.nodes)
        return None

    def replace(self, fused: OnnxNode, gone: set[str]) -> None:
        """Take note that a tree is now one operator."""
        for first in gone:
            for name in names_read(self._producers[first]):
                self._readers[name].discard(first)
        self._producers[fused.outputs[0]] = fused
        self._note_reads(fused)

    def _is_closed(self, match: Match, root: OnnxNode) -> bool:
        """Nobody outside reads what the tree computes on its way."""
        inner = (node for node in match.nodes.values() if node is not root)
        return not any(
            name in self._outputs or self._readers.get(name, set()) - match.nodes.keys()
            for node in inner
            for name in node.outputs
        )

    def _match(self, part: Part, node: OnnxNode, sofar: Match) -> Iterator[Match]:
        if node.op != part.op or node.domain or len(node.inputs) < len(part.inputs):
            return
        if part.check is not None and not part.check(node, self._stored):
            return
        started = Match(sofar.names, {**sofar.nodes, node.outputs[0]: node})
        orders = [node.inputs]
        if node.op in _COMMUTATIVE and len(node.inputs) == 2:
            orders.append(node.inputs[::-1])
        for order in orders:
            yield from self._match_inputs(part.inputs, order, started)

    def _match_inputs(
        self, wanted: Sequence[Part | str | float], given: Sequence[str], sofar: Match
    ) -> Iterator[Match]:
        if not wanted:
            yield sofar
            return
        for match in self._match_one(wanted[0], given[0], sofar):
            yield from self._match_inputs(wanted[1:], given[1:], match)

    def _match_one(self, wanted: Part | str | float, name: str, sofar: Match) -> Iterator[Match]:
        if isinstance(wanted, Part):
            producer = self._producers.get(name)
            if producer is not None:
                yield from self._match(wanted, producer, sofar)
        elif isinstance(wanted, str):
            if name and sofar.names.get(wanted, name) == name:
                yield Match({**sofar.names, wanted: name}, sofar.nodes)
        else:
            number = single_number(self._stored.get(name))
            if number is not None and isclose(number, wanted, rel_tol=_TOLERANCE):
                yield sofar


def rewritten(graph: OnnxGraph, rewrites: Sequence[Rewrite]) -> tuple[OnnxNode, ...]:
    """The nodes with every tree replaced; earlier rewrites go first."""
    matcher = Matcher(graph)
    nodes = {node.outputs[0]: node for node in graph.nodes}
    # by operator, since there are many rewrites and in a large graph few nodes that each is for
    by_op: dict[str, set[str]] = {}
    for node in graph.nodes:
        by_op.setdefault(node.op, set()).add(node.outputs[0])
    place = {first: number for number, first in enumerate(nodes)}
    for rewrite in rewrites:
        for first in sorted(by_op.get(rewrite.part.op, ()), key=place.__getitem__):
            # what an earlier tree took is gone, or is another operator
            found = matcher.find(rewrite, nodes[first]) if first in nodes else None
            if found is None:
                continue
            fused, replaced = found
            matcher.replace(fused, replaced)
            nodes[first] = fused
            by_op.setdefault(fused.op, set()).add(first)
            for name in replaced - {first}:
                del nodes[name]
    return tuple(nodes.values())
