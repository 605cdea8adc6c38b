"""SeerNet-X: times on any platform, as a sum over nodes and from totals of the graph, with intervals.

Three parts, each fitted on the rows of all platforms:

- a network gives every kind of node a time on a platform and in a pass, relative to a roofline with the
  device's published peaks (`perfseer.nn.node_times`); the sum over a graph is its time;
- for each platform and phase, boosted trees and a Gaussian process learn the logarithm of measured over
  roofline time from totals by operator type (`perfseer.predictors.parts.platforms.tables`).

They are averaged on the logarithmic scale, with the same weights everywhere
(`perfseer.predictors.parts.platforms.blend`).

Intervals are conformal, from validation rows, for each platform and phase (`perfseer.predictors.conformal`).
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError, require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.base import Predictor
from perfseer.predictors.conformal import Conformal
from perfseer.predictors.coverage import TrainingRange
from perfseer.predictors.parts.platforms.blend import Answer, Blend
from perfseer.predictors.parts.platforms.examples import PlatformExamples
from perfseer.predictors.parts.platforms.learners import Group
from perfseer.predictors.parts.platforms.settings import SeerNetXSettings
from perfseer.predictors.settings import PredictorSettings
from perfseer.settings import load_settings
from perfseer.targets import PHASES, TARGET_BY_NAME, TARGET_NAMES, Phase

# The farthest that an interval reaches to either side, as a factor. Of 29,800 times of unseen architectures
# none was off by as much, of as many of unseen families 26 were; beyond it an interval only says that
# features are far outside of what was seen, which a warning says better.
_WIDEST = 10.0


class SeerNetXPredictor(Predictor):
    """Both times, on every platform it was trained on and on those of which peaks are published."""

    name: ClassVar[str] = "seernet_x"
    supported: ClassVar[frozenset[str]] = frozenset(name for name in TARGET_NAMES if "time" in name)
    source: ClassVar[str] = "this project"
    takes_partial_labels: ClassVar[bool] = True
    forward_suffices: ClassVar[bool] = True
    joint: ClassVar[bool] = True
    curve_step: ClassVar[str | None] = "epoch"
    departures: ClassVar[tuple[str, ...]] = (
        "No published predictor. Of SeerNet it keeps the graph and its features; times of nodes are added up "
        "instead of embeddings being pooled, and a node sees the operators next to it, not the whole graph.",
    )
    Settings: ClassVar[type[PredictorSettings]] = SeerNetXSettings
    settings: SeerNetXSettings

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._answers: WeakKeyDictionary[Dataset, tuple[PlatformExamples, Answer]] = WeakKeyDictionary()
        self._phases: dict[str, tuple[Phase, ...]] | None = None

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """What it was trained on."""
        self._require_fitted()
        return self.platforms_

    @property
    def platform_phases(self) -> dict[str, tuple[Phase, ...]]:
        """Key of each platform it was trained on to the phases that were timed there."""
        self._require_fitted()
        if self._phases is None:  # asked for many times an answer
            timed = {
                platform.key: tuple(
                    phase for phase in PHASES if Group.of(platform, phase).name in self.timed_
                )
                for platform in self.platforms_
            }
            self._phases = {key: phases for key, phases in timed.items() if phases}
        return self._phases

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        require(len(valid) > 0, "seernet_x was given no validation rows, which it calibrates intervals on")
        self._answers.clear()
        self._phases = None
        elsewhere = self.inputs_.elsewhere
        every = self.examples(
            train if elsewhere is None else Dataset.joined([train, elsewhere]), labelled=True
        )
        aside = self.examples(valid, labelled=True)
        examples = every.only(every.row < len(train))
        self.platforms_, self.graphs_as_run = examples.measured, examples.in_16_bits()
        numbers = np.unique(examples.platform).tolist()
        self.ranges_by_platform_ = {
            platform.key: TrainingRange.of(train.subset(np.unique(examples.row[examples.platform == number])))
            for number, platform in zip(numbers, self.platforms_, strict=True)
        }
        self.blend_ = Blend.fit(self.settings, examples, aside, every, seed=seed, log=log)
        self.timed_ = frozenset(self.blend_.ranges.learners)
        self.n_parameters_ = self.blend_.n_parameters
        if self.blend_.network:
            self.history_ = [{"target": "all", **row} for row in self.blend_.network.history]
        self._calibrate(aside, valid.rows["architecture"].to_numpy()[aside.row], log)

    def _calibrate(
        self, examples: PlatformExamples, architectures: npt.NDArray[Any], log: Callable[[str], None]
    ) -> None:
        """Calibrate intervals on rows [N] of architectures [N] that no part has seen."""
        answer = self.blend_.answer(examples)
        self.conformal_ = Conformal.fit(
            examples.ln_ms - answer.mean,
            answer.difficulty * answer.widening,
            [group.name for group in examples.groups],
            architectures,
        )
        errors = {
            name: 100 * float(np.abs(np.expm1(values - examples.ln_ms)).mean())
            for name, values in {"together": answer.mean, **answer.by_part}.items()
        }
        listed = ", ".join(f"{name} {error:.3g}" for name, error in errors.items())
        log(f"validation rows, MAPE [%]: {listed}")

    def _predict(self, dataset: Dataset) -> FloatArray:
        examples, answer = self._asked(dataset)
        return self._as_rows(examples, np.exp(answer.mean), len(dataset))

    def intervals(self, dataset: Dataset, confidence: float) -> pd.DataFrame | None:
        """See `Predictor.intervals`."""
        self._require_fitted()
        examples, answer = self._asked(dataset)
        names = [group.name for group in examples.groups]
        values = np.exp(answer.mean)
        low, high = self.conformal_.interval(values, answer.difficulty, names, confidence, answer.widening)
        ends = np.maximum(low, values / _WIDEST), np.minimum(high, values * _WIDEST)
        columns = {
            f"{target}_{side}": self._as_rows(examples, values, len(dataset))[:, number]
            for side, values in zip(("low", "high"), ends, strict=True)
            for number, target in enumerate(self.targets)
        }
        return pd.DataFrame(columns)

    def _asked(self, dataset: Dataset) -> tuple[PlatformExamples, Answer]:
        """Every row in every phase; predictions and intervals of one dataset share the work."""
        if dataset not in self._answers:
            examples = self.examples(dataset)
            self._answers[dataset] = examples, self.blend_.answer(examples)
        return self._answers[dataset]

    def _range_on(self, platform: Platform | None) -> TrainingRange:
        known = None if platform is None else self.ranges_by_platform_.get(platform.key)
        return super()._range_on(platform) if known is None else known

    def node_times(self, dataset: Dataset, target: str) -> list[FloatArray]:
        """For each row [V] ms that the network gives the nodes of its graph, both passes in training.

        Raises:
            PerfseerError: it was fitted without the network, which alone knows of nodes.
        """
        self._require_fitted()
        network = self.blend_.network
        if network is None:
            raise PerfseerError(f"parts: {self.settings.parts} knows graphs as a whole, not nodes")
        examples = PlatformExamples.of(dataset, (target,), labelled=False, fusion=self.settings.fusion)
        return list(network.node_ms(examples))

    def examples(self, dataset: Dataset, *, labelled: bool = False) -> PlatformExamples:
        """Rows of a dataset in each phase, or in those with a label."""
        return PlatformExamples.of(dataset, self.targets, labelled=labelled, fusion=self.settings.fusion)

    def _as_rows(self, examples: PlatformExamples, values: FloatArray, n: int) -> FloatArray:
        """[N] values of examples as [n, T], a column per target."""
        columns = {PHASES.index(TARGET_BY_NAME[name].phase): i for i, name in enumerate(self.targets)}
        table = np.full((n, len(self.targets)), np.nan)
        table[examples.row, [columns[phase] for phase in examples.phase.tolist()]] = values
        return table

    def _save_state(self, folder: Path) -> dict[str, Any]:
        return {
            **self.blend_.save(folder),
            "timed": sorted(self.timed_),
            "ranges_by_platform": {key: seen.to_json() for key, seen in self.ranges_by_platform_.items()},
            "platforms": [asdict(platform) for platform in self.platforms_],
            "graphs_as_run": self.graphs_as_run,
            "conformal": self.conformal_.to_json(),
        }

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        self.platforms_ = tuple(
            load_settings(Platform, platform, "platforms") for platform in state["platforms"]
        )
        self.graphs_as_run = bool(state["graphs_as_run"])
        self.conformal_ = Conformal.from_json(state["conformal"])
        self.timed_ = frozenset(state["timed"])
        self.ranges_by_platform_ = {
            key: TrainingRange.from_json(seen) for key, seen in state["ranges_by_platform"].items()
        }
        self.blend_ = Blend.load(folder, state, self.settings)
