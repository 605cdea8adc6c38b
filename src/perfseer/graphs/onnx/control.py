"""Loops and branches of an ONNX graph, as they run where what decides them is known.

A loop is run as many times as it says; each round is work. How often it runs, or which branch is taken, may
depend on data, of which there is none: a loop without a known number of rounds is refused, of one that may
end early all rounds are counted, and of two branches the dearer one. Both are noted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from perfseer.errors import PerfseerError, require
from perfseer.graphs.declared import empty, torch_type
from perfseer.graphs.onnx.calls import Fact, Value, as_tensor
from perfseer.graphs.onnx.known import MOST_ELEMENTS
from perfseer.graphs.onnx.model import OnnxGraph, OnnxNode
from perfseer.graphs.tracer import Tracer

# Runs a body; it is given values by name.
RunBody = Callable[[OnnxGraph, Mapping[str, Value]], Sequence[Value]]
_TRUE = np.array(True)


def body_of(node: OnnxNode, name: str) -> OnnxGraph:
    """A graph among a node's attributes.

    Raises:
        PerfseerError: it has none of that name.
    """
    body = node.attribute(name)
    if not isinstance(body, OnnxGraph):
        raise PerfseerError(f"{node} has no {name}")
    return body


# -- Loop ------------------------------------------------------------------------------------------------


def run_loop(node: OnnxNode, inputs: Sequence[Value], run: RunBody) -> tuple[list[Value], str | None]:
    """All rounds of a Loop.

    Returns:
        What the node writes, and a note if its end depends on the data.

    Raises:
        PerfseerError: nothing known says how often it runs, or it runs too often.
    """
    body = body_of(node, "body")
    limit, condition, *carried = [*inputs, None, None][: max(len(inputs), 2)]
    n_carried = len(carried)
    require(
        len(body.inputs) == n_carried + 2 and len(body.outputs) > n_carried,
        f"{node} carries {n_carried} values; its body has {len(body.inputs)} inputs and "
        f"{len(body.outputs)} outputs",
    )
    most = _rounds(node, limit)
    condition = Fact(_TRUE) if condition is None else condition
    scanned: list[list[Value]] = [[] for _ in body.outputs[n_carried + 1 :]]
    may_end_early, done = False, 0
    names = [value.name for value in body.inputs]
    while most is None or done < most:
        if isinstance(condition, Fact) and not condition.values.any():
            break
        if not isinstance(condition, Fact):
            require(most is not None, _endless(node, "when it ends"))
            may_end_early = True
        given = [Fact(np.array(done)), condition, *carried]
        condition, *results = run(body, dict(zip(names, given, strict=True)))
        require(condition is not None, f"{node}: its body does not say whether to go on")
        carried = results[:n_carried]
        for rows, value in zip(scanned, results[n_carried:], strict=True):
            rows.append(value)
        done += 1
    last = [
        _stacked(node, body, i, rows, 0) for i, rows in zip(range(-len(scanned), 0), scanned, strict=True)
    ]
    note = f"{node} may end before its {done} rounds, which depends on the data: all are counted."
    return [*carried, *last], note if may_end_early else None


def _rounds(node: OnnxNode, limit: Value) -> int | None:
    """The most rounds that a Loop may take; None where only its condition ends it."""
    if limit is None:
        return None
    require(isinstance(limit, Fact), _endless(node, f"its number of rounds, {node.inputs[0]!r},"))
    assert isinstance(limit, Fact)
    require(limit.values.size == 1, f"{node}: its number of rounds is no single number")
    return max(int(limit.values.reshape(-1)[0]), 0)


def _endless(node: OnnxNode, what: str) -> str:
    return (
        f"{node}: {what} depends on the data; only loops whose number of rounds follows from the input's "
        "shape can be read: export the model with a fixed number"
    )


# -- Scan ------------------------------------------------------------------------------------------------


def run_scan(node: OnnxNode, inputs: Sequence[Value], run: RunBody) -> list[Value]:
    """All steps of a Scan over the slices of its last inputs.

    Raises:
        PerfseerError: its inputs do not go together.
    """
    body = body_of(node, "body")
    n_scanned = node.integer("num_scan_inputs", 0)
    n_states = len(inputs) - n_scanned
    require(
        0 < n_scanned <= len(inputs) == len(body.inputs) and len(body.outputs) >= n_states,
        f"{node} scans {n_scanned} of {len(inputs)} inputs; its body has {len(body.inputs)}",
    )
    sources = [_given(node, value) for value in inputs[n_states:]]
    axes = _axes(node, "scan_input_axes", n_scanned)
    lengths = {_length(node, source, axis) for source, axis in zip(sources, axes, strict=True)}
    require(len(lengths) == 1, f"{node} scans inputs of lengths {', '.join(map(str, sorted(lengths)))}")
    (length,) = lengths
    backwards = node.integers("scan_input_directions") or (0,) * n_scanned
    states: list[Value] = list(inputs[:n_states])
    scanned: list[list[Value]] = [[] for _ in body.outputs[n_states:]]
    names = [value.name for value in body.inputs]
    for step in range(length):
        slices = [
            _slice(source, axis, length - 1 - step if reverse else step)
            for source, axis, reverse in zip(sources, axes, backwards, strict=True)
        ]
        results = list(run(body, dict(zip(names, [*states, *slices], strict=True))))
        states = results[:n_states]
        for rows, value in zip(scanned, results[n_states:], strict=True):
            rows.append(value)
    out_axes = _axes(node, "scan_output_axes", len(scanned))
    places = range(-len(scanned), 0)
    return [
        *states,
        *(
            _stacked(node, body, i, rows, axis)
            for i, rows, axis in zip(places, scanned, out_axes, strict=True)
        ),
    ]


def _given(node: OnnxNode, value: Value) -> Tensor | Fact:
    if value is None:
        raise PerfseerError(f"{node} lacks what it scans")
    return value


def _axes(node: OnnxNode, name: str, count: int) -> tuple[int, ...]:
    axes = node.integers(name) or (0,) * count
    require(len(axes) == count, f"{node}: {name} {axes} are not one for each of {count}")
    return axes


def _length(node: OnnxNode, source: Tensor | Fact, axis: int) -> int:
    shape = source.values.shape if isinstance(source, Fact) else tuple(source.shape)
    require(-len(shape) <= axis < len(shape), f"{node} scans {shape} along axis {axis}")
    return int(shape[axis])


def _slice(source: Tensor | Fact, axis: int, index: int) -> Tensor | Fact:
    if isinstance(source, Fact):
        return Fact(np.take(source.values, index, axis))
    return source.select(axis, index)


def _stacked(node: OnnxNode, body: OnnxGraph, output: int, rows: Sequence[Value], axis: int) -> Tensor | Fact:
    """One result of every round, joined along a new axis."""
    if not rows:
        declared = body.declared.get(body.outputs[output])
        shape = () if declared is None or declared.shape is None else declared.shape
        sizes = [size if isinstance(size, int) else 1 for size in shape]
        dtype = torch.float32 if declared is None else torch_type(declared.dtype)
        return empty((*sizes[:axis], 0, *sizes[axis:]), dtype)
    known = [row.values for row in rows if isinstance(row, Fact)]
    if len(known) == len(rows) and sum(values.size for values in known) <= MOST_ELEMENTS:
        return Fact(np.stack(known, axis))
    tensors = [as_tensor(row) for row in rows if row is not None]
    require(len(tensors) == len(rows), f"{node}: its body leaves out what every round gives")
    return torch.stack(tensors, axis)


# -- If --------------------------------------------------------------------------------------------------


def dearer_branch(node: OnnxNode, run: Callable[[OnnxGraph], Any]) -> tuple[str, str]:
    """Which branch of an If does more: FLOPs first, then bytes.

    Args:
        node: the If.
        run: runs a branch with what it reads from outside.

    Returns:
        The name of its attribute, and a note.
    """
    names = ("then_branch", "else_branch")
    costs = {name: _cost(lambda name=name: run(body_of(node, name))) for name in names}  # type: ignore[misc]
    chosen = max(names, key=lambda name: costs[name])
    other = names[1 - names.index(chosen)]
    note = (
        f"which branch {node} takes depends on the data: the dearer one is counted, {chosen} with "
        f"{_cost_words(costs[chosen])} against {_cost_words(costs[other])}."
    )
    return chosen, note


def _cost(run: Callable[[], Any]) -> tuple[int, int]:
    """FLOPs and bytes of what runs, beside the capture that is going on."""
    tracer = Tracer({}, [], training=False)
    with _disable_current_modes(), torch.inference_mode(), tracer:
        run()
    nodes = tracer.trace.nodes
    moved = (node.input_bytes + node.weight_bytes + node.output_bytes for node in nodes)
    return sum(node.flops for node in nodes), sum(moved)


def _cost_words(cost: tuple[int, int]) -> str:
    return f"{cost[0]:,} FLOPs and {cost[1]:,} bytes"


def summed_up(notes: Sequence[str], most: int = 5) -> Iterator[str]:
    """The first notes, and how many more there are."""
    yield from notes[:most]
    if len(notes) > most:
        yield f"{len(notes) - most} more branches and loops depend on the data, likewise."
