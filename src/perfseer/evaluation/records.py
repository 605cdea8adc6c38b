"""Records: one JSON file per predictor × split × seed, with everything needed to trust its numbers.

Beside ``record.json`` lies ``predictions.parquet`` (`predictions.prediction_table`); the record holds its
digest, so neither can be exchanged alone. Reports are rendered from records and refuse those whose
digests differ from the present parameters, code and dataset (`mismatches`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from perfseer.data.files import read_json, read_parquet, write_json, write_parquet
from perfseer.digests import code_digest, digest, file_digest
from perfseer.errors import PerfseerError, require
from perfseer.evaluation import metrics
from perfseer.evaluation.costs import peak_memory_mib
from perfseer.evaluation.environment import environment
from perfseer.evaluation.predictions import (
    IDENTITY,
    actual_column,
    predicted_column,
    predicted_targets,
    prediction_table,
    table_digest,
)
from perfseer.evaluation.provenance import CODE_ROOMS
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.targets import TARGET_BY_NAME, TARGET_NAMES

if TYPE_CHECKING:
    from perfseer.data.folds import Fold
    from perfseer.predictors.base import Predictor

SCHEMA_VERSION = 1
RECORD_FILE, PREDICTIONS_FILE, HISTORY_FILE = "record.json", "predictions.parquet", "history.jsonl"
# Sections of params.yaml a record depends on; of ``predictors`` its own section only.
RECORD_SECTIONS = ("labels", "splits", "training", "evaluation", "predictors")

NonNegative = Annotated[float, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RecordedMeasure(_Strict):
    """A metric over n test rows; ``value`` is null where it is undefined."""

    value: float | None
    unit: str
    n: PositiveInt


class Counts(_Strict):
    """Rows of each part of the split."""

    train: PositiveInt
    valid: NonNegativeInt
    test: PositiveInt


class Cost(_Strict):
    """What fitting and predicting took; predicting starts from captured graphs.

    Attributes:
        fit_s: wall time of fitting all targets [s].
        predict_ms_per_row: wall time of predicting the test rows divided by their number [ms].
        peak_mem_mib: peak resident memory of the process [MiB]; null where the system does not say.
    """

    fit_s: NonNegative
    predict_ms_per_row: NonNegative
    peak_mem_mib: NonNegative | None


class Digests(_Strict):
    """What a record was made from: parameters, source code, dataset manifest."""

    params: str
    code: str
    data: str


class Record(_Strict):
    """One fitted predictor on one split and seed, scored on its test rows (DESIGN: record).

    Attributes:
        settings: the predictor's section of params.yaml.
        n: rows of training, validation and test.
        n_parameters: learned numbers of all targets together.
        metrics: target → metric → measure, physical units.
        validation_mape_pct: target → MAPE on the validation rows [%]; empty where not computed.
        unsupported: targets the predictor declares it cannot predict.
        predictions_digest: content digest of predictions.parquet beside the record.
    """

    schema_version: Literal[1] = 1
    status: Literal["ok"] = "ok"
    predictor: str
    split: str
    seed: int
    settings: dict[str, Any]
    digests: Digests
    n: Counts
    n_parameters: NonNegativeInt
    metrics: dict[str, dict[str, RecordedMeasure]]
    validation_mape_pct: dict[str, NonNegative] = {}
    unsupported: tuple[str, ...]
    cost: Cost
    environment: dict[str, Any]
    predictions_digest: str


def present_digests(sections: Mapping[str, Any], dataset: Path) -> Digests:
    """Digests a record made from ``sections`` of params.yaml and a dataset must carry to be valid now.

    Args:
        sections: `RECORD_SECTIONS`, with ``predictors`` holding the predictor's own section only; others
            (such as ``seeds``) do not count.
        dataset: folder with manifest.json.

    Raises:
        PerfseerError: a section or the manifest is missing.
    """
    missing = [name for name in RECORD_SECTIONS if name not in sections]
    require(not missing, f"parameters lack the sections {missing}, which every record depends on")
    manifest = dataset / "manifest.json"
    require(manifest.is_file(), f"no dataset manifest at {manifest}; run `perfseer dataset` first")
    depends = {name: sections[name] for name in RECORD_SECTIONS}
    return Digests(params=digest(depends), code=code_digest(CODE_ROOMS["train"]), data=file_digest(manifest))


def mismatches(record: Record, present: Digests) -> list[str]:
    """What a record was made from that is no longer so, in words; empty when it is valid."""
    return [
        f"{name} digest {getattr(record.digests, key)}, present {getattr(present, key)}"
        for key, name in (("params", "parameters"), ("code", "code"), ("data", "dataset"))
        if getattr(record.digests, key) != getattr(present, key)
    ]


def build_record(
    predictor: "Predictor",
    fold: "Fold",
    predictions: pd.DataFrame,
    *,
    sections: Mapping[str, Any],
    dataset: Path,
    cost: Mapping[str, float],
    evaluation: EvaluationSettings,
    valid_predictions: pd.DataFrame | None = None,
) -> Record:
    """Score predictions of the test rows.

    Args:
        predictor: fitted.
        fold: the split and seed it was fitted on.
        predictions: [n_test] one column per supported target, physical units.
        sections: of params.yaml, see `present_digests`.
        dataset: folder with manifest.json.
        cost: ``fit_s`` [s] and ``predict_ms_per_row`` [ms].
        evaluation: which metrics.
        valid_predictions: [n_valid] the same for the validation rows, for judging generalisation.

    Raises:
        PerfseerError: a prediction is missing, non-finite or not positive.
    """
    table = prediction_table(fold.test.rows, predictions)
    return Record(
        predictor=predictor.name,
        split=fold.split,
        seed=fold.seed,
        settings=dict(sections["predictors"][predictor.name]),
        digests=present_digests(sections, dataset),
        n=Counts(train=len(fold.train), valid=len(fold.valid), test=len(fold.test)),
        n_parameters=predictor.n_parameters_,
        metrics=score_table(table, evaluation),
        validation_mape_pct=_validation(fold.valid.rows, valid_predictions),
        unsupported=tuple(name for name in TARGET_NAMES if name not in predictions.columns),
        cost=Cost(
            fit_s=cost["fit_s"],
            predict_ms_per_row=cost["predict_ms_per_row"],
            peak_mem_mib=peak_memory_mib(),
        ),
        environment=environment(),
        predictions_digest=table_digest(table),
    )


def score_table(table: pd.DataFrame, evaluation: EvaluationSettings) -> dict[str, dict[str, RecordedMeasure]]:
    """All metrics of all targets of a predictions table.

    Raises:
        PerfseerError: see `metrics.score`; the message names the target.
    """
    return {name: _score_target(table, name, evaluation) for name in predicted_targets(table)}


def _score_target(
    table: pd.DataFrame, name: str, evaluation: EvaluationSettings
) -> dict[str, RecordedMeasure]:
    actual, predicted = table[actual_column(name)].to_numpy(), table[predicted_column(name)].to_numpy()
    try:
        scores = metrics.score(actual, predicted, TARGET_BY_NAME[name].unit, evaluation.within_pct)
    except PerfseerError as error:
        raise PerfseerError(f"{name} cannot be scored: {error}") from error
    return {key: RecordedMeasure(value=m.value, unit=m.unit, n=len(actual)) for key, m in scores.items()}


def _validation(rows: pd.DataFrame, predictions: pd.DataFrame | None) -> dict[str, float]:
    if predictions is None or not len(rows):
        return {}
    return {
        str(name): metrics.mape_pct(rows[name].to_numpy(), predictions[name].to_numpy())
        for name in predictions.columns
    }


def write_record(path: Path, record: Record) -> None:
    """Write ``record.json`` atomically; written last, so that a record means the rest is there."""
    write_json(path, record.model_dump(mode="json"))


def read_record(path: Path) -> Record:
    """Read and validate a record.

    Raises:
        PerfseerError: no such file, not a record of this schema, or a non-finite number in it.
    """
    value = read_json(path, "perfseer train")
    try:
        return Record.model_validate(value)
    except ValidationError as error:
        raise PerfseerError(f"{path} is no valid record (schema {SCHEMA_VERSION}): {error}") from error


def write_predictions(path: Path, fold: "Fold", predictions: pd.DataFrame) -> None:
    """Write the predictions table of the test rows (`predictions.prediction_table`) atomically."""
    write_parquet(path, prediction_table(fold.test.rows, predictions))


def read_predictions(record_path: Path, record: Record) -> pd.DataFrame:
    """Predictions table beside a record, checked against the record's digest.

    Raises:
        PerfseerError: the table is missing, was exchanged, or lacks columns.
    """
    path = record_path.with_name(PREDICTIONS_FILE)
    expected = (*IDENTITY, *(predicted_column(name) for name in record.metrics))
    table = read_parquet(path, expected, "perfseer train")
    found = table_digest(table)
    require(
        found == record.predictions_digest,
        f"{path} has content digest {found}, its record says {record.predictions_digest}; "
        "run `perfseer train` again",
    )
    return table


def summarise_records(paths: Sequence[Path]) -> dict[str, Any]:
    """The records of one predictor with their digests and MAPE: what a report is made from.

    Args:
        paths: of record.json files, all of one predictor.

    Raises:
        PerfseerError: no path, an invalid record, or records of more than one predictor.
    """
    records = {path: read_record(path) for path in paths}
    names = sorted({record.predictor for record in records.values()})
    require(len(names) == 1, f"a summary lists the records of one predictor, got {names or 'no record'}")
    return {
        "schema_version": SCHEMA_VERSION,
        "predictor": names[0],
        "records": [
            {
                "split": record.split,
                "seed": record.seed,
                "digest": file_digest(path),
                "digests": record.digests.model_dump(),
                "mape_pct": {name: scores["mape_pct"].value for name, scores in record.metrics.items()},
            }
            for path, record in sorted(records.items(), key=lambda item: (item[1].split, item[1].seed))
        ],
    }


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Write a summary (`summarise_records`) as JSON, atomically."""
    write_json(path, dict(summary))
