"""An ONNX graph as a PyTorch module on the meta device: every operator runs as its counterpart.

So a capture of it counts, attributes and differentiates as it does for any module, and no cost is stated
twice. Nothing is computed but shapes.
"""

from collections import ChainMap
from collections.abc import Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from perfseer.errors import PerfseerError, require
from perfseer.graphs.declared import MOST_ELEMENTS, MOST_NODES, empty
from perfseer.graphs.foreign import foreign
from perfseer.graphs.onnx.batching import Rebatching
from perfseer.graphs.onnx.calls import Call, Fact, Handler, Value, as_tensor
from perfseer.graphs.onnx.control import body_of, dearer_branch, run_loop, run_scan, summed_up
from perfseer.graphs.onnx.known import MOST_BYTES, fold
from perfseer.graphs.onnx.model import OnnxGraph, OnnxModel, OnnxNode, Stored
from perfseer.graphs.onnx.operators import (
    by_data,
    layout,
    pointwise,
    products,
    recurrent,
    runtime,
    statistics,
)
from perfseer.graphs.onnx.ordering import bodies
from perfseer.graphs.onnx.stand_in import packed_buffer
from perfseer.graphs.onnx.undetermined import outputs_of
from perfseer.graphs.onnx.weights import Uses, is_packed, role_of, uses_of

HANDLERS: Mapping[str, Handler] = {
    **by_data.HANDLERS,
    **layout.HANDLERS,
    **pointwise.HANDLERS,
    **products.HANDLERS,
    **statistics.HANDLERS,
    **recurrent.HANDLERS,
    **runtime.HANDLERS,
}
_OVERWRITES = frozenset({"Relu", "Clip"})
# Their backward passes do not need what they wrote.
_LEAVES_ITS_RESULT = frozenset(
    {"Conv", "ConvTranspose", "Gemm", "Add", "perfseer.Linear", "BatchNormalization", "perfseer.GroupNorm"}
)

Environment = Mapping[str, Value]
# Operators and rounds of all loops of a file.
MOST_REPEATED = 50_000
# Scan had other arguments before.
_FIRST_SCAN = 9


class OnnxModule(nn.Module):
    """A parsed ONNX model that runs on empty tensors.

    Args:
        model: the file, its patterns recognised.
    """

    def __init__(self, model: OnnxModel) -> None:
        super().__init__()
        self._model = model
        self._names: dict[tuple[int, str], str] = {}
        self._counters: dict[OnnxNode, str] = {}
        self._in_place = _overwriting(model.graph)
        self._n_run = self._n_repeated = self._depth = self._known_bytes = 0
        self._stored: dict[int, dict[str, Value]] = {}
        self._branches: dict[OnnxNode, tuple[str, str]] = {}
        self._notes: dict[OnnxNode, str] = {}
        self._symbols: dict[str, int] = {}
        self._guessed: dict[str, str] = {}
        self._guesses: dict[str, str] = {}
        self.rebatching = Rebatching()
        self._register(model.graph)

    # -- state -------------------------------------------------------------------------------------------

    def _register(self, graph: OnnxGraph) -> None:
        """Parameters and buffers of a graph and of the bodies inside it."""
        uses = uses_of(graph.nodes)
        for name, stored in graph.stored.items():
            role = role_of(name, stored, uses.get(name))
            if role != "constant":
                packed = is_packed(stored, uses.get(name))
                self._add(graph, name, stored, trainable=role == "parameter", packed=packed)
        for node in graph.nodes:
            if node.op == "BatchNormalization":
                self._counters[node] = key = f"counter{len(self._counters)}"
                self.register_buffer(key, empty((), torch.int64))
            for body in bodies(node.attributes):
                self._register(body)

    def _add(self, graph: OnnxGraph, name: str, stored: Stored, *, trainable: bool, packed: bool) -> None:
        key = f"tensor{len(self._names)}"
        self._names[id(graph), name] = key
        if trainable:
            self.register_parameter(key, nn.Parameter(stored.empty()))
        elif packed:
            self.register_buffer(key, packed_buffer(stored.shape))
        else:
            self.register_buffer(key, nn.Buffer(stored.empty()))

    def _values(self, graph: OnnxGraph) -> dict[str, Value]:
        """What a graph stores, once for all of its runs."""
        found = self._stored.get(id(graph))
        if found is None:
            found = {name: self._value(graph, name, given) for name, given in graph.stored.items()}
            self._stored[id(graph)] = found
        return found

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
        self._n_run = self._n_repeated = self._depth = self._known_bytes = 0
        for memory in (self._stored, self._branches, self._notes, self._guessed):
            memory.clear()
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
        stored = self._values(graph)
        # what is around a body is copied for no round
        nested: ChainMap[str, Value] = ChainMap({}, stored, outer)  # type: ignore[arg-type]
        values: MutableMapping[str, Value] = nested if self._depth else {**outer, **stored}
        for node in graph.nodes:
            self._n_run += 1
            require(self._n_run <= MOST_NODES, f"more than {MOST_NODES:,} operators ran; is there a loop?")
            self._n_repeated += self._depth > 0
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
        if node.op == "Identity" and not node.domain:
            return inputs
        call = self._call(node, inputs)
        try:
            outputs = self._dispatch(graph, call, values)
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

    def _dispatch(self, graph: OnnxGraph, call: Call, values: Environment) -> Sequence[Value]:
        controlled = self._controlled(call, values)
        if controlled is not None:
            return controlled
        handler = HANDLERS.get(call.node.kind)
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
            self._guesses.setdefault(node.op, f"{text}, and so it was for every {node.op} like it.")
        inputs = [as_tensor(value) for value in call.inputs if value is not None]
        return foreign(node.kind, inputs, found.specs)

    def _guess_follows(self, node: OnnxNode) -> None:
        """What is computed from a guess is one."""
        guess = next((self._guessed[name] for name in node.inputs if name in self._guessed), None)
        if guess is not None:
            self._guessed |= dict.fromkeys(node.outputs, guess)

    def _blame(self, node: OnnxNode) -> str:
        """The guess that an operator which cannot run goes back to."""
        guess = next((self._guessed[name] for name in node.inputs if name in self._guessed), None)
        return "" if guess is None else f" ({guess}, which may be wrong: declare it in the file)"

    # -- loops and branches ------------------------------------------------------------------------------

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed in its runs, and what the last one decided since it depends on the data."""
        return (*self._guesses.values(), *summed_up(list(self._notes.values())))

    def _controlled(self, call: Call, values: Environment) -> Sequence[Value] | None:
        """The outputs of an operator with bodies; None for any other."""
        node = call.node

        if node.kind == "If":
            return self._branch(node, call.inputs[0] if call.inputs else None, values)
        if node.kind == "Loop":
            outputs, note = run_loop(node, call.inputs, partial(self._round, node, values))
            if note is not None:
                self._notes[node] = note
            return outputs
        if node.kind == "Scan" and call.opset >= _FIRST_SCAN:
            return run_scan(node, call.inputs, partial(self._round, node, values))
        return None

    def _round(self, node: OnnxNode, values: Environment, body: OnnxGraph, given: Environment) -> list[Value]:
        """One round of a loop; ``values`` are those around it, ``given`` what the round is given."""
        self._n_repeated += 1
        require(
            self._n_repeated <= MOST_REPEATED,
            f"{node}: its rounds have more than {MOST_REPEATED:,} operators, the most that are read",
        )
        self._depth += 1
        try:
            return self._run(body, ChainMap(given, values))  # type: ignore[arg-type]
        finally:
            self._depth -= 1

    def _branch(self, node: OnnxNode, condition: Value, values: Environment) -> list[Value]:
        """The branch that If takes; the dearer one where its condition depends on the data."""
        if isinstance(condition, Fact):
            name = "then_branch" if bool(condition.values.reshape(-1)[:1].any()) else "else_branch"
            return self._run(body_of(node, name), values)
        if node not in self._branches:
            before = dict(self._notes)
            self._branches[node] = dearer_branch(node, partial(self._run, outer=values))
            self._notes = before  # those of a branch that is not taken are of no interest
        name, self._notes[node] = self._branches[node]
        return self._run(body_of(node, name), values)


def _overwriting(graph: OnnxGraph) -> frozenset[OnnxNode]:
    """Activations that overwrite what they alone read, as networks that are written for memory do."""
    uses = uses_of(graph.nodes)
    free = {
        node.outputs[0]
        for node in graph.nodes
        if node.op in _LEAVES_ITS_RESULT and len(uses.get(node.outputs[0], Uses(())).places) == 1
    }.difference(graph.outputs)
    return frozenset(
        node for node in graph.nodes if node.op in _OVERWRITES and free.intersection(node.inputs[:1])
    )


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
