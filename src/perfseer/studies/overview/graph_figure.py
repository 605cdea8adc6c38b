"""One PerfGraph drawn: layers from left to right by depth, node size by FLOPs, colour by operator."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from perfseer.graphs.perfgraph import IntArray, PerfGraph
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.reporting.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, YELLOW, panels
from perfseer.reporting.units import choose_scale, count
from perfseer.studies.experiment import Experiment

Floats = npt.NDArray[np.float64]

# Operators in the order of their frequency here.
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, "#444444", "#8C564B", "#9EDAE5")
COLUMNS = 40  # layers in a line
SPREAD, LINE_GAP = 0.45, 1.0  # between parallel nodes, between lines


def graph_figure(experiment: Experiment) -> Figure:
    """The configuration of median FLOPs, drawn as a layered graph that wraps like text."""
    number, graph = experiment.example
    depth = layers(graph)
    x, y = positions(graph, depth)
    figure, (axes,) = panels(1, 1, height=1.2 + 0.45 * float(np.ptp(y)))
    _draw_edges(axes, graph, x, y)
    _draw_nodes(axes, graph, x, y)
    flops = choose_scale([graph.total_flops], "flops").named(graph.total_flops)
    row = experiment.rows.iloc[number]
    axes.set_title(
        f"network {row['architecture']} ({row['family']}), batch size {row['batch_size']}: "
        f"{count(graph.n_nodes)} operators, {count(graph.n_edges)} edges, {flops}"
    )
    axes.set_axis_off()
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=6, markerscale=0.8)
    return figure


def layers(graph: PerfGraph) -> IntArray:
    """[V] length of the longest path from a source; senders lie left of their receivers."""
    depth = np.zeros(graph.n_nodes, dtype=np.int64)
    senders, receivers = graph.edge_index
    order = np.argsort(senders, kind="stable")
    # Senders precede receivers, so one pass in sender order settles every node before it is read.
    for sender, receiver in zip(senders[order].tolist(), receivers[order].tolist(), strict=True):
        depth[receiver] = max(depth[receiver], depth[sender] + 1)
    return depth


def positions(graph: PerfGraph, depth: IntArray) -> tuple[Floats, Floats]:
    """[V] x and y: layer within a line of `COLUMNS`, lines below each other, parallel nodes spread evenly."""
    order = np.lexsort((np.arange(graph.n_nodes), depth))
    sizes = np.bincount(depth)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    place = np.empty(graph.n_nodes)
    place[order] = np.arange(graph.n_nodes) - starts[depth[order]]
    spread = (place - (sizes[depth] - 1) / 2) * SPREAD
    line = depth // COLUMNS
    tallest = np.zeros(int(line.max()) + 1)
    np.maximum.at(tallest, line, np.abs(spread))
    # Each line needs its own height above and below its middle, and a gap to the next.
    middles = (
        np.cumsum(tallest)
        + np.concatenate([[0.0], np.cumsum(tallest)[:-1]])
        + LINE_GAP * np.arange(len(tallest))
    )
    return (depth % COLUMNS).astype(np.float64), spread - middles[line]


def _draw_edges(axes: Axes, graph: PerfGraph, x: Floats, y: Floats) -> None:
    senders, receivers = graph.edge_index
    # An edge that wraps to the next line would cross the whole figure: it leaves right and enters left.
    wraps = (x[receivers] <= x[senders]) & (y[receivers] < y[senders])
    straight = ~wraps
    segments = [
        _segments(x[senders[straight]], y[senders[straight]], x[receivers[straight]], y[receivers[straight]]),
        _segments(x[senders[wraps]], y[senders[wraps]], x[senders[wraps]] + 0.6, y[senders[wraps]]),
        _segments(x[receivers[wraps]] - 0.6, y[receivers[wraps]], x[receivers[wraps]], y[receivers[wraps]]),
    ]
    axes.add_collection(LineCollection(list(np.concatenate(segments)), colors="#999999", linewidths=0.7))


def _segments(x0: Floats, y0: Floats, x1: Floats, y1: Floats) -> Floats:
    """[n, 2, 2] lines from (x0, y0) to (x1, y1)."""
    return np.stack([np.stack([x0, y0], axis=1), np.stack([x1, y1], axis=1)], axis=1)


def _draw_nodes(axes: Axes, graph: PerfGraph, x: Floats, y: Floats) -> None:
    share = graph.flops / max(int(graph.flops.max()), 1)
    sizes = 14 + 130 * np.sqrt(share)
    found, counts = np.unique(graph.operators, return_counts=True)
    for place, operator in enumerate(found[np.lexsort((found, -counts))].tolist()):
        chosen = graph.operators == operator
        axes.scatter(
            x[chosen],
            y[chosen],
            s=sizes[chosen],
            color=COLOURS[place % len(COLOURS)],
            edgecolors="white",
            linewidths=0.5,
            label=f"{OPERATORS[operator]} ({count(int(chosen.sum()))})",
            zorder=2,
        )
