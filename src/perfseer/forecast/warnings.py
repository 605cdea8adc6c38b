"""What about a model makes an answer doubtful, in sentences with shares and ranges."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from perfseer.data.platforms import Platform
from perfseer.forecast.parts import Coverage, Estimate, Notice, Outside
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.uncounted import with_unknown_flops
from perfseer.graphs.vocabulary import OPERATOR_INDEX
from perfseer.predictors import coverage as predictors_coverage
from perfseer.targets import Phase

# Named in a message; the JSON has all of them.
_LISTED = 3


def covered(graph: PerfGraph, found: predictors_coverage.Coverage, phase: Phase) -> Coverage:
    """What of a graph is new to a predictor, as far as it matters to a phase.

    Args:
        graph: the model at its batch size.
        found: what the predictor says about it.
        phase: inference does not depend on features of the backward pass.
    """
    other = graph.operators == OPERATOR_INDEX["other"]
    outside = tuple(
        Outside(name, *values)
        for name, values in found.outside.items()
        if phase == "train" or not ("backward" in name or "train" in name)
    )
    return Coverage(
        unknown_operators=dict(graph.unknown),
        unknown_calls_share=float(np.mean(other)),
        unknown_bytes_share=graph.other_share,
        unknown_flops_share=graph.other_flops_share,
        unseen_operators=dict(found.unseen_operators),
        outside=outside,
    )


def coverage_notices(coverage: Coverage) -> list[Notice]:
    """A warning for each way in which a model is new."""
    notices = []
    if coverage.unknown_operators:
        text = (
            f"operators outside the vocabulary: {_counts(coverage.unknown_operators)}; "
            f"{_percent(coverage.unknown_calls_share)} of the calls, "
            f"{_percent(coverage.unknown_bytes_share)} of the bytes, {_flops_words(coverage)}"
        )
        notices.append(Notice("warning", "unknown_operators", text))
    if coverage.unseen_operators:
        text = f"operators that no model of the training had: {_counts(coverage.unseen_operators)}"
        notices.append(Notice("warning", "unseen_operators", text))
    return [*notices, *_range_notices(coverage.outside)]


# Host time to start one kernel of an eager model: what few machines beat, and what few exceed. From common
# experience with PyTorch, not measured here.
LAUNCH_US, SLOW_LAUNCH_US = 5.0, 50.0


def launch_notices(graph: PerfGraph, platform: Platform | None, time_ms: float | None) -> list[Notice]:
    """A warning where a GPU would wait for its host: predictors learn from batches that keep it busy.

    Args:
        graph: the model at its batch size.
        platform: asked about.
        time_ms: predicted for inference, or for a training step; None where nobody predicted it.
    """
    eager = platform is not None and platform.device_kind == "cuda" and platform.mode == "eager"
    least_ms = graph.n_nodes * LAUNCH_US / 1e3
    if not eager or time_ms is None or time_ms >= least_ms:
        return []
    text = (
        f"starting its {graph.n_nodes} kernels one by one takes a host {least_ms:.2g} ms at {LAUNCH_US:g} us "
        "each, longer than they run: the answer is a lower bound, and its interval reaches up to "
        f"{SLOW_LAUNCH_US:g} us each"
    )
    return [Notice("warning", "launch_bound", text)]


def with_launches(estimate: Estimate, graph: PerfGraph) -> Estimate:
    """A time that its kernels' launches may exceed: the interval reaches up to slow ones."""
    most_ms = graph.n_nodes * SLOW_LAUNCH_US / 1e3
    interval = estimate.interval
    if interval is None or interval.high >= most_ms:
        return estimate
    return replace(estimate, interval=replace(interval, high=most_ms))


def _range_notices(outside: tuple[Outside, ...]) -> list[Notice]:
    notices = []
    batch = next((entry for entry in outside if entry.feature == "batch_size"), None)
    if batch is not None:
        trained = f"{batch.lowest:.0f} to {batch.highest:.0f}"
        text = f"batch size {batch.value:.0f} is outside the {trained} trained on"
        notices.append(Notice("warning", "batch_outside_training_range", text))
    others = sorted((entry for entry in outside if entry is not batch), key=_distance, reverse=True)
    if others:
        named = "; ".join(map(_range_words, others[:_LISTED]))
        more = f"; and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
        text = f"outside the training range: {named}{more}"
        notices.append(Notice("warning", "outside_training_range", text))
    return notices


def _distance(entry: Outside) -> float:
    """By which factor a value lies outside, in logarithms; features are not negative."""
    beyond = max(entry.value + 1, 1.0) / max(entry.highest + 1, 1.0)
    below = max(entry.lowest + 1, 1.0) / max(entry.value + 1, 1.0)
    return math.log(max(beyond, below))


def _range_words(entry: Outside) -> str:
    return f"{entry.feature} {entry.value:.3g} (trained on {entry.lowest:.3g} to {entry.highest:.3g})"


def _counts(operators: Mapping[str, int]) -> str:
    ranked = sorted(operators.items(), key=lambda pair: (-pair[1], pair[0]))
    more = f" and {len(ranked) - _LISTED} more" if len(ranked) > _LISTED else ""
    return ", ".join(f"{name} ({calls}x)" for name, calls in ranked[:_LISTED]) + more


def _flops_words(coverage: Coverage) -> str:
    if coverage.unknown_flops_share is not None:
        return f"{_percent(coverage.unknown_flops_share)} of the FLOPs"
    names = with_unknown_flops(coverage.unknown_operators)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (
        f"an unknown share of the FLOPs: nothing says what {', '.join(names[:_LISTED])}{more} "
        f"comput{'e' if len(names) > 1 else 'es'}, so the FLOPs are a lower bound"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
