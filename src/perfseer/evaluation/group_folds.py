"""Folds by group: whole groups, drawn from the seed and the groups' names alone.

Groups (architectures, or families) are dealt in an order hashed from the seed, each to the fold with the
fewest rows so far. So folds differ in size by at most the largest group, and a group is in the same fold in
every result file. A share of the training groups, drawn likewise, is kept to stop, choose and calibrate on.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from perfseer.errors import require
from perfseer.graphs.perfgraph import IntArray

Grouping = Literal["architecture", "family"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)


@dataclass(frozen=True)
class Draw:
    """One draw of folds.

    Attributes:
        grouping: what is kept together.
        seed: which draw.
        fold_of: group → its fold, from 0.
        valid_share: share of the training groups to choose on.
    """

    grouping: Grouping
    seed: int
    fold_of: Mapping[str, int]
    valid_share: float

    def parts(self, rows: pd.DataFrame, fold: int) -> tuple[IntArray, IntArray, IntArray]:
        """Positions of the training, validation and test rows of one fold; every row is in one of them.

        Args:
            rows: [n] with columns ``architecture`` and ``family``.
            fold: whose rows are the test.

        Raises:
            PerfseerError: a group of ``rows`` was not dealt, or a part has no rows.
        """
        groups = rows[self.grouping]
        unknown = sorted(set(groups) - set(self.fold_of))
        require(not unknown, f"groups that were not dealt to folds: {unknown[:5]}; draw over all files")
        is_test = groups.map(self.fold_of).to_numpy() == fold
        chosen = self._validation_groups(groups[~is_test].unique(), fold)
        is_valid = ~is_test & groups.isin(chosen).to_numpy()
        parts = tuple(np.flatnonzero(mask) for mask in (~is_test & ~is_valid, is_valid, is_test))
        for name, part in zip(("training", "validation", "test"), parts, strict=True):
            require(
                len(part) > 0,
                f"fold {fold} by {self.grouping} at seed {self.seed} has no {name} rows among {len(rows)} "
                f"rows of {groups.nunique()} groups: take fewer folds, or files with more models",
            )
        return parts[0], parts[1], parts[2]

    def kept_aside(self, rows: pd.DataFrame) -> IntArray:
        """Positions of the rows to choose on where there is nothing to test: a share of all groups."""
        groups = rows[self.grouping]
        chosen = self._validation_groups(groups.unique(), len(self.fold_of))
        return np.flatnonzero(groups.isin(chosen).to_numpy())

    def _validation_groups(self, groups: Iterable[str], fold: int) -> list[str]:
        ordered = in_hashed_order(groups, f"public:{self.grouping}:{self.seed}:{fold}:valid")
        return ordered[: max(1, round(self.valid_share * len(ordered)))]


def draw(rows: pd.DataFrame, grouping: Grouping, seed: int, folds: int, valid_share: float) -> Draw:
    """Deal the groups of all rows to folds.

    Args:
        rows: of every file of the study, columns ``architecture`` and ``family``.
        grouping: what is kept together.
        seed: which draw.
        folds: how many.
        valid_share: share of the training groups to choose on.

    Raises:
        PerfseerError: there are fewer groups than folds.
    """
    sizes = rows[grouping].value_counts()
    require(
        len(sizes) > folds,
        f"{len(sizes)} groups by {grouping} cannot be dealt to {folds} folds and leave some to choose on",
    )
    totals = np.zeros(folds)
    fold_of: dict[str, int] = {}
    for group in in_hashed_order(sizes.index, f"public:{grouping}:{seed}"):
        fold_of[group] = int(totals.argmin())
        totals[fold_of[group]] += sizes[group]
    return Draw(grouping, seed, fold_of, valid_share)


def in_hashed_order(groups: Iterable[str], salt: str) -> list[str]:
    """Distinct groups in an order that depends on the salt and the names alone."""
    return sorted(set(groups), key=lambda group: hashlib.sha256(f"{salt}:{group}".encode()).digest())
