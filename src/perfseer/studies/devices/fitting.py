"""What a predictor says of devices it never saw: a fit for each fold of devices, judged on what was left out.

Devices are dealt to folds. The fit of a fold learns as the shipped predictor does, from the rows of all other
devices, without the models that it is judged on: neither device nor architecture was seen. Published rows of
other sources in which a host may have decided how long a step takes teach nothing, since hosts are told apart
elsewhere (`predictors.parts.platforms.host`); judged they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from perfseer.data.dataset import Dataset
from perfseer.data.folds import fit_normaliser
from perfseer.errors import require
from perfseer.evaluation.group_folds import in_hashed_order
from perfseer.evaluation.trials import Log
from perfseer.forecast.calibration import LOGARITHMS
from perfseer.graphs.perfgraph import IntArray
from perfseer.predictors.base import FitInputs, Predictor
from perfseer.predictors.registry import create, settings_class
from perfseer.studies.devices.rows import device_keys
from perfseer.studies.devices.settings import DevicesSettings
from perfseer.studies.published_times import bound_by_device
from perfseer.validation import validated

PREDICTOR = "seernet_x"
# Operators that judge, and from how long on [ms]: no launch or rounding counts.
_PRODUCTS = ("linear",)
_LONG_MS = 0.1
# The only device of a kind cannot be left out: nothing would be left.
_FEWEST_OF_A_KIND = 2
# What has as many rows judged as any other: who published them, precision and mode.
_SETTING = ("published_by", "precision", "mode")


@dataclass(frozen=True, eq=False)
class Leaving:
    """One draw of one seed: which devices are in which fold, and which rows judge.

    Attributes:
        settings: section ``devices``.
        data: what `rows.gather` gave.
        seed: of the draw.
    """

    settings: DevicesSettings
    data: Dataset
    seed: int

    @cached_property
    def devices(self) -> npt.NDArray[np.str_]:
        """[n] key of each row's device."""
        return device_keys(self.data.rows)

    @cached_property
    def judging(self) -> npt.NDArray[np.bool_]:
        """[n] whether a row may judge: of a model, or of a layer if no model of its device was timed.

        Of single operators linear layers alone judge, those that no host could have held up: they are what a
        device's peak is of.
        """
        rows = self.data.rows
        is_operator = rows["is_operator"].to_numpy(dtype=bool)
        without_models = ~np.isin(self.devices, np.unique(self.devices[~is_operator]))
        telling = rows["family"].isin(_PRODUCTS).to_numpy() & (rows["infer_time_ms"] > _LONG_MS).to_numpy()
        return np.asarray(~is_operator | (without_models & telling))

    @cached_property
    def fold_of(self) -> Mapping[str, int]:
        """Device to fold; the only device of its kind is in none.

        Devices of the home source, which all parts of the predictor learn from, have a fold each. Of the
        others those with most rows are dealt first, one to each fold that is left, then the next.
        """
        rows = self.data.rows
        kinds = rows["device_kind"].to_numpy()
        is_home = (rows["published_by"] == self.settings.home).to_numpy()
        found: dict[str, int] = {}
        for kind in np.unique(kinds).tolist():
            mine = (kinds == kind) & self.judging
            names, counts = np.unique(self.devices[mine], return_counts=True)
            if len(names) < _FEWEST_OF_A_KIND:
                continue
            at_home = np.unique(self.devices[mine & is_home]).tolist()
            found |= {name: place for place, name in enumerate(in_hashed_order(at_home, f"{self.seed}:home"))}
            free = range(len(at_home), self.settings.folds)
            require(
                len(free) > 0,
                f"{self.settings.home} has {len(at_home)} devices of kind {kind}, each a fold of its own, so "
                f"devices.folds must be more than the {self.settings.folds} it is",
            )
            guests = [name for name in names[np.lexsort((names, -counts))].tolist() if name not in at_home]
            for start in range(0, len(guests), len(free)):
                dealt = in_hashed_order(guests[start : start + len(free)], f"{self.seed}:{start}")
                found |= {name: free[place] for place, name in enumerate(dealt)}
        return found

    def judged(self, fold: int) -> IntArray:
        """Rows that the fit of a fold is judged on: a few of each setting of its devices."""
        rows = self.data.rows
        mine = self.judging & np.array([self.fold_of.get(name, -1) == fold for name in self.devices])
        places = np.flatnonzero(mine)
        require(
            len(places) > 0, f"fold {fold} of {self.settings.folds} has no device to judge by: take fewer"
        )
        names = [self.devices[places], *(rows[name].to_numpy()[places] for name in _SETTING)]
        groups = ["-".join(map(str, parts)) for parts in zip(*names, strict=True)]
        return np.asarray(places[balanced(groups, self.settings.rows, self.seed)])

    def learnt(self, fold: int) -> tuple[Dataset, Dataset, Dataset | None]:
        """Rows that all parts learn from, those kept aside to calibrate on, and those of other devices."""
        rows = self.data.rows
        others = np.array([self.fold_of.get(name, -1) != fold for name in self.devices])
        judged = rows["architecture"].iloc[self.judged(fold)]
        others &= ~rows["architecture"].isin(set(judged)).to_numpy()
        is_home = (rows["published_by"] == self.settings.home).to_numpy()
        home = self.data.subset(np.flatnonzero(others & is_home))
        require(len(home) > 0, f"{self.settings.home} has no rows of other devices than {self.without(fold)}")
        ordered = in_hashed_order(home.rows["architecture"], f"devices:{self.seed}:{fold}:valid")
        aside = set(ordered[: max(1, round(self.settings.valid_share * len(ordered)))])
        is_aside = home.rows["architecture"].isin(aside).to_numpy()
        away = np.flatnonzero(others & ~is_home & ~rows["architecture"].isin(aside).to_numpy())
        elsewhere = None
        if self.settings.elsewhere and len(away):
            elsewhere = bound_by_device(self.data.subset(away))
        return home.subset(np.flatnonzero(~is_aside)), home.subset(np.flatnonzero(is_aside)), elsewhere

    def fit(self, fold: int, log: Log) -> Predictor:
        """The predictor without the devices of a fold.

        Raises:
            PerfseerError: nothing is left to learn from, or learning diverged.
        """
        train, valid, elsewhere = self.learnt(fold)
        n = len(train) + (0 if elsewhere is None else len(elsewhere))
        log(f"seed {self.seed}, fold {fold}: {n:,d} rows, without {', '.join(self.without(fold))}")
        settings = validated(settings_class(PREDICTOR), self.settings.settings, "devices.settings")
        model = create(PREDICTOR, settings, None)
        normaliser = fit_normaliser(train, LOGARITHMS)
        inputs = FitInputs(elsewhere=elsewhere)
        return model.fit(train, valid, normaliser, seed=self.seed, log=log, inputs=inputs)

    def without(self, fold: int) -> list[str]:
        """Devices of a fold."""
        return sorted(name for name, number in self.fold_of.items() if number == fold)


def balanced(groups: Sequence[str], most: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Positions of at most so many rows of each group, drawn by a seed: a large table must not drown others.

    Args:
        groups: [n] of the rows.
        most: rows of a group.
        seed: of the draw.
    """
    names = np.asarray(groups, dtype=str)
    drawing = np.random.default_rng(seed)
    chosen = [drawing.permutation(np.flatnonzero(names == name))[:most] for name in np.unique(names).tolist()]
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)
