"""From any `nn.Module` to a PerfGraph, on the meta device: nothing is allocated, nothing is computed."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves, tree_map

from perfseer.errors import PerfseerError, require
from perfseer.graphs.autocast import Autocast, switches
from perfseer.graphs.failures import explain
from perfseer.graphs.lazy import initialised, on_meta
from perfseer.graphs.liveness import OPTIMISER_STATES_PER_PARAMETER
from perfseer.graphs.masks import with_masks
from perfseer.graphs.perfgraph import NODE_FIELDS, PerfGraph
from perfseer.graphs.single_kernels import single_kernels
from perfseer.graphs.trace import Trace, attribute_backward, integers
from perfseer.graphs.tracer import Tracer

# What may stand among the inputs beside tensors: switches and sizes, which a model reads as they are.
_PLAIN = (bool, int, float, str, type(None))
_MOST = 2.0**62
# Fields of a node's record that a PerfGraph has under the same names.
_RECORDED = ("hyperparameters", "flops", "input_bytes", "weight_bytes", "output_bytes")


def capture(
    module: nn.Module,
    inputs: tuple[Any, ...],
    *,
    keywords: Mapping[str, Any] | None = None,
    backward: bool = True,
    autocast: torch.dtype | None = None,
    thaw: bool = False,
) -> PerfGraph:
    """Trace one run of ``module`` into a PerfGraph.

    With ``backward`` one training step is traced (training mode; cross-entropy for outputs [N, classes], the
    sum of the outputs otherwise) and nodes carry the work of both passes; without it the forward pass alone,
    in evaluation mode, which is about 2.5 times faster and gives the same nodes, edges and forward costs.
    The module is not changed: one that is not on the meta device runs with meta copies of its parameters
    and buffers, and training flags and gradients are left as they were.

    Args:
        module: any eager module whose control flow does not depend on tensor values.
        inputs: positional arguments: tensors, of which only shapes and dtypes matter (any device will do),
            plain values (numbers, flags, strings, None), or tuples, lists and dictionaries of both.
        keywords: keyword arguments, of the same kinds.
        backward: whether to trace the backward pass.
        autocast: the lower precision of automatic mixed precision, such as `torch.float16`; None without.
        thaw: whether frozen parameters are traced as if they were trained.

    Returns:
        The graph; see `PerfGraph` for units.

    Raises:
        PerfseerError: the model cannot run on the meta device with these inputs, or cannot be trained.
    """
    given: tuple[Any, dict[str, Any]] = tree_map(_input_on_meta, (tuple(inputs), dict(keywords or {})))
    tensors = [leaf for leaf in tree_leaves(given) if isinstance(leaf, Tensor)]
    try:
        return _captured(module, given, tensors, backward, autocast, thaw)
    except (PerfseerError, KeyboardInterrupt):
        raise
    except BaseException as error:  # whatever a model raises; it may call sys.exit
        raise PerfseerError(explain(module, tensors, error)) from error


def _captured(
    module: nn.Module,
    given: tuple[Any, dict[str, Any]],
    tensors: Sequence[Tensor],
    backward: bool,
    autocast: torch.dtype | None,
    thaw: bool,
) -> PerfGraph:
    module = initialised(module, *given)
    known = with_masks(module, *given)
    state = _State(module, thaw=thaw or not backward)
    tracer = Tracer(state.storages, [t.untyped_storage() for t in tensors], training=backward)

    def finish(output: Any) -> None:
        outputs = _output_tensors(output)
        tracer.end_forward(outputs)
        if backward:
            tracer.end_backward(_backward(outputs, state.trainable))

    with (
        _mode_of(module, training=backward),
        _recurrent_weights(module, state),
        torch.set_grad_enabled(backward),
        single_kernels(tracer),
        switches(),
        _as_written(),
        tracer,
    ):
        # the whole step, since checkpointed blocks run again in the backward pass
        torch.func.functional_call(_Step(module, finish, autocast), state.replaced, *known)
    graph = _assemble(tracer.trace, state, tensors, backward)
    _require_countable(graph)
    return graph


class _Step(nn.Module):
    """A model and what follows its forward pass, so that both see the same parameters."""

    def __init__(self, model: nn.Module, finish: Callable[[Any], None], autocast: torch.dtype | None) -> None:
        super().__init__()
        self.model = model
        self.finish = finish
        self.autocast = autocast

    def forward(self, *inputs: Any, **keywords: Any) -> None:
        with nullcontext() if self.autocast is None else Autocast(self.autocast):
            output = self.model(*inputs, **keywords)
        self.finish(output)


class _State:
    """Parameters and buffers of a module as meta tensors, each tied tensor once.

    ``replaced`` are those that stand in for the module's own, by their names in `_Step`. With ``thaw`` all
    parameters that could be trained are.
    """

    def __init__(self, module: nn.Module, *, thaw: bool) -> None:
        parameters = dict(module.named_parameters())
        buffers = dict(module.named_buffers())
        all_on_meta = all(t.is_meta for t in itertools.chain(parameters.values(), buffers.values()))
        for name, tensor in {**parameters, **buffers}.items():
            _require_dense(tensor, f"the model's {name}")
        own: dict[str, Tensor] = {}
        if not all_on_meta or (thaw and has_frozen(module)):
            parameters = {name: _parameter_on_meta(p, thaw=thaw) for name, p in parameters.items()}
            own |= parameters
        if not all_on_meta:
            buffers = {name: on_meta(b) for name, b in buffers.items()}
            own |= buffers
        self.parameters = tuple(parameters.values())
        self.buffers = tuple(buffers.values())
        self.trainable = tuple(p for p in self.parameters if p.requires_grad)
        storages = (t.untyped_storage() for t in (*self.parameters, *self.buffers))
        self.storages: dict[int, Any] = {storage._cdata: storage for storage in storages}
        self.replaced = {f"model.{name}": tensor for name, tensor in own.items()}


def has_frozen(module: nn.Module) -> bool:
    """Whether it has parameters that could be trained and are not."""
    return any(_trains(parameter) and not parameter.requires_grad for parameter in module.parameters())


def _trains(parameter: Tensor) -> bool:
    return parameter.is_floating_point() or parameter.is_complex()


def _parameter_on_meta(parameter: nn.Parameter, *, thaw: bool) -> Tensor:
    copy = on_meta(parameter)
    return copy.requires_grad_(True) if thaw and _trains(parameter) else copy


def _require_dense(tensor: Tensor, what: str) -> None:
    dense = tensor.layout == torch.strided and not tensor.is_nested and not tensor.is_quantized
    kind = "quantised" if tensor.is_quantized else "nested" if tensor.is_nested else str(tensor.layout)
    require(
        dense,
        f"{what} is {kind.removeprefix('torch.')}: a capture follows dense tensors alone; make it dense "
        "(.to_dense(), .dequantize()) or leave the part that uses it out",
    )


def _input_on_meta(value: Any) -> Any:
    if isinstance(value, Tensor):
        _require_dense(value, "an input")
        return value.detach().to("meta")
    require(
        isinstance(value, _PLAIN),
        "inputs of a capture must be tensors, plain values, or tuples, lists and dictionaries of them, "
        f"given {type(value).__name__}; wrap the model if it takes more",
    )
    return value


@contextmanager
def _mode_of(module: nn.Module, *, training: bool) -> Iterator[None]:
    """Training or evaluation mode for the duration, then every submodule's own flag again."""
    frozen = isinstance(module, torch.jit.ScriptModule) and not hasattr(module, "training")
    require(not frozen, "frozen TorchScript has constants for weights: capture it before torch.jit.freeze")
    before = [(part, part.training) for part in module.modules()]
    with suppress(NotImplementedError):  # an exported module stays what it was exported as
        module.train(training)
    try:
        yield
    finally:
        for part, flag in before:
            part.training = flag


@contextmanager
def _recurrent_weights(module: nn.Module, state: _State) -> Iterator[None]:
    """Recurrent layers list their weights once more: those that stand in for the duration, then their own."""
    before = [
        (part, part._flat_weights)
        for part in module.modules()
        if isinstance(part, nn.RNNBase | torch.jit.ScriptModule) and hasattr(part, "_flat_weights")
    ]
    names = {id(parameter): name for name, parameter in module.named_parameters()} if before else {}
    try:
        for part, weights in before:
            part._flat_weights = [state.replaced.get(f"model.{names.get(id(w))}", w) for w in weights]
        yield
    finally:
        for part, weights in before:
            part._flat_weights = weights


@contextmanager
def _as_written() -> Iterator[None]:
    """Operators as the model has them, whatever ran before.

    Attention layers go without torch's fast path for inference, whose kernels take values of masks.
    TorchScript goes without the graphs it specialises by what earlier runs saw: some cannot be followed.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.jit.optimized_execution(False):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _output_tensors(output: Any) -> list[Tensor]:
    tensors = [leaf for leaf in _leaves(output) if isinstance(leaf, Tensor)]
    require(
        bool(tensors), f"the model returned {type(output).__name__} without any tensor: nothing to capture"
    )
    return tensors


def _leaves(output: Any) -> Iterator[Any]:
    """What an output holds, also in dataclasses, which models of language like to return."""
    for leaf in tree_leaves(output):
        if is_dataclass(leaf) and not isinstance(leaf, type):
            for field in fields(leaf):
                yield from _leaves(getattr(leaf, field.name))
        else:
            yield leaf


def _backward(outputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> list[Tensor]:
    differentiable = [output for output in outputs if output.requires_grad]
    require(
        bool(differentiable and parameters),
        "the model has no output that depends on a trainable parameter; capture it with backward=False",
    )
    before = [parameter.grad for parameter in parameters]
    _set_gradients(parameters, [None] * len(parameters))
    try:
        # not torch.autograd.grad: re-entrant checkpoints refuse it
        _loss(differentiable).backward()
        return [parameter.grad for parameter in parameters if parameter.grad is not None]
    finally:
        _set_gradients(parameters, before)


def _set_gradients(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient


def _loss(outputs: Sequence[Tensor]) -> Tensor:
    first = outputs[0]
    if len(outputs) == 1 and first.dim() == 2:
        return F.cross_entropy(first, torch.empty(first.shape[0], dtype=torch.int64, device="meta"))
    total = first.sum()
    for output in outputs[1:]:
        total = total + output.sum()
    return total


def _require_countable(graph: PerfGraph) -> None:
    """Totals must be numbers that 64 bits hold; larger ones are no machine's work."""
    for name in (*NODE_FIELDS[1:], "edge_bytes"):
        total = float(np.sum(getattr(graph, name), dtype=np.float64))
        require(total < _MOST, f"the model's {name} add up to {total:.1e}: no machine has room for it")


def _assemble(trace: Trace, state: _State, inputs: Sequence[Tensor], backward: bool) -> PerfGraph:
    nodes = trace.nodes
    require(bool(nodes), "the model ran no operator on its input: nothing to capture")
    backward_flops, backward_bytes, unowned_bytes = attribute_backward(trace)
    parameter_bytes = sum(p.nbytes for p in state.parameters)
    buffer_bytes = sum(b.nbytes for b in state.buffers)
    trainable_bytes = sum(p.nbytes for p in state.trainable)
    resident = parameter_bytes + buffer_bytes + sum(value.nbytes for value in inputs)
    optimiser = OPTIMISER_STATES_PER_PARAMETER * trainable_bytes
    return PerfGraph(
        operators=integers([node.operator for node in nodes]),
        output_shapes=integers([node.shape for node in nodes]),
        **{name: integers([getattr(node, name) for node in nodes]) for name in _RECORDED},
        backward_flops=backward_flops,
        backward_bytes=backward_bytes,
        edge_index=integers([edge[:2] for edge in trace.edges]).reshape(-1, 2).T,
        edge_bytes=integers([edge[2] for edge in trace.edges]),
        edge_shapes=integers([edge[3] for edge in trace.edges]).reshape(-1, 4),
        batch_size=int(inputs[0].shape[0]) if inputs and inputs[0].dim() else 1,
        n_parameters=sum(p.numel() for p in state.trainable),
        parameter_bytes=parameter_bytes,
        buffer_bytes=buffer_bytes,
        peak_infer_bytes=resident + trace.inference.peak_bytes(),
        peak_train_bytes=resident + optimiser + trace.training.peak_bytes() if backward else 0,
        has_backward=backward,
        train_only_bytes=trace.train_only_bytes + unowned_bytes,
        unknown=dict(Counter(node.name for node in nodes if node.operator == 0)),
    )
