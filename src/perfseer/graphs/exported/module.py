"""An exported program as a PyTorch module on the meta device, and its PerfGraph."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from perfseer.errors import PerfseerError, require
from perfseer.graphs.capture import capture
from perfseer.graphs.declared import (
    MOST_NODES,
    empty,
    empty_inputs,
    torch_type,
)
from perfseer.graphs.exported.arguments import (
    Values,
    bind,
    bind_each,
    names_of,
    tensor_names,
    value_of,
)
from perfseer.graphs.exported.arithmetic import arithmetic
from perfseer.graphs.exported.batching import Rebatching
from perfseer.graphs.exported.known import KnownNumbers
from perfseer.graphs.exported.operators import call, is_check, names_in
from perfseer.graphs.exported.program import Program, dtype_of, shape_of
from perfseer.graphs.exported.regions import run_region
from perfseer.graphs.foreign import foreign
from perfseer.graphs.given import Given, InputShapes, resolve
from perfseer.graphs.perfgraph import PerfGraph

_CHECKPOINT = "torch.utils.checkpoint"
_COUNTER_SUFFIX = "num_batches_tracked"


class ExportedModule(nn.Module):
    """A program that runs on empty tensors, in training or evaluation mode whichever it was exported in.

    Args:
        program: as read.
    """

    def __init__(self, program: Program) -> None:
        super().__init__()
        require(len(program.nodes) <= MOST_NODES, f"the program has more than {MOST_NODES:,} operators")
        self.rebatching = Rebatching()
        self._program = program
        self._keys: dict[str, str] = {}
        self._symbols: dict[str, int] = {}
        self._tensors: Mapping[str, Any] = program.tensors
        self._chosen: dict[int, int] = {}
        self._n_run = 0
        self.numbers = KnownNumbers()
        for index, state in enumerate(program.states):
            if state.same_as is not None:
                self._keys[state.name] = self._keys[state.same_as]
                continue
            key = self._keys[state.name] = f"tensor{index}"
            tensor = empty(state.shape, torch_type(state.dtype))
            if state.trainable:
                self.register_parameter(key, nn.Parameter(tensor))
            else:
                self.register_buffer(key, tensor)

    def forward(self, *inputs: Tensor) -> tuple[Any, ...]:
        """Run the program on the user's inputs; returns what it returns."""
        program = self._program
        self._n_run = 0
        self.numbers = KnownNumbers()
        values: Values = {name: getattr(self, key) for name, key in self._keys.items()}
        values |= {declared.name: tensor for declared, tensor in zip(program.inputs, inputs, strict=True)}
        self._symbols = {
            symbol: int(size)
            for declared, tensor in zip(program.inputs, inputs, strict=True)
            for symbol, size in zip(declared.shape or (), tensor.shape, strict=False)
            if isinstance(symbol, str)
        }
        for state in program.states:
            if state.number is not None:
                self.numbers.keep(values[state.name], state.number)
        if self.training:
            self._count_batch()
        self.rebatching.begin([declared.name for declared in program.inputs])
        for node in program.nodes:
            with self.rebatching.watching(node):
                self._run_nodes([node], values)
        return tuple(value_of(output, values) for output in program.outputs)

    def run_graph(self, graph: Mapping[str, Any], arguments: Sequence[Any]) -> list[Any]:
        """The results of a graph inside the program.

        Args:
            graph: as the archive has it.
            arguments: what stands for its inputs.

        Raises:
            PerfseerError: it cannot run.
        """
        names = names_of(graph["inputs"])
        require(
            len(names) <= len(arguments), f"a graph inside takes {len(names)} inputs, given {len(arguments)}"
        )
        values: Values = dict(zip(names, arguments, strict=False))
        outer, self._tensors = self._tensors, graph["tensor_values"]
        try:
            self._run_nodes(graph["nodes"], values)
        finally:
            self._tensors = outer
        results = [value_of(output, values) for output in graph["outputs"]]
        return [r for result in results for r in (result if isinstance(result, list) else [result])]

    def dearer(self, node: Mapping[str, Any], find: Callable[[], int]) -> int:
        """Which branch of a node is dearer: found once, remembered for its next run."""
        if id(node) not in self._chosen:
            self._chosen[id(node)] = find()
        return self._chosen[id(node)]

    def _count_batch(self) -> None:
        for name, key in self._keys.items():
            if name.endswith(_COUNTER_SUFFIX):
                getattr(self, key).add_(1)

    def _run_nodes(self, nodes: Sequence[Mapping[str, Any]], values: Values) -> None:
        for node in nodes:
            self._n_run += 1
            require(self._n_run <= MOST_NODES, f"more than {MOST_NODES:,} operators ran; is there a loop?")
            try:
                self._run(node, values)
            except PerfseerError as error:
                raise _explained(node, str(error)) from error
            except Exception as error:  # whatever torch says to arguments that do not go together
                if type(error).__module__ == _CHECKPOINT:
                    raise  # that is how a checkpoint ends its second run
                words = (str(error).strip().splitlines() or [""])[0]
                raise _explained(node, f"{type(error).__name__}: {words}") from error

    def _run(self, node: Mapping[str, Any], values: Values) -> None:
        target = str(node["target"])
        if is_check(target):
            return
        arguments = [(entry["name"], value_of(entry["arg"], values)) for entry in node["inputs"]]
        positional = [value for _, value in arguments]
        result = arithmetic(target, positional)
        if result is not NotImplemented:
            bind(node["outputs"], result, values)
            return
        namespace, name, overload = names_in(f"{target}.default" if target.count(".") == 3 else target)
        if namespace == "higher_order":
            bind_each(node["outputs"], run_region(self, name, node, positional), values)
        elif namespace == "aten":
            bind(node["outputs"], self._call(id(node), name, overload, dict(arguments)), values)
        else:
            bind(node["outputs"], self._foreign(f"{namespace}.{name}", positional, node), values)

    def _call(self, place: int, name: str, overload: str, given: dict[str, Any]) -> Any:
        self.rebatching.adapt(place, name, given)
        result = call(name, overload, given, training=self.training)
        self.rebatching.learn(place, name, given, result)
        self.numbers.follow(name, given, result)
        return result

    def _foreign(self, name: str, given: Sequence[Any], node: Mapping[str, Any]) -> Any:
        """An operator of another library: its tensors as the program describes them."""
        read = [t for value in given for t in (value if isinstance(value, list) else [value])]
        tensors = [t for t in read if isinstance(t, Tensor)]
        require(bool(tensors), "it takes no tensor")
        metas = [self._tensors[n] for output in node["outputs"] for n in tensor_names(output)]
        require(bool(metas), "it gives no tensor")
        specs = [(shape_of(meta, self._symbols), torch_type(dtype_of(meta))) for meta in metas]
        outputs = foreign(name, tensors, specs)
        return outputs[0] if len(outputs) == 1 else outputs


def _explained(node: Mapping[str, Any], reason: str) -> PerfseerError:
    """An error that names operator and node; of nested graphs, the innermost."""
    if reason.startswith("operator "):
        return PerfseerError(reason)
    name = node.get("name") or next(iter(names_of(node.get("outputs", ()))), None)
    place = f" (node {str(name)!r})" if name else ""
    return PerfseerError(f"operator {str(node.get('target'))!r}{place} cannot run: {reason}")


def program_graph(
    program: Program,
    *,
    batch_size: int | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    backward: bool = False,
) -> PerfGraph:
    """The graph of a program saved by `torch.export.save`, without its weights.

    Args:
        program: as read.
        batch_size: samples; None for the program's own. Where it was exported with a fixed batch, a multiple
            of that.
        input_shapes: whole shapes by input, where it was exported with further dynamic dimensions.
        backward: whether to trace a training step too.

    Raises:
        PerfseerError: it does not run at these shapes.
    """
    shapes = {name: tuple(shape) for name, shape in (input_shapes or {}).items()}
    wanted = resolve(program.inputs, Given(shapes=shapes, batch_size=batch_size))
    return run_program(program, wanted, backward=backward)


def run_program(program: Program, wanted: InputShapes, *, backward: bool) -> PerfGraph:
    """The graph of a program at shapes that are known.

    Args:
        program: as read.
        wanted: shapes of all inputs, and which of their dimensions is the batch.
        backward: whether to trace a training step too.

    Raises:
        PerfseerError: it does not run at these shapes.
    """
    module = ExportedModule(program)
    if wanted.declared_batch in (None, wanted.batch_size):
        graph = _captured(program, module, wanted.shapes, backward)
    else:
        graph = _rebatched(program, module, wanted, backward)
    return replace(graph, batch_size=wanted.batch_size)


def _captured(
    program: Program, module: ExportedModule, shapes: Sequence[tuple[int, ...]], backward: bool
) -> PerfGraph:
    try:
        return capture(module, empty_inputs(program.inputs, shapes), backward=backward)
    except (OverflowError, ValueError) as error:
        raise PerfseerError(f"the program has sizes that no memory has room for: {error}") from error


def _rebatched(program: Program, module: ExportedModule, wanted: InputShapes, backward: bool) -> PerfGraph:
    """At a batch size other than the program's, where all work on the inputs grows with it."""
    batch, declared = wanted.batch_size, wanted.declared_batch or 1
    require(
        batch % declared == 0,
        f"the program is exported for a batch of {declared}; {batch} is no multiple of it: export it with "
        "dynamic_shapes for the batch dimension",
    )
    rebatching = module.rebatching
    rebatching.mode, rebatching.declared, rebatching.ratio = "learn", declared, batch // declared
    before = _captured(program, module, wanted.at(declared).shapes, backward=False)
    rebatching.mode = "apply"
    try:
        after = _captured(program, module, wanted.shapes, backward)
    except PerfseerError as error:
        raise PerfseerError(f"{_fixed(declared, batch)}: {error}") from error
    fixed = rebatching.fixed_flops
    grown = (before.total_flops - fixed) * rebatching.ratio + fixed
    require(grown == after.total_flops, _fixed(declared, batch))
    return after


def _fixed(declared: int, batch: int) -> str:
    return (
        f"the program is exported for a batch of {declared} and does not run in the same way with {batch}; "
        "export it with dynamic_shapes for the batch dimension"
    )
