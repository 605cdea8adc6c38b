"""From captured graphs to answers: one pass through a predictor for all that is asked about a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.platforms import Platform
from perfseer.forecast.asking import unlabelled
from perfseer.forecast.card import Card
from perfseer.forecast.explaining import explain
from perfseer.forecast.models import Captured
from perfseer.forecast.parts import Estimate, Interval, Metric, ModelInput, Provenance, Target, Unit
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

    def answer(
        self, captured: Sequence[Captured], asked: Sequence[Asked], *, confidence: float, explained: bool
    ) -> list[Prediction]:
        """Answers in the order of the questions.

        Args:
            captured: G models at their batch sizes.
            asked: questions about them.
            confidence: of the intervals, in (0, 1).
            explained: whether to say where the time goes.
        """
        pairs = list(dict.fromkeys((one.captured, one.chosen.platform) for one in asked))
        dataset = unlabelled([one.graph for one in captured], pairs)
        predicted = self.model.predict(dataset)
        intervals = self.model.intervals(dataset, confidence)
        answers = []
        for one in asked:
            row = pairs.index((one.captured, one.chosen.platform))
            ends = None if intervals is None else intervals.iloc[row]
            estimates = self._estimates(one, predicted.iloc[row], ends, confidence)
            found = captured[one.captured]
            explanation = explain(self.model, dataset.subset([row]), one.phase) if explained else None
            answers.append(self._prediction(one, found, estimates, explanation))
        return answers

    def _prediction(
        self, one: Asked, captured: Captured, estimates: tuple[Estimate, ...], explanation: Any
    ) -> Prediction:
        graph = captured.graph
        coverage = covered(graph, self.model.coverage(graph), one.phase)
        return Prediction(
            input=_input(captured),
            phase=one.phase,
            target=_target(one.chosen.platform, trained_on=one.chosen.trained_on),
            estimates=estimates,
            memory_fit=None,
            coverage=coverage,
            warnings=(*one.chosen.notices, *captured.notices, *coverage_notices(coverage)),
            provenance=self.provenance,
            explanation=explanation,
        )

    def _estimates(
        self, one: Asked, values: "pd.Series[float]", ends: "pd.Series[float] | None", confidence: float
    ) -> tuple[Estimate, ...]:
        platform = one.chosen.platform
        key = None if platform is None else platform.key
        return tuple(
            Estimate(
                metric=_METRICS[target.quantity],
                value=float(values[target.name]),
                unit=_UNITS[target.quantity],
                interval=_interval(ends, target.name, confidence),
                held_out_mape_pct=self.card.mape_pct(key, target.name) if one.chosen.trained_on else None,
            )
            for target in TARGETS
            if target.phase == one.phase and target.name in values.index
        )


def _interval(ends: "pd.Series[float] | None", label: str, confidence: float) -> Interval | None:
    """The interval of a label; None where the predictor has none for it."""
    if ends is None or f"{label}_low" not in ends.index or np.isnan(ends[f"{label}_low"]):
        return None
    return Interval(float(ends[f"{label}_low"]), float(ends[f"{label}_high"]), confidence)


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
