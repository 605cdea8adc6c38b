"""A graph made plain before its patterns are looked for: functions, constants, merged and folded weights."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from perfseer.errors import PerfseerError, require
from perfseer.graphs.declared import MOST_NODES
from perfseer.graphs.onnx.calls import Call
from perfseer.graphs.onnx.known import constant
from perfseer.graphs.onnx.model import (
    OnnxFunction,
    OnnxGraph,
    OnnxNode,
    Reference,
    Stored,
    single_number,
)
from perfseer.graphs.onnx.weights import is_temporary

_DEEPEST_CALL = 32
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
            out.append(node)
            continue
        count["calls"] += 1
        body = _body(node, function, f"{node.op}_{count['calls']}/")
        out += _inlined(body, functions, depth + 1, count)
        count["nodes"] += len(body)
        require(
            count["nodes"] <= MOST_NODES, f"the file's functions expand to more than {MOST_NODES:,} operators"
        )
    return out


def _body(call: OnnxNode, function: OnnxFunction, prefix: str) -> list[OnnxNode]:
    """A function's nodes under names of this call."""
    names = dict.fromkeys(function.inputs, "")
    names |= dict(zip(function.inputs, call.inputs, strict=False))
    names |= dict(zip(function.outputs, call.outputs, strict=False))
    attributes = {**function.defaults, **call.attributes}

    def name_of(name: str) -> str:
        return names.get(name, prefix + name) if name else ""

    return [
        replace(
            node,
            inputs=tuple(map(name_of, node.inputs)),
            outputs=tuple(map(name_of, node.outputs)),
            attributes=_resolved(node.attributes, attributes),
        )
        for node in function.nodes
    ]


def _resolved(own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    resolved = {}
    for name, value in own.items():
        if not isinstance(value, Reference):
            resolved[name] = value
        elif value.name in given:
            resolved[name] = given[value.name]
    return resolved


# -- constants -------------------------------------------------------------------------------------------


def with_constants_stored(graph: OnnxGraph) -> OnnxGraph:
    """Constants, and second names of stored tensors, as stored tensors.

    Exporters merge equal tensors and write the further ones as Identity of the first. Vectors are parameters
    of their own then (the scales of two norms are equal before training, and not one); a matrix under two of
    the network's own names is tied.
    """
    stored = dict(graph.stored)
    aliases: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        node = _renamed(node, aliases)
        if node.op == "Constant" and not node.domain:
            stored[node.outputs[0]] = constant(Call(node, (), 0, training=False))
        elif node.op == "Identity" and not node.domain and node.inputs[:1] and node.inputs[0] in stored:
            if node.outputs[0] not in graph.outputs and _is_tied(node, stored):
                aliases[node.outputs[0]] = node.inputs[0]
            else:
                stored[node.outputs[0]] = stored[node.inputs[0]]
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes), stored=stored)


def _is_tied(node: OnnxNode, stored: Mapping[str, Stored]) -> bool:
    """Folded weights are equal only before training, where batch norms start at zero."""
    return len(stored[node.inputs[0]].shape) > 1 and not is_temporary(node.outputs[0])


def _renamed(node: OnnxNode, aliases: Mapping[str, str]) -> OnnxNode:
    if not any(name in aliases for name in node.inputs):
        return node
    return replace(node, inputs=tuple(aliases.get(name, name) for name in node.inputs))


# -- parts of a tensor -----------------------------------------------------------------------------------


def with_unstacked(graph: OnnxGraph) -> OnnxGraph:
    """The graph with slices that take a tensor apart as one operator.

    PyTorch's newer exporter writes unbind, split and chunk as slices one behind the other. Their backward
    passes differ: the gradients of slices are padded to the whole and added.
    """
    parts: dict[tuple[str, int], list[tuple[int, int, OnnxNode]]] = {}
    for node in graph.nodes:
        window = _window(node, graph.stored)
        if window is not None:
            axis, start, end = window
            parts.setdefault((node.inputs[0], axis), []).append((start, end, node))
    joined: dict[OnnxNode, OnnxNode | None] = {}
    for (source, axis), found in parts.items():
        found.sort(key=lambda part: part[0])
        ends = [end for _, end, _ in found]
        if len(found) > 1 and [start for start, _, _ in found] == [0, *ends[:-1]]:
            outputs = tuple(node.outputs[0] for _, _, node in found)
            joined |= dict.fromkeys((node for _, _, node in found), None)
            first = min((node for _, _, node in found), key=graph.nodes.index)
            attributes = {"axis": axis, "ends": tuple(ends)}
            joined[first] = OnnxNode("perfseer.Unstack", "", first.name, (source,), outputs, attributes)
    replaced = (joined.get(node, node) for node in graph.nodes)
    return replace(graph, nodes=tuple(node for node in replaced if node is not None))


def _window(node: OnnxNode, stored: Mapping[str, Stored]) -> tuple[int, int, int] | None:
    """Axis, start and end of a slice along one axis in steps of one; None for any other node."""
    if node.op != "Slice" or node.domain or not 4 <= len(node.inputs) <= 5:
        return None
    numbers = [single_number(stored.get(name)) for name in node.inputs[1:]]
    if any(number is None for number in numbers) or numbers[3:] not in ([], [1.0]):
        return None
    start, end, axis = (int(number) for number in numbers[:3] if number is not None)
    return (axis, start, end) if 0 <= start < end else None


# -- merged vectors --------------------------------------------------------------------------------------

# Vectors that belong to one operator: scale, shift and statistics of norms, biases.
_OWN_VECTORS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "perfseer.Linear"), (2,)),
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization"), (1, 2)),
    **{"BatchNormalization": (1, 2, 3, 4), "perfseer.GroupNorm": (1, 2), "RMSNormalization": (1,)},
}


def separated(graph: OnnxGraph) -> OnnxGraph:
    """The graph with a vector of its own for each operator that has one: exporters merge equal ones."""
    stored = dict(graph.stored)
    taken: set[str] = set()
    nodes = []
    for node in graph.nodes:
        inputs = list(node.inputs)
        for position in _OWN_VECTORS.get(node.op, ()) if not node.domain else ():
            name = inputs[position] if position < len(inputs) else ""
            if name in stored and name in taken:
                inputs[position] = f"{name} of {node.outputs[0]} ({position})"
                stored[inputs[position]] = stored[name]
            taken.add(name)
        nodes.append(replace(node, inputs=tuple(inputs)) if tuple(inputs) != node.inputs else node)
    return replace(graph, nodes=tuple(nodes), stored=stored)


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
    for node in graph.nodes:
        nodes += _unfolded(node, stored) if _is_folded(node, stored) else [node]
    return replace(graph, nodes=tuple(nodes), stored=stored), len(nodes) - len(graph.nodes)


def _is_folded(node: OnnxNode, stored: Mapping[str, Stored]) -> bool:
    if node.op != "Conv" or node.domain or len(node.inputs) < 2 or node.inputs[1] not in stored:
        return False
    if all(_FOLDED_WEIGHT.fullmatch(name) for name in node.inputs[1:]) and len(node.inputs) == 3:
        return True
    return bool(_FOLDED_NODE.fullmatch(node.name) and _FOLDED_RESULT.fullmatch(node.outputs[0]))


def _unfolded(node: OnnxNode, stored: dict[str, Stored]) -> Sequence[OnnxNode]:
    weight = stored[node.inputs[1]]
    if not weight.shape:
        raise PerfseerError(f"{node} has a weight without dimensions")
    result = f"{node.outputs[0]} before its batch norm"
    vectors = [f"{node.outputs[0]} {part}" for part in ("scale", "shift", "mean", "variance")]
    stored |= dict.fromkeys(vectors, Stored((weight.shape[0],), weight.dtype, None))
    conv = replace(node, inputs=node.inputs[:2], outputs=(result,))
    return conv, OnnxNode("BatchNormalization", "", node.name, (result, *vectors), node.outputs, {})
