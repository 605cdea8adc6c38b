"""Records of the study: one folder per entrant × grouping × seed × fold, predictions beside the record.

The table (`COLUMNS`, and `INTERVAL` where the predictor has intervals) holds every test row of the fold once.
A row of these files has one time, of inference or of training, so one column holds both; ``source`` says
which file it is from.
"""

from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field, NonNegativeInt, PositiveInt

from perfseer.data.dataset import Dataset
from perfseer.errors import require
from perfseer.evaluation.metrics import mape_pct, relative_errors
from perfseer.evaluation.records import Counts, NonNegative, Tabled
from perfseer.graphs.perfgraph import FloatArray
from perfseer.targets import PHASES
from perfseer.validation import Strict

COLUMNS = ("source", "configuration", "architecture", "family", "batch_size", "actual_ms", "predicted_ms")
INTERVAL = ("low_ms", "high_ms")


class Part(Strict):
    """One fit of a fold.

    Attributes:
        files: result files it was fitted on.
        n: rows of training, validation and test.
        n_parameters: numbers learned.
        fit_s: wall time of fitting [s].
        predict_ms_per_row: wall time of predicting the test rows divided by their number [ms].
    """

    files: tuple[str, ...]
    n: Counts
    n_parameters: NonNegativeInt
    fit_s: NonNegative
    predict_ms_per_row: NonNegative


class FoldRecord(Tabled):
    """What became of one fold.

    Attributes:
        name: of the entrant or variant.
        predictor: the file of ``predictors/library/`` that was fitted.
        grouping: by what the folds were drawn.
        settings: of the entrant, its scope left out.
        parts: one per fit.
        mape_pct: result file → mean absolute percentage error on its test rows [%].
        threads: of the numerical libraries.
        peak_mem_mib: peak resident memory of the process so far [MiB]; null where the system does not say.
    """

    written_by = "perfseer public fit"
    columns = COLUMNS

    name: str
    predictor: str
    grouping: str
    fold: NonNegativeInt
    settings: dict[str, Any]
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    mape_pct: dict[str, NonNegative]
    threads: PositiveInt
    peak_mem_mib: NonNegative | None

    @property
    def fit_s(self) -> float:
        """Wall time of all its fits [s]."""
        return sum(part.fit_s for part in self.parts)


def times_ms(dataset_rows: pd.DataFrame) -> FloatArray:
    """[n] the one time of every row [ms], of inference or of training.

    Raises:
        PerfseerError: a row has none or both.
    """
    columns = dataset_rows[[f"{phase}_time_ms" for phase in PHASES]].to_numpy(dtype=np.float64)
    there = np.isfinite(columns).sum(axis=1)
    require(bool((there == 1).all()), "rows of result files have one time each, of inference or of training")
    return np.asarray(np.nansum(columns, axis=1))


def prediction_table(
    test: Dataset, predicted: pd.DataFrame, intervals: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Measured beside predicted times of all test rows.

    Args:
        test: [n] rows, one time each.
        predicted: [n] columns ``<target>`` [ms], as `Predictor.predict` gives them.
        intervals: [n] columns ``<target>_low``, ``<target>_high`` [ms], as `Predictor.intervals` gives them.

    Returns:
        [n] `COLUMNS`, and `INTERVAL` where there are intervals.

    Raises:
        PerfseerError: lengths differ, or the time of a row was not predicted.
    """
    rows = test.rows
    table = rows[["source", "configuration", "architecture", "family", "batch_size"]].copy()
    table["actual_ms"] = times_ms(rows)
    table["predicted_ms"] = _of_phase(rows, predicted, "")
    if intervals is not None:
        for name, suffix in zip(INTERVAL, ("_low", "_high"), strict=True):
            table[name] = _of_phase(rows, intervals, suffix)
    return table


def _of_phase(rows: pd.DataFrame, values: pd.DataFrame, suffix: str) -> FloatArray:
    """[n] from the column of each row's own phase."""
    require(len(rows) == len(values), f"{len(values)} predictions for {len(rows)} test rows")
    names = [f"{phase}_time_ms" for phase in PHASES]
    columns = values.reindex(columns=[f"{name}{suffix}" for name in names]).to_numpy(dtype=np.float64)
    chosen = columns[np.arange(len(rows)), rows[names].notna().to_numpy().argmax(axis=1)]
    missing = int((~np.isfinite(chosen)).sum())
    require(missing == 0, f"{missing} of {len(rows)} test rows have no finite prediction of their time")
    return chosen


def file_errors(table: pd.DataFrame) -> dict[str, float]:
    """Result file → mean absolute percentage error [%]."""
    return {
        str(source): mape_pct(rows["actual_ms"], rows["predicted_ms"])
        for source, rows in table.groupby("source")
    }


def errors_pct(table: pd.DataFrame) -> FloatArray:
    """[n] signed relative errors [%]; above 0 is predicted too slow."""
    return 100.0 * relative_errors(table["actual_ms"], table["predicted_ms"])


def inside(table: pd.DataFrame) -> "pd.Series[bool] | None":
    """[n] whether measurements lie inside their intervals; None where rows have none."""
    if not set(INTERVAL) <= set(table.columns):
        return None
    low, high = (table[name] for name in INTERVAL)
    return (low <= table["actual_ms"]) & (table["actual_ms"] <= high)
