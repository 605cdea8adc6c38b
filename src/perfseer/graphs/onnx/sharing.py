"""Which stored tensors are one parameter, and which are several.

A tensor that several operators read is one parameter, whatever it is called on the way. PyTorch's exporters
make it less plain: they merge tensors that are equal, as scales of norms are before training, and they fold
the transpose of a matrix into a copy of it, also where the matrix is an embedding that the last layer shares.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from perfseer.graphs.onnx.contents import Contents
from perfseer.graphs.onnx.model import OnnxGraph, OnnxNode, Stored
from perfseer.graphs.onnx.weights import ARGUMENTS, Uses, is_temporary, uses_of

_NUMBER = re.compile(r"\d+")
# A convolution's weight or bias into which a batch norm was folded.
_FOLDED = re.compile(r"onnx::Conv_\d+")
_NOBODY = Uses(())
# Matrices, and a distance to them.
_Place = tuple[tuple[str, ...], int]


@dataclass(frozen=True)
class Sharing:
    """How a file's exporter treats tensors that are equal.

    Attributes:
        merges_equals: whether it merges those, as PyTorch's do.
        contents: of the file's weights.
    """

    merges_equals: bool = False
    contents: Contents = field(default_factory=lambda: Contents(None))

    def is_tied(self, first: str, second: str, stored: Stored) -> bool:
        """Whether a second name of a tensor is of the same parameter.

        Matrices are equal where they are one, unless they are filled with one number; if the file does not
        tell, those in the same place of another layer are two. Vectors are parameters of their own; those of
        folded convolutions are told apart by `separated`.
        """
        if not self.merges_equals:
            return True
        if max(stored.shape, default=1) == prod(stored.shape):
            return bool(_FOLDED.fullmatch(first) and _FOLDED.fullmatch(second))
        uniform = self.contents.is_uniform(first, stored)
        if uniform is not None and not uniform:
            return True
        if is_temporary(second):
            return uniform is None
        return _NUMBER.sub("", first) != _NUMBER.sub("", second)

    def separated(self, graph: OnnxGraph) -> OnnxGraph:
        """The graph with a vector of its own for each layer that has one, where equal ones were merged.

        A layer that runs again has the same matrix, or the same one at the same distance before or behind it.
        """
        if not self.merges_equals:
            return graph
        stored, layers = dict(graph.stored), _Layers(graph.nodes, graph.stored)
        nodes = []
        for number, node in enumerate(graph.nodes):
            inputs = list(node.inputs)
            letters = ARGUMENTS.get(node.kind, "")
            for position, name in enumerate(node.inputs):
                if letters[position : position + 1] in ("v", "s") and name in graph.stored:
                    inputs[position] = layers.own_name(
                        number, name, f"{name} of {node.outputs[0]} ({position})"
                    )
                    stored[inputs[position]] = graph.stored[name]
            nodes.append(replace(node, inputs=tuple(inputs)) if tuple(inputs) != node.inputs else node)
        return replace(graph, nodes=tuple(nodes), stored=stored)

    def with_transposes_tied(self, graph: OnnxGraph) -> OnnxGraph:
        """The graph with the folded transpose of a matrix as a view of that matrix."""
        if not self.merges_equals:
            return graph
        uses = uses_of(graph.nodes)
        matrices = {name: tensor for name, tensor in graph.stored.items() if len(tensor.shape) == 2}
        folded = {n: t for n, t in matrices.items() if is_temporary(n) and uses.get(n, _NOBODY).among("w")}
        originals = {n: t for n, t in matrices.items() if not is_temporary(n) and n in uses}
        shapes = {tensor.shape for tensor in folded.values()}
        known = {
            self.contents.fingerprint(name, tensor, transposed=True): name
            for name, tensor in originals.items()
            if tensor.shape[::-1] in shapes
        }
        stored, views = dict(graph.stored), []
        for name, tensor in folded.items() if known else ():
            mark = self.contents.fingerprint(name, tensor)
            original = None if mark is None else known.get(mark)
            if original is not None and originals[original].shape == tensor.shape[::-1]:
                views.append(OnnxNode("Transpose", "", "", (original,), (name,), {"perm": (1, 0)}))
                del stored[name]
        return replace(graph, nodes=(*views, *graph.nodes), stored=stored)


class _Layers:
    """Which layer of the network a node belongs to, by the matrices before and behind it."""

    def __init__(self, nodes: Sequence[OnnxNode], stored: Mapping[str, Stored]) -> None:
        before, behind = _distances(nodes, stored), _distances(nodes[::-1], stored)[::-1]
        self._places = list(zip(before, behind, strict=True))
        self._names: dict[str, dict[_Place, str]] = {}

    def own_name(self, node: int, name: str, otherwise: str) -> str:
        """A vector's name for the layer of a node: its own for the first layer, ``otherwise`` for another."""
        names = self._names.setdefault(name, {})
        places = self._places[node]
        known = [names[place] for place in places if place in names]
        own = known[0] if known else otherwise if names else name
        names.update(dict.fromkeys(places, own))
        return own


def _distances(nodes: Sequence[OnnxNode], stored: Mapping[str, Stored]) -> list[_Place]:
    """For each node the matrices read last, its own among them, and how many nodes ago that take vectors."""
    last: tuple[str, ...] = ()
    steps = 0
    out = []
    for node in nodes:
        letters = ARGUMENTS.get(node.kind, "")
        pairs = zip(node.inputs, letters, strict=False)
        matrices = tuple(name for name, letter in pairs if letter == "w" and name in stored)
        if matrices:
            last, steps = matrices, 0
        elif letters:
            steps += 1
        out.append((last, steps))
    return out
