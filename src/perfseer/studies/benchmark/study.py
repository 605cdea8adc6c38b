"""What the benchmark report is rendered from: the points of every predictor, as tables and as a ledger."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from perfseer.data.files import read_parquet
from perfseer.evaluation.ledger import VALIDATION_MAPE, Ledger
from perfseer.evaluation.records import Digests, differing, read_as
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.evaluation.trials import require_valid
from perfseer.predictors.registry import PREDICTOR_NAMES, settings_class
from perfseer.reporting.floors import Floors, load_floors
from perfseer.reporting.settings import BenchmarkJudgement
from perfseer.studies.benchmark.points import contender, fit_rows, prediction_rows, regression_rows, trials
from perfseer.studies.benchmark.records import (
    REGRESSION_FILE,
    REGRESSOR,
    BenchmarkRecord,
    FitPoint,
    PredictPoint,
    RegressionPoint,
    RegressionRecord,
    benchmark_digests,
    needed_kernels,
    regression_digests,
)
from perfseer.studies.benchmark.scaling import Exponent, fit_exponent
from perfseer.studies.benchmark.settings import BenchmarkSettings
from perfseer.studies.benchmark.words import Ratio, ratio
from perfseer.validation import section, validated

# Columns of `Study.fits` that are means over the labels → metric of the ledger.
_ERRORS = {"test_mape_pct": "mape_pct", "valid_mape_pct": VALIDATION_MAPE}


class Paths(NamedTuple):
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
        places = ("benchmark", "dataset", "measurements/kernels.parquet", "measurements/repeats.parquet")
        return cls(*(results / place for place in places))


@dataclass(frozen=True)
class Study:
    """The inputs of the report.

    Attributes:
        predictors: predictors and ensembles of params.yaml, in the registered order.
        seeds: of params.yaml.
        settings: section ``benchmark``.
        judgement: thresholds behind the words.
        records: by predictor; what is absent has not been benchmarked.
        ledger: all fits; a contender's variant is the share of the networks (`contender`), its numbers the
            errors of its labels and what `fit_rows` has of costs.
        regression: the experiment on five numbers; None where it was not run.
        fits: one row per fitting point, see `fit_rows`.
        predictions: one row per predicting point, see `prediction_rows`.
        regression_points: one row per point of the experiment on five numbers, see `regression_rows`.
        floors: label → noise floor; empty where nothing was measured twice.
    """

    predictors: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: BenchmarkSettings
    judgement: BenchmarkJudgement
    records: Mapping[str, BenchmarkRecord]
    ledger: Ledger
    regression: RegressionRecord | None
    fits: pd.DataFrame
    predictions: pd.DataFrame
    regression_points: pd.DataFrame
    floors: Floors

    @property
    def confidence(self) -> float:
        """Of the intervals over seeds."""
        return self.ledger.confidence

    def supports(self, predictor: str) -> bool:
        """Whether the predictor has any of the labels wanted; True while nothing is known."""
        return predictor not in self.records or bool(self.records[predictor].targets)

    @property
    def measured(self) -> tuple[str, ...]:
        """Predictors with points."""
        return tuple(name for name in self.predictors if name in self.records and self.supports(name))

    def fit_values(self, predictor: str, share: float, column: str) -> dict[int, float]:
        """A number of the fits on one share, by seed; failed points are absent."""
        fitted = contender(self.settings, predictor, share)
        if column not in _ERRORS:
            return self.ledger.values(fitted, "", column)
        labels = self.records[predictor].targets if predictor in self.records else ()
        return self.ledger.mean_of(fitted, labels, _ERRORS[column])

    def all_rows(self, predictor: str, column: str) -> dict[int, float]:
        """A number of the fits on all networks, by seed."""
        return self.fit_values(predictor, self.settings.shares[-1], column)

    def prediction_values(self, predictor: str, rows: int, column: str) -> dict[int, float]:
        """A number of the predictions of batches of ``rows``, by seed; failed points are absent."""
        return _by_seed(self.predictions, {"predictor": predictor, "batch": rows}, column)

    def regression_values(self, library: str, samples: int, column: str) -> dict[int, float]:
        """A number of one library's fits to ``samples`` samples, by seed; failed points are absent."""
        return _by_seed(self.regression_points, {"library": library, "samples": samples}, column)

    def ratio(self, first: Mapping[int, float], second: Mapping[int, float]) -> Ratio | None:
        """How many times ``second`` positive values are, paired by seed; None without a pair."""
        return ratio(first, second, self.confidence)

    def exponent(self, points: pd.DataFrame, size: str, column: str) -> Exponent | None:
        """Exponent of a column of some points over their size; None with fewer than two sizes."""
        counted = points[points[column] > 0]
        if counted.empty:
            return None
        return fit_exponent(counted[size], counted[column], counted["seed"].tolist(), self.confidence)

    def rows_at(self, share: float, column: str = "train_rows") -> float:
        """Training rows (or networks) at a share, mean over seeds; 0 where nothing was fitted."""
        rows = self.fits.loc[self.fits["share"] == share, column]
        return float(rows.mean()) if len(rows) else 0.0

    @property
    def test_rows(self) -> float:
        """Rows that fits are scored on, mean over the fits; 0 where nothing was fitted."""
        rows = [point.test_rows for name in self.measured for point in self.records[name].fits]
        return sum(rows) / len(rows) if rows else 0.0

    def missing(self) -> list[str]:
        """Predictors, and seeds of predictors, without points."""
        lacking = {fitted.predictor: seeds for fitted, seeds in self.ledger.missing().items()}
        absent = [name for name in lacking if name not in self.records]
        for name in [name for name in lacking if name in self.records]:
            absent.append(f"{name} / seed {', '.join(map(str, lacking[name]))}")
        return [*absent, *([] if self.regression else ["the smooth function of five numbers"])]

    def failures(self) -> list[tuple[str, str, str, str]]:
        """Points without numbers: predictor, point, status, reason."""
        return [
            (name, str(point), point.status, point.reason)
            for name, point in self._points()
            if point.result is None
        ]

    def _points(self) -> Iterator[tuple[str, FitPoint | PredictPoint | RegressionPoint]]:
        for name in self.measured:
            record = self.records[name]
            yield from ((name, point) for point in record.fits)
            yield from ((name, point) for point in record.predictions)
        yield from ((point.library, point) for point in (self.regression.points if self.regression else ()))


def mean(values: Mapping[int, float]) -> float:
    """Mean over seeds of at least one value."""
    return sum(values.values()) / len(values)


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
    records, (regression, faults) = _read_records(paths, names), _read_regression(parameters, paths)
    require_valid([*_faults(parameters, paths, records), *faults], "perfseer benchmark")
    settings, seeds = section(BenchmarkSettings, parameters, "benchmark"), tuple(parameters["seeds"])
    confidence = section(EvaluationSettings, parameters, "evaluation").confidence
    fitted = [trial for name in names for trial in trials(settings, seeds, name, records.get(name))]
    return Study(
        predictors=names,
        seeds=seeds,
        settings=settings,
        judgement=validated(BenchmarkJudgement, parameters["report"].get("benchmark"), "report.benchmark"),
        records=records,
        ledger=Ledger.of("benchmark", fitted, confidence),
        regression=regression,
        fits=fit_rows(records),
        predictions=prediction_rows(records),
        regression_points=regression_rows(regression),
        floors=load_floors(
            paths.repeats,
            read_parquet(paths.dataset / "rows.parquet", (), "perfseer dataset"),
            confidence,
        ),
    )


def _by_seed(table: pd.DataFrame, where: Mapping[str, Any], column: str) -> dict[int, float]:
    if table.empty or column not in table.columns:
        return {}
    chosen = np.logical_and.reduce([table[name] == value for name, value in where.items()])
    values = table.loc[chosen, ["seed", column]].dropna()
    return {int(seed): float(value) for seed, value in zip(values["seed"], values[column], strict=True)}


def _read_records(paths: Paths, names: Sequence[str]) -> dict[str, BenchmarkRecord]:
    files = {name: paths.benchmark / f"{name}.json" for name in names}
    there = {name: path for name, path in files.items() if path.is_file()}
    return {name: read_as(path, BenchmarkRecord, "perfseer benchmark") for name, path in there.items()}


def _read_regression(
    parameters: Mapping[str, Any], paths: Paths
) -> tuple[RegressionRecord | None, list[str]]:
    """The record there is, and what is wrong with it."""
    path = paths.benchmark / REGRESSION_FILE
    if not path.is_file() or REGRESSOR not in parameters["predictors"]:
        return None, []
    record = read_as(path, RegressionRecord, "perfseer benchmark-regression")
    return record, [
        f"{path.name}: {fault}" for fault in differing(record.digests, regression_digests(parameters))
    ]


def _faults(
    parameters: Mapping[str, Any], paths: Paths, records: Mapping[str, BenchmarkRecord]
) -> Iterator[str]:
    """What is wrong with the records, a line each."""
    for name, record in records.items():
        yield from (
            f"{name}.json: {fault}" for fault in differing(record.digests, _present(parameters, paths, name))
        )
        if record.predictor != name:
            yield f"{name}.json: it is the benchmark of {record.predictor}"


def _present(parameters: Mapping[str, Any], paths: Paths, predictor: str) -> Digests:
    sections = {**parameters["predictors"], **parameters.get("ensembles", {})}
    own = validated(settings_class(predictor), sections[predictor], predictor)
    members = [validated(settings_class(name), sections.get(name), name) for name in own.members]
    kernels = needed_kernels([own, *members], paths.kernels)
    return benchmark_digests(parameters, predictor, own.members, paths.dataset, kernels)
