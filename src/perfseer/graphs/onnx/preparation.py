"""A graph made plain before its patterns are looked for: functions, constants, merged and folded weights."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from perfseer.errors import PerfseerError, require
from perfseer.graphs.declared import MOST_NODES
from perfseer.graphs.onnx.model import (
    OnnxFunction,
    OnnxGraph,
    OnnxNode,
    Reference,
    Stored,
    constant_of,
    single_number,
)
from perfseer.graphs.onnx.ordering import bodies, in_running_order, names_read
from perfseer.graphs.onnx.sharing import Sharing

_DEEPEST_CALL = 32
# Where a slice begins or ends: a number, or the name of a tensor with it.
Edge: TypeAlias = int | str
Functions = Mapping[tuple[str, str], OnnxFunction]


# -- functions -------------------------------------------------------------------------------------------


def inlined(graph: OnnxGraph, functions: Functions) -> OnnxGraph:
    """The graph with every call of a function of the file replaced by the function's body.

    Raises:
        PerfseerError: functions call themselves, or there are too many operators.
    """
    if not functions:
        return graph
    return replace(graph, nodes=tuple(_inlined(graph.nodes, functions, 0, Counter())))


def _inlined(
    nodes: Iterable[OnnxNode], functions: Functions, depth: int, count: Counter[str]
) -> list[OnnxNode]:
    require(
        depth <= _DEEPEST_CALL, f"functions of the file call one another deeper than {_DEEPEST_CALL} levels"
    )
    out: list[OnnxNode] = []
    for node in nodes:
        function = functions.get((node.domain, node.op))
        if function is None:
            out.append(_with_bodies(node, lambda body: _inlined_body(body, functions, depth, count)))
            continue
        count["calls"] += 1
        body = _body(node, function, f"{node.op}_{count['calls']}/")
        out += _inlined(body, functions, depth + 1, count)
        count["nodes"] += len(body)
        require(
            count["nodes"] <= MOST_NODES, f"the file's functions expand to more than {MOST_NODES:,} operators"
        )
    return out


def _inlined_body(body: OnnxGraph, functions: Functions, depth: int, count: Counter[str]) -> OnnxGraph:
    return replace(body, nodes=tuple(_inlined(body.nodes, functions, depth, count)))


def _with_bodies(node: OnnxNode, change: Callable[[OnnxGraph], OnnxGraph]) -> OnnxNode:
    """The node with its graphs changed; itself where it has none."""
    if not any(True for _ in bodies(node.attributes)):
        return node
    attributes = {
        name: tuple(change(item) if isinstance(item, OnnxGraph) else item for item in value)
        if isinstance(value, tuple)
        else change(value)
        if isinstance(value, OnnxGraph)
        else value
        for name, value in node.attributes.items()
    }
    return replace(node, attributes=attributes)


def _body(call: OnnxNode, function: OnnxFunction, prefix: str) -> list[OnnxNode]:
    """A function's nodes under names of this call."""
    names = dict.fromkeys(function.inputs, "")
    names |= dict(zip(function.inputs, call.inputs, strict=False))
    names |= dict(zip(function.outputs, call.outputs, strict=False))
    attributes = {**function.defaults, **call.attributes}

    def name_of(name: str) -> str:
        return names.get(name, prefix + name) if name else ""

    def resolved(node: OnnxNode) -> OnnxNode:
        own = replace(node, attributes=_resolved(node.attributes, attributes))
        return _with_bodies(own, lambda body: replace(body, nodes=tuple(map(resolved, body.nodes))))

    return [
        replace(_reading(resolved(node), name_of), outputs=tuple(map(name_of, node.outputs)))
        for node in function.nodes
    ]


def _reading(node: OnnxNode, name_of: Callable[[str], str]) -> OnnxNode:
    """The node, and the bodies in it, reading other names."""

    def inside(body: OnnxGraph) -> OnnxGraph:
        own = {value.name for value in body.inputs} | body.stored.keys()
        own.update(name for inner in body.nodes for name in inner.outputs)
        outer = lambda name: name if name in own else name_of(name)  # noqa: E731
        nodes = tuple(_reading(inner, outer) for inner in body.nodes)
        return replace(body, nodes=nodes, outputs=tuple(map(outer, body.outputs)))

    return replace(_with_bodies(node, inside), inputs=tuple(map(name_of, node.inputs)))


def _resolved(own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    resolved = {}
    for name, value in own.items():
        if not isinstance(value, Reference):
            resolved[name] = value
        elif value.name in given:
            resolved[name] = given[value.name]
    return resolved


# -- constants -------------------------------------------------------------------------------------------


def with_constants_stored(graph: OnnxGraph, sharing: Sharing) -> OnnxGraph:
    """Constants, and second names of stored tensors, as stored tensors.

    Args:
        graph: functions inlined.
        sharing: tells which second names are of one tensor, and which of two that are equal.
    """
    stored = dict(graph.stored)
    aliases: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        node = _renamed(node, aliases)
        if node.op == "Constant" and not node.domain:
            stored[node.outputs[0]] = constant_of(node)
        elif node.op == "Identity" and not node.domain and node.inputs[:1] and node.inputs[0] in stored:
            first, second = node.inputs[0], node.outputs[0]
            if not sharing.is_tied(first, second, stored[first]):
                stored[second] = stored[first]
                continue
            aliases[second] = first
            if second in graph.outputs:
                nodes.append(node)
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes), stored=stored)


def _renamed(node: OnnxNode, aliases: Mapping[str, str]) -> OnnxNode:
    if aliases.keys().isdisjoint(names_read(node)):
        return node
    return _reading(node, lambda name: aliases.get(name, name))


# -- parts of a tensor -----------------------------------------------------------------------------------


def with_unstacked(graph: OnnxGraph) -> OnnxGraph:
    """The graph with slices that take a tensor apart as one operator.

    PyTorch's exporters write unbind, split and chunk as slices one behind the other. Their backward passes
    differ: the gradients of slices are padded to the whole and added.
    """
    parts: dict[tuple[str, int], dict[Edge, tuple[Edge, OnnxNode]]] = {}
    for node in graph.nodes:
        window = _window(node, graph.stored)
        if window is not None:
            axis, start, end = window
            parts.setdefault((node.inputs[0], axis), {})[start] = (end, node)
    joined: dict[OnnxNode, OnnxNode | None] = {}
    for (source, axis), found in parts.items():
        chain = _chain(found)
        if len(chain) == len(found) > 1:
            inputs = (source, *(node.inputs[2] for node in chain))
            outputs = tuple(node.outputs[0] for node in chain)
            joined |= dict.fromkeys(chain)
            joined[chain[0]] = OnnxNode(
                "perfseer.Unstack", "", chain[0].name, inputs, outputs, {"axis": axis}
            )
    replaced = (joined.get(node, node) for node in graph.nodes)
    nodes = [node for node in replaced if node is not None]
    return replace(graph, nodes=in_running_order(nodes, None)) if joined else graph


def _chain(found: Mapping[Edge, tuple[Edge, OnnxNode]]) -> list[OnnxNode]:
    """Slices from the start on, each beginning where the one before it ends."""
    chain: list[OnnxNode] = []
    edge: Edge = 0
    while edge in found and len(chain) < len(found):
        edge, node = found[edge]
        chain.append(node)
    return chain


def _window(node: OnnxNode, stored: Mapping[str, Stored]) -> tuple[int, Edge, Edge] | None:
    """Axis, start and end of a slice along one axis in steps of one; None for any other node."""
    if node.op != "Slice" or node.domain or not 4 <= len(node.inputs) <= 5:
        return None
    start, end, axis, *step = (_edge(name, stored) for name in node.inputs[1:])
    if not isinstance(axis, int) or step not in ([], [1]):
        return None
    return axis, start, end


def _edge(name: str, stored: Mapping[str, Stored]) -> Edge:
    number = single_number(stored.get(name))
    return name if number is None else int(number)


# -- folded batch norms ----------------------------------------------------------------------------------

# PyTorch's older exporter names folded weights after their use; a convolution without batch norm keeps the
# network's names. The newer one keeps the name of the batch norm's result, an item of a tuple.
_FOLDED_WEIGHT = re.compile(r"onnx::Conv_\d+")
_FOLDED_NODE, _FOLDED_RESULT = re.compile(r"node_Conv_\d+"), re.compile(r"getitem(_\d+)?")


def with_batch_norms(graph: OnnxGraph, producer: str) -> tuple[OnnxGraph, int]:
    """The graph with batch norms that PyTorch's exporters folded into convolutions put back; and how many."""
    if not producer.startswith("pytorch"):
        return graph, 0
    stored = dict(graph.stored)
    nodes: list[OnnxNode] = []
    known: dict[tuple[str, ...], list[str]] = {}
    for node in graph.nodes:
        nodes += _unfolded(node, stored, known) if _is_folded(node, stored) else [node]
    return replace(graph, nodes=tuple(nodes), stored=stored), len(nodes) - len(graph.nodes)


def _is_folded(node: OnnxNode, stored: Mapping[str, Stored]) -> bool:
    if node.op != "Conv" or node.domain or len(node.inputs) < 2 or node.inputs[1] not in stored:
        return False
    if all(_FOLDED_WEIGHT.fullmatch(name) for name in node.inputs[1:]) and len(node.inputs) == 3:
        return True
    return bool(_FOLDED_NODE.fullmatch(node.name) and _FOLDED_RESULT.fullmatch(node.outputs[0]))


def _unfolded(
    node: OnnxNode, stored: dict[str, Stored], known: dict[tuple[str, ...], list[str]]
) -> Sequence[OnnxNode]:
    """A convolution and its batch norm; ``known`` has the norms' vectors of layers that ran before."""
    weight = stored[node.inputs[1]]
    if not weight.shape:
        raise PerfseerError(f"{node} has a weight without dimensions")
    result = f"{node.outputs[0]} before its batch norm"
    names = [f"{node.outputs[0]} {part}" for part in ("scale", "shift", "mean", "variance")]
    vectors = known.setdefault(node.inputs[1:], names)
    stored |= dict.fromkeys(vectors, Stored((weight.shape[0],), weight.dtype, None))
    conv = replace(node, inputs=node.inputs[:2], outputs=(result,))
    return conv, OnnxNode("BatchNormalization", "", node.name, (result, *vectors), node.outputs, {})
