"""Records: one JSON file per predictor × split × seed, with everything needed to trust its numbers.

Beside ``record.json`` lies ``predictions.parquet`` (`predictions.prediction_table`); the record holds its
digest, so neither can be exchanged alone. Reports are rendered from records and refuse those whose
digests differ from the present parameters, code and dataset (`differing`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeVar

import pandas as pd
from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from perfseer.data.files import read_json, read_parquet, write_json, write_parquet
from perfseer.errors import PerfseerError, require
from perfseer.evaluation.metrics import mape_pct, metrics
from perfseer.evaluation.predictions import (
    IDENTITY,
    actual_column,
    predicted_column,
    predicted_targets,
    prediction_table,
    table_digest,
)
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES
from perfseer.validation import Strict

if TYPE_CHECKING:
    from perfseer.data.folds import Fold
    from perfseer.predictors.base import Predictor

RECORD_FILE, PREDICTIONS_FILE, HISTORY_FILE = "record.json", "predictions.parquet", "history.jsonl"
# Sections of params.yaml a record depends on, besides the predictor's own.
SHARED_SECTIONS = ("labels", "splits", "training", "evaluation")

NonNegative = Annotated[float, Field(ge=0)]
Model = TypeVar("Model")


class Digests(Strict):
    """What a record was made from: parameters, source code, dataset manifest."""

    params: str
    code: str
    data: str


class Tabled(Strict):
    """A record of predictions that lie beside it.

    Attributes:
        written_by: the verb that makes both.
        columns: that their table has at least.
        seed: draws rows and initial weights.
        digests: what it was made from.
        environment: of the machine that fitted (`environment.environment`).
        predictions_digest: content digest of their table.
    """

    written_by: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]

    schema_version: Literal[1] = 1
    seed: int
    digests: Digests
    environment: dict[str, Any]
    predictions_digest: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and validate a record.

        Raises:
            PerfseerError: see `read_as`.
        """
        return read_as(path, cls, cls.written_by)

    def read_table(self, record_path: Path, further: tuple[str, ...] = ()) -> pd.DataFrame:
        """The predictions beside the record, checked against its digest.

        Args:
            record_path: of the record.
            further: columns they must have besides `columns`.

        Raises:
            PerfseerError: the table is missing, was exchanged, or lacks columns.
        """
        path = record_path.with_name(PREDICTIONS_FILE)
        table = read_parquet(path, (*self.columns, *further), self.written_by)
        found = table_digest(table)
        require(
            found == self.predictions_digest,
            f"{path} has content digest {found}, its record says {self.predictions_digest}; "
            f"run `{self.written_by}` again",
        )
        return table


class RecordedMeasure(Strict):
    """A metric over n test rows; ``value`` is null where it is undefined."""

    value: float | None
    unit: str
    n: PositiveInt


class Counts(Strict):
    """Rows of each part of the split."""

    train: PositiveInt
    valid: NonNegativeInt
    test: PositiveInt


class Cost(Strict):
    """What fitting and predicting took; predicting starts from captured graphs.

    Attributes:
        fit_s: wall time of fitting all targets [s].
        predict_ms_per_row: wall time of predicting the test rows divided by their number [ms].
        peak_mem_mib: peak resident memory of the process [MiB]; null where the system does not say.
    """

    fit_s: NonNegative
    predict_ms_per_row: NonNegative
    peak_mem_mib: NonNegative | None


class Record(Tabled):
    """One fitted predictor on one split and seed, scored on its test rows (DESIGN: record).

    Attributes:
        settings: the predictor's section of params.yaml.
        n: rows of training, validation and test.
        n_parameters: learned numbers of all targets together.
        metrics: target → metric → measure, physical units.
        validation_mape_pct: target → MAPE on the validation rows [%]; empty where not computed.
        unsupported: targets the predictor declares it cannot predict.
    """

    written_by = "perfseer train"
    columns = IDENTITY

    status: Literal["ok"] = "ok"
    predictor: str
    split: str
    settings: dict[str, Any]
    n: Counts
    n_parameters: NonNegativeInt
    metrics: dict[str, dict[str, RecordedMeasure]]
    validation_mape_pct: dict[str, NonNegative] = Field(default_factory=dict)
    unsupported: tuple[str, ...]
    cost: Cost


def as_floats(value: Any) -> Any:
    """Whole numbers as floats, tuples as lists: 5 and 5.0 in params.yaml are the same setting."""
    if isinstance(value, Mapping):
        return {str(key): as_floats(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_floats(entry) for entry in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def differing(found: Digests, present: Digests) -> list[str]:
    """The digests that are no longer the present ones, in words."""
    return [
        f"{name} digest {getattr(found, key)}, present {getattr(present, key)}"
        for key, name in (("params", "parameters"), ("code", "code"), ("data", "dataset"))
        if getattr(found, key) != getattr(present, key)
    ]


def build_record(
    predictor: "Predictor",
    fold: "Fold",
    predictions: pd.DataFrame,
    *,
    settings: Mapping[str, Any],
    digests: Digests,
    cost: Cost,
    environment: Mapping[str, Any],
    evaluation: EvaluationSettings,
    valid_predictions: pd.DataFrame,
) -> tuple[Record, pd.DataFrame]:
    """Score predictions of the test rows.

    Args:
        predictor: fitted.
        fold: the split and seed it was fitted on.
        predictions: [n_test] one column per supported target, physical units.
        settings: the predictor's section of params.yaml.
        digests: `present_digests` at the time of fitting.
        cost: what it took.
        environment: of the machine that fitted, without volatile values.
        evaluation: which metrics.
        valid_predictions: [n_valid] the same for the validation rows, for judging generalisation.

    Returns:
        The record, and the predictions table to be written beside it (`write_record`).

    Raises:
        PerfseerError: a prediction is missing, non-finite or not positive; the message names its target.
    """
    table = prediction_table(fold.test.rows, predictions)
    record = Record(
        predictor=predictor.name,
        split=fold.split,
        seed=fold.seed,
        settings=dict(settings),
        digests=digests,
        n=Counts(train=len(fold.train), valid=len(fold.valid), test=len(fold.test)),
        n_parameters=predictor.n_parameters_,
        metrics={name: _score(table, name, evaluation) for name in predicted_targets(table)},
        validation_mape_pct={
            str(name): mape_pct(fold.valid.rows[name], valid_predictions[name])
            for name in (valid_predictions.columns if len(fold.valid) else ())
        },
        unsupported=tuple(name for name in TARGET_NAMES if name not in predictions.columns),
        cost=cost,
        environment=dict(environment),
        predictions_digest=table_digest(table),
    )
    return record, table


def _score(table: pd.DataFrame, name: str, evaluation: EvaluationSettings) -> dict[str, RecordedMeasure]:
    values, unit = (table[actual_column(name)], table[predicted_column(name)]), TARGET_BY_NAME[name].unit
    try:
        return {
            key: RecordedMeasure(value=metric.function(*values), unit=metric.unit or unit, n=len(table))
            for key, metric in metrics(evaluation.within_pct).items()
        }
    except PerfseerError as error:
        raise PerfseerError(f"{name} cannot be scored: {error}") from error


def write_record(folder: Path, record: Tabled, table: pd.DataFrame) -> Path:
    """Write ``predictions.parquet``, then ``record.json``, each atomically: a record means the rest is there.

    Returns:
        The path of the record.

    Raises:
        PerfseerError: the folder cannot be written, or the table is not the one the record was made from.
    """
    require(
        table_digest(table) == record.predictions_digest,
        f"the predictions table for {folder} is not the one its record was made from",
    )
    write_parquet(folder / PREDICTIONS_FILE, table)
    path = folder / RECORD_FILE
    write_json(path, record.model_dump(mode="json"))
    return path


def read_record(path: Path) -> Record:
    """Read and validate a record.

    Raises:
        PerfseerError: see `read_as`.
    """
    return Record.read(path)


def read_as(path: Path, model: type[Model], written_by: str) -> Model:
    """Read a JSON file that holds one ``model``, a dataclass or a model of pydantic.

    Raises:
        PerfseerError: no such file, not of this schema, or a non-finite number in it.
    """
    value = read_json(path, written_by)
    try:
        return TypeAdapter(model).validate_python(value)
    except ValidationError as error:
        raise PerfseerError(
            f"{path} is no valid {model.__name__}: {error}; run `{written_by}` again"
        ) from error


def read_predictions(record_path: Path, record: Record) -> pd.DataFrame:
    """Predictions table beside a record, checked against the record's digest.

    Raises:
        PerfseerError: the table is missing, was exchanged, or lacks columns.
    """
    return record.read_table(record_path, tuple(predicted_column(name) for name in record.metrics))
