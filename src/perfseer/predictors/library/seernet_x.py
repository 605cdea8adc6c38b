"""SeerNet-X: times on any platform, as a sum over nodes and from totals of the graph, with intervals.

Three parts, each fitted on the rows of all platforms:

- a network gives every kind of node a time on a platform and in a pass, relative to a roofline with the
  device's published peaks (`perfseer.nn.node_times`); the sum over a graph is its time;
- for each platform and phase, boosted trees and a Gaussian process learn the logarithm of measured over
  roofline time from totals by operator type (`perfseer.predictors.parts.platforms.tables`).

They are averaged on the logarithmic scale, with the same weights everywhere (`WEIGHTS`).

Intervals are conformal, from validation rows, for each platform and phase (`perfseer.predictors.conformal`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from perfseer.data.dataset import Dataset
from perfseer.data.platforms import Platform
from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.nn.node_times import NodeTimeNetwork, Sizes
from perfseer.predictors.base import Predictor
from perfseer.predictors.conformal import Conformal
from perfseer.predictors.coverage import TrainingRange
from perfseer.predictors.parts.learners.boosted_trees import BoostedTrees, TreeSettings
from perfseer.predictors.parts.learners.gaussian_process import GaussianProcess, ProcessSettings
from perfseer.predictors.parts.platforms.batches import N_TIMES, Shown
from perfseer.predictors.parts.platforms.examples import PlatformExamples, Scales
from perfseer.predictors.parts.platforms.learners import FEWEST, Group, PlatformLearners
from perfseer.predictors.parts.platforms.tables import PlatformTable, platform_table
from perfseer.predictors.parts.platforms.widening import FeatureRange
from perfseer.predictors.parts.platforms.work import TOLD
from perfseer.predictors.parts.tabular import OPERATOR_TYPES
from perfseer.predictors.parts.weights import load_weights, save_weights
from perfseer.predictors.settings import Hidden, PredictorSettings
from perfseer.targets import PHASES, TARGET_BY_NAME, TARGET_NAMES, Phase
from perfseer.training.annealing import train_annealed
from perfseer.training.seeds import generator, seeded

# Of the parts on the logarithmic scale. The process alone is the best of them on unseen architectures, the
# network and the trees bring what it lacks on unseen families (docs/seernet-x.md has the figures).
WEIGHTS: Mapping[str, float] = {"network": 0.25, "trees": 0.25, "process": 0.5}
_FILES = {part: f"{part}.safetensors" for part in WEIGHTS}
_RANGES_FILE = "ranges.safetensors"
_AT_ONCE = 256
# The least that a time is uncertain by, on the logarithmic scale: labels are no better than that.
_LEAST_DIFFICULTY = 0.02


class SeerNetXSettings(PredictorSettings):
    """A sum over nodes, trees and a Gaussian process on any platform; sizes chosen on training folds."""

    hidden: Hidden = 96
    embedding: Annotated[
        int, Field(ge=1, le=64, description="columns of operators' and platforms' codes")
    ] = 8
    context: Annotated[bool, Field(description="a node's producer and consumer count")] = True
    fusion: Annotated[bool, Field(description="compiled graphs move what is left after fusion")] = True
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 20
    batch_size: Annotated[int, Field(ge=1, le=65536)] = 64
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.005
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0001
    delta: Annotated[
        float, Field(gt=0, description="Huber loss on ln time: quadratic below, linear above")
    ] = 0.03
    unknown_share: Annotated[
        float, Field(ge=0, lt=1, description="rows whose platform is told by its features alone")
    ] = 0.1
    trees: Annotated[int, Field(ge=1, le=100_000, description="for each platform and phase")] = 700
    leaves: Annotated[int, Field(ge=2, le=4096, description="of a tree")] = 12
    tree_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    least_rows: Annotated[int, Field(ge=1, description="training rows in a leaf at least")] = 3
    process_rows: Annotated[
        int, Field(ge=10, le=20_000, description="rows that the process's length scales are found on")
    ] = 600
    process_steps: Annotated[int, Field(ge=1, le=10_000, description="in which they are found")] = 30
    process_axes: Annotated[int, Field(ge=1, le=1000, description="principal axes of its rows")] = 64
    parts: Annotated[Literal["all", "network", "trees", "process"], Field(description="what predicts")] = (
        "all"
    )


@dataclass(frozen=True, eq=False)
class _Answer:
    """N logarithms of times in ms.

    Attributes:
        mean: of the parts.
        difficulty: scale of the error of each: where the parts disagree, one is wrong.
        widening: factor on it where the graph's totals are outside the platform's training range.
    """

    mean: FloatArray
    difficulty: FloatArray
    widening: FloatArray


class SeerNetXPredictor(Predictor):
    """Both times, on every platform it was trained on and on those of which peaks are published."""

    name: ClassVar[str] = "seernet_x"
    supported: ClassVar[frozenset[str]] = frozenset(name for name in TARGET_NAMES if "time" in name)
    source: ClassVar[str] = "this project"
    takes_partial_labels: ClassVar[bool] = True
    forward_suffices: ClassVar[bool] = True
    departures: ClassVar[tuple[str, ...]] = (
        "No published predictor. Of SeerNet it keeps the graph and its features; times of nodes are added up "
        "instead of embeddings being pooled, and a node sees the operators next to it, not the whole graph.",
    )
    Settings: ClassVar[type[PredictorSettings]] = SeerNetXSettings
    settings: SeerNetXSettings

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._answers: WeakKeyDictionary[Dataset, tuple[PlatformExamples, _Answer]] = WeakKeyDictionary()

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """What it was trained on."""
        self._require_fitted()
        return self.platforms_

    @property
    def platform_phases(self) -> dict[str, tuple[Phase, ...]]:
        """Key of each platform it was trained on to the phases that were timed there."""
        self._require_fitted()
        timed = {
            platform.key: tuple(phase for phase in PHASES if _group(platform, phase).name in self.timed_)
            for platform in self.platforms_
        }
        return {key: phases for key, phases in timed.items() if phases}

    @property
    def _used(self) -> tuple[str, ...]:
        """The parts that predict."""
        return tuple(WEIGHTS) if self.settings.parts == "all" else (self.settings.parts,)

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        require(len(valid) > 0, "seernet_x was given no validation rows, which it calibrates intervals on")
        self._answers.clear()
        examples, aside = (self.examples(rows, labelled=True) for rows in (train, valid))
        self.platforms_, self.scales_ = examples.platforms, Scales.of(examples)
        self.graphs_as_run = examples.in_16_bits()
        groups, table = _groups(examples), platform_table(examples)
        self.timed_ = _timed(groups)
        self.ranges_by_platform_ = {
            platform.key: TrainingRange.of(train.subset(np.unique(examples.row[examples.platform == number])))
            for number, platform in enumerate(examples.platforms)
        }
        self.ranges_ = PlatformLearners.fit(
            table.of_graphs, table.base, groups, lambda columns, _: FeatureRange.of(columns)
        )
        self.learners_: dict[str, PlatformLearners[Any]] = {
            part: PlatformLearners.fit(table.columns, examples.ln_ms - table.base, groups, fit_one)
            for part, fit_one in self._fitters(table, seed).items()
            if part in self._used
        }
        sizes = [learners.n_parameters for learners in self.learners_.values()]
        if "network" in self._used:
            self.network_ = self._new_network(seed)
            self._fit_network(examples, aside, seed, log)
            sizes.append(sum(parameter.numel() for parameter in self.network_.parameters()))
        self.n_parameters_ = sum(sizes)
        self._calibrate(aside, valid.rows["architecture"].to_numpy()[aside.row], log)

    def _fitters(
        self, table: PlatformTable, seed: int
    ) -> dict[str, Callable[[FloatArray, FloatArray], BoostedTrees | GaussianProcess]]:
        """How each learner on tables is fitted to the rows of a platform and phase."""
        settings = self.settings
        trees = TreeSettings(
            settings.trees,
            settings.leaves,
            settings.tree_rate,
            settings.least_rows,
            robust=3 * settings.delta,
        )
        process = ProcessSettings(settings.process_rows, settings.process_steps, settings.process_axes)
        return {
            "trees": partial(BoostedTrees.fit, settings=trees, seed=seed),
            "process": partial(GaussianProcess.fit, blocks=table.blocks, settings=process, seed=seed),
        }

    def _fit_network(
        self, examples: PlatformExamples, valid: PlatformExamples, seed: int, log: Callable[[str], None]
    ) -> None:
        history = train_annealed(
            self.network_,
            partial(_huber, delta=self.settings.delta),
            Shown(
                examples,
                self.scales_,
                self.platforms_,
                hide=partial(self.network_.hide, drawing=generator(seed)),
            ),
            Shown(valid, self.scales_, self.platforms_),
            epochs=self.settings.epochs,
            batch_size=self.settings.batch_size,
            learning_rate=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
            seed=seed,
            log=log,
        )
        self.history_ = [{"target": "all", **row} for row in history]

    def _calibrate(
        self, examples: PlatformExamples, architectures: npt.NDArray[Any], log: Callable[[str], None]
    ) -> None:
        """Calibrate intervals on rows [N] of architectures [N] that no part has seen."""
        by_part, widening = self.forward(examples, platform_table(examples))
        answer = _answer(by_part, widening)
        self.conformal_ = Conformal.fit(
            examples.ln_ms - answer.mean,
            answer.difficulty * answer.widening,
            [group.name for group in _groups(examples)],
            architectures,
        )
        errors = {
            name: 100 * float(np.abs(np.expm1(values - examples.ln_ms)).mean())
            for name, values in {"together": answer.mean, **by_part}.items()
        }
        listed = ", ".join(f"{name} {error:.3g}" for name, error in errors.items())
        log(f"validation rows, MAPE [%]: {listed}")

    def forward(
        self, examples: PlatformExamples, table: PlatformTable
    ) -> tuple[dict[str, FloatArray], FloatArray]:
        """What its parts say, once features are there.

        Args:
            examples: N rows in a phase.
            table: theirs.

        Returns:
            [N] ln ms by each part in use, and [N] factors on their uncertainty where a graph is unusual.
        """
        groups = _groups(examples)
        by_part = {
            part: table.base + learners.predict(table.columns, groups)
            for part, learners in self.learners_.items()
        }
        if "network" in self._used:
            by_part["network"] = self.by_network(examples)
        return by_part, self.ranges_.predict(table.of_graphs, groups)

    def by_network(self, examples: PlatformExamples) -> FloatArray:
        """[N] ln ms by the network alone; it was fitted with it."""
        shown = Shown(examples, self.scales_, self.platforms_)
        with torch.inference_mode():
            outputs = [
                self.network_(shown.batch(rows)[0]) for rows in torch.arange(len(examples)).split(_AT_ONCE)
            ]
        return np.asarray(torch.cat(outputs).squeeze(1).double().numpy())

    def _predict(self, dataset: Dataset) -> FloatArray:
        examples, answer = self._asked(dataset)
        return self._as_rows(examples, np.exp(answer.mean), len(dataset))

    def intervals(self, dataset: Dataset, confidence: float) -> pd.DataFrame | None:
        """See `Predictor.intervals`."""
        self._require_fitted()
        examples, answer = self._asked(dataset)
        names = [group.name for group in _groups(examples)]
        ends = self.conformal_.interval(
            np.exp(answer.mean), answer.difficulty, names, confidence, answer.widening
        )
        columns = {
            f"{target}_{side}": self._as_rows(examples, values, len(dataset))[:, number]
            for side, values in zip(("low", "high"), ends, strict=True)
            for number, target in enumerate(self.targets)
        }
        return pd.DataFrame(columns)

    def _asked(self, dataset: Dataset) -> tuple[PlatformExamples, _Answer]:
        """Every row in every phase; predictions and intervals of one dataset share the work."""
        if dataset not in self._answers:
            examples = self.examples(dataset)
            answer = _answer(*self.forward(examples, platform_table(examples)))
            self._answers[dataset] = examples, answer
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
        require("network" in self._used, f"parts: {self.settings.parts} knows graphs as a whole, not nodes")
        examples = PlatformExamples.of(dataset, (target,), labelled=False, fusion=self.settings.fusion)
        shown, kinds, found = Shown(examples, self.scales_, self.platforms_), examples.kinds, []
        for number in range(len(examples)):
            one = np.array([number])
            with torch.inference_mode():
                ms = self.network_.node_ms(shown.batch(torch.from_numpy(one))[0]).double().numpy()
            per_kind = np.bincount(examples.pairs(one).kind, weights=ms, minlength=len(kinds.columns))
            graph = examples.graph[number]
            nodes = slice(*kinds.node_ptr[graph : graph + 2].tolist())
            found.append(np.asarray(per_kind[kinds.node_kind[nodes]], dtype=np.float64))
        return found

    def examples(self, dataset: Dataset, *, labelled: bool = False) -> PlatformExamples:
        """Rows of a dataset in each phase, or in those with a label."""
        return PlatformExamples.of(dataset, self.targets, labelled=labelled, fusion=self.settings.fusion)

    def _as_rows(self, examples: PlatformExamples, values: FloatArray, n: int) -> FloatArray:
        """[N] values of examples as [n, T], a column per target."""
        columns = {PHASES.index(TARGET_BY_NAME[name].phase): i for i, name in enumerate(self.targets)}
        table = np.full((n, len(self.targets)), np.nan)
        table[examples.row, [columns[phase] for phase in examples.phase.tolist()]] = values
        return table

    def _new_network(self, seed: int) -> NodeTimeNetwork:
        sizes = Sizes(
            features=len(self.scales_.mean[0]) + N_TIMES,
            platform_features=len(TOLD),
            platforms=len(self.platforms_) + 1,
            operator_types=len(OPERATOR_TYPES),
            operators=len(OPERATORS) + 1,
            hidden=self.settings.hidden,
            embedding=self.settings.embedding,
            context=self.settings.context,
        )
        with seeded(seed):
            return NodeTimeNetwork(sizes, self.settings.unknown_share)

    def _save_state(self, folder: Path) -> dict[str, Any]:
        if "network" in self._used:
            save_weights(folder / _FILES["network"], {"network": self.network_})
        return {
            "kin": {part: learners.save(folder / _FILES[part]) for part, learners in self.learners_.items()},
            "kin_of_ranges": self.ranges_.save(folder / _RANGES_FILE),
            "timed": sorted(self.timed_),
            "ranges_by_platform": {key: one.to_json() for key, one in self.ranges_by_platform_.items()},
            "platforms": [asdict(platform) for platform in self.platforms_],
            "graphs_as_run": self.graphs_as_run,
            "scales": self.scales_.to_json(),
            "conformal": self.conformal_.to_json(),
        }

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        self.platforms_ = tuple(Platform(**platform) for platform in state["platforms"])
        self.graphs_as_run = bool(state["graphs_as_run"])
        self.scales_ = Scales.from_json(state["scales"])
        self.conformal_ = Conformal.from_json(state["conformal"])
        self.timed_ = frozenset(state["timed"])
        self.ranges_by_platform_ = {
            key: TrainingRange.from_json(one) for key, one in state["ranges_by_platform"].items()
        }
        made_of = {"trees": BoostedTrees.of_arrays, "process": GaussianProcess.of_arrays}
        self.learners_ = {
            part: PlatformLearners.load(folder / _FILES[part], state["kin"][part], of_arrays)
            for part, of_arrays in made_of.items()
            if part in self._used
        }
        self.ranges_ = PlatformLearners.load(
            folder / _RANGES_FILE, state["kin_of_ranges"], FeatureRange.of_arrays
        )
        if "network" in self._used:
            self.network_ = self._new_network(seed=0)
            load_weights(folder / _FILES["network"], {"network": self.network_})
            self.network_.eval()


def _groups(examples: PlatformExamples) -> list[Group]:
    """[N] platform and phase, which have learners of their own and are calibrated apart."""
    table = [[_group(platform, phase) for phase in PHASES] for platform in examples.platforms]
    numbers = zip(examples.platform.tolist(), examples.phase.tolist(), strict=True)
    return [table[platform][phase] for platform, phase in numbers]


def _answer(by_part: Mapping[str, FloatArray], widening: FloatArray) -> _Answer:
    together = np.stack(list(by_part.values()))
    return _Answer(
        mean=np.average(together, axis=0, weights=[WEIGHTS[part] for part in by_part]),
        difficulty=_LEAST_DIFFICULTY + np.ptp(together, axis=0),
        widening=widening,
    )


def _timed(groups: Sequence[Group]) -> frozenset[str]:
    """Names of the groups with rows enough to learn from."""
    names, counts = np.unique([group.name for group in groups], return_counts=True)
    return frozenset(names[counts >= FEWEST].tolist())


def _group(platform: Platform, phase: str) -> Group:
    kind = f"{platform.device_kind}-{phase}"
    mode, layout = f"{kind}-{platform.mode}", f"{kind}-{platform.mode}-{platform.memory_format}"
    return Group(f"{platform.key}-{phase}", (f"{layout}-{platform.precision}", layout, mode, kind, phase))


def _huber(outputs: Tensor, labels: Tensor, *, delta: float) -> Tensor:
    """[T] mean Huber error in units of ``delta``: about the absolute error beyond it."""
    return F.huber_loss(outputs, labels, reduction="none", delta=delta).mean(dim=0) / delta
