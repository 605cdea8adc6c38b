"""Peak memory: arithmetic over what is alive when, with what the arithmetic misses learned from measurements.

Three methods to compare: ``analytic`` is the arithmetic alone (`perfseer.predictors.memory`), ``learned``
gradient-boosted trees on the graph's totals, which know no arithmetic. ``both`` scales the terms of the
arithmetic by coefficients of at least 0, fitted to relative errors, and lets trees learn what is left.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import lightgbm
import numpy as np
import pandas as pd
from pydantic import Field
from scipy.optimize import nnls

from perfseer.data.dataset import Dataset
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.base import Predictor
from perfseer.predictors.conformal import Conformal
from perfseer.predictors.memory.table import TermTable, term_table
from perfseer.predictors.parts.learners.boosters import REPEATABLE, boosted, load_boosters, save_boosters
from perfseer.predictors.parts.roofline import Roofline
from perfseer.predictors.parts.tabular import tabular_features
from perfseer.predictors.settings import PredictorSettings
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES

_MEMORY = tuple(name for name in TARGET_NAMES if TARGET_BY_NAME[name].quantity == "mem")
_NO_ROOFLINE = Roofline({}, {})


class MemorySettings(PredictorSettings):
    """How memory is predicted, and the trees."""

    method: Annotated[
        Literal["analytic", "learned", "both"],
        Field(description="arithmetic alone, trees alone, or trees on what the arithmetic misses"),
    ] = "both"
    n_estimators: Annotated[int, Field(ge=1, le=100_000, description="trees of each label")] = 100
    num_leaves: Annotated[int, Field(ge=2, le=4096, description="leaves of a tree")] = 7
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.05
    min_child_samples: Annotated[int, Field(ge=1, description="training rows in a leaf at least")] = 5


class MemoryPredictor(Predictor):
    """Training and inference memory by arithmetic, by trees, or by both."""

    name: ClassVar[str] = "memory"
    supported: ClassVar[frozenset[str]] = frozenset(_MEMORY)
    source: ClassVar[str] = (
        "arithmetic over lifetimes as in DNNMem (Gao et al., ESEC/FSE 2020), on PerfGraphs; the correction "
        "is this project's"
    )
    departures: ClassVar[tuple[str, ...]] = (
        "Tensors come from a trace on the meta device, not from a list of layers; no allocator is replayed.",
        "What libraries take is learned from measurements.",
    )
    takes_partial_labels: ClassVar[bool] = True
    reads_order: ClassVar[bool] = True
    Settings = MemorySettings
    settings: MemorySettings

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        self.coefficients_: dict[str, FloatArray] = {}
        self.boosters_: dict[str, lightgbm.Booster] = {}
        for target in self.targets:
            self._fit_target(train.with_label(target), target, seed)
            log(f"{target}: {self.settings.method}")
        # A leaf holds one value, an inner node one threshold; the arithmetic has one shift for each label.
        trees = sum(2 * booster.num_trees() * self.settings.num_leaves for booster in self.boosters_.values())
        self.n_parameters_ = len(self.targets) + trees + sum(map(len, self.coefficients_.values()))
        self.conformal_ = self._calibrated(valid if len(valid) else train)

    def _fit_target(self, rows: Dataset, target: str, seed: int) -> None:
        if self.settings.method == "analytic":
            return
        measured = rows.label(target)
        base, inputs = np.ones(len(rows)), _totals(rows)
        if self.settings.method == "both":
            table = term_table(rows, TARGET_BY_NAME[target].phase)
            self.coefficients_[target] = _coefficients(table, measured)
            base, inputs = self._arithmetic(table, target), _with_terms(inputs, table)
        trained = lightgbm.train(
            self._parameters(seed),
            lightgbm.Dataset(inputs, np.log(measured / base)),
            num_boost_round=self.settings.n_estimators,
        )
        # As it will be read again, so that a saved predictor predicts the same.
        self.boosters_[target] = lightgbm.Booster(model_str=trained.model_to_string())

    def _parameters(self, seed: int) -> dict[str, Any]:
        return {
            "objective": "regression_l1",
            "num_leaves": self.settings.num_leaves,
            "learning_rate": self.settings.learning_rate,
            "min_data_in_leaf": self.settings.min_child_samples,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "feature_fraction": 0.5,
            "seed": seed,
            **REPEATABLE,
        }

    def _predict(self, dataset: Dataset) -> FloatArray:
        return np.column_stack([self._predict_target(dataset, target) for target in self.targets])

    def _predict_target(self, dataset: Dataset, target: str) -> FloatArray:
        if self.settings.method == "learned":
            return np.asarray(np.exp(boosted(self.boosters_[target], _totals(dataset))))
        table = term_table(dataset, TARGET_BY_NAME[target].phase)
        base = self._arithmetic(table, target)
        if self.settings.method == "analytic":
            return base
        inputs = _with_terms(_totals(dataset), table)
        return np.asarray(base * np.exp(boosted(self.boosters_[target], inputs)))

    def _arithmetic(self, table: TermTable, target: str) -> FloatArray:
        """[n] MiB of the arithmetic, its terms scaled where coefficients were fitted."""
        if target not in self.coefficients_:
            return table.computed_mib
        return np.asarray(table.terms @ self.coefficients_[target])

    def _calibrated(self, rows: Dataset) -> Conformal:
        """Intervals from rows that nothing was learned from, by label; architectures are counted."""
        errors, labels, owners = [], [], []
        for column, target in enumerate(self.targets):
            known = rows.with_label(target)
            measured = known.label(target)
            errors.append(np.log(measured / self._predict(known)[:, column]))
            labels += [target] * len(known)
            owners += known.owners.tolist()
        scores = np.concatenate(errors)
        return Conformal.fit(scores, np.ones(len(scores)), labels, owners)

    def intervals(self, dataset: Dataset, confidence: float) -> pd.DataFrame | None:
        """Conformal intervals of every label; see `Predictor.intervals`."""
        self._require_fitted()
        predicted = self.predict(dataset)
        ends: dict[str, FloatArray] = {}
        for target in self.targets:
            values = predicted[target].to_numpy()
            labels, difficulty = [target] * len(dataset), np.ones(len(dataset))
            low, high = self.conformal_.interval(values, difficulty, labels, confidence)
            ends |= {f"{target}_low": low, f"{target}_high": high}
        return pd.DataFrame(ends)

    def _save_state(self, folder: Path) -> dict[str, Any]:
        save_boosters(folder, self.boosters_)
        coefficients = {target: values.tolist() for target, values in self.coefficients_.items()}
        return {
            "coefficients": coefficients,
            "boosted": list(self.boosters_),
            "conformal": self.conformal_.to_json(),
        }

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        self.coefficients_ = {target: np.array(values) for target, values in state["coefficients"].items()}
        self.boosters_ = load_boosters(folder, state["boosted"])
        self.conformal_ = Conformal.from_json(state["conformal"])


def _totals(dataset: Dataset) -> FloatArray:
    """[n, F] totals of the graph and sums by operator type, logarithmic."""
    return tabular_features(dataset, _NO_ROOFLINE)


def _with_terms(totals: FloatArray, table: TermTable) -> FloatArray:
    return np.column_stack([totals, np.log1p(table.terms), np.log(table.computed_mib)])


def _coefficients(table: TermTable, measured: FloatArray) -> FloatArray:
    """[C] of the terms, at least 0, by least squares of relative errors."""
    found, _ = nnls(table.terms / measured[:, None], np.ones(len(measured)))
    # All zero where no term has anything to do with what was measured: then the arithmetic stands.
    return np.asarray(found) if found.any() else np.array([1.0, 1.0, *[0.0] * (table.terms.shape[1] - 2)])
