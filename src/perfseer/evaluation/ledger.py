"""The ledger of a study: all its records as one tidy table, for people to load and reports to be made from.

One row per trial, label and metric (`COLUMNS`). A trial that should be there and is not has one row with
status ``missing``, no metric and no value, so that the table itself says what is missing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from perfseer.data.files import read_parquet, write_parquet
from perfseer.evaluation.intervals import Difference, Interval, mean_interval, paired_difference
from perfseer.evaluation.records import Record

VALID, STALE, MISSING = "valid", "stale", "missing"
COLUMNS = ("study", "predictor", "variant", "split", "seed", "label", "metric", "value", "n", "status")
VALIDATION_MAPE = "validation_mape_pct"  # MAPE on the rows to choose on [%]
# Metrics of the fit as a whole, whose label is empty.
OF_THE_FIT = ("fit_s", "predict_ms_per_row", "peak_mem_mib", "n_parameters")


class Contender(NamedTuple):
    """Who was fitted on what; with a seed it is a trial.

    Attributes:
        predictor: its name.
        variant: of the predictor, or of what it was given; empty where there is but one.
        split: split of the dataset, grouping of the folds, or device, as the study has it.
    """

    predictor: str
    variant: str
    split: str


class Entry(NamedTuple):
    """One number of a trial.

    Attributes:
        label: what was predicted; empty for a number of the fit as a whole.
        metric: a key of `metrics.metrics`, `VALIDATION_MAPE` or one of `OF_THE_FIT`.
        value: in the metric's unit; None where it is undefined.
        n: rows it was computed from.
    """

    label: str
    metric: str
    value: float | None
    n: int


class Trial(NamedTuple):
    """What is known of one trial.

    Attributes:
        contender: who was fitted on what.
        seed: which draw.
        entries: its numbers; none where it is missing.
        status: `VALID`, `STALE` (made by an earlier version of the code) or `MISSING`.
    """

    contender: Contender
    seed: int
    entries: tuple[Entry, ...]
    status: str


def entries_of(record: Record) -> tuple[Entry, ...]:
    """Every number of a record: metrics of the test rows, MAPE of the validation rows, costs."""
    scored = [
        Entry(label, metric, measure.value, measure.n)
        for label, measures in record.metrics.items()
        for metric, measure in measures.items()
    ]
    chosen = [
        Entry(label, VALIDATION_MAPE, value, record.n.valid)
        for label, value in record.validation_mape_pct.items()
    ]
    costs = {**record.cost.model_dump(), "n_parameters": record.n_parameters}
    return (*scored, *chosen, *(Entry("", name, costs[name], record.n.test) for name in OF_THE_FIT))


def trial_of(contender: Contender, seed: int, record: Record | None, status: str = VALID) -> Trial:
    """What a record says of a trial; without one it is missing."""
    return (
        Trial(contender, seed, entries_of(record), status) if record else Trial(contender, seed, (), MISSING)
    )


@dataclass(frozen=True, eq=False)
class Ledger:
    """All trials of one study.

    Attributes:
        table: columns `COLUMNS`; ``value`` is NaN where a metric is undefined or a trial missing.
        confidence: of the intervals over seeds.
    """

    table: pd.DataFrame
    confidence: float

    @classmethod
    def of(cls, study: str, trials: Iterable[Trial], confidence: float) -> "Ledger":
        """The ledger of these trials, in their order."""
        rows = [
            (study, *trial.contender, trial.seed, *entry, trial.status)
            for trial in trials
            for entry in (trial.entries or (Entry("", "", None, 0),))
        ]
        table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"value": "float64"})
        return cls(table, confidence)

    def write(self, path: Path) -> Path:
        """Write the table as Parquet, atomically; returns its path."""
        write_parquet(path, self.table)
        return path

    @classmethod
    def read(cls, path: Path, confidence: float) -> "Ledger":
        """Read what `write` wrote.

        Raises:
            PerfseerError: it is missing or damaged.
        """
        return cls(read_parquet(path, COLUMNS, "perfseer report"), confidence)

    def values(self, contender: Contender, label: str, metric: str) -> dict[int, float]:
        """The metric by seed, in its unit; seeds without a defined value are left out."""
        return dict(self._values.get((contender, label, metric), {}))

    def mean_of(self, contender: Contender, labels: Sequence[str], metric: str) -> dict[int, float]:
        """The metric averaged over ``labels`` by seed; only seeds that have all of them."""
        columns = [self.values(contender, label, metric) for label in labels]
        seeds = set(columns[0]).intersection(*columns[1:]) if columns else set()
        return {seed: sum(column[seed] for column in columns) / len(columns) for seed in sorted(seeds)}

    def interval(self, values: Mapping[int, float]) -> Interval | None:
        """Mean and interval over seeds; None without a value."""
        return mean_interval(list(values.values()), self.confidence) if values else None

    def mean(self, contender: Contender, label: str, metric: str) -> Interval | None:
        """Mean of the metric and its interval over seeds; None without a value."""
        return self.interval(self.values(contender, label, metric))

    def difference(
        self, first: Contender, second: Contender, label: str, metric: str = "mape_pct"
    ) -> Difference | None:
        """The metric of ``first`` minus that of ``second``, paired by seed; None where they share no seed."""
        return paired_difference(
            self.values(first, label, metric), self.values(second, label, metric), self.confidence
        )

    def missing(self) -> dict[Contender, list[int]]:
        """Seeds of the trials that should be there and are not, by contender, in the order of the study."""
        lacking: dict[Contender, list[int]] = defaultdict(list)
        absent = self.table.loc[self.table["status"] == MISSING, [*Contender._fields, "seed"]]
        for *contender, seed in absent.to_numpy().tolist():
            lacking[Contender(*contender)].append(seed)
        return dict(lacking)

    @property
    def n_stale(self) -> int:
        """Trials made by an earlier version of the code."""
        stale = self.table[self.table["status"] == STALE]
        return len(stale.drop_duplicates([*Contender._fields, "seed"]))

    @cached_property
    def _values(self) -> dict[tuple[Contender, str, str], dict[int, float]]:
        index: dict[tuple[Contender, str, str], dict[int, float]] = defaultdict(dict)
        names = [*Contender._fields, "seed", "label", "metric", "value"]
        defined = self.table.loc[self.table["value"].notna(), names]
        for *contender, seed, label, metric, value in defined.to_numpy().tolist():
            index[Contender(*contender), label, metric][seed] = value
        return index
