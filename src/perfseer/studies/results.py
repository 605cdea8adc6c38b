"""Metrics of the runs, over seeds: the one place that turns records into numbers for tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from perfseer.evaluation.breakdowns import errors_of
from perfseer.evaluation.intervals import Difference, Interval, mean_interval, paired_difference
from perfseer.reporting.units import MISSING, NOT_APPLICABLE, interval
from perfseer.studies.experiment import Experiment
from perfseer.targets import TARGET_NAMES

UNDEFINED = "undefined"


@dataclass(frozen=True)
class Results:
    """Numbers of an experiment's records.

    Attributes:
        experiment: where they come from.
    """

    experiment: Experiment

    def by_seed(self, predictor: str, split: str, target: str, metric: str) -> dict[int, float]:
        """Value of a metric by seed; seeds without a record or with an undefined value are absent."""
        values = {}
        for run in self.experiment.runs_of(predictor, split):
            measure = run.record.metrics.get(target, {}).get(metric)
            if measure is not None and measure.value is not None:
                values[run.record.seed] = measure.value
        return values

    def mean_mape_by_seed(
        self, predictor: str, split: str, targets: Sequence[str] = TARGET_NAMES
    ) -> dict[int, float]:
        """MAPE averaged over ``targets`` by seed [%]; only seeds that have all of them."""
        columns = [self.by_seed(predictor, split, target, "mape_pct") for target in targets]
        seeds = set(columns[0]).intersection(*columns[1:])
        return {seed: sum(column[seed] for column in columns) / len(columns) for seed in sorted(seeds)}

    def interval(self, values: dict[int, float]) -> Interval | None:
        """Mean and interval over seeds; None without a value."""
        confidence = self.experiment.evaluation.confidence
        return mean_interval(list(values.values()), confidence) if values else None

    def mape(self, predictor: str, split: str, target: str) -> Interval | None:
        """MAPE of one target over seeds [%]."""
        return self.interval(self.by_seed(predictor, split, target, "mape_pct"))

    def supports(self, predictor: str, split: str, target: str) -> bool:
        """Whether the predictor declares the target; True while nothing is trained."""
        runs = self.experiment.runs_of(predictor, split)
        return not runs or target not in runs[0].record.unsupported

    def cell(self, predictor: str, split: str, target: str, metric: str) -> str:
        """Table cell: mean ± half width, ``n/a``, ``missing`` or ``undefined``; names missing seeds."""
        if not self.supports(predictor, split, target):
            return NOT_APPLICABLE
        if not self.experiment.runs_of(predictor, split):
            return MISSING
        return self.show(self.by_seed(predictor, split, target, metric)) or UNDEFINED

    def show(self, values: dict[int, float]) -> str:
        """Mean ± half width over seeds; empty text without a value; says when seeds are missing."""
        found = self.interval(values)
        if found is None:
            return ""
        expected = len(self.experiment.seeds)
        partial = f" ({found.n} of {expected} seeds)" if 1 < found.n < expected else ""
        return interval(found) + partial

    def difference(self, first: str, second: str, split: str, target: str) -> Difference | None:
        """MAPE of ``first`` minus that of ``second`` on the same rows, paired by seed [percentage points]."""
        return paired_difference(
            self.by_seed(first, split, target, "mape_pct"),
            self.by_seed(second, split, target, "mape_pct"),
            self.experiment.evaluation.confidence,
        )

    def predictions(self, predictor: str, split: str) -> pd.DataFrame:
        """Predictions tables of all seeds below each other, with a column ``seed``; empty without a run."""
        tables = [
            run.predictions.assign(seed=run.record.seed) for run in self.experiment.runs_of(predictor, split)
        ]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def errors(self, predictor: str, split: str, target: str) -> pd.Series:
        """Signed relative errors of all seeds' test rows [%], indexed like `predictions`; may be empty."""
        table = self.predictions(predictor, split)
        if table.empty or not self.supports(predictor, split, target):
            return pd.Series(dtype="float64")
        return errors_of(table, target)

    def with_history(self) -> list[str]:
        """Predictors with a training history on the headline split."""
        experiment = self.experiment
        return [
            name
            for name in experiment.predictors
            if any(len(run.history) for run in experiment.runs_of(name, experiment.headline))
        ]

    def missing_by_split(self) -> list[str]:
        """What `missing` lists, a line per predictor and split."""
        experiment = self.experiment
        lines = []
        for predictor in experiment.predictors:
            for split in experiment.splits:
                seeds = [seed for seed in experiment.seeds if (predictor, split, seed) not in experiment.runs]
                if seeds:
                    lines.append(f"{predictor} / {split} / seed {', '.join(map(str, seeds))}")
        return lines

    def missing(self) -> list[str]:
        """Predictor / split / seed combinations of params.yaml that have no record."""
        experiment = self.experiment
        return [
            f"{predictor} / {split} / seed {seed}"
            for predictor in experiment.predictors
            for split in experiment.splits
            for seed in experiment.seeds
            if (predictor, split, seed) not in experiment.runs
        ]
