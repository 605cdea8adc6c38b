"""Boosted trees for each platform and phase, and what they say together of a platform that has none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from perfseer.errors import PerfseerError
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.boosted_trees import BoostedTrees, TreeSettings
from perfseer.predictors.forests import load_arrays, save_arrays

# A group with fewer rows has no trees of its own.
_FEWEST = 30


@dataclass(frozen=True)
class Group:
    """What has trees of its own: a platform in a phase.

    Attributes:
        name: of the group.
        kin: what it shares with groups that resemble it, the closest kinship first.
    """

    name: str
    kin: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PlatformTrees:
    """Trees by group.

    Attributes:
        trees: group name to its trees; they learn the logarithm of measured over roofline time.
        kin: kinship to the names of the groups that share it.
    """

    trees: Mapping[str, BoostedTrees]
    kin: Mapping[str, tuple[str, ...]]

    @classmethod
    def fit(
        cls,
        table: FloatArray,
        outputs: FloatArray,
        groups: Sequence[Group],
        settings: TreeSettings,
        seed: int,
    ) -> Self:
        """Fit every group that has rows enough.

        Args:
            table: [n, F].
            outputs: [n].
            groups: [n] each row's.
            settings: of the trees.
            seed: of their draws.

        Raises:
            PerfseerError: no group has rows enough.
        """
        names = np.array([group.name for group in groups])
        trees, kin = {}, dict[str, list[str]]()
        for group in sorted(set(groups), key=lambda group: group.name):
            rows = np.flatnonzero(names == group.name)
            if len(rows) < _FEWEST:
                continue
            trees[group.name] = BoostedTrees.fit(table[rows], outputs[rows], settings, seed)
            for kinship in group.kin:
                kin.setdefault(kinship, []).append(group.name)
        if not trees:
            raise PerfseerError(
                f"no platform and phase has {_FEWEST} training rows, which trees need; the most: "
                f"{np.unique(names, return_counts=True)[1].max()}. Measure more, or set parts: network"
            )
        return cls(trees, {kinship: tuple(found) for kinship, found in kin.items()})

    @property
    def n_parameters(self) -> int:
        """Numbers learned."""
        return sum(trees.n_parameters for trees in self.trees.values())

    def predict(self, table: FloatArray, groups: Sequence[Group]) -> FloatArray:
        """[n, F] rows of groups [n] to [n]; a group without trees gets the mean of its closest kin's."""
        result = np.empty(len(table))
        names = np.array([group.name for group in groups])
        for group in set(groups):
            rows = np.flatnonzero(names == group.name)
            result[rows] = np.mean(
                [self.trees[name].predict(table[rows]) for name in self._kin(group)], axis=0
            )
        return result

    def _kin(self, group: Group) -> tuple[str, ...]:
        if group.name in self.trees:
            return (group.name,)
        found = (self.kin[kinship] for kinship in group.kin if kinship in self.kin)
        return next(found, tuple(self.trees))

    def save(self, path: Path) -> dict[str, list[str]]:
        """Write all trees as one safetensors file; return what `load` needs besides."""
        arrays = {
            f"{name}/{part}": values
            for name, trees in self.trees.items()
            for part, values in trees.arrays().items()
        }
        save_arrays(path, arrays)
        return {kinship: list(names) for kinship, names in self.kin.items()}

    @classmethod
    def load(cls, path: Path, kin: Mapping[str, Sequence[str]]) -> Self:
        """Read what `save` wrote.

        Raises:
            PerfseerError: the file is missing or damaged.
        """
        parts: dict[str, dict[str, np.ndarray]] = {}
        for name, values in load_arrays(path).items():
            group, _, part = name.rpartition("/")
            parts.setdefault(group, {})[part] = values
        trees = {name: BoostedTrees.of_arrays(arrays) for name, arrays in parts.items()}
        return cls(trees, {kinship: tuple(names) for kinship, names in kin.items()})
