"""Gradient-boosted trees on totals and per-operator sums: the baseline a graph network must be seen beside.

LightGBM learns the deviation from the fitted roofline (times) and from the analytic peak (memory) on the
log scale, and the logit of the utilisation. Inputs, as ln(1 + x): totals of the graph, the batch size, and
for every operator type (convolutions of several groups apart) its count, FLOPs, activation bytes, weight
bytes and roofline times.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import lightgbm
import numpy as np

from perfseer.data.dataset import Dataset
from perfseer.errors import PerfseerError
from perfseer.graphs.perfgraph import FloatArray
from perfseer.predictors.base import Predictor
from perfseer.predictors.parts.learners.boosters import REPEATABLE, boosted, load_boosters, save_boosters
from perfseer.predictors.parts.residual import Residual
from perfseer.predictors.parts.tabular import tabular_features
from perfseer.predictors.settings import BoostingSettings


class BoostingPredictor(Predictor):
    """One LightGBM model for each label."""

    name: ClassVar[str] = "boosting"
    source: ClassVar[str] = "LightGBM: Ke et al., NeurIPS 2017; the inputs are this project's"
    departures: ClassVar[tuple[str, ...]] = (
        "A baseline of this project, no published predictor: deviations from the fitted roofline and peak.",
    )
    curve_step: ClassVar[str | None] = "tree"
    settings: BoostingSettings

    def _fit(self, train: Dataset, valid: Dataset, *, seed: int, log: Callable[[str], None]) -> None:
        if not len(valid):
            raise PerfseerError("boosting was given no validation rows, which it needs to stop early")
        self.residual_ = Residual.fit(train, self._normaliser.labels, baseline=True)
        inputs, valid_inputs = self._inputs(train), self._inputs(valid)
        learned, valid_learned = self.residual_.encode(train), self.residual_.encode(valid)
        self.boosters_ = {}
        for column, target in enumerate(self.targets):
            booster, curve = self._fit_target(
                (inputs, learned[:, column]), (valid_inputs, valid_learned[:, column]), seed
            )
            self.boosters_[target] = booster
            self.history_ += [{"target": target, **row} for row in curve]
            log(f"{target}: {booster.num_trees()} trees")
        # A leaf holds one value, an inner node one threshold.
        self.n_parameters_ = sum(
            int((2 * frame.notna()["split_gain"] + frame["split_gain"].isna()).sum())
            for frame in (booster.trees_to_dataframe() for booster in self.boosters_.values())
        )

    def _inputs(self, dataset: Dataset) -> FloatArray:
        assert self.residual_.roofline is not None
        return tabular_features(dataset, self.residual_.roofline)

    def _fit_target(
        self, train: tuple[FloatArray, FloatArray], valid: tuple[FloatArray, FloatArray], seed: int
    ) -> tuple[lightgbm.Booster, list[dict[str, Any]]]:
        """One target's trees, cut at the best validation round, and its learning curve (one row per tree)."""
        rows = lightgbm.Dataset(*train)
        curves: dict[str, Any] = {}
        booster = lightgbm.train(
            self._parameters(seed),
            rows,
            num_boost_round=self.settings.n_estimators,
            valid_sets=[rows, lightgbm.Dataset(*valid, reference=rows)],
            valid_names=["train", "valid"],
            callbacks=[
                lightgbm.early_stopping(self.settings.patience, verbose=False),
                lightgbm.record_evaluation(curves),
            ],
        )
        losses = zip(curves["train"]["l2"], curves["valid"]["l2"], strict=True)
        history = [
            {"epoch": number, "train_loss": train_loss, "valid_loss": valid_loss}
            for number, (train_loss, valid_loss) in enumerate(losses, start=1)
        ]
        text = booster.model_to_string(num_iteration=booster.best_iteration)
        return lightgbm.Booster(model_str=text), history

    def _parameters(self, seed: int) -> dict[str, Any]:
        return {
            "objective": "regression",
            "metric": "l2",
            "num_leaves": self.settings.num_leaves,
            "learning_rate": self.settings.learning_rate,
            "min_data_in_leaf": self.settings.min_child_samples,
            # Rows and columns are drawn, so that seeds differ in more than the split.
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "feature_fraction": 0.8,
            "seed": seed,
            **REPEATABLE,
        }

    def _predict(self, dataset: Dataset) -> FloatArray:
        inputs = self._inputs(dataset)
        learned = [boosted(self.boosters_[target], inputs) for target in self.targets]
        return self.residual_.decode(np.column_stack(learned), dataset)

    def _save_state(self, folder: Path) -> dict[str, Any]:
        save_boosters(folder, self.boosters_)
        return self.residual_.to_json()

    def _load_state(self, folder: Path, state: dict[str, Any]) -> None:
        self.residual_ = Residual.from_json(state, self._normaliser.labels)
        self.boosters_ = load_boosters(folder, self.targets)
