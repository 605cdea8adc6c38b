"""What the benchmark report is rendered from: the points of every predictor, as tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError

from perfseer.data.files import read_parquet
from perfseer.errors import PerfseerError, require
from perfseer.evaluation.records import differing
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.predictors.registry import PREDICTOR_NAMES, settings_class
from perfseer.reporting.floors import Floors, load_floors
from perfseer.reporting.settings import BenchmarkJudgement
from perfseer.studies.benchmark.records import (
    REGRESSION_FILE,
    REGRESSOR,
    BenchmarkRecord,
    FitPoint,
    PredictPoint,
    RegressionPoint,
    RegressionRecord,
    benchmark_digests,
    read_contents,
    regression_digests,
)
from perfseer.studies.benchmark.settings import BenchmarkSettings

Section = TypeVar("Section", bound=BaseModel)
# What is measured of a fit: columns of `Study.fits` beside seed, share, rows and status.
COST_COLUMNS = ("wall_s", "cpu_s", "peak_mib", "mean_mib", "total_peak_mib")


@dataclass(frozen=True)
class Paths:
    """Where the inputs lie.

    Attributes:
        benchmark: folder with <predictor>.json and regression5d.json.
        dataset: folder with manifest.json and rows.parquet.
        kernels: table of measured kernels; may not exist where no predictor needs it.
        repeats: repeats.parquet, configurations measured again; may not exist.
    """

    benchmark: Path
    dataset: Path
    kernels: Path
    repeats: Path

    @classmethod
    def below(cls, results: Path) -> "Paths":
        """Where the verbs put them below the results folder."""
        measured = results / "measurements"
        return cls(
            benchmark=results / "benchmark",
            dataset=results / "dataset",
            kernels=measured / "kernels.parquet",
            repeats=measured / "repeats.parquet",
        )


@dataclass(frozen=True)
class Study:
    """The inputs of the report.

    Attributes:
        predictors: predictors and ensembles of params.yaml, in the registered order.
        seeds: of params.yaml.
        settings: section ``benchmark``.
        judgement: thresholds behind the words.
        confidence: of the intervals over seeds.
        records: by predictor; what is absent has not been benchmarked.
        regression: the experiment on five numbers; None where it was not run.
        fits: one row per fitting point, see `_fit_row`.
        predictions: one row per predicting point, see `_prediction_row`.
        regression_points: one row per point of the experiment on five numbers, see `_regression_row`.
        floors: label → noise floor; empty where nothing was measured twice.
    """

    predictors: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: BenchmarkSettings
    judgement: BenchmarkJudgement
    confidence: float
    records: Mapping[str, BenchmarkRecord]
    regression: RegressionRecord | None
    fits: pd.DataFrame
    predictions: pd.DataFrame
    regression_points: pd.DataFrame
    floors: Floors

    def supports(self, predictor: str) -> bool:
        """Whether the predictor has any of the labels wanted; True while nothing is known."""
        return predictor not in self.records or bool(self.records[predictor].targets)

    @property
    def measured(self) -> tuple[str, ...]:
        """Predictors with points."""
        return tuple(name for name in self.predictors if name in self.records and self.supports(name))

    def fits_of(self, predictor: str) -> pd.DataFrame:
        """Fitting points of one predictor."""
        return self.fits[self.fits["predictor"] == predictor]

    def fit_values(self, predictor: str, share: float, column: str) -> dict[int, float]:
        """A number of the fits on one share, by seed; failed points are absent."""
        return _by_seed(self.fits, {"predictor": predictor, "share": share}, column)

    def prediction_values(self, predictor: str, rows: int, column: str) -> dict[int, float]:
        """A number of the predictions of batches of ``rows``, by seed; failed points are absent."""
        return _by_seed(self.predictions, {"predictor": predictor, "batch": rows}, column)

    def regression_values(self, library: str, samples: int, column: str) -> dict[int, float]:
        """A number of one library's fits to ``samples`` samples, by seed; failed points are absent."""
        return _by_seed(self.regression_points, {"library": library, "samples": samples}, column)

    def rows_at(self, share: float, column: str = "train_rows") -> float:
        """Training rows (or networks) at a share, mean over seeds; 0 where nothing was fitted."""
        found = self.fits.loc[self.fits["share"] == share, column]
        return float(found.mean()) if len(found) else 0.0

    def missing(self) -> list[str]:
        """Predictors, and seeds of predictors, without points."""
        absent = [name for name in self.predictors if name not in self.records]
        for name in self.measured:
            there = {point.seed for point in self.records[name].fits}
            seeds = [str(seed) for seed in self.seeds if seed not in there]
            absent += [f"{name} / seed {', '.join(seeds)}"] if seeds else []
        return [*absent, *([] if self.regression else ["the smooth function of five numbers"])]

    def failures(self) -> list[tuple[str, str, str, str]]:
        """Points without numbers: predictor, point, status, reason."""
        found: list[tuple[str, str, str, str]] = []
        for name in self.measured:
            for fit in self.records[name].fits:
                if fit.result is None:
                    found.append(
                        (name, f"fit, {fit.train_rows} rows, seed {fit.seed}", fit.status, fit.reason)
                    )
            for prediction in self.records[name].predictions:
                if prediction.result is None:
                    point = f"prediction of {prediction.rows} rows, seed {prediction.seed}"
                    found.append((name, point, prediction.status, prediction.reason))
        for place in self.regression.points if self.regression else ():
            if place.result is None:
                point = f"{place.samples} samples, seed {place.seed}"
                found.append((place.library, point, place.status, place.reason))
        return found


def load_study(parameters: Mapping[str, Any], paths: Paths) -> Study:
    """Read and check everything.

    Args:
        parameters: raw mapping of params.yaml, complete.
        paths: where the inputs lie.

    Raises:
        PerfseerError: a section is at fault, a file is damaged, or one is not of the present parameters, code
            and dataset.
    """
    sections = {**parameters["predictors"], **parameters.get("ensembles", {})}
    names = tuple(name for name in PREDICTOR_NAMES if name in sections)
    records, faults = _read_records(parameters, paths, {name: sections[name] for name in names})
    regression, wrong = _read_regression(parameters, paths)
    faults += wrong
    require(
        not faults,
        "these benchmarks do not belong to the present parameters, code and dataset; run "
        "`perfseer benchmark` again (`snakemake` does):\n  " + "\n  ".join(faults),
    )
    points = [(name, point) for name, record in records.items() for point in record.fits]
    calls = [(name, point) for name, record in records.items() for point in record.predictions]
    confidence = _section(EvaluationSettings, parameters.get("evaluation"), "evaluation").confidence
    rows = read_parquet(paths.dataset / "rows.parquet", (), "perfseer dataset")
    return Study(
        predictors=names,
        seeds=tuple(parameters["seeds"]),
        settings=_section(BenchmarkSettings, parameters.get("benchmark"), "benchmark"),
        judgement=_section(BenchmarkJudgement, parameters["report"].get("benchmark"), "report.benchmark"),
        confidence=confidence,
        records=records,
        regression=regression,
        fits=_table(points, _fit_row, FIT_COLUMNS),
        predictions=_table(calls, _prediction_row, PREDICTION_COLUMNS),
        regression_points=_table(
            [(point.library, point) for point in regression.points] if regression else [],
            _regression_row,
            REGRESSION_COLUMNS,
        ),
        floors=load_floors(paths.repeats, rows, confidence),
    )


FIT_COLUMNS = (
    *("predictor", "seed", "share", "networks", "train_rows", "status", *COST_COLUMNS),
    *("rounds", "n_parameters", "valid_mape_pct", "test_mape_pct"),
)
PREDICTION_COLUMNS = (
    "predictor",
    "seed",
    "batch",
    "distinct_rows",
    "status",
    "call_s",
    "first_s",
    "peak_mib",
)
REGRESSION_COLUMNS = (
    *("library", "seed", "samples", "status", *COST_COLUMNS),
    *("epochs", "r2", "rmse", "mse", "mae"),
)


def _fit_row(name: str, point: FitPoint) -> dict[str, Any]:
    """Point and numbers of one fit; MAPE is the mean over the fitted labels."""
    row = {"predictor": name, "seed": point.seed, "share": point.share, "networks": point.networks}
    row |= {"train_rows": point.train_rows, "status": point.status}
    if point.result is None:
        return row
    result = point.result
    return {
        **row,
        **result.cost.model_dump(),
        "rounds": result.rounds,
        "n_parameters": result.n_parameters,
        "valid_mape_pct": float(np.mean(list(result.valid_mape_pct.values()))),
        "test_mape_pct": float(np.mean(list(result.test_mape_pct.values()))),
    }


def _prediction_row(name: str, point: PredictPoint) -> dict[str, Any]:
    """Point and numbers of one batch; ``call_s`` is the time of the whole batch."""
    row = {"predictor": name, "seed": point.seed, "batch": point.rows}
    row |= {"distinct_rows": point.distinct_rows, "status": point.status}
    if point.result is None:
        return row
    result = point.result
    return {
        **row,
        "call_s": result.median_s,
        "first_s": result.first_s,
        "peak_mib": result.cost.peak_mib,
    }


def _regression_row(library: str, point: RegressionPoint) -> dict[str, Any]:
    """Point and numbers of one fit; times of predicting are columns ``predict_<rows>_s``."""
    row = {"library": library, "seed": point.seed, "samples": point.samples, "status": point.status}
    if point.result is None:
        return row
    result = point.result
    predicting = {f"predict_{rows}_s": seconds for rows, seconds in result.predict_s.items()}
    return {
        **row,
        **result.cost.model_dump(),
        "epochs": result.epochs,
        **result.scores.model_dump(),
        **predicting,
    }


def _table(
    points: Sequence[tuple[str, Any]], row: Callable[[str, Any], dict[str, Any]], columns: Sequence[str]
) -> pd.DataFrame:
    table = pd.DataFrame([row(name, point) for name, point in points])
    absent = [column for column in columns if column not in table.columns]
    return table.assign(**dict.fromkeys(absent, np.nan))


def _by_seed(table: pd.DataFrame, where: Mapping[str, Any], column: str) -> dict[int, float]:
    if table.empty or column not in table.columns:
        return {}
    chosen = np.logical_and.reduce([table[name] == value for name, value in where.items()])
    found = table.loc[chosen, ["seed", column]].dropna()
    return {int(seed): float(value) for seed, value in zip(found["seed"], found[column], strict=True)}


def _read_records(
    parameters: Mapping[str, Any], paths: Paths, sections: Mapping[str, Any]
) -> tuple[dict[str, BenchmarkRecord], list[str]]:
    """Records there are, and what is wrong with them."""
    records: dict[str, BenchmarkRecord] = {}
    faults: list[str] = []
    for name in sections:
        path = paths.benchmark / f"{name}.json"
        if not path.is_file():
            continue
        record = read_contents(path, BenchmarkRecord, "perfseer benchmark")
        settings = {key: _section(settings_class(key), value, key) for key, value in sections.items()}
        members = settings[name].members
        needed = any("kernels" in settings[key].needs for key in (name, *members) if key in settings)
        present = benchmark_digests(
            parameters, name, members, paths.dataset, paths.kernels if needed else None
        )
        wrong = differing(record.digests, present)
        wrong += [f"it is the benchmark of {record.predictor}"] if record.predictor != name else []
        faults += [f"{path.name}: {fault}" for fault in wrong]
        records[name] = record
    return records, faults


def _read_regression(
    parameters: Mapping[str, Any], paths: Paths
) -> tuple[RegressionRecord | None, list[str]]:
    path = paths.benchmark / REGRESSION_FILE
    if not path.is_file() or REGRESSOR not in parameters["predictors"]:
        return None, []
    record = read_contents(path, RegressionRecord, "perfseer benchmark-regression")
    wrong = differing(record.digests, regression_digests(parameters))
    return record, [f"{path.name}: {fault}" for fault in wrong]


def _section(model: type[Section], value: Any, name: str) -> Section:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise PerfseerError(f"parameters, section {name!r}: {error}") from error
