"""Graphs inside an exported program: regions without gradients, autocast, checkpoints, branches and loops.

``torch.export`` keeps such parts as graphs of their own and calls them by operators of higher order. Each
runs here as PyTorch runs it: a region under its mode, a checkpointed one again in the backward pass, a map or
scan once for every step. Which branch a ``cond`` takes may depend on the data; the dearer one is run then.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils.checkpoint import checkpoint

from perfseer.errors import PerfseerError, require
from perfseer.graphs.exported.known import KnownNumbers
from perfseer.graphs.tracer import Tracer

Graph = Mapping[str, Any]


class Runner(Protocol):
    """What runs the graphs of a program."""

    training: bool
    numbers: KnownNumbers

    def run_graph(self, graph: Graph, arguments: Sequence[Any]) -> list[Any]:
        """The results of a graph inside the program."""

    def dearer(self, node: Mapping[str, Any], find: Callable[[], int]) -> int:
        """Which branch of a node is dearer: found once, remembered for its next run."""


def run_region(runner: Runner, name: str, node: Mapping[str, Any], given: Sequence[Any]) -> list[Any]:
    """Run an operator of higher order.

    Args:
        runner: of the program.
        name: of the operator, without its namespace.
        node: the call.
        given: its arguments in order; graphs as the archive has them.

    Returns:
        What the graph returns.

    Raises:
        PerfseerError: it is none of those that can be captured, or a graph of its cannot run.
    """
    handler = _HANDLERS.get(name)
    if handler is None:
        raise PerfseerError("it cannot be captured; export the model without it")
    return handler(runner, node, given)


def _set_grad(runner: Runner, _: Mapping[str, Any], given: Sequence[Any]) -> list[Any]:
    enabled, graph, *arguments = given
    # without a backward pass nothing has gradients, whatever the program says
    with torch.set_grad_enabled(bool(enabled) and runner.training):
        return runner.run_graph(graph, arguments)


def _autocast(runner: Runner, _: Mapping[str, Any], given: Sequence[Any]) -> list[Any]:
    device, dtype, enabled, cache, graph, *arguments = given
    known = isinstance(device, str) and isinstance(dtype, torch.dtype | None)
    require(known, "it names no device and no type of autocast")
    with torch.autocast(device, dtype=dtype, enabled=bool(enabled), cache_enabled=cache is not False):
        return runner.run_graph(graph, arguments)


def _wrapped(runner: Runner, _: Mapping[str, Any], given: Sequence[Any]) -> list[Any]:
    """A graph and its arguments, perhaps with a name or in a list."""
    graph, *rest = given
    return runner.run_graph(graph, _flat(value for value in rest if not isinstance(value, str | dict)))


def _checkpoint(runner: Runner, _: Mapping[str, Any], given: Sequence[Any]) -> list[Any]:
    graph, *arguments = given
    if not runner.training:
        return runner.run_graph(graph, arguments)
    results = checkpoint(lambda *a: tuple(runner.run_graph(graph, a)), *arguments, use_reentrant=False)
    return list(results)


def _cond(runner: Runner, node: Mapping[str, Any], given: Sequence[Any]) -> list[Any]:
    predicate, if_true, if_false, *rest = given
    branches, arguments = (if_true, if_false), _flat(rest)
    known = runner.numbers.of(predicate)
    if known is not None:
        return runner.run_graph(branches[0 if known else 1], arguments)
    chosen = runner.dearer(node, lambda: _dearest(runner, branches, arguments))
    return runner.run_graph(branches[chosen], arguments)


def _dearest(runner: Runner, branches: Sequence[Graph], arguments: Sequence[Any]) -> int:
    """The branch with most FLOPs, or where those are equal, with most bytes."""
    costs = [_costs(runner, branch, arguments) for branch in branches]
    return costs.index(max(costs))


def _costs(runner: Runner, graph: Graph, arguments: Sequence[Any]) -> tuple[int, int]:
    with _disable_current_modes(), torch.no_grad(), Tracer({}, (), training=False) as tracer:
        runner.run_graph(graph, arguments)
    nodes = tracer.trace.nodes
    moved = sum(node.input_bytes + node.weight_bytes + node.output_bytes for node in nodes)
    return sum(node.flops for node in nodes), moved


def _while(runner: Runner, _: Mapping[str, Any], given: Sequence[Any]) -> list[Any]:
    goes_on, body, carried, *rest = given
    carry, arguments = _flat([carried]), _flat(rest)
    while True:
        decided = runner.numbers.of(runner.run_graph(goes_on, [*carry, *arguments])[0])
        if decided is None:
            raise PerfseerError("how often it loops depends on the data")
        if not decided:
            return carry
        carry = runner.run_graph(body, [*carry, *arguments])


def _map(runner: Runner, _: Mapping[str, Any], given: Sequence[Any]) -> list[Any]:
    graph, mapped, *rest = given
    steps = _steps(mapped)
    results = [runner.run_graph(graph, [*(t[step] for t in mapped), *_flat(rest)]) for step in range(steps)]
    return [torch.stack(each) for each in zip(*results, strict=True)]


def _scan(runner: Runner, _: Mapping[str, Any], given: Sequence[Any]) -> list[Any]:
    graph, carried, scanned, *rest = given
    carry: list[Any] = list(carried)
    written: list[list[Any]] = []
    for step in range(_steps(scanned)):
        results = runner.run_graph(graph, [*carry, *(t[step] for t in scanned), *_flat(rest)])
        carry = results[: len(carry)]
        written.append(results[len(carry) :])
    return [*carry, *(torch.stack(each) for each in zip(*written, strict=True))]


def _steps(tensors: Any) -> int:
    """How often a loop over tensors runs: as often as their first dimension is long."""
    require(
        isinstance(tensors, list)
        and bool(tensors)
        and all(isinstance(t, Tensor) and t.dim() for t in tensors),
        "it loops over nothing",
    )
    return int(tensors[0].shape[0])


def _flat(values: Any) -> list[Any]:
    flat: list[Any] = []
    for value in values:
        flat.extend(value if isinstance(value, list | tuple) else [value])
    return flat


_Handler = Callable[[Runner, Mapping[str, Any], Sequence[Any]], list[Any]]
_HANDLERS: Mapping[str, _Handler] = {
    "wrap_with_set_grad_enabled": _set_grad,
    "wrap_with_autocast": _autocast,
    **dict.fromkeys(("wrap", "invoke_subgraph", "strict_mode", "hints_wrapper"), _wrapped),
    **dict.fromkeys(("tag_activation_checkpoint", "wrap_activation_checkpoint"), _checkpoint),
    "cond": _cond,
    **dict.fromkeys(("map_impl", "map"), _map),
    "scan": _scan,
    "while_loop": _while,
}
