"""Boosting with the best network: a weighted mean of two fitted predictors, chosen for each label.

Members are fitted beforehand, on the same training rows. Validation rows choose, for each label, the
candidate with the lowest MAPE and then its weight in the mean with the base predictor. The mean is taken on
the label normaliser's scale (logarithm; logit of utilisation), so it stays within the label's bounds.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from perfseer.data.dataset import Dataset
from perfseer.data.normalisation import LabelNormaliser, Normaliser
from perfseer.errors import require
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.base import Predictor
from perfseer.predictors.registry import load
from perfseer.predictors.settings import EnsembleSettings

_STEPS = 20
_MEMBERS_FOLDER = "members"


@dataclass(frozen=True)
class Choice:
    """How one label is predicted.

    Attributes:
        shares: member to its weight in the mean; positive, adding up to 1.
        valid_mape_pct: error of the mean on the validation rows that chose it.
    """

    shares: Mapping[str, float]
    valid_mape_pct: float


class EnsemblePredictor(Predictor):
    """Mean of a base predictor and, for each label, the best of some candidates."""

    name: ClassVar[str] = "ensemble"
    source: ClassVar[str] = "this project's first look at public timings"
    departures: ClassVar[tuple[str, ...]] = (
        "Partner and weight are chosen on validation rows, for each label; the source takes the plain mean.",
    )
    settings: EnsembleSettings

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        del train, seed  # the members were fitted with them; nothing is drawn here
        require(len(valid) > 0, "ensemble was given no validation rows, which it needs to choose on")
        members = self._given_members()
        able = {name for member in members.values() for name in member.targets}
        self.targets = tuple(name for name in self.targets if name in able)
        self.normaliser_ = Normaliser(self._normaliser.labels.select(self.targets), self._normaliser.features)
        tables = {name: member.predict(valid) for name, member in members.items()}
        self.choices_ = {target: self._choose(target, tables, valid) for target in self.targets}
        used = {name for choice in self.choices_.values() for name in choice.shares}
        self.members_ = {name: member for name, member in members.items() if name in used}
        self.n_parameters_ = sum(member.n_parameters_ for member in self.members_.values())
        for target, choice in self.choices_.items():
            shares = " + ".join(f"{share:g} {name}" for name, share in choice.shares.items())
            log(f"{target}: {shares}, MAPE {choice.valid_mape_pct:.3g} % on validation rows")

    def _given_members(self) -> dict[str, Predictor]:
        """The members that the settings name.

        Raises:
            PerfseerError: one is missing, or was fitted on other training rows than these.
        """
        given = self.inputs_.members
        missing = [name for name in self.settings.members if name not in given]
        require(not missing, f"ensemble was given no fitted {', '.join(missing)}: train them first")
        scales = self._normaliser.labels.scales
        for name in self.settings.members:
            # Statistics of labels are the training rows': a member fitted on others may have learned from
            # the rows that this one is judged on.
            fitted = given[name].normaliser_
            require(
                fitted is not None
                and all(scale == scales.get(target, scale) for target, scale in fitted.labels.scales.items()),
                f"ensemble was given a {name} fitted on other rows: train it on the same split and seed",
            )
        return {name: given[name] for name in self.settings.members}

    def _choose(self, target: str, tables: Mapping[str, pd.DataFrame], valid: Dataset) -> Choice:
        """Best partner, then best weight, on validation rows; earlier ones where errors are equal."""
        measured = valid.label(target)
        able = {name: table[target].to_numpy() for name, table in tables.items() if target in table}
        errors = {name: _mape_pct(values, measured) for name, values in able.items()}
        base = self.settings.base
        candidates = [name for name in self.settings.candidates if name in able]
        if not candidates:
            return Choice({base: 1.0}, errors[base])
        partner = min(candidates, key=errors.__getitem__)
        if base not in able:
            return Choice({partner: 1.0}, errors[partner])
        labels = self._normaliser.labels.select((target,))
        tried = []
        for step in range(_STEPS + 1):
            weights = {base: 1 - step / _STEPS, partner: step / _STEPS}
            shares = {name: weight for name, weight in weights.items() if weight > 0}
            tried.append(Choice(shares, _mape_pct(_mean(labels, able, shares), measured)))
        return min(tried, key=lambda choice: choice.valid_mape_pct)

    def _predict(self, dataset: Dataset) -> FloatArray:
        tables = {name: member.predict(dataset) for name, member in self.members_.items()}
        columns = [
            _mean(
                self._normaliser.labels.select((target,)),
                {name: tables[name][target].to_numpy() for name in choice.shares},
                choice.shares,
            )
            for target, choice in self.choices_.items()
        ]
        return np.column_stack(columns)

    def _save_state(self, folder: Path) -> dict[str, Any]:
        for name, member in self.members_.items():
            member.save(folder / _MEMBERS_FOLDER / name)
        choices = [{"target": target, **asdict(choice)} for target, choice in self.choices_.items()]
        return {"members": list(self.members_), "choices": choices}

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        self.members_ = {name: load(folder / _MEMBERS_FOLDER / name) for name in state["members"]}
        self.choices_ = {
            choice["target"]: Choice(choice["shares"], choice["valid_mape_pct"])
            for choice in state["choices"]
        }


def _mean(
    labels: LabelNormaliser, predictions: Mapping[str, FloatArray], shares: Mapping[str, float]
) -> FloatArray:
    """[n] weighted mean of predictions of one label [n], on the normaliser's scale."""
    parts = [share * labels.encode(predictions[name][:, None]) for name, share in shares.items()]
    return labels.decode(np.sum(parts, axis=0))[:, 0]


def _mape_pct(predicted: FloatArray, measured: FloatArray) -> float:
    """Mean relative error in %, rounded so that rounding of the mean decides nothing."""
    return round(float(100 * np.mean(np.abs(predicted / measured - 1))), 9)
