"""Network, trees and a Gaussian process on examples of any platform, averaged on the logarithmic scale."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from perfseer.data.platforms import Platform
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.parts.learners.boosted_trees import BoostedTrees, TreeSettings
from perfseer.predictors.parts.learners.forests import Arrays
from perfseer.predictors.parts.learners.gaussian_process import GaussianProcess, ProcessSettings
from perfseer.predictors.parts.platforms.examples import PlatformExamples, Scales
from perfseer.predictors.parts.platforms.learners import PlatformLearners
from perfseer.predictors.parts.platforms.network import PlatformNetwork
from perfseer.predictors.parts.platforms.settings import SeerNetXSettings
from perfseer.predictors.parts.platforms.tables import PlatformTable, platform_table
from perfseer.predictors.parts.platforms.widening import FeatureRange
from perfseer.predictors.parts.weights import count_weights, save_weights
from perfseer.settings import load_settings

# Of the parts on the logarithmic scale. The process alone is the best of them on unseen architectures, the
# network and the trees bring what it lacks on unseen families (docs/seernet-x.md has the figures).
WEIGHTS: Mapping[str, float] = {"network": 0.25, "trees": 0.25, "process": 0.5}
_FILES = {part: f"{part}.safetensors" for part in WEIGHTS}
_RANGES_FILE = "ranges.safetensors"
# The least that a time is uncertain by, on the logarithmic scale: labels are no better than that.
_LEAST_DIFFICULTY = 0.02


@dataclass(frozen=True, eq=False)
class Answer:
    """N logarithms of times in ms.

    Attributes:
        by_part: of each part by itself.
        widening: factor on the difficulty where the graph's totals are outside the platform's training range.
    """

    by_part: Mapping[str, FloatArray]
    widening: FloatArray

    @property
    def mean(self) -> FloatArray:
        """[N] of the parts."""
        weights = [WEIGHTS[part] for part in self.by_part]
        return np.average(np.stack(list(self.by_part.values())), axis=0, weights=weights)

    @property
    def difficulty(self) -> FloatArray:
        """[N] scale of the error of each: where the parts disagree, one is wrong."""
        return np.asarray(_LEAST_DIFFICULTY + np.ptp(np.stack(list(self.by_part.values())), axis=0))


@dataclass(frozen=True, eq=False)
class Blend:
    """The fitted parts.

    Attributes:
        learners: part to learners from totals of graphs, one for each platform and phase.
        ranges: of those totals in training, likewise.
        scales: of what the network is shown.
        network: None if it is not in use.
    """

    learners: Mapping[str, PlatformLearners[Any]]
    ranges: PlatformLearners[FeatureRange]
    scales: Scales
    network: PlatformNetwork | None

    @classmethod
    def fit(
        cls,
        settings: SeerNetXSettings,
        examples: PlatformExamples,
        valid: PlatformExamples,
        every: PlatformExamples,
        *,
        seed: int,
        log: Callable[[str], None],
    ) -> Self:
        """Fit every part in use.

        Args:
            settings: what is in use, and sizes.
            examples: that all parts learn from.
            valid: for the learning curve.
            every: ``examples`` and those of other devices, which the network alone learns from.
            seed: of what is drawn.
            log: receives a line now and then.

        Raises:
            PerfseerError: no platform and phase has rows enough, or the training of the network diverged.
        """
        table, scales, groups = platform_table(examples), Scales.of(every), examples.groups
        ranges = PlatformLearners.fit(
            table.of_graphs, table.base, groups, lambda columns, _: FeatureRange.of(columns)
        )
        learners = {
            part: PlatformLearners.fit(table.columns, examples.ln_ms - table.base, groups, fit_one)
            for part, fit_one in _fitters(settings, table, seed).items()
            if part in settings.used
        }
        network = None
        if "network" in settings.used:
            network = PlatformNetwork.new(settings, scales, every.platforms, seed)
            network.train(settings, every, valid, seed=seed, log=log)
        return cls(learners, ranges, scales, network)

    @property
    def n_parameters(self) -> int:
        """Numbers learned."""
        of_tables = sum(learners.n_parameters for learners in self.learners.values())
        return of_tables + (count_weights(self.network.network) if self.network else 0)

    def answer(self, examples: PlatformExamples, table: PlatformTable | None = None) -> Answer:
        """What the parts say.

        Args:
            examples: N rows in a phase.
            table: theirs, if it is there already.
        """
        table = table or platform_table(examples)
        by_part = {
            part: table.base + learners.predict(table.columns, examples.groups)
            for part, learners in self.learners.items()
        }
        if self.network:
            by_part["network"] = self.network.ln_ms(examples)
        return Answer(by_part, self.ranges.predict(table.of_graphs, examples.groups))

    def save(self, folder: Path) -> dict[str, Any]:
        """Write arrays and weights; return what `load` needs besides."""
        if self.network:
            save_weights(folder / _FILES["network"], {"network": self.network.network})
        return {
            "kin": {part: learners.save(folder / _FILES[part]) for part, learners in self.learners.items()},
            "kin_of_ranges": self.ranges.save(folder / _RANGES_FILE),
            "scales": self.scales.to_json(),
            "coded": []
            if self.network is None
            else [asdict(platform) for platform in self.network.platforms],
        }

    @classmethod
    def load(
        cls,
        folder: Path,
        state: Mapping[str, Any],
        settings: SeerNetXSettings,
    ) -> Self:
        """Read what `save` wrote.

        Args:
            folder: where to.
            state: what it returned.
            settings: of what was saved.

        Raises:
            PerfseerError: a file is missing or damaged.
        """
        made_of: dict[str, Callable[[Arrays], Any]] = {
            "trees": BoostedTrees.of_arrays,
            "process": GaussianProcess.of_arrays,
        }
        learners = {
            part: PlatformLearners.load(folder / _FILES[part], state["kin"][part], of_arrays)
            for part, of_arrays in made_of.items()
            if part in settings.used
        }
        ranges = PlatformLearners.load(folder / _RANGES_FILE, state["kin_of_ranges"], FeatureRange.of_arrays)
        scales, network = Scales.from_json(state["scales"]), None
        if "network" in settings.used:
            coded = [load_settings(Platform, platform, "coded") for platform in state["coded"]]
            network = PlatformNetwork.load(folder / _FILES["network"], settings, scales, coded)
        return cls(learners, ranges, scales, network)


def _fitters(
    settings: SeerNetXSettings, table: PlatformTable, seed: int
) -> dict[str, Callable[[FloatArray, FloatArray], BoostedTrees | GaussianProcess]]:
    """How each learner on tables is fitted to the rows of a platform and phase."""
    robust = 3 * settings.delta
    trees = TreeSettings(settings.trees, settings.leaves, settings.tree_rate, settings.least_rows, robust)
    process = ProcessSettings(settings.process_rows, settings.process_steps, settings.process_axes)
    return {
        "trees": partial(BoostedTrees.fit, settings=trees, seed=seed),
        "process": partial(GaussianProcess.fit, blocks=table.blocks, settings=process, seed=seed),
    }
