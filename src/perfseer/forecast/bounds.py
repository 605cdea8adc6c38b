"""What no prediction may be below or above, whatever predictor made it: bounds by physics and by meaning."""

from collections.abc import Hashable, Mapping
from dataclasses import replace

from perfseer.data.platforms import Platform
from perfseer.forecast.parts import Estimate, Interval
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.predictors.memory import MemorySetup, least_bytes
from perfseer.targets import TARGETS, Phase

MIB = 2**20
_FULL_PCT = 100.0
# What the predicted values of a label are called: the value itself and the ends of its interval.
_PARTS = ("", "_low", "_high")


def within(estimate: Estimate, graph: PerfGraph, phase: Phase, platform: Platform | None) -> Estimate:
    """An estimate kept within its bounds, its interval around it.

    Memory holds at least what is certainly allocated; utilisation is no more than all of a device.

    Args:
        estimate: as predicted.
        graph: the model at its batch size.
        phase: of the estimate.
        platform: None where nobody says; then weights are taken to be in single precision.
    """
    if estimate.metric == "memory":
        setup = MemorySetup("cpu") if platform is None else MemorySetup.of(platform)
        return _clipped(estimate, least=least_bytes(graph, phase, setup) / MIB)
    return _clipped(estimate, most=_FULL_PCT) if estimate.metric == "utilisation" else _clipped(estimate)


def no_less_than_inference(
    values: Mapping[Hashable, float], forward: Mapping[Hashable, float]
) -> dict[Hashable, float]:
    """Values of labels in which training takes no less time and memory than inference.

    A step of training holds a forward pass; so what is known of the one bounds the other, at every end.

    Args:
        values: label, or label and end of its interval, to value; as predicted.
        forward: likewise, of which the labels of inference count.
    """
    found = dict(values)
    for target in TARGETS:
        if target.phase != "train" or target.quantity == "util":
            continue
        for part in _PARTS:
            name, least = f"{target.name}{part}", f"infer{target.name.removeprefix('train')}{part}"
            if name in found and least in forward:
                found[name] = max(found[name], forward[least])  # not a number stays one
    return found


def _clipped(estimate: Estimate, least: float = 0.0, most: float = float("inf")) -> Estimate:
    value = min(max(estimate.value, least), most)
    interval = estimate.interval
    if interval is not None:
        low, high = (min(max(end, least), most) for end in (interval.low, interval.high))
        interval = Interval(min(low, value), max(high, value), interval.confidence)
    return replace(estimate, value=value, interval=interval)
