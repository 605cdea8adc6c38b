"""From captured graphs to answers: one pass through a predictor for all that is asked about a model."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from perfseer.data.platforms import Platform
from perfseer.forecast.ask import Ask
from perfseer.forecast.asking import unlabelled
from perfseer.forecast.card import Card
from perfseer.forecast.explaining import explain
from perfseer.forecast.memory import Memory, memory_of
from perfseer.forecast.models import Captured
from perfseer.forecast.parts import Coverage, Estimate, Interval, Metric, ModelInput, Provenance, Target, Unit
from perfseer.forecast.platform_choice import Chosen
from perfseer.forecast.prediction import Prediction
from perfseer.forecast.warnings import coverage_notices, covered
from perfseer.predictors import base
from perfseer.targets import TARGETS, Phase, Quantity

_METRICS: dict[Quantity, Metric] = {"time": "time", "mem": "memory", "util": "utilisation"}
_UNITS: dict[Quantity, Unit] = {"time": "ms", "mem": "MiB", "util": "%"}


@dataclass(frozen=True)
class Asked:
    """One question about a captured model.

    Attributes:
        captured: number of the captured graph.
        phase: inference or training.
        chosen: the platform.
    """

    captured: int
    phase: Phase
    chosen: Chosen


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

    def answer(self, captured: Sequence[Captured], asked: Sequence[Asked], ask: Ask) -> list[Prediction]:
        """Answers in the order of the questions.

        Args:
            captured: G models at their batch sizes.
            asked: questions about them.
            ask: confidence of the intervals, memory of the device, whether to explain.
        """
        if not asked:
            return []
        pairs = list(dict.fromkeys((one.captured, one.chosen.platform) for one in asked))
        dataset = unlabelled([one.graph for one in captured], pairs)
        predicted = self.model.predict(dataset)
        intervals = self.model.intervals(dataset, ask.confidence)
        values = predicted if intervals is None else pd.concat([predicted, intervals], axis=1)
        rows: list[dict[Hashable, float]] = values.to_dict("records")
        new = [self.model.coverage(one.graph) for one in captured]
        answers = []
        for one in asked:
            row, about = pairs.index((one.captured, one.chosen.platform)), captured[one.captured]
            coverage = covered(about.graph, new[one.captured], one.phase)
            answer = self._prediction(one, about, rows[row], coverage, ask)
            if ask.explain:
                answer = replace(answer, explanation=explain(self.model, dataset.subset([row]), one.phase))
            answers.append(answer)
        return answers

    def _prediction(
        self, one: Asked, about: Captured, values: Mapping[Hashable, float], coverage: Coverage, ask: Ask
    ) -> Prediction:
        platform, memory = one.chosen.platform, None
        if platform is not None:
            memory = memory_of(about.graph, one.phase, platform, ask.confidence, ask.device_memory_bytes)
        notices = [*one.chosen.notices, *about.notices, *coverage_notices(coverage)]
        return Prediction(
            input=_input(about),
            phase=one.phase,
            target=_target(platform, trained_on=one.chosen.trained_on),
            estimates=_with_memory(self._estimates(one, values, ask.confidence), memory),
            memory_fit=None if memory is None else memory.fit,
            coverage=coverage,
            warnings=(*notices, *(() if memory is None else memory.notices)),
            provenance=self.provenance,
        )

    def _estimates(
        self, one: Asked, values: Mapping[Hashable, float], confidence: float
    ) -> tuple[Estimate, ...]:
        platform = one.chosen.platform
        key = None if platform is None else platform.key
        return tuple(
            Estimate(
                metric=_METRICS[target.quantity],
                value=values[target.name],
                unit=_UNITS[target.quantity],
                interval=_interval(values, target.name, confidence),
                held_out_mape_pct=self.card.mape_pct(key, target.name) if one.chosen.trained_on else None,
            )
            for target in TARGETS
            if target.phase == one.phase and target.name in values
        )


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


def _input(captured: Captured) -> ModelInput:
    graph = captured.graph
    return ModelInput(
        model=captured.name,
        batch_size=graph.batch_size,
        shapes=captured.shapes,
        types=captured.types,
        nodes=graph.n_nodes,
        parameters=graph.n_parameters,
        forward_flops=graph.total_flops,
        forward_bytes=graph.total_bytes,
    )


def _target(platform: Platform | None, *, trained_on: bool) -> Target | None:
    if platform is None:
        return None
    return Target(
        key=platform.key,
        device=platform.device,
        device_kind=platform.device_kind,
        precision=platform.precision,
        memory_format=platform.memory_format,
        mode=platform.mode,
        software=platform.software,
        trained_on=trained_on,
    )
