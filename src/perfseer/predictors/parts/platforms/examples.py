"""Rows of any platform as examples: one for each row and phase, made of kinds of nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from perfseer.data.dataset import Dataset
from perfseer.data.platforms import Platform
from perfseer.data.ragged import gather, segment_ids
from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray, IntArray
from perfseer.predictors.parts.platforms.kinds import NodeKinds
from perfseer.predictors.parts.platforms.learners import Group
from perfseer.predictors.parts.platforms.work import KindWork, Rates
from perfseer.predictors.parts.roofline import Work, graph_column
from perfseer.targets import PHASES, TARGET_BY_NAME, TARGET_NAMES


@dataclass(frozen=True, eq=False)
class Pairs:
    """N' pairs of an example and a kind of node in one pass.

    Attributes:
        example: [N'] number of the example among those asked for.
        kind: [N'] kind of the node.
        count: [N'] how many of them.
        backward: [N'] 1 in the backward pass, else 0.
    """

    example: IntArray
    kind: IntArray
    count: IntArray
    backward: IntArray


@dataclass(frozen=True, eq=False)
class PlatformExamples:
    """N examples: a row of a dataset in one phase.

    Attributes:
        row: [N] row of the dataset.
        phase: [N] number in `targets.PHASES`.
        graph: [N] number of its graph among those of ``kinds``.
        platform: [N] number in ``platforms``.
        platforms: the distinct ones.
        rates: their peaks.
        kinds: kinds of nodes of all graphs in use.
        work: what they ask.
        totals: name to [N]: batch size, nodes, parameters, and bytes that no node owns.
        ln_ms: [N] natural logarithm of the measured time; NaN where there is none.
    """

    row: IntArray
    phase: IntArray
    graph: IntArray
    platform: IntArray
    platforms: tuple[Platform, ...]
    rates: Rates
    kinds: NodeKinds
    work: KindWork
    totals: Mapping[str, FloatArray]
    ln_ms: FloatArray

    @classmethod
    def of(
        cls, dataset: Dataset, targets: Sequence[str], *, labelled: bool, fusion: bool = True
    ) -> "PlatformExamples":
        """Examples of a dataset.

        Args:
            dataset: n rows with the columns of a platform.
            targets: names of times.
            labelled: leave out the rows and phases without a label.
            fusion: whether operators are joined where a platform compiles.

        Raises:
            PerfseerError: a column that names the platform is missing.
        """
        wanted = [(PHASES.index(TARGET_BY_NAME[name].phase), TARGET_NAMES.index(name)) for name in targets]
        times = dataset.labels[:, [column for _, column in wanted]]
        rows, which = np.nonzero(~np.isnan(times) if labelled else np.ones(times.shape, dtype=bool))
        phase = np.array([number for number, _ in wanted], dtype=np.int64)[which]
        require(not labelled or len(rows) > 0, f"no row has one of the labels {', '.join(targets)}")
        features, graph = dataset.distinct_graphs()
        platforms, platform = _distinct(Platform.of_rows(dataset.rows))
        kinds = NodeKinds.of(features)
        unowned = np.stack([Work.of(features, name).extra_bytes for name in PHASES])
        own = {
            name: graph_column(features, name)[graph[rows]]
            for name in ("batch_size", "n_nodes", "n_parameters")
        }
        return cls(
            row=rows,
            phase=phase,
            graph=graph[rows],
            platform=platform[rows],
            platforms=platforms,
            rates=Rates.of(platforms, fusion=fusion),
            kinds=kinds,
            work=KindWork.of(kinds),
            totals=own | {"extra_bytes": unowned[phase, graph[rows]]},
            ln_ms=np.log(times[rows, which]),
        )

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.row)

    def only(self, chosen: npt.NDArray[np.bool_]) -> Self:
        """Some of the examples [N], over the same kinds and platforms."""
        own = {name: getattr(self, name)[chosen] for name in ("row", "phase", "graph", "platform", "ln_ms")}
        totals = {name: values[chosen] for name, values in self.totals.items()}
        return replace(self, **own, totals=totals)

    @property
    def measured(self) -> tuple[Platform, ...]:
        """The platforms that an example is of."""
        return tuple(self.platforms[number] for number in np.unique(self.platform).tolist())

    @property
    def in_training(self) -> IntArray:
        """[N] 1 for a training step, 0 for inference."""
        return (self.phase == PHASES.index("train")).astype(np.int64)

    @cached_property
    def groups(self) -> list[Group]:
        """[N] platform and phase, which have learners of their own and are calibrated apart."""
        table = [[Group.of(platform, phase) for phase in PHASES] for platform in self.platforms]
        return [table[i][j] for i, j in zip(self.platform.tolist(), self.phase.tolist(), strict=True)]

    def in_16_bits(self) -> bool:
        """Whether graphs on platforms of mixed precision were captured with its casts."""
        mixed = [platform.precision.startswith("amp-") for platform in self.platforms]
        graphs = np.unique(self.graph[np.array(mixed)[self.platform]])
        found = gather(self.kinds.ptr, graphs)[0]
        return bool(self.work.half[self.kinds.kinds[found]].any())

    def pairs(self, examples: IntArray) -> Pairs:
        """The nodes of some examples by kind: the forward pass, and the backward pass in training."""
        found, ptr = gather(self.kinds.ptr, self.graph[examples])
        example, kind, count = segment_ids(ptr), self.kinds.kinds[found], self.kinds.counts[found]
        again = np.flatnonzero(self.in_training[examples][example])
        return Pairs(
            np.concatenate([example, example[again]]),
            np.concatenate([kind, kind[again]]),
            np.concatenate([count, count[again]]),
            np.repeat([0, 1], [len(kind), len(again)]),
        )

    def ln_times(self, pairs: Pairs, examples: IntArray) -> tuple[FloatArray, FloatArray]:
        """[N'] ln of the ms that one node of each pair computes, and moves data."""
        platform, to_ms = self.platform[examples][pairs.example], np.log(1e3)
        work, rates = self.work, self.rates
        which = np.where(pairs.backward == 1, 2, rates.compiled[platform])
        peaks = rates.ln_flops[platform, work.matrix[pairs.kind]]
        computing = work.ln_flops[pairs.backward, pairs.kind] - peaks + to_ms
        return computing, work.ln_bytes[which, pairs.kind] - rates.ln_bytes[platform] + to_ms

    def extra_ms(self, examples: IntArray) -> FloatArray:
        """[B] roofline time of what no node owns."""
        per_s = np.exp(self.rates.ln_bytes[self.platform[examples]])
        return np.asarray(1e3 * self.totals["extra_bytes"][examples] / per_s)


def _distinct(platforms: Sequence[Platform]) -> tuple[tuple[Platform, ...], IntArray]:
    """The distinct ones in order of their keys, and [n] the number of each row's."""
    by_key = {platform.key: platform for platform in platforms}
    names, numbers = np.unique([platform.key for platform in platforms], return_inverse=True)
    return tuple(by_key[name] for name in names.tolist()), numbers


@dataclass(frozen=True, eq=False)
class Scales:
    """Means and standard deviations of what the network is shown, on training kinds and platforms.

    Attributes:
        mean: of the columns of a kind; a list each for kinds and platforms.
        spread: likewise; 1 where a column is constant.
    """

    mean: tuple[FloatArray, FloatArray]
    spread: tuple[FloatArray, FloatArray]

    @classmethod
    def of(cls, examples: PlatformExamples) -> "Scales":
        """Of the training examples."""
        tables = (examples.work.described, examples.rates.told)
        spreads = [table.std(axis=0) for table in tables]
        wide = [np.where(spread > 1e-6, spread, 1.0) for spread in spreads]
        return cls((tables[0].mean(axis=0), tables[1].mean(axis=0)), (wide[0], wide[1]))

    def kinds(self, described: FloatArray) -> FloatArray:
        """[K, F] normalised, clipped to eight standard deviations."""
        return self._normal(described, 0)

    def platforms(self, told: FloatArray) -> FloatArray:
        """[P, Q] normalised, clipped likewise."""
        return self._normal(told, 1)

    def _normal(self, table: FloatArray, which: int) -> FloatArray:
        return np.asarray(((table - self.mean[which]) / self.spread[which]).clip(-8, 8))

    def to_json(self) -> dict[str, Any]:
        """JSON value that `from_json` turns into equal scales."""
        return {name: [part.tolist() for part in parts] for name, parts in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Scales":
        """Read what `to_json` gave."""
        mean, spread = ([np.asarray(part) for part in value[name]] for name in ("mean", "spread"))
        return cls((mean[0], mean[1]), (spread[0], spread[1]))
