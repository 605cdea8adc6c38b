"""Which operators this device runs as one kernel: nn-Meter's pair test (MobiSys'21; METHODS 2.1).

Two operators fuse when running them together saves more than a share alpha of the faster one's own time:
T_A + T_B - T_AB > alpha min(T_A, T_B). A, B and AB are timed in turn. So that noise alone makes no rule, both
the lower end of the confidence interval of the median saving and the saving of the fastest runs must exceed
alpha: what disturbs a machine only ever adds time, and rarely to all runs of a module.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from perfseer.graphs.kernels import CONVOLUTIONS, FOLLOWERS, FusionRules, MultipleOutputs
from perfseer.measure.kernels.bench import Place, time_in_turn
from perfseer.measure.kernels.modules import LAYERS, Add, Concat, Recipe
from perfseer.measure.kernels.settings import FusionSettings
from perfseer.measure.stopping import median_interval

FUSION_VERSION = 1
_GROUPS, _POOL_KERNEL = 4, 3
Shape = tuple[int, ...]


class _Unary(nn.Module):
    """An operator of two inputs that reads one tensor twice, so that it fits into a chain."""

    def __init__(self, operator: nn.Module) -> None:
        super().__init__()
        self.operator = operator

    def forward(self, x: Tensor) -> Tensor:
        """The operator on [x, x]."""
        out: Tensor = self.operator(x, x)
        return out


class _Branches(nn.Module):
    """A producer that two consumers read."""

    def __init__(self, producer: nn.Module, consumers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.producer, self.consumers = producer, nn.ModuleList(consumers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """What the consumers give."""
        made = self.producer(x)
        return [consumer(made) for consumer in self.consumers]


def measure_pair(pair: tuple[str, str], settings: FusionSettings, place: Place) -> dict[str, Any]:
    """Time a pair of operators apart and together.

    Args:
        pair: producer and consumer, names of `graphs.kernels.KERNEL_OPERATORS`.
        settings: sizes, repetitions and alpha.
        place: device and formats.

    Returns:
        The pair's entry in fusion.json: median times in ms, the saving as a share of the faster operator's
        time with its interval, and the decision.
    """
    recipes = _apart_and_together(pair, *_shapes(pair, settings), settings)
    return decide(pair, time_in_turn(recipes, place, settings.repetitions), settings.alpha)


def decide(pair: tuple[str, str], times_ms: Mapping[str, Sequence[float]], alpha: float) -> dict[str, Any]:
    """The entry of a pair from its times.

    Args:
        pair: producer and consumer.
        times_ms: of ``a``, ``b`` and ``ab``, equally many, measured in turn.
        alpha: least saving that counts.
    """
    median = {name: statistics.median(values) for name, values in times_ms.items()}
    faster = min(median["a"], median["b"])
    turns = zip(times_ms["a"], times_ms["b"], times_ms["ab"], strict=True)
    saving = median_interval([(a + b - ab) / faster for a, b, ab in turns], 0.95)
    fastest = {name: min(values) for name, values in times_ms.items()}
    least = (fastest["a"] + fastest["b"] - fastest["ab"]) / min(fastest["a"], fastest["b"])
    fuses = saving.low is not None and min(saving.low, least) > alpha
    return {
        "producer": pair[0],
        "consumer": pair[1],
        **{f"{name}_ms": value for name, value in median.items()},
        "saving": saving.median,
        "saving_low": saving.low,
        "saving_high": saving.high,
        "saving_fastest": least,
        "fuses": fuses,
        # Only what keeps the shape can follow within a kernel; another pair's entry is for the record.
        "applied": fuses and pair[1] in FOLLOWERS,
    }


def measure_outputs(pair: tuple[str, str], settings: FusionSettings, place: Place) -> dict[str, Any]:
    """What happens to a fusing pair when a second consumer reads the producer.

    Returns:
        Median times in ms, what each of `MultipleOutputs` predicts, and the nearest of them.
    """
    start, middle = _shapes(pair, settings)
    layers = [_operator(pair[0], start, settings), *(_operator(pair[1], middle, settings) for _ in range(2))]
    recipes = _apart_and_together(pair, start, middle, settings)
    together = Recipe(lambda: _Branches(layers[0], layers[1:]), (start,))
    times = time_in_turn({**recipes, "abb": together}, place, settings.repetitions)
    return choose_outputs({name: statistics.median(values) for name, values in times.items()})


def choose_outputs(median_ms: Mapping[str, float]) -> dict[str, Any]:
    """The rule whose prediction is nearest to the measured time of a producer with two consumers."""
    a, b, ab = (median_ms[name] for name in ("a", "b", "ab"))
    predicted: dict[MultipleOutputs, float] = {"never": a + 2 * b, "first": ab + b, "all": 2 * ab - a}
    rule = min(predicted, key=lambda name: abs(predicted[name] - median_ms["abb"]))
    times = {f"{name}_ms": value for name, value in median_ms.items()}
    return {**times, **{f"{name}_predicted_ms": value for name, value in predicted.items()}, "rule": rule}


def rules_of(pairs: Sequence[Mapping[str, Any]], multiple_outputs: MultipleOutputs) -> FusionRules:
    """The rules that tested pairs and a tested producer of two consumers stand for."""
    applied = {(str(entry["producer"]), str(entry["consumer"])) for entry in pairs if entry["applied"]}
    return FusionRules(frozenset(applied), multiple_outputs)


def _shapes(pair: tuple[str, str], settings: FusionSettings) -> tuple[Shape, Shape]:
    """Of what the producer reads, and of what it hands on."""
    start = (1, settings.channels_in, settings.side, settings.side)
    return start, _output_shape(pair[0], start, settings)


def _apart_and_together(
    pair: tuple[str, str], start: Shape, middle: Shape, settings: FusionSettings
) -> dict[str, Recipe]:
    return {
        "a": _recipe([pair[0]], start, settings),
        "b": _recipe([pair[1]], middle, settings),
        "ab": _recipe(pair, start, settings),
    }


def _recipe(operators: Sequence[str], shape: Shape, settings: FusionSettings) -> Recipe:
    def build() -> nn.Module:
        layers, current = [], shape
        for operator in operators:
            layers.append(_operator(operator, current, settings))
            current = _output_shape(operator, current, settings)
        return layers[0] if len(layers) == 1 else nn.Sequential(*layers)

    return Recipe(build, (shape,))


def _operator(name: str, shape: Shape, settings: FusionSettings) -> nn.Module:
    """A layer for an input of ``shape``, [N, C, H, W]."""
    channels = shape[1]
    if name == "linear":
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * shape[2] * shape[3], settings.channels_out))
    layer = LAYERS[name](
        {
            "channels_in": channels,
            "channels_out": channels if name == "dwconv" else settings.channels_out,
            "kernel": settings.kernel if name in CONVOLUTIONS else _POOL_KERNEL,
            "stride": 1,
            "groups": {"dwconv": channels, "grouped_conv": _GROUPS}.get(name, 1),
        }
    )
    return _Unary(layer) if isinstance(layer, Add | Concat) else layer


def _output_shape(name: str, shape: Shape, settings: FusionSettings) -> Shape:
    with torch.device("meta"):
        return tuple(_operator(name, shape, settings).eval()(torch.empty(shape)).shape)
