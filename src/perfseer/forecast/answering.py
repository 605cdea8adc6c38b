"""From captured graphs to answers: one pass through a predictor for all that is asked about a model."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.platforms import Platform
from perfseer.forecast.ask import Ask
from perfseer.forecast.asking import unlabelled
from perfseer.forecast.bounds import no_less_than_inference, within
from perfseer.forecast.capturing import Seen
from perfseer.forecast.card import Card
from perfseer.forecast.explaining import explain
from perfseer.forecast.memory import Memory, memory_of
from perfseer.forecast.parts import Coverage, Estimate, Interval, Metric, ModelInput, Provenance, Target, Unit
from perfseer.forecast.platform_choice import Chosen
from perfseer.forecast.prediction import Prediction
from perfseer.forecast.warnings import coverage_notices, covered, launch_notices, launched, with_launches
from perfseer.predictors import base
from perfseer.targets import TARGETS, Phase, Quantity

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
        dataset = unlabelled(captured.graph, platforms)
        rows = forward = self._values(dataset, ask)
        if phase == "train":
            if seen.forward is not captured.graph:
                forward = self._values(unlabelled(seen.forward, platforms), ask)
            forward = [
                launched(values, seen.forward, platform)
                for values, platform in zip(forward, platforms, strict=True)
            ]
            rows = [no_less_than_inference(*pair) for pair in zip(rows, forward, strict=True)]
        new = [self.model.coverage(captured.graph, platform) for platform in platforms]
        answers = []
        for chosen in asked:
            row = platforms.index(chosen.platform)
            coverage = covered(captured.graph, new[row], phase)
            answer = self._prediction(seen, phase, chosen, rows[row], coverage, ask)
            if ask.explain:
                answer = replace(answer, explanation=explain(self.model, dataset.subset([row]), phase))
            answers.append(answer)
        return answers

    def _values(self, dataset: Dataset, ask: Ask) -> list[dict[Hashable, float]]:
        """Of each row, values of labels and of the ends of their intervals."""
        predicted = self.model.predict(dataset)
        intervals = self.model.intervals(dataset, ask.confidence)
        values = predicted if intervals is None else pd.concat([predicted, intervals], axis=1)
        rows: list[dict[Hashable, float]] = values.to_dict("records")
        return rows

    def _prediction(
        self,
        seen: Seen,
        phase: Phase,
        chosen: Chosen,
        values: Mapping[Hashable, float],
        coverage: Coverage,
        ask: Ask,
    ) -> Prediction:
        captured, platform, memory = seen.captured, chosen.platform, None
        if platform is not None:
            memory = memory_of(captured.graph, phase, platform, ask.confidence, ask.device_memory_bytes)
        about = (*captured.notices, *(captured.training_notices if phase == "train" else ()))
        estimates = tuple(
            within(estimate, captured.graph, phase, platform)
            for estimate in self._estimates(phase, chosen, values, ask.confidence)
        )
        time_ms = next((estimate.value for estimate in estimates if estimate.metric == "time"), None)
        launches = launch_notices(captured.graph, platform, time_ms)
        if launches:
            estimates = tuple(
                with_launches(estimate, captured.graph) if estimate.metric == "time" else estimate
                for estimate in estimates
            )
        notices = [*chosen.notices, *about, *coverage_notices(coverage), *launches]
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
        self, phase: Phase, chosen: Chosen, values: Mapping[Hashable, float], confidence: float
    ) -> tuple[Estimate, ...]:
        key = None if chosen.platform is None else chosen.platform.key
        return tuple(
            Estimate(
                metric=_METRICS[target.quantity],
                value=values[target.name],
                unit=_UNITS[target.quantity],
                interval=_interval(values, target.name, confidence),
                held_out_mape_pct=self.card.mape_pct(key, target.name) if chosen.trained_on else None,
            )
            for target in TARGETS
            if target.phase == phase and target.name in values
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
