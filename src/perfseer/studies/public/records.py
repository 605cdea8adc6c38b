"""Records of the study: one folder per entrant × grouping × seed × fold, predictions beside the record.

The table (`COLUMNS`, and `INTERVAL` where the predictor has intervals) holds every test row of the fold once.
A row of these files has one time, of inference or of training, so one column holds both; ``source`` says
which file it is from.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from perfseer.data.dataset import Dataset
from perfseer.data.files import read_json, read_parquet, write_json, write_parquet
from perfseer.errors import PerfseerError, require
from perfseer.evaluation.metrics import mape_pct
from perfseer.evaluation.predictions import table_digest
from perfseer.evaluation.records import PREDICTIONS_FILE, RECORD_FILE, Counts, Digests
from perfseer.graphs.perfgraph import FloatArray
from perfseer.targets import PHASES

SCHEMA_VERSION = 1
COLUMNS = ("source", "configuration", "architecture", "family", "batch_size", "actual_ms", "predicted_ms")
INTERVAL = ("low_ms", "high_ms")
WRITTEN_BY = "perfseer public fit"
NonNegative = Annotated[float, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Part(_Strict):
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


class FoldRecord(_Strict):
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
        predictions_digest: of the table beside the record.
    """

    schema_version: Literal[1] = 1
    name: str
    predictor: str
    grouping: str
    seed: int
    fold: NonNegativeInt
    settings: dict[str, Any]
    digests: Digests
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    mape_pct: dict[str, NonNegative]
    threads: PositiveInt
    peak_mem_mib: NonNegative | None
    environment: dict[str, Any]
    predictions_digest: str

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
    chosen = np.full(len(rows), np.nan)
    for phase in PHASES:
        name = f"{phase}_time_ms"
        mask = rows[name].notna().to_numpy()
        if mask.any() and f"{name}{suffix}" in values.columns:
            chosen[mask] = values[f"{name}{suffix}"].to_numpy(dtype=np.float64)[mask]
    missing = int((~np.isfinite(chosen)).sum())
    require(missing == 0, f"{missing} of {len(rows)} test rows have no finite prediction of their time")
    return chosen


def file_errors(table: pd.DataFrame) -> dict[str, float]:
    """Result file → mean absolute percentage error [%]."""
    return {
        str(source): mape_pct(rows["actual_ms"].to_numpy(), rows["predicted_ms"].to_numpy())
        for source, rows in table.groupby("source")
    }


def write_fold(folder: Path, record: FoldRecord, table: pd.DataFrame) -> Path:
    """Write the table, then the record, each atomically: a record means the table is there.

    Returns:
        The path of the record.
    """
    write_parquet(folder / PREDICTIONS_FILE, table)
    path = folder / RECORD_FILE
    write_json(path, record.model_dump(mode="json"))
    return path


def read_fold(path: Path) -> FoldRecord:
    """Read and validate a record.

    Raises:
        PerfseerError: no such file, or no record of this schema.
    """
    try:
        return FoldRecord.model_validate(read_json(path, WRITTEN_BY))
    except ValidationError as error:
        raise PerfseerError(f"{path} is no valid record (schema {SCHEMA_VERSION}): {error}") from error


def read_predictions(record_path: Path, record: FoldRecord) -> pd.DataFrame:
    """The table beside a record.

    Raises:
        PerfseerError: it is missing, lacks columns, or is not the one the record was made with.
    """
    path = record_path.with_name(PREDICTIONS_FILE)
    table = read_parquet(path, COLUMNS, WRITTEN_BY)
    require(
        table_digest(table) == record.predictions_digest,
        f"{path} is not the table its record was made with; run `{WRITTEN_BY}` again",
    )
    return table
