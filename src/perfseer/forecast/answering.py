"""From captured graphs to answers: one pass through a predictor for all that is asked about a model."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, fields, replace
from functools import partial
from statistics import NormalDist

import numpy as np
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
from perfseer.forecast.software import DRIFT, steps_between
from perfseer.forecast.strangeness import strangeness
from perfseer.forecast.transfer import Regime, Transfer
from perfseer.forecast.warnings import coverage_notices, covered
from perfseer.graphs.perfgraph import FloatArray, PerfGraph
from perfseer.predictors import base
from perfseer.predictors.parts.platforms.host import launches
from perfseer.targets import PHASES, TARGETS, Phase, Quantity

_METRICS: dict[Quantity, Metric] = {"time": "time", "mem": "memory", "util": "utilisation"}
# The greatest confidence that every predictor keeps from rows of its own platforms.
_ORDINARY = 0.99
_UNITS: dict[Quantity, Unit] = {"time": "ms", "mem": "MiB", "util": "%"}


@dataclass(frozen=True, eq=False)
class Answerer:
    """A fitted predictor and what is on record about it.

    Attributes:
        model: the predictor.
        card: its record.
        transfer: what is known of it on devices it never saw.
        provenance: what every answer carries.
    """

    model: base.Predictor
    card: Card
    provenance: Provenance
    transfer: Transfer

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
        news = [self._new(captured.graph, stand_in, phase) for stand_in in stand_ins]
        likes = [
            self._likes(seen, phase, platform, new) for platform, new in zip(platforms, news, strict=True)
        ]
        models = [like for found in likes for like in found.values()]
        shown = list(dict.fromkeys([*platforms, *stand_ins, *models]))
        dataset = learnt = unlabelled(captured.graph, shown)
        values = forward = self._values(dataset, ask)
        if phase == "train" and seen.forward is not captured.graph:
            learnt = unlabelled(seen.forward, shown)
            forward = self._values(learnt, ask)
        answers: dict[Platform | None, Callable[[Chosen], Prediction]] = {}
        for platform, stand_in, like, new in zip(platforms, stand_ins, likes, news, strict=True):
            who = platform, stand_in, like.get("infer")
            timed = self._timed(forward, learnt, shown, "infer", who, ask)
            if phase == "train":
                who = platform, stand_in, like.get("train")
                infer, timed = timed, self._timed(values, dataset, shown, "train", who, ask)
                timed = replace(timed, labels=no_less_than_inference(timed.labels, infer.labels))
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
        rows: Sequence[Mapping[Hashable, float]],
        dataset: Dataset,
        shown: Sequence[Platform | None],
        phase: Phase,
        who: tuple[Platform | None, Platform | None, Platform | None],
        ask: Ask,
    ) -> Timed:
        """Values of labels on a platform: moved to a device nobody measured, and no sooner than its host is.

        Args:
            rows: values of labels of each row of ``dataset``.
            dataset: one graph on several platforms.
            shown: those platforms.
            phase: whose time.
            who: the platform asked about, its stand-in, and the trained one it may not be surer than.
            ask: confidence of the intervals.
        """
        platform, stand_in, like = who
        places = shown.index(platform), shown.index(stand_in)
        values = _as_told_by(rows, *places, ask.confidence)
        regime = None if stand_in is None else self._regime(stand_in, phase)
        if stand_in is not None and regime is not None:
            strange = strangeness(dataset.subset([places[1]]), phase, stand_in)[0]
            values = _moved(values, f"{phase}_time_ms", regime, strange, ask.confidence)
        elif stand_in is not None and not self._trained(stand_in, phase):
            least = self.transfer.least_factor(phase, ask.confidence)
            values = _no_narrower(values, f"{phase}_time_ms", least)
        if like is not None:
            values = _no_surer(values, rows[shown.index(like)], f"{phase}_time_ms")
        if platform is None:
            return Timed(values)
        started = launches(dataset.graph(places[0]), phase, platform)
        host = self._host(platform if platform.mode == "cuda-graphs" else stand_in, phase)
        return two_clocks(values, started, phase, host, ask.confidence)

    def _trained(self, platform: Platform, phase: Phase) -> bool:
        phases = self.model.platform_phases.get(platform.key, PHASES)
        return platform in self.model.platforms and phase in phases

    def _new(self, graph: PerfGraph, platform: Platform | None, phase: Phase) -> Coverage:
        return covered(graph, self.model.coverage(graph, platform), phase)

    def _likes(
        self, seen: Seen, phase: Phase, platform: Platform | None, new: Coverage
    ) -> dict[Phase, Platform]:
        """The trained platforms that an answer may not be surer than, by the phases that it takes.

        Errors on unseen devices speak for models like those they were made on. Where they are unlike, or
        where there are no such errors, a model is no less strange than on a device that was trained on.
        """
        found: dict[Phase, Platform] = {}
        if platform is None:
            return found
        for one in PHASES if phase == "train" else (phase,):
            of_kind = [
                other
                for other in self.model.platforms
                if other.device_kind == platform.device_kind and self._trained(other, one)
            ]
            if self._trained(platform, one) or not of_kind:
                continue
            doubts = coverage_notices(new if one == phase else self._new(seen.forward, platform, one))
            if doubts or self._regime(platform, one) is None:
                found[one] = min(of_kind, key=lambda other: _unlike(other, platform))
        return found

    def _regime(self, platform: Platform, phase: Phase) -> Regime | None:
        """What is known of devices like this one; None where the predictor learnt from it, or nothing is."""
        return None if self._trained(platform, phase) else self.transfer.of(platform, phase)

    def _host(self, platform: Platform | None, phase: Phase) -> Host | None:
        if platform is None:
            return None
        trained = self._trained(platform, phase)
        least_us = self.card.least_us(platform.key, phase) if trained else None
        return host_of(platform, phase, trained=trained, least_us=least_us)

    def _values(self, dataset: Dataset, ask: Ask) -> list[dict[Hashable, float]]:
        """Of each row, values of labels and of the ends of their intervals."""
        predicted = self.model.predict(dataset)
        intervals = self._intervals(dataset, ask.confidence)
        values = predicted if intervals is None else pd.concat([predicted, intervals], axis=1)
        rows: list[dict[Hashable, float]] = values.to_dict("records")
        return rows

    def _intervals(self, dataset: Dataset, confidence: float) -> pd.DataFrame | None:
        """Ends of intervals, none narrower than those of 99 % where more is asked.

        Beyond that few predictors have the rows, and what speaks for them then may reach less far.
        """
        ends = self.model.intervals(dataset, confidence)
        if ends is None or confidence <= _ORDINARY:
            return ends
        ordinary = self.model.intervals(dataset, _ORDINARY)
        if ordinary is None:
            return ends
        both = {
            name: (np.fmin if str(name).endswith("_low") else np.fmax)(
                ends[name].to_numpy(), ordinary[name].to_numpy()
            )
            for name in ends.columns
        }
        return pd.DataFrame(both, index=ends.index)

    def _prediction(
        self, seen: Seen, phase: Phase, chosen: Chosen, *, timed: Timed, coverage: Coverage, ask: Ask
    ) -> Prediction:
        captured, platform, memory = seen.captured, chosen.platform, None
        if platform is not None:
            memory = memory_of(captured.graph, phase, platform, ask.confidence, ask.device_memory_bytes)
        about = (*captured.notices, *(captured.training_notices if phase == "train" else ()))
        notices = [*chosen.notices, *about, *coverage_notices(coverage), *timed.notices]
        doubts = {notice.code for notice in notices if notice.level == "warning"}
        errors = self._held_out(chosen, phase, doubts, captured.graph.batch_size)
        estimates = tuple(
            within(estimate, captured.graph, phase, platform)
            for estimate in _estimates(phase, timed.labels, ask.confidence, errors)
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

    def _held_out(
        self, chosen: Chosen, phase: Phase, doubts: Set[str], batch_size: int
    ) -> dict[str, float | None]:
        """Error [%] by label on what was held out and is like the question; None where no figure is.

        Args:
            chosen: the platform.
            phase: asked about.
            doubts: codes of warnings.
            batch_size: asked about.
        """
        labels = [target.name for target in TARGETS if target.phase == phase]
        if chosen.trained_on and not doubts:
            key = None if chosen.platform is None else chosen.platform.key
            return {label: self.card.mape_pct(key, label, batch_size) for label in labels}
        alone = chosen.platform is not None and chosen.stand_in is None and doubts <= {"target_not_trained"}
        regime = self._regime(chosen.platform, phase) if alone and chosen.platform is not None else None
        return {} if regime is None else {f"{phase}_time_ms": regime.mape_pct}


def _estimates(
    phase: Phase, values: Mapping[Hashable, float], confidence: float, errors: Mapping[str, float | None]
) -> tuple[Estimate, ...]:
    """Estimates of a phase, with the error [%] of each label on what was held out."""
    return tuple(
        Estimate(
            metric=_METRICS[target.quantity],
            value=values[target.name],
            unit=_UNITS[target.quantity],
            interval=_interval(values, target.name, confidence),
            held_out_mape_pct=errors.get(target.name),
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


def _moved(
    values: Mapping[Hashable, float],
    label: str,
    regime: Regime,
    strange: FloatArray,
    confidence: float,
) -> Mapping[Hashable, float]:
    """Values of labels with a time, and its interval, as errors on unseen devices have it."""
    if label not in values:
        return values
    ends = regime.moved(values[label], strange, confidence)
    return {**values, **dict(zip((label, f"{label}_low", f"{label}_high"), ends, strict=True))}


def _no_narrower(values: Mapping[Hashable, float], label: str, factor: float) -> Mapping[Hashable, float]:
    """Values of labels whose interval of a time reaches so far to either side at least, as a factor."""
    low, high = f"{label}_low", f"{label}_high"
    if not all(math.isfinite(values.get(name, math.nan)) for name in (label, low, high)):
        return values
    value = values[label]
    ends: dict[Hashable, float] = {
        low: min(values[low], value / factor),
        high: max(values[high], value * factor),
    }
    return {**values, **ends}


def _no_surer(
    values: Mapping[Hashable, float], like: Mapping[Hashable, float], label: str
) -> Mapping[Hashable, float]:
    """Values of labels whose interval of a time is no narrower than on a platform that was trained on.

    What makes a model strange to a predictor makes it no less strange on a device that is strange too.

    Args:
        values: of the platform asked about.
        like: of the trained one, for the same model.
        label: of the time.
    """
    names = low, high = f"{label}_low", f"{label}_high"
    if not all(name in row and math.isfinite(row[name]) for row in (values, like) for name in names):
        return values
    value, known = values[label], like[label]
    ends: dict[Hashable, float] = {
        low: min(values[low], value * like[low] / known),
        high: max(values[high], value * like[high] / known),
    }
    return {**values, **ends}


def _unlike(one: Platform, other: Platform) -> tuple[bool, bool, bool, tuple[int, int]]:
    """How far a platform is from another, least first: mode, precision, layout, version of software."""
    return (
        one.mode != other.mode,
        one.precision != other.precision,
        one.memory_format != other.memory_format,
        steps_between(one.torch_version, other.torch_version),
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
