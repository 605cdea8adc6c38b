"""What about a model makes an answer doubtful, in sentences with shares and ranges."""

from collections.abc import Mapping

import numpy as np

from perfseer.forecast.parts import Coverage, Notice, Outside
from perfseer.forecast.ranges import range_notices
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.uncounted import with_unknown_flops
from perfseer.graphs.vocabulary import OPERATOR_INDEX
from perfseer.predictors import coverage as predictors_coverage
from perfseer.targets import Phase
from perfseer.words import share

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
            f"{share(coverage.unknown_calls_share)} of the calls, "
            f"{share(coverage.unknown_bytes_share)} of the bytes, {_flops_words(coverage)}"
        )
        notices.append(Notice("warning", "unknown_operators", text))
    if coverage.unseen_operators:
        text = f"operators that no model of the training had: {_counts(coverage.unseen_operators)}"
        notices.append(Notice("warning", "unseen_operators", text))
    return [*notices, *range_notices(coverage.outside)]


def _counts(operators: Mapping[str, int]) -> str:
    ranked = sorted(operators.items(), key=lambda pair: (-pair[1], pair[0]))
    more = f" and {len(ranked) - _LISTED} more" if len(ranked) > _LISTED else ""
    return ", ".join(f"{name} ({calls}x)" for name, calls in ranked[:_LISTED]) + more


def _flops_words(coverage: Coverage) -> str:
    if coverage.unknown_flops_share is not None:
        return f"{share(coverage.unknown_flops_share)} of the FLOPs"
    names = with_unknown_flops(coverage.unknown_operators)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (
        f"an unknown share of the FLOPs: nothing says what {', '.join(names[:_LISTED])}{more} "
        f"comput{'e' if len(names) > 1 else 'es'}, so the FLOPs are a lower bound"
    )
