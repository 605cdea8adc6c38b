"""``perfseer graph show``: what a model is made of, what it costs, and what was not understood."""

from typing import TYPE_CHECKING, Annotated

import typer

from perfseer.cli.input_options import BatchDim, Dim, InputShape, InputType
from perfseer.console.tables import Column, console, table

if TYPE_CHECKING:
    from rich.table import Table

    from perfseer.forecast.parts import OperatorShare
    from perfseer.graphs.perfgraph import IntArray, PerfGraph


def graph_show(
    ref: Annotated[
        str,
        typer.Argument(help="Model: timm:NAME, torchvision:NAME, module:package.attr, zoo:ID, or a file."),
    ],
    input_shape: InputShape = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Samples in the batch (default: the model's own, else 1).")
    ] = None,
    input_type: InputType = None,
    dim: Dim = None,
    batch_dim: BatchDim = None,
    backward: Annotated[bool, typer.Option(help="Trace the backward pass too.")] = True,
    limit: Annotated[int, typer.Option(min=0, help="Nodes to list; 0 lists all.")] = 40,
    params: Annotated[str, typer.Option(help="params.yaml or inline JSON, for zoo:<id>.")] = "params.yaml",
) -> None:
    """Print the nodes of a model's graph, its totals, and the operators that were not understood."""
    from perfseer.cli.questions import Inputs, feed
    from perfseer.forecast.isolation import Isolation
    from perfseer.measure.limits import Limits

    inputs = Inputs(input_shape or (), input_type or (), dim or (), batch_dim or ())
    with Isolation(Limits()) as isolation:
        model = isolation.open(ref, feed(inputs, [ref], params))
        captured = model.captured(batch_size, backward=backward)
    graph = captured.graph
    out = console()
    out.print(_node_table(graph, limit or graph.n_nodes))
    if 0 < limit < graph.n_nodes:
        out.print(f"{graph.n_nodes - limit} further nodes; --limit 0 lists all", style="dim")
    out.print(_operator_table(graph))
    shapes = ", ".join("x".join(map(str, shape)) for shape in captured.shapes)
    for line in [f"inputs      {shapes}", *_totals(graph), _not_understood(graph)]:
        out.print(line)
    for notice in captured.notices:
        typer.echo(f"{notice.level}: {notice.message}", err=True)


def _node_table(graph: "PerfGraph", limit: int) -> "Table":
    from perfseer.graphs.vocabulary import OPERATORS

    columns = {"FLOPs": graph.flops, "bytes": graph.bytes}
    if graph.has_backward:
        columns |= {"backward FLOPs": graph.backward_flops, "backward bytes": graph.backward_bytes}
    shown: list[Column[int]] = [
        Column("#", lambda node: node, number=True),
        Column("operator", lambda node: OPERATORS[graph.operators[node]]),
        Column("arguments", lambda node: _arguments(graph, node)),
        Column("output", lambda node: "x".join(map(str, graph.output_shapes[node]))),
        *(_scaled(title, values) for title, values in columns.items()),
    ]
    return table(shown, range(min(limit, graph.n_nodes)))


def _scaled(title: str, values: "IntArray") -> Column[int]:
    """A quantity of nodes, in one unit that stands in the heading."""
    from perfseer.reporting.units import choose_scale

    scale = choose_scale(values.tolist(), "flops" if "FLOPs" in title else "bytes")
    heading = f"{title} [{scale.unit}]".replace("FLOPs [", "[")
    return Column(heading, lambda node: scale.show(int(values[node])), number=True)


def _arguments(graph: "PerfGraph", node: int) -> str:
    """Hyper-parameters that are not zero, without the operator's name before them."""
    from perfseer.graphs.vocabulary import HYPERPARAMETERS

    values = zip(HYPERPARAMETERS, graph.hyperparameters[node].tolist(), strict=True)
    return " ".join(f"{name.split('_', 1)[1]}={value}" for name, value in values if value)


def _operator_table(graph: "PerfGraph") -> "Table":
    from perfseer.forecast.explaining import operator_shares
    from perfseer.reporting.units import percent

    columns: list[Column[OperatorShare]] = [
        Column("operator", lambda kind: kind.operator),
        Column("nodes", lambda kind: kind.nodes, number=True),
        Column("share of FLOPs", lambda kind: _flops_share(kind.flops_share), number=True),
        Column("share of bytes", lambda kind: percent(100 * kind.bytes_share), number=True),
    ]
    return table(columns, operator_shares(graph, "infer"))


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


def _not_understood(graph: "PerfGraph") -> str:
    from perfseer.reporting.units import percent

    if not graph.unknown:
        return "understood  every operator"
    names = ", ".join(f"{name} ({n})" for name, n in sorted(graph.unknown.items(), key=lambda kv: -kv[1]))
    return (
        f"not understood, kept as `other`: {names}; {percent(100 * graph.other_share)} of the bytes moved, "
        f"{_flops_share(graph.other_flops_share)} of the FLOPs"
    )


def _flops_share(share: float | None) -> str:
    from perfseer.reporting.units import percent

    return "an unknown share" if share is None else percent(100 * share)
