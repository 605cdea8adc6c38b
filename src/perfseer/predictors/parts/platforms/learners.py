"""Learners on tables, one for each platform and phase, and what they say together of one that has none."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.parts.learners.forests import Arrays, load_arrays, save_arrays
from perfseer.targets import Phase

# A group with fewer rows has no learner of its own.
FEWEST = 30


class Learner(Protocol):
    """Maps rows of a table to numbers, and is made of arrays."""

    @property
    def n_parameters(self) -> int:
        """Numbers learned."""

    def predict(self, inputs: FloatArray) -> FloatArray:
        """[n, F] to [n]."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays by name, of which an equal learner can be made."""


L = TypeVar("L", bound=Learner)


@dataclass(frozen=True)
class Group:
    """What has a learner of its own: a platform in a phase.

    Attributes:
        name: of the group.
        kin: what it shares with groups that resemble it, the closest kinship first.
    """

    name: str
    kin: tuple[str, ...]

    @classmethod
    def of(cls, platform: Platform, phase: Phase) -> Self:
        """Of a platform in a phase; kinship is by layout, mode, kind of device and phase."""
        kind = f"{platform.device_kind}-{phase}"
        mode, layout = f"{kind}-{platform.mode}", f"{kind}-{platform.mode}-{platform.memory_format}"
        return cls(f"{platform.key}-{phase}", (f"{layout}-{platform.precision}", layout, mode, kind, phase))


@dataclass(frozen=True, eq=False)
class PlatformLearners(Generic[L]):
    """Learners by group.

    Attributes:
        learners: group name to its learner.
        kin: kinship to the names of the groups that share it.
    """

    learners: Mapping[str, L]
    kin: Mapping[str, tuple[str, ...]]

    @classmethod
    def fit(
        cls,
        table: FloatArray,
        outputs: FloatArray,
        groups: Sequence[Group],
        fit_one: Callable[[FloatArray, FloatArray], L],
    ) -> Self:
        """Fit every group that has rows enough.

        Args:
            table: [n, F].
            outputs: [n].
            groups: [n] each row's.
            fit_one: makes a learner of the rows and outputs of a group.

        Raises:
            PerfseerError: no group has rows enough.
        """
        names = np.array([group.name for group in groups])
        learners, kin = {}, dict[str, list[str]]()
        for group in sorted(set(groups), key=lambda group: group.name):
            rows = np.flatnonzero(names == group.name)
            if len(rows) < FEWEST:
                continue
            learners[group.name] = fit_one(table[rows], outputs[rows])
            for kinship in group.kin:
                kin.setdefault(kinship, []).append(group.name)
        if not learners:
            raise PerfseerError(
                f"no platform and phase has {FEWEST} training rows, which a learner of its own needs; the "
                f"most: {np.unique(names, return_counts=True)[1].max()}. Measure more, or set parts: network"
            )
        return cls(learners, {kinship: tuple(found) for kinship, found in kin.items()})

    @property
    def n_parameters(self) -> int:
        """Numbers learned."""
        return sum(learner.n_parameters for learner in self.learners.values())

    def predict(self, table: FloatArray, groups: Sequence[Group]) -> FloatArray:
        """[n, F] rows of groups [n] to [n]; a group without a learner gets the mean of its closest kin's."""
        result = np.empty(len(table))
        names = np.array([group.name for group in groups])
        for group in set(groups):
            rows = np.flatnonzero(names == group.name)
            result[rows] = np.mean(
                [self.learners[name].predict(table[rows]) for name in self._kin(group)], axis=0
            )
        return result

    def _kin(self, group: Group) -> tuple[str, ...]:
        if group.name in self.learners:
            return (group.name,)
        found = (self.kin[kinship] for kinship in group.kin if kinship in self.kin)
        return next(found, tuple(self.learners))

    def save(self, path: Path) -> dict[str, list[str]]:
        """Write all learners as one safetensors file; return what `load` needs besides."""
        save_arrays(path, {name: learner.arrays() for name, learner in self.learners.items()})
        return {kinship: list(names) for kinship, names in self.kin.items()}

    @classmethod
    def load(cls, path: Path, kin: Mapping[str, Sequence[str]], of_arrays: Callable[[Arrays], L]) -> Self:
        """Read what `save` wrote.

        Args:
            path: of the file.
            kin: what `save` returned.
            of_arrays: makes one learner.

        Raises:
            PerfseerError: the file is missing or damaged.
        """
        learners = {name: of_arrays(arrays) for name, arrays in load_arrays(path).items()}
        return cls(learners, {kinship: tuple(names) for kinship, names in kin.items()})
