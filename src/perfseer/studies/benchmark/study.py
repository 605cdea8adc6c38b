"""What the benchmark report is rendered from: the points of every predictor, as curves and as a ledger."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from perfseer.data.files import read_parquet
from perfseer.evaluation.intervals import Interval
from perfseer.evaluation.ledger import VALIDATION_MAPE, Ledger
from perfseer.evaluation.records import Digests, differing, read_as
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.evaluation.trials import require_valid
from perfseer.parameters import taking_part
from perfseer.predictors.registry import PREDICTOR_NAMES, settings_class
from perfseer.reporting.floors import Floors, load_floors
from perfseer.reporting.settings import BenchmarkJudgement
from perfseer.studies.benchmark.points import AnyPoint, Curve, contender, trials
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
from perfseer.studies.benchmark.scaling import fit_exponent
from perfseer.studies.benchmark.settings import BenchmarkSettings
from perfseer.studies.benchmark.words import Ratio, ratio
from perfseer.validation import section, validated

# Numbers of a fit that are means over the labels → metric of the ledger.
_ERRORS = {"test_mape_pct": "mape_pct", "valid_mape_pct": VALIDATION_MAPE}


@dataclass(frozen=True)
class Study:
    """The inputs of the report.

    Attributes:
        predictors: predictors and ensembles of params.yaml, in the registered order.
        seeds: of params.yaml.
        settings: section ``benchmark``.
        judgement: thresholds behind the words.
        records: by predictor, in that order; what is absent has not been benchmarked.
        ledger: all fits; a contender's variant is the share of the networks (`contender`), its numbers the
            errors of its labels and costs (`Fitted.costs`).
        regression: the experiment on five numbers; None where it was not run.
        floors: label → noise floor; empty where nothing was measured twice.
    """

    predictors: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: BenchmarkSettings
    judgement: BenchmarkJudgement
    records: Mapping[str, BenchmarkRecord]
    ledger: Ledger
    regression: RegressionRecord | None
    floors: Floors

    @property
    def confidence(self) -> float:
        """Of the intervals over seeds."""
        return self.ledger.confidence

    @property
    def measured(self) -> tuple[str, ...]:
        """Predictors with points."""
        return tuple(name for name in self.records if self.records[name].targets)

    @property
    def fits(self) -> list[tuple[str, FitPoint]]:
        """Every fit, with its predictor."""
        return [(name, point) for name in self.measured for point in self.records[name].fits]

    @property
    def predictions(self) -> list[tuple[str, PredictPoint]]:
        """Every prediction of a batch, with its predictor."""
        return [(name, point) for name in self.measured for point in self.records[name].predictions]

    @property
    def regressions(self) -> list[tuple[str, RegressionPoint]]:
        """Every fit to five numbers, with its library."""
        return [(point.library, point) for point in self.regression.points] if self.regression else []

    def fitted(self, predictor: str, column: str) -> Curve:
        """A number of a predictor's fits (`FitPoint.numbers`) against the share of the networks."""
        shares = {share: contender(self.settings, predictor, share) for share in self.settings.shares}
        if column not in _ERRORS:
            return Curve({share: self.ledger.values(at, "", column) for share, at in shares.items()})
        labels = self.records[predictor].targets if predictor in self.records else ()
        metric = _ERRORS[column]
        return Curve({share: self.ledger.mean_of(at, labels, metric) for share, at in shares.items()})

    def called(self, predictor: str, column: str) -> Curve:
        """A number of a predictor's predictions (`PredictPoint.numbers`) against the rows at once."""
        points = [point for name, point in self.predictions if name == predictor]
        return Curve.of(points, "rows", self.settings.batch_rows, column)

    def perceptron(self, library: str, column: str) -> Curve:
        """A number of a library's fits to five numbers (`RegressionPoint.numbers`) against the samples."""
        points = [point for name, point in self.regressions if name == library]
        return Curve.of(points, "samples", self.settings.regression.samples, column)

    def ratio(self, first: Mapping[int, float], second: Mapping[int, float]) -> Ratio | None:
        """How many times ``second`` positive values are, paired by seed; None without a pair."""
        return ratio(first, second, self.confidence)

    def exponent(self, points: Iterable[AnyPoint], size: str, column: str) -> Interval | None:
        """Exponent of a number over the field ``size`` of some points; None with fewer than two sizes."""
        numbers = [(point, point.numbers().get(column) or 0.0) for point in points]
        counted = [(point, number) for point, number in numbers if number > 0]
        if not counted:
            return None
        sizes, seeds = ([getattr(point, name) for point, _ in counted] for name in (size, "seed"))
        return fit_exponent(sizes, [number for _, number in counted], seeds, self.confidence)

    def rows_at(self, share: float) -> tuple[float, float]:
        """Networks and rows in training at a share, means over seeds; 0 where nothing was fitted."""
        sizes = [(point.networks, point.train_rows) for _, point in self.fits if point.share == share]
        networks, rows = zip(*sizes or [(0, 0)], strict=True)
        return fmean(networks), fmean(rows)

    @property
    def test_rows(self) -> float:
        """Rows that fits are scored on, mean over the fits; 0 where nothing was fitted."""
        return fmean([point.test_rows for _, point in self.fits] or [0])

    def missing(self) -> list[str]:
        """Predictors, and seeds of predictors, without points."""
        lacking = {fitted.predictor: seeds for fitted, seeds in self.ledger.missing().items()}
        absent = [name for name in lacking if name not in self.records]
        for name in [name for name in lacking if name in self.records]:
            absent.append(f"{name} / seed {', '.join(map(str, lacking[name]))}")
        return [*absent, *(["the smooth function of five numbers"] if self.regression_wanted else [])]

    @property
    def regression_wanted(self) -> bool:
        """Whether the experiment on five numbers has still to be run; without `mlp5d` there is none."""
        return self.regression is None and REGRESSOR in self.predictors

    def failures(self) -> list[tuple[str, str, str, str]]:
        """Points without numbers: predictor, point, status, reason."""
        measured: list[tuple[str, AnyPoint]] = [*self.fits, *self.predictions]
        measured.sort(key=lambda point: self.predictors.index(point[0]))
        return [
            (name, str(point), point.status, point.reason)
            for name, point in (*measured, *self.regressions)
            if point.result is None
        ]


def load_study(parameters: Mapping[str, Any], results: Path) -> Study:
    """Read and check everything.

    Args:
        parameters: raw mapping of params.yaml, complete.
        results: folder the verbs wrote to.

    Raises:
        PerfseerError: a section is at fault, a file is damaged, or one is not of the present parameters, code
            and dataset.
    """
    parameters = taking_part(parameters)
    sections = {**parameters["predictors"], **parameters.get("ensembles", {})}
    names = tuple(name for name in PREDICTOR_NAMES if name in sections)
    records, faults = _read_records(parameters, results, names)
    regression, further = _read_regression(parameters, results / "benchmark" / REGRESSION_FILE)
    require_valid([*faults, *further], "perfseer benchmark")
    settings, seeds = section(BenchmarkSettings, parameters, "benchmark"), tuple(parameters["seeds"])
    confidence = section(EvaluationSettings, parameters, "evaluation").confidence
    fitted = [trial for name in names for trial in trials(settings, seeds, name, records.get(name))]
    rows = read_parquet(results / "dataset/rows.parquet", (), "perfseer dataset")
    return Study(
        predictors=names,
        seeds=seeds,
        settings=settings,
        judgement=section(BenchmarkJudgement, parameters, "report.benchmark"),
        records=records,
        ledger=Ledger.of("benchmark", fitted, confidence),
        regression=regression,
        floors=load_floors(results / "measurements/repeats.parquet", rows, confidence),
    )


def _read_records(
    parameters: Mapping[str, Any], results: Path, names: Iterable[str]
) -> tuple[dict[str, BenchmarkRecord], list[str]]:
    """The records there are, and what is wrong with them, a line each."""
    records: dict[str, BenchmarkRecord] = {}
    faults: list[str] = []
    for name in names:
        path = results / "benchmark" / f"{name}.json"
        if path.is_file():
            records[name] = record = read_as(path, BenchmarkRecord, "perfseer benchmark")
            present = _present(parameters, results, name)
            faults += [f"{path.name}: {fault}" for fault in differing(record.digests, present)]
            if record.predictor != name:
                faults.append(f"{path.name}: it is the benchmark of {record.predictor}")
    return records, faults


def _read_regression(parameters: Mapping[str, Any], path: Path) -> tuple[RegressionRecord | None, list[str]]:
    """The record there is, and what is wrong with it."""
    if not path.is_file() or REGRESSOR not in parameters["predictors"]:
        return None, []
    record = read_as(path, RegressionRecord, "perfseer benchmark-regression")
    faults = differing(record.digests, regression_digests(parameters))
    return record, [f"{path.name}: {fault}" for fault in faults]


def _present(parameters: Mapping[str, Any], results: Path, predictor: str) -> Digests:
    sections = {**parameters["predictors"], **parameters.get("ensembles", {})}
    own = validated(settings_class(predictor), sections[predictor], predictor)
    members = [validated(settings_class(name), sections.get(name), name) for name in own.members]
    kernels = needed_kernels([own, *members], results / "measurements/kernels.parquet")
    return benchmark_digests(parameters, predictor, own.members, results / "dataset", kernels)
