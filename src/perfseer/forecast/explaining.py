"""Where the time goes: operators of a graph by their share of time, FLOPs and bytes."""

from typing import Protocol, runtime_checkable

import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.forecast.parts import Explanation, OperatorShare
from perfseer.graphs.perfgraph import FloatArray, IntArray, PerfGraph
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.targets import Phase


@runtime_checkable
class ExplainsTime(Protocol):
    """A predictor whose time is a sum over the operators of a graph."""

    def node_times(self, dataset: Dataset, target: str) -> list[FloatArray]:
        """For each row [V] predicted milliseconds of its graph's nodes; ``target`` is a time's label."""


@runtime_checkable
class ExplainsIntervals(Protocol):
    """A predictor that can say why an interval is wide."""

    def interval_reasons(self, dataset: Dataset, target: str) -> list[tuple[str, ...]]:
        """For each row the rules that widened its interval, a sentence each."""


def explain(model: object, row: Dataset, phase: Phase) -> Explanation:
    """The operators of one row, the most expensive first.

    Args:
        model: a fitted predictor; those that are `ExplainsTime` or `ExplainsIntervals` say more.
        row: one row.
        phase: training counts the backward pass too.
    """
    graph, label = row.graph(0), f"{phase}_time_ms"
    times = model.node_times(row, label)[0] if isinstance(model, ExplainsTime) else None
    widened = model.interval_reasons(row, label)[0] if isinstance(model, ExplainsIntervals) else ()
    return Explanation(operator_shares(graph, phase, times), widened)


def operator_shares(
    graph: PerfGraph, phase: Phase, times: FloatArray | None = None
) -> tuple[OperatorShare, ...]:
    """Kinds of operators, the most expensive first: by time where it is known, by bytes where it is not.

    Args:
        graph: whose operators they are.
        phase: training counts the backward pass too.
        times: [V] milliseconds of its nodes.
    """
    flops: IntArray = graph.flops + graph.backward_flops * (phase == "train")
    moved: IntArray = graph.bytes + graph.backward_bytes * (phase == "train")
    counts = np.bincount(graph.operators, minlength=len(OPERATORS))
    of_time = None if times is None else _shares(graph, times)
    of_flops, of_bytes = _shares(graph, flops), _shares(graph, moved)
    order = np.argsort(-(of_bytes if of_time is None else of_time), kind="stable")
    return tuple(
        OperatorShare(
            operator=OPERATORS[index],
            nodes=int(counts[index]),
            time_share=None if of_time is None else float(of_time[index]),
            flops_share=None if index == 0 and graph.other_flops_share is None else float(of_flops[index]),
            bytes_share=float(of_bytes[index]),
        )
        for index in order.tolist()
        if counts[index]
    )


def _shares(graph: PerfGraph, values: IntArray | FloatArray) -> FloatArray:
    """[operators] share of each kind of operator; zeros where there is nothing to share."""
    sums = np.bincount(graph.operators, values, minlength=len(OPERATORS)).astype(np.float64)
    total = float(sums.sum())
    return np.clip(sums / total, 0.0, 1.0) if total > 0 else np.zeros(len(OPERATORS))
