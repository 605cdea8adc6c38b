"""Errors of all predictors side by side: one line per test row and seed, one column per predictor."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from perfseer.evaluation.breakdowns import errors_of
from perfseer.evaluation.predictions import predicted_column
from perfseer.graphs.perfgraph import FloatArray
from perfseer.studies.experiment import Experiment
from perfseer.studies.profile import constant_labels
from perfseer.targets import TARGET_NAMES


@dataclass(frozen=True)
class Aligned:
    """Test rows of one split, all seeds below each other, and every predictor's error on each.

    Attributes:
        experiment: where they come from.
        rows: [n] seed, configuration, architecture, family, batch_size and the dataset's further columns.
        errors: target → [n, predictors that have it] signed relative errors [%]; NaN without a prediction.
    """

    experiment: Experiment
    rows: pd.DataFrame
    errors: Mapping[str, pd.DataFrame]

    @property
    def n_networks(self) -> int:
        """Distinct networks among the test rows."""
        return int(self.rows["architecture"].nunique()) if len(self.rows) else 0

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Labels that are not practically constant (`profile.constant_labels`)."""
        constant = constant_labels(self.experiment)
        return tuple(target.name for target in self.experiment.targets if target.title not in constant)

    @cached_property
    def absolute(self) -> dict[str, pd.DataFrame]:
        """Target → absolute errors [%], as `errors`."""
        return {target: table.abs() for target, table in self.errors.items()}

    def predictors(self, target: str) -> tuple[str, ...]:
        """Predictors that predict ``target``, in the registered order."""
        return tuple(map(str, self.errors[target].columns)) if target in self.errors else ()

    def interval_bounds(self, target: str) -> FloatArray | None:
        """[n, 2] ends of each measurement's own confidence interval, relative to its median [%].

        NaN for rows without one; None where the measurement table has none for the label.
        """
        columns = [target.replace("time_ms", f"time_ci_{end}_ms") for end in ("low", "high")]
        if not target.endswith("time_ms") or not {*columns, target} <= set(self.rows.columns):
            return None
        ends = self.rows[columns].to_numpy(dtype=np.float64)
        return 100.0 * (ends / self.rows[[target]].to_numpy(dtype=np.float64) - 1.0)


def align(experiment: Experiment, split: str) -> Aligned:
    """Bring the predictions of every predictor on one split into the same order.

    A row counts once per seed in which it is tested. Where a predictor has no record of a seed, its column
    is NaN there, so that comparisons of two predictors use the rows both have.
    """
    tables = {
        (name, run.record.seed): run.predictions.set_index("configuration")
        for name in experiment.predictors
        for run in experiment.runs_of(name, split)
    }
    rows = _rows(experiment, tables)
    index = pd.MultiIndex.from_frame(rows[["seed", "configuration"]])
    errors = {}
    for target in TARGET_NAMES:
        columns = {
            name: column.reindex(index).to_numpy()
            for name in experiment.predictors
            if (column := _column(tables, name, target)) is not None
        }
        if columns:
            errors[target] = pd.DataFrame(columns)
    return Aligned(experiment, rows, errors)


def _rows(experiment: Experiment, tables: Mapping[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Every (seed, configuration) some predictor was tested on, with the dataset's columns."""
    pairs = [
        pd.DataFrame({"seed": seed, "configuration": table.index}) for (_, seed), table in tables.items()
    ]
    if not pairs:
        return pd.DataFrame(columns=["seed", "configuration", "architecture", "family", "batch_size"])
    tested = pd.concat(pairs, ignore_index=True).drop_duplicates().sort_values("seed", kind="stable")
    return tested.merge(experiment.rows, on="configuration", how="left", validate="many_to_one")


def _column(tables: Mapping[tuple[str, int], pd.DataFrame], name: str, target: str) -> pd.Series | None:
    """Signed errors [%] of one predictor by (seed, configuration); None where it has none."""
    parts = {
        seed: errors_of(table, target)
        for (owner, seed), table in tables.items()
        if owner == name and predicted_column(target) in table.columns
    }
    return pd.concat(parts, names=["seed", "configuration"]) if parts else None


def measured(aligned: Aligned, target: str) -> FloatArray:
    """[n] measured values of the test rows in the label's unit."""
    return aligned.rows[target].to_numpy(dtype=np.float64)


def predicted(aligned: Aligned, predictor: str, target: str) -> FloatArray:
    """[n] predicted values in the label's unit, NaN without a prediction."""
    errors = aligned.errors[target][predictor].to_numpy(dtype=np.float64)
    return measured(aligned, target) * (1.0 + errors / 100.0)
