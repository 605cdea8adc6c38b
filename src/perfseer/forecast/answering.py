"""From captured graphs to answers: one pass through a predictor for all that is asked about a model."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from statistics import NormalDist

import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.platforms import Platform
from perfseer.forecast.ask import Ask
from perfseer.forecast.asking import unlabelled
from perfseer.forecast.bounds import no_less_than_inference, within
from perfseer.forecast.capturing import Seen
from perfseer.forecast.card import Card
from perfseer.forecast.explaining import explain
from perfseer.forecast.host_clock import Host, Timed, host_of, two_clocks
from perfseer.forecast.memory import Memory, memory_of
from perfseer.forecast.parts import (
    Coverage,
    Estimate,
    Interval,
    Metric,
    ModelInput,
    Provenance,
    Target,
    Unit,
)
from perfseer.forecast.platform_choice import Chosen
from perfseer.forecast.prediction import Prediction
from perfseer.forecast.software import DRIFT
from perfseer.forecast.warnings import coverage_notices, covered
from perfseer.predictors import base
from perfseer.targets import PHASES, TARGETS, Phase, Quantity

_METRICS: dict[Quantity, Metric] = {"time": "time", "mem": "memory", "util": "utilisation"}
_UNITS: dict[Quantity, Unit] = {"time": "ms", "mem": "MiB", "util": "%"}


@dataclass(frozen=True, eq=False)
class Answerer:
    """A fitted predictor and what is on record about it.

    Attributes:
        model: the predictor.
        card: its record.
        provenance: what every answer carries.
    """

    model: base.Predictor
    card: Card
    provenance: Provenance

    def answer(self, seen: Seen, phase: Phase, asked: Sequence[Chosen], ask: Ask) -> list[Prediction]:
        """Answers in the order of the platforms.

        Args:
            seen: a model at one batch size, as ``phase`` sees it.
            phase: inference or training.
            asked: platforms, at least one.
            ask: confidence of the intervals, memory of the device, whether to explain.

        Raises:
            PerfseerError: the predictor gives no finite positive number for it.
        """
        captured = seen.captured
        platforms = list(dict.fromkeys(chosen.platform for chosen in asked))
        stand_ins = [_stand_in(asked, platform) for platform in platforms]
        shown = list(dict.fromkeys([*platforms, *stand_ins]))
        dataset = unlabelled(captured.graph, shown)
        values = forward = self._values(dataset, ask)
        if phase == "train" and seen.forward is not captured.graph:
            forward = self._values(unlabelled(seen.forward, shown), ask)
        answers: dict[Platform | None, Callable[[Chosen], Prediction]] = {}
        for platform, stand_in in zip(platforms, stand_ins, strict=True):
            places = shown.index(platform), shown.index(stand_in)
            told_of: dict[Phase, Mapping[Hashable, float]] = {
                "infer": _as_told_by(forward, *places, ask.confidence),
                "train": _as_told_by(values, *places, ask.confidence),
            }
            timed = self._timed(seen, phase, platform, self._hosts(stand_in), told_of, ask.confidence)
            new = covered(captured.graph, self.model.coverage(captured.graph, stand_in), phase)
            answers[platform] = partial(self._prediction, seen, phase, timed=timed, coverage=new, ask=ask)
        told = [answers[chosen.platform](chosen) for chosen in asked]
        if ask.explain:
            rows = [dataset.subset([shown.index(chosen.platform)]) for chosen in asked]
            told = [
                replace(answer, explanation=explain(self.model, row, phase))
                for answer, row in zip(told, rows, strict=True)
            ]
        return told

    def _timed(
        self,
        seen: Seen,
        phase: Phase,
        platform: Platform | None,
        hosts: Mapping[Phase, Host | None],
        values: Mapping[Phase, Mapping[Hashable, float]],
        confidence: float,
    ) -> Timed:
        """Values once the host has had its say, training no less than inference.

        Args:
            seen: the model.
            phase: asked about.
            platform: likewise.
            hosts: of it, by phase.
            values: predicted from what inference sees, and from what training sees.
            confidence: of intervals.
        """
        infer = two_clocks(values["infer"], seen.forward, "infer", platform, hosts["infer"], confidence)
        if phase == "infer":
            return infer
        graph = seen.captured.graph
        train = two_clocks(values["train"], graph, "train", platform, hosts["train"], confidence)
        return replace(train, values=no_less_than_inference(train.values, infer.values))

    def _hosts(self, platform: Platform | None) -> dict[Phase, Host | None]:
        """What is known of the host of a platform, by phase."""
        found: dict[Phase, Host | None] = dict.fromkeys(PHASES)
        if platform is None:
            return found
        for phase in PHASES:
            phases = self.model.platform_phases.get(platform.key, PHASES)
            trained = platform in self.model.platforms and phase in phases
            least_us = self.card.least_us(platform.key, phase) if trained else None
            found[phase] = host_of(platform, phase, trained=trained, least_us=least_us)
        return found

    def _values(self, dataset: Dataset, ask: Ask) -> list[dict[Hashable, float]]:
        """Of each row, values of labels and of the ends of their intervals."""
        predicted = self.model.predict(dataset)
        intervals = self.model.intervals(dataset, ask.confidence)
        values = predicted if intervals is None else pd.concat([predicted, intervals], axis=1)
        rows: list[dict[Hashable, float]] = values.to_dict("records")
        return rows

    def _prediction(
        self, seen: Seen, phase: Phase, chosen: Chosen, *, timed: Timed, coverage: Coverage, ask: Ask
    ) -> Prediction:
        captured, platform, memory = seen.captured, chosen.platform, None
        if platform is not None:
            memory = memory_of(captured.graph, phase, platform, ask.confidence, ask.device_memory_bytes)
        about = (*captured.notices, *(captured.training_notices if phase == "train" else ()))
        notices = [*chosen.notices, *about, *coverage_notices(coverage), *timed.notices]
        as_held_out = chosen.trained_on and not any(notice.level == "warning" for notice in notices)
        size = captured.graph.batch_size if as_held_out else None
        estimates = tuple(
            within(estimate, captured.graph, phase, platform)
            for estimate in self._estimates(phase, chosen, timed.values, ask.confidence, size)
        )
        return Prediction(
            input=_input(seen),
            phase=phase,
            target=_target(platform, trained_on=chosen.trained_on),
            estimates=_with_memory(estimates, memory),
            memory_fit=None if memory is None else memory.fit,
            coverage=coverage,
            warnings=(*notices, *(() if memory is None else memory.notices)),
            provenance=self.provenance,
        )

    def _estimates(
        self,
        phase: Phase,
        chosen: Chosen,
        values: Mapping[Hashable, float],
        confidence: float,
        held_out_at: int | None,
    ) -> tuple[Estimate, ...]:
        """Estimates, with the error on held-out models at a batch size; None: no figure is of the like."""
        key = None if chosen.platform is None else chosen.platform.key
        return tuple(
            Estimate(
                metric=_METRICS[target.quantity],
                value=values[target.name],
                unit=_UNITS[target.quantity],
                interval=_interval(values, target.name, confidence),
                held_out_mape_pct=(
                    None if held_out_at is None else self.card.mape_pct(key, target.name, held_out_at)
                ),
            )
            for target in TARGETS
            if target.phase == phase and target.name in values
        )


def _stand_in(asked: Sequence[Chosen], platform: Platform | None) -> Platform | None:
    """The platform whose estimate is given for one; most speak for themselves."""
    return next((one.stand_in for one in asked if one.platform == platform and one.stand_in), platform)


def _as_told_by(
    rows: Sequence[Mapping[Hashable, float]], asked: int, stand_in: int, confidence: float
) -> Mapping[Hashable, float]:
    """Values of labels for a platform nobody measured, told by one that is like it.

    They are the other's. Their intervals reach as far to either side, as factors, as the wider of both, and
    times by as much more as versions of software differ.
    """
    if asked == stand_in:
        return rows[asked]
    own, told = rows[asked], dict(rows[stand_in])
    for name in [target.name for target in TARGETS if f"{target.name}_low" in told]:
        value = told[name]
        for end, side in (("low", -1), ("high", 1)):
            reach = max(abs(math.log(row[f"{name}_{end}"] / row[name])) for row in (own, rows[stand_in]))
            drift = DRIFT * NormalDist().inv_cdf((1 + confidence) / 2) if "time" in name else 0.0
            told[f"{name}_{end}"] = value * math.exp(side * math.hypot(reach, drift))
    return told


def _with_memory(estimates: tuple[Estimate, ...], memory: Memory | None) -> tuple[Estimate, ...]:
    """The estimates, with arithmetic for the memory where the predictor has learnt none."""
    if memory is None or any(estimate.metric == "memory" for estimate in estimates):
        return estimates
    order = list(_METRICS.values())
    return tuple(sorted((*estimates, memory.estimate), key=lambda estimate: order.index(estimate.metric)))


def _interval(values: Mapping[Hashable, float], label: str, confidence: float) -> Interval | None:
    """The interval of a label; None where the predictor has none for it."""
    low = values.get(f"{label}_low", math.nan)
    return None if math.isnan(low) else Interval(low, values[f"{label}_high"], confidence)


def _input(seen: Seen) -> ModelInput:
    captured, graph = seen.captured, seen.captured.graph
    return ModelInput(
        model=captured.name,
        batch_size=graph.batch_size,
        shapes=captured.shapes,
        types=captured.types,
        nodes=graph.n_nodes,
        parameters=seen.forward.n_parameters,
        forward_flops=graph.total_flops,
        forward_bytes=graph.total_bytes,
    )


def _target(platform: Platform | None, *, trained_on: bool) -> Target | None:
    if platform is None:
        return None
    known = {part.name: getattr(platform, part.name) for part in fields(Target) if part.name != "trained_on"}
    return Target(**known, trained_on=trained_on)
