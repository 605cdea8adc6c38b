"""An ONNX graph as a PyTorch module on the meta device: every operator runs as its counterpart.

So a capture of it counts, attributes and differentiates as it does for any module, and no cost is stated
twice. Nothing is computed but shapes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from perfseer.errors import PerfseerError, require
from perfseer.graphs.declared import MOST_ELEMENTS, MOST_NODES, empty
from perfseer.graphs.foreign import foreign
from perfseer.graphs.onnx.batching import Rebatching
from perfseer.graphs.onnx.calls import Call, Fact, Handler, Value, as_tensor
from perfseer.graphs.onnx.known import MOST_BYTES, fold
from perfseer.graphs.onnx.model import OnnxGraph, OnnxModel, OnnxNode, Stored
from perfseer.graphs.onnx.operators import by_data, layout, pointwise, products, recurrent, statistics
from perfseer.graphs.onnx.ordering import bodies
from perfseer.graphs.onnx.undetermined import outputs_of
from perfseer.graphs.onnx.weights import Uses, role_of, uses_of

HANDLERS: Mapping[str, Handler] = {
    **by_data.HANDLERS,
    **layout.HANDLERS,
    **pointwise.HANDLERS,
    **products.HANDLERS,
    **statistics.HANDLERS,
    **recurrent.HANDLERS,
}
# Operators of ONNX Runtime that are ONNX's own under another domain.
_RUNTIME_DOMAIN = "com.microsoft"
_OF_RUNTIME = frozenset({"Gelu", "QuickGelu", "SkipLayerNormalization", "SimplifiedLayerNormalization"})
_OVERWRITES = frozenset({"Relu", "Clip"})
# Their backward passes do not need what they wrote.
_LEAVES_ITS_RESULT = frozenset(
    {"Conv", "ConvTranspose", "Gemm", "Add", "perfseer.Linear", "BatchNormalization", "perfseer.GroupNorm"}
)

Environment = dict[str, Value]


class OnnxModule(nn.Module):
    """A parsed ONNX model that runs on empty tensors.

    Args:
        model: the file, its patterns recognised.

    Attributes:
        notes: what was assumed in its runs, in whole sentences.
    """

    def __init__(self, model: OnnxModel) -> None:
        super().__init__()
        self._model = model
        self._names: dict[tuple[int, str], str] = {}
        self._counters: dict[OnnxNode, str] = {}
        self._in_place = _overwriting(model.graph)
        self._n_run, self._known_bytes = 0, 0
        self._symbols: dict[str, int] = {}
        self._guessed: dict[str, str] = {}
        self._noted: set[str] = set()
        self.notes: list[str] = []
        self.rebatching = Rebatching()
        self._register(model.graph)

    # -- state -------------------------------------------------------------------------------------------

    def _register(self, graph: OnnxGraph) -> None:
        """Parameters and buffers of a graph and of the bodies inside it."""
        uses = uses_of(graph.nodes)
        for name, stored in graph.stored.items():
            role = role_of(name, stored, uses.get(name))
            if role != "constant":
                self._add(graph, name, stored, trainable=role == "parameter")
        for node in graph.nodes:
            if node.op == "BatchNormalization":
                self._counters[node] = key = f"counter{len(self._counters)}"
                self.register_buffer(key, empty((), torch.int64))
            for body in bodies(node.attributes):
                self._register(body)

    def _add(self, graph: OnnxGraph, name: str, stored: Stored, *, trainable: bool) -> None:
        key = f"tensor{len(self._names)}"
        self._names[id(graph), name] = key
        tensor = stored.empty()
        if trainable:
            self.register_parameter(key, nn.Parameter(tensor))
        else:
            self.register_buffer(key, tensor)

    def _value(self, graph: OnnxGraph, name: str, stored: Stored) -> Value:
        key = self._names.get((id(graph), name))
        twin = getattr(self, key) if key is not None else None
        if stored.values is not None and not isinstance(twin, nn.Parameter):
            return Fact(stored.values, twin)
        return twin if twin is not None else stored.empty()

    # -- running -----------------------------------------------------------------------------------------

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the graph on inputs in the file's order; returns what the file returns."""
        graph = self._model.graph
        self._n_run, self._known_bytes = 0, 0
        self._guessed = {}
        self._symbols = {
            symbol: int(size)
            for value, tensor in zip(graph.inputs, inputs, strict=True)
            for symbol, size in zip(value.shape or (), tensor.shape, strict=False)
            if isinstance(symbol, str)
        }
        names = [value.name for value in graph.inputs]
        results = self._run(graph, dict(zip(names, inputs, strict=True)))
        return tuple(as_tensor(value) for value in results if value is not None)

    def _run(self, graph: OnnxGraph, outer: Environment) -> list[Value]:
        """The outputs of a graph whose inputs, and what it reads from outside, are in ``outer``."""
        values = {**outer, **{name: self._value(graph, name, given) for name, given in graph.stored.items()}}
        for node in graph.nodes:
            self._n_run += 1
            require(self._n_run <= MOST_NODES, f"more than {MOST_NODES:,} operators ran; is there a loop?")
            inputs = [self._input(node, name, values) for name in node.inputs]
            outputs = self._run_node(graph, node, inputs, values)
            for name, value in zip(node.outputs, outputs, strict=False):
                values[name] = value
            if self._guessed:
                self._guess_follows(node)
        return [self._input(None, name, values) for name in graph.outputs]

    def _input(self, node: OnnxNode | None, name: str, values: Environment) -> Value:
        if not name:
            return None
        if name not in values:
            raise PerfseerError(f"{node or 'the graph'} reads {name!r}, which no operator provides")
        return values[name]

    def _run_node(
        self, graph: OnnxGraph, node: OnnxNode, inputs: Sequence[Value], values: Environment
    ) -> Sequence[Value]:
        if node.op == "If" and not node.domain and isinstance(inputs[0], Fact):
            return self._branch(node, inputs[0], values)
        if node.op == "Identity" and not node.domain:
            return inputs
        call = self._call(node, inputs)
        try:
            outputs = self._dispatch(graph, call)
        except PerfseerError:
            raise
        except Exception as error:  # whatever torch or numpy says to arguments that do not go together
            raise PerfseerError(f"{_explain(call, error)}{self._blame(node)}") from error
        for output in outputs:
            _check_size(node, output)
        return outputs

    def _call(self, node: OnnxNode, inputs: Sequence[Value]) -> Call:
        counter = self._counters.get(node)
        return Call(
            node=node,
            inputs=inputs,
            opset=self._model.opset,
            training=self.training,
            counter=None if counter is None else getattr(self, counter),
            in_place=node in self._in_place,
        )

    def _dispatch(self, graph: OnnxGraph, call: Call) -> Sequence[Value]:
        handler = _handler(call.node)
        if handler is None:
            return self._run_foreign(graph, call)
        call = self.rebatching.prepared(call)
        known = fold(handler, call) if self._known_bytes < MOST_BYTES else None
        if known is not None:
            self._known_bytes += sum(value.values.nbytes for value in known if isinstance(value, Fact))
            return known
        result = self.rebatching.run(handler, call)
        return result if isinstance(result, tuple) else (result,)

    def _run_foreign(self, graph: OnnxGraph, call: Call) -> Sequence[Value]:
        """An operator outside the table: its tensors, and its name among the unknown."""
        node = call.node
        found = outputs_of(call, graph.declared, self._symbols)
        for name in found.guessed:
            text = f"{node} writes {name!r}, whose shape the file does not say: the first input's was taken"
            self._guessed[name] = text
            if node.op not in self._noted:
                self._noted.add(node.op)
                self.notes.append(f"{text}, and so it was for every {node.op} like it.")
        inputs = [as_tensor(value) for value in call.inputs if value is not None]
        return foreign(f"{node.domain}.{node.op}" if node.domain else node.op, inputs, found.specs)

    def _guess_follows(self, node: OnnxNode) -> None:
        """What is computed from a guess is one."""
        guess = next((self._guessed[name] for name in node.inputs if name in self._guessed), None)
        if guess is not None:
            self._guessed |= dict.fromkeys(node.outputs, guess)

    def _blame(self, node: OnnxNode) -> str:
        """The guess that an operator which cannot run goes back to."""
        guess = next((self._guessed[name] for name in node.inputs if name in self._guessed), None)
        return "" if guess is None else f" ({guess}, which may be wrong: declare it in the file)"

    def _branch(self, node: OnnxNode, condition: Fact, values: Environment) -> list[Value]:
        """If with a condition that is known: the branch it takes."""
        name = "then_branch" if bool(condition.values.reshape(-1)[:1].any()) else "else_branch"
        body = node.attribute(name)
        if not isinstance(body, OnnxGraph):
            raise PerfseerError(f"{node} has no {name}")
        return self._run(body, values)


def _overwriting(graph: OnnxGraph) -> frozenset[OnnxNode]:
    """Activations that overwrite what they alone read, as networks that are written for memory do."""
    uses = uses_of(graph.nodes)
    free = {
        node.outputs[0]
        for node in graph.nodes
        if node.op in _LEAVES_ITS_RESULT and len(uses.get(node.outputs[0], Uses(())).places) == 1
    }.difference(graph.outputs)
    return frozenset(node for node in graph.nodes if node.op in _OVERWRITES and node.inputs[0] in free)


def _handler(node: OnnxNode) -> Handler | None:
    if not node.domain or (node.domain == _RUNTIME_DOMAIN and node.op in _OF_RUNTIME):
        return HANDLERS.get(node.op)
    return None


def _check_size(node: OnnxNode, value: Value) -> None:
    if isinstance(value, Tensor) and value.numel() > MOST_ELEMENTS:
        raise PerfseerError(
            f"{node} writes a tensor of shape {tuple(value.shape)}: no memory has room for it"
        )


def _explain(call: Call, error: Exception) -> str:
    shapes = [_shape_text(value) for value in call.inputs]
    words = str(error).strip().splitlines() or [type(error).__name__]
    return f"{call.node} cannot run on {', '.join(shapes) or 'nothing'}: {words[0]}"


def _shape_text(value: Any) -> str:
    if value is None:
        return "nothing"
    shape = value.values.shape if isinstance(value, Fact) else tuple(value.shape)
    return "x".join(map(str, shape)) or "a number"
