"""What of a graph is larger or smaller than anything a predictor was trained on, in words."""

import math
from collections.abc import Iterable

from perfseer.forecast.parts import Notice, Outside
from perfseer.words import size

# Named in a message; the JSON has all of them.
_LISTED = 3
_MOST_DIGITS = 9
_IN_FULL = 100_000
_OF_NODES = {
    "total": "{} of the forward pass",
    "mean": "{} an operator, on average",
    "median": "{} of the median operator",
    "max": "{} of the largest operator",
}
_AMOUNTS = {
    "flops": ("work", "FLOPs"),
    "bytes": ("memory traffic", "B"),
    "weight_bytes": ("weights read", "B"),
}
# Feature of a graph → what it is, and its unit.
NAMES: dict[str, tuple[str, str]] = {
    "n_nodes": ("operators", ""),
    "n_edges": ("tensors between operators", ""),
    "density": ("density of the graph", ""),
    **{
        f"{statistic}_{amount}": (text.format(what), unit)
        for statistic, text in _OF_NODES.items()
        for amount, (what, unit) in _AMOUNTS.items()
    },
    "mean_edge_bytes": ("a tensor between operators, on average", "B"),
    "total_intensity": ("FLOPs per byte", ""),
    "batch_size": ("batch size", ""),
    "n_parameters": ("parameters", ""),
    "total_backward_flops": ("work of the backward pass", "FLOPs"),
    "total_backward_bytes": ("memory traffic of the backward pass", "B"),
    "train_only_bytes": ("memory traffic of training alone", "B"),
    "peak_infer_bytes": ("peak memory of inference", "B"),
    "peak_train_bytes": ("peak memory of training", "B"),
}


def range_notices(outside: tuple[Outside, ...]) -> list[Notice]:
    """A warning about the batch size, and one about all else that lies outside."""
    notices = []
    batch = next((entry for entry in outside if entry.feature == "batch_size"), None)
    if batch is not None:
        notices.append(Notice("warning", "batch_outside_training_range", _words([batch])))
    others = sorted((entry for entry in outside if entry is not batch), key=_distance, reverse=True)
    if others:
        more = f"; and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
        text = f"{_words(others[:_LISTED])}{more}"
        notices.append(Notice("warning", "outside_training_range", text))
    return notices


def _words(entries: Iterable[Outside]) -> str:
    """Which are smaller than anything trained on, then which are larger."""
    smaller: list[str] = []
    larger: list[str] = []
    for entry in entries:
        (smaller if entry.value < entry.lowest else larger).append(_one(entry))
    sides = {"smaller": smaller, "larger": larger}
    return "; ".join(
        f"{side} than anything trained on: {', '.join(said)}" for side, said in sides.items() if said
    )


def _one(entry: Outside) -> str:
    name, unit = NAMES.get(entry.feature, (entry.feature, ""))
    edge = entry.lowest if entry.value < entry.lowest else entry.highest
    # As many digits as it takes to tell them apart.
    ways = range(3, _MOST_DIGITS)
    pairs = ([_amount(number, unit, digits) for number in (entry.value, edge)] for digits in ways)
    value, shown = next((pair for pair in pairs if pair[0] != pair[1]), [f"{entry.value:g}", f"{edge:g}"])
    if entry.lowest == entry.highest:
        return f"{name} {value} (always {shown} in training)"
    return f"{name} {value} (at {'least' if edge == entry.lowest else 'most'} {shown} in training)"


def _amount(value: float, unit: str, digits: int) -> str:
    """Counts that people read in full stay whole."""
    return (
        f"{value:.0f}" if not unit and value < _IN_FULL and value == int(value) else size(value, unit, digits)
    )


def _distance(entry: Outside) -> float:
    """By which factor a value lies outside, in logarithms; features are not negative."""
    beyond = max(entry.value + 1, 1.0) / max(entry.highest + 1, 1.0)
    below = max(entry.lowest + 1, 1.0) / max(entry.value + 1, 1.0)
    return math.log(max(beyond, below))
