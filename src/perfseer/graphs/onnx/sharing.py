"""Which stored tensors are one parameter, and which are several.

A tensor that several operators read is one parameter, whatever it is called on the way. PyTorch's exporters
make it less plain: they merge tensors that are equal, as scales of norms are before training, and they fold
the transpose of a matrix into a copy of it, also where the matrix is an embedding that the last layer shares.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod

from perfseer.graphs.onnx.contents import Contents
from perfseer.graphs.onnx.model import OnnxGraph, OnnxNode, Stored
from perfseer.graphs.onnx.weights import ARGUMENTS, Uses, is_temporary, uses_of

_NUMBER = re.compile(r"\d+")
_NOBODY = Uses(())


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
        tell, those in the same place of another layer are two. Vectors of folded weights are told apart by
        `separated`; those that have a name of their own are parameters of their own.
        """
        if not self.merges_equals:
            return True
        if max(stored.shape, default=1) == prod(stored.shape):
            return is_temporary(first) and is_temporary(second)
        uniform = self.contents.is_uniform(first, stored)
        if uniform is not None and not uniform:
            return True
        if is_temporary(second):
            return uniform is None
        return _NUMBER.sub("", first) != _NUMBER.sub("", second)

    def separated(self, graph: OnnxGraph) -> OnnxGraph:
        """The graph with a vector of its own for each layer that has one, where equal ones were merged.

        A layer that runs again has the same matrix, or follows the same one at the same distance.
        """
        if not self.merges_equals:
            return graph
        stored, layers = dict(graph.stored), _Layers(graph.stored)
        nodes = []
        for node in graph.nodes:
            inputs = list(node.inputs)
            letters = ARGUMENTS.get(node.kind, "")
            layers.enter(node, letters)
            for position, name in enumerate(node.inputs):
                if letters[position : position + 1] in ("v", "s") and name in graph.stored:
                    inputs[position] = layers.own_name(name, f"{name} of {node.outputs[0]} ({position})")
                    stored[inputs[position]] = graph.stored[name]
            nodes.append(replace(node, inputs=tuple(inputs)) if tuple(inputs) != node.inputs else node)
        return replace(graph, nodes=tuple(nodes), stored=stored)

    def with_embeddings_tied(self, graph: OnnxGraph) -> OnnxGraph:
        """The graph with the transposed copy of an embedding as a view of it."""
        if not self.merges_equals:
            return graph
        uses = uses_of(graph.nodes)
        matrices = {name: tensor for name, tensor in graph.stored.items() if len(tensor.shape) == 2}
        tables = {
            tensor.shape: (name, tensor)
            for name, tensor in matrices.items()
            if ("Gather", 0) in uses.get(name, _NOBODY).places
        }
        stored, views = dict(graph.stored), []
        for name, tensor in matrices.items():
            table = tables.get(tensor.shape[::-1])
            if table is None or not is_temporary(name) or not uses.get(name, _NOBODY).among("w"):
                continue
            if self.contents.are_transposed(table, (name, tensor)):
                views.append(OnnxNode("Transpose", "", "", (table[0],), (name,), {"perm": (1, 0)}))
                del stored[name]
        return replace(graph, nodes=(*views, *graph.nodes), stored=stored)


class _Layers:
    """Which layer of the network a node belongs to, and its vectors."""

    def __init__(self, stored: Mapping[str, Stored]) -> None:
        self._stored = stored
        self._matrices: tuple[str, ...] = ()
        self._read_since: dict[str, int] = {}
        self._names: dict[str, dict[tuple[object, ...], str]] = {}
        self._own = False

    def enter(self, node: OnnxNode, letters: str) -> None:
        """A node is about to run; ``letters`` are those of its arguments."""
        pairs = zip(node.inputs, letters, strict=False)
        matrices = tuple(name for name, letter in pairs if letter == "w" and name in self._stored)
        self._own = bool(matrices)
        if matrices:
            self._matrices, self._read_since = matrices, {}

    def own_name(self, name: str, otherwise: str) -> str:
        """The vector's name for this layer: its own for the first one, ``otherwise`` for a further one."""
        since = 0
        if not self._own:
            since = self._read_since[name] = self._read_since.get(name, 0) + 1
        names = self._names.setdefault(name, {})
        return names.setdefault((self._matrices, since), otherwise if names else name)
