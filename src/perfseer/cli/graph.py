"""``perfseer graph show``: what a model is made of, what it costs, and what was not understood."""

from typing import TYPE_CHECKING, Annotated

import typer

from perfseer.console.tables import Column, console, listed, table

if TYPE_CHECKING:
    import torch
    from rich.table import Table
    from torch import nn

    from perfseer.graphs.perfgraph import IntArray, PerfGraph


def graph_show(
    ref: Annotated[
        str, typer.Argument(help="Model: zoo:<id>, zoo:path/to/spec.json or module:package.attr.")
    ],
    input_shape: Annotated[str, typer.Option(help="One sample, sizes joined by x.")] = "3x224x224",
    batch_size: Annotated[int, typer.Option(min=1, help="Samples in the batch.")] = 1,
    input_type: Annotated[str, typer.Option(help="Type of the input, such as float32 or int64.")] = "float32",
    backward: Annotated[bool, typer.Option(help="Trace the backward pass too.")] = True,
    limit: Annotated[int, typer.Option(min=0, help="Nodes to list; 0 lists all.")] = 40,
    params: Annotated[str, typer.Option(help="params.yaml or inline JSON, for zoo:<id>.")] = "params.yaml",
) -> None:
    """Print the nodes of a model's graph, its totals, and the operators that were not understood."""
    from perfseer.graphs.capture import capture

    graph = capture(_model(ref, params), (_input(input_shape, batch_size, input_type),), backward=backward)
    out = console()
    out.print(_node_table(graph, limit or graph.n_nodes))
    if 0 < limit < graph.n_nodes:
        out.print(f"{graph.n_nodes - limit} further nodes; --limit 0 lists all", style="dim")
    out.print(_operator_table(graph))
    for line in [*_totals(graph), *_not_understood(graph)]:
        out.print(line)


def _model(ref: str, params: str) -> "nn.Module":
    from perfseer.parameters import load_mapping
    from perfseer.zoo.references import build, parse
    from perfseer.zoo.space import SearchSpace

    reference = parse(ref)
    if reference.kind != "zoo" or reference.is_file:
        return build(ref)
    return build(ref, space=SearchSpace.from_mapping(load_mapping(params).get("zoo")))


def _input(shape: str, batch_size: int, input_type: str) -> "torch.Tensor":
    import torch

    from perfseer.errors import PerfseerError

    sizes = shape.lower().split("x")
    if not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise PerfseerError(
            f"--input-shape {shape!r} is no shape; expected sizes joined by x, like 3x224x224"
        )
    dtype = getattr(torch, input_type, None)
    if not isinstance(dtype, torch.dtype):
        raise PerfseerError(
            f"--input-type {input_type!r} is no type of torch; expected one like float32 or int64"
        )
    return torch.empty((batch_size, *map(int, sizes)), dtype=dtype, device="meta")


def _node_table(graph: "PerfGraph", limit: int) -> "Table":
    from perfseer.graphs.vocabulary import OPERATORS

    columns = {"FLOPs": graph.flops, "bytes": graph.bytes}
    if graph.has_backward:
        columns |= {"backward FLOPs": graph.backward_flops, "backward bytes": graph.backward_bytes}
    shown = [_column(title, values, limit) for title, values in columns.items()]
    titles = ["#", "operator", "arguments", "output", *(title for title, _ in shown)]
    rows = [
        [
            node,
            OPERATORS[graph.operators[node]],
            _arguments(graph, node),
            "x".join(map(str, graph.output_shapes[node])),
            *(cells[node] for _, cells in shown),
        ]
        for node in range(min(limit, graph.n_nodes))
    ]
    return table(listed(titles, numbers=[titles[0], *titles[4:]]), rows)


def _column(title: str, values: "IntArray", limit: int) -> tuple[str, list[str]]:
    """A column's heading with its unit, and its cells in that unit."""
    from perfseer.reporting.units import choose_scale

    scale = choose_scale(values.tolist(), "flops" if "FLOPs" in title else "bytes")
    heading = f"{title} [{scale.unit}]".replace("FLOPs [", "[")
    return heading, [scale.show(value) for value in values[:limit].tolist()]


def _arguments(graph: "PerfGraph", node: int) -> str:
    """Hyper-parameters that are not zero, without the operator's name before them."""
    from perfseer.graphs.vocabulary import HYPERPARAMETERS

    values = zip(HYPERPARAMETERS, graph.hyperparameters[node].tolist(), strict=True)
    return " ".join(f"{name.split('_', 1)[1]}={value}" for name, value in values if value)


def _operator_table(graph: "PerfGraph") -> "Table":
    import numpy as np

    from perfseer.graphs.vocabulary import OPERATORS
    from perfseer.reporting.units import percent

    size = len(OPERATORS)
    counts = np.bincount(graph.operators, minlength=size)
    flops = 100 * np.bincount(graph.operators, graph.flops, size) / max(graph.total_flops, 1)
    moved = 100 * np.bincount(graph.operators, graph.bytes, size) / max(graph.total_bytes, 1)
    columns: list[Column[int]] = [
        Column("operator", lambda index: OPERATORS[index]),
        Column("nodes", lambda index: counts[index], number=True),
        Column("share of FLOPs", lambda index: percent(flops[index]), number=True),
        Column("share of bytes", lambda index: percent(moved[index]), number=True),
    ]
    ranked = np.argsort(-moved, kind="stable").tolist()
    return table(columns, [index for index in ranked if counts[index]])


def _totals(graph: "PerfGraph") -> list[str]:
    from perfseer.reporting.units import choose_scale, count

    def named(value: float, kind: str) -> str:
        return choose_scale([value], kind).named(value)

    def mib(value: int) -> str:
        return named(value / 2**20, "MiB")

    lines = [
        f"graph       {count(graph.n_nodes)} nodes, {count(graph.n_edges)} edges, batch {graph.batch_size}",
        f"parameters  {count(graph.n_parameters)} trainable, {mib(graph.parameter_bytes)}; "
        f"buffers {mib(graph.buffer_bytes)}",
        f"forward     {named(graph.total_flops, 'flops')}, {named(graph.total_bytes, 'bytes')} moved",
    ]
    peak = f"peak memory inference {mib(graph.peak_infer_bytes)}"
    if graph.has_backward:
        flops, moved = int(graph.backward_flops.sum()), int(graph.backward_bytes.sum())
        unowned = named(graph.train_only_bytes, "bytes")
        lines.append(f"backward    {named(flops, 'flops')}, {named(moved, 'bytes')} moved")
        lines.append(f"training    {unowned} moved by dropout, statistics and loss, beside the nodes")
        peak += f", training {mib(graph.peak_train_bytes)} (SGD with momentum)"
    return [*lines, f"{peak}: analytic, tensors only"]


def _not_understood(graph: "PerfGraph") -> list[str]:
    from perfseer.reporting.units import percent

    if not graph.unknown:
        return ["understood  every operator"]
    names = ", ".join(f"{name} ({n})" for name, n in sorted(graph.unknown.items(), key=lambda kv: -kv[1]))
    return [
        f"not understood, kept as `other`: {names}; {percent(100 * graph.other_share)} of the bytes moved"
    ]
