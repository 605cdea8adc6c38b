"""One JSON file per benchmarked predictor: every point, failed ones too, with what it was made from."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from perfseer.digests import digest, file_digest
from perfseer.errors import require
from perfseer.evaluation.records import SHARED_SECTIONS, Digests, NonNegative, as_floats
from perfseer.evaluation.trials import fitting_code
from perfseer.measure.outcomes import Status
from perfseer.predictors.settings import PredictorSettings
from perfseer.validation import Strict

# The network of the experiment on five numbers, and the name of its file.
REGRESSOR, REGRESSION_FILE = "mlp5d", "regression5d.json"

# What points are made by, beside what fits any predictor.
_RUNNING, _REGRESSION = "perfseer.studies.benchmark.running", "perfseer.studies.benchmark.regression5d"

Numbers = dict[str, float | None]


class Cost(Strict):
    """What a block of code cost (`perfseer.studies.benchmark.footprint`).

    Attributes:
        wall_s: wall time [s].
        cpu_s: processor time of all threads of the process [s]; less than the wall time where it had to wait.
        peak_mib: highest anonymous memory above that at the block's start [MiB].
        mean_mib: mean over time of anonymous memory above that at the block's start [MiB].
        total_peak_mib: highest resident memory of the whole process, libraries included [MiB].
    """

    wall_s: NonNegative
    cpu_s: NonNegative
    peak_mib: NonNegative
    mean_mib: NonNegative
    total_peak_mib: NonNegative


class Point(Strict):
    """One point, measured in a process of its own.

    Attributes:
        seed: of the split, of the part of its rows and of the predictor.
        status: ``ok``, or why there are no numbers: ``oom``, ``timeout`` or ``error``.
        reason: the same in words; empty where it is ok.
    """

    seed: int
    status: Status
    reason: str


class Fitted(Strict):
    """What a fit gave.

    Attributes:
        cost: of fitting; an ensemble's members included.
        rounds: epochs or trees until it stopped, mean over the labels; null where there are none.
        n_parameters: learned numbers.
        valid_mape_pct: label → MAPE on the validation rows of the same share [%].
        test_mape_pct: label → MAPE on all test rows [%].
    """

    cost: Cost
    rounds: NonNegative | None
    n_parameters: NonNegativeInt
    valid_mape_pct: dict[str, NonNegative]
    test_mape_pct: dict[str, NonNegative]

    def costs(self) -> Numbers:
        """Numbers of the fit that are no errors."""
        return {**dict(self.cost), "rounds": self.rounds, "n_parameters": self.n_parameters}


class FitPoint(Point):
    """A predictor fitted on a share of the networks.

    Attributes:
        share: of the networks of the training and of the validation rows.
        networks: in the training rows.
        train_rows: rows to learn from.
        valid_rows: rows to stop on.
        test_rows: rows it is scored on, the same for every share.
        result: null where it failed.
    """

    share: Annotated[float, Field(gt=0, le=1)]
    networks: PositiveInt
    train_rows: PositiveInt
    valid_rows: NonNegativeInt
    test_rows: PositiveInt
    result: Fitted | None

    def __str__(self) -> str:
        return f"fit, {self.train_rows} rows, seed {self.seed}"

    def numbers(self) -> Numbers:
        """What was measured; MAPE is the mean over the fitted labels. Empty where it failed."""
        if self.result is None:
            return {}
        errors = {"valid_mape_pct": self.result.valid_mape_pct, "test_mape_pct": self.result.test_mape_pct}
        return self.result.costs() | {name: fmean(by_label.values()) for name, by_label in errors.items()}


class Predicted(Strict):
    """What predicting a batch took.

    Attributes:
        first_s: of the first call after the predictor was read from disk [s].
        median_s: of the calls after it [s].
        calls: after the first.
        cost: of reading the predictor and of all calls.
    """

    first_s: NonNegative
    median_s: NonNegative
    calls: PositiveInt
    cost: Cost


class PredictPoint(Point):
    """A batch of rows predicted at once by a predictor fitted on all networks.

    Attributes:
        rows: in the batch.
        distinct_rows: of these; fewer where test rows had to be repeated.
        result: null where it failed.
    """

    rows: PositiveInt
    distinct_rows: PositiveInt
    result: Predicted | None

    def __str__(self) -> str:
        return f"prediction of {self.rows} rows, seed {self.seed}"

    def numbers(self) -> Numbers:
        """Times of a call, of a row of it, of the first call, and memory; empty where it failed."""
        if self.result is None:
            return {}
        call_s = self.result.median_s
        speed = {"call_s": call_s, "row_s": call_s / self.rows, "rows_per_s": self.rows / call_s}
        return {**speed, "first_s": self.result.first_s, "peak_mib": self.result.cost.peak_mib}


class BenchmarkRecord(Strict):
    """The points of one predictor.

    Attributes:
        predictor: its name.
        members: predictors it is made from, fitted anew in each of its points.
        split: whose rows were used.
        targets: labels fitted; empty where the predictor supports none of those wanted.
        settings: sections of the predictor and its members, as used.
        training: section ``training``, as used.
        overrides: what was changed for the benchmark, by dotted path.
        threads: of the numerical libraries.
        digests: of parameters, code and data.
        environment: machine and libraries.
        fits: by seed and share.
        predictions: by seed and rows.
    """

    schema_version: Literal[1] = 1
    predictor: str
    members: tuple[str, ...]
    split: str
    targets: tuple[str, ...]
    settings: dict[str, dict[str, Any]]
    training: dict[str, Any]
    overrides: dict[str, Any]
    threads: PositiveInt
    digests: Digests
    environment: dict[str, Any]
    fits: tuple[FitPoint, ...]
    predictions: tuple[PredictPoint, ...]


class RegressionScores(Strict):
    """How well held-out rows are predicted, in the unit of the function.

    Attributes:
        r2: coefficient of determination.
        rmse: root mean squared error.
        mse: mean squared error.
        mae: mean absolute error.
    """

    r2: float
    rmse: NonNegative
    mse: NonNegative
    mae: NonNegative


class RegressionFitted(Strict):
    """What one fit of the experiment on five numbers gave.

    Attributes:
        cost: of fitting.
        epochs: trained for.
        scores: on the test rows.
        predict_s: rows predicted at once → median time of a call [s].
    """

    cost: Cost
    epochs: PositiveInt
    scores: RegressionScores
    predict_s: dict[int, NonNegative]


Library = Literal["perfseer", "scikit-learn"]
LIBRARIES: tuple[Library, ...] = ("perfseer", "scikit-learn")


class RegressionPoint(Point):
    """One library's perceptron fitted to one number of samples.

    Attributes:
        library: ``perfseer`` or ``scikit-learn``.
        samples: training and validation rows together.
        result: null where it failed.
    """

    library: Library
    samples: PositiveInt
    result: RegressionFitted | None

    def __str__(self) -> str:
        return f"{self.samples} samples, seed {self.seed}"

    def numbers(self) -> Numbers:
        """What was measured; ``predict_<rows>_s`` are times of predicting. Empty where it failed."""
        if self.result is None:
            return {}
        calls = {f"predict_{rows}_s": seconds for rows, seconds in self.result.predict_s.items()}
        return {**dict(self.result.cost), "epochs": self.result.epochs, **dict(self.result.scores), **calls}


class RegressionRecord(Strict):
    """The experiment on five numbers.

    Attributes:
        settings: section of `REGRESSOR`.
        regression: section ``benchmark.regression``.
        noise_r2: R² that the function itself, without its noise, has on the test rows; mean over seeds.
        points: by seed, samples and library.
    """

    schema_version: Literal[1] = 1
    settings: dict[str, Any]
    regression: dict[str, Any]
    noise_r2: float
    threads: PositiveInt
    digests: Digests
    environment: dict[str, Any]
    points: tuple[RegressionPoint, ...]


def needed_kernels(settings: Iterable[PredictorSettings], kernels: Path) -> Path | None:
    """The table of measured kernels, where one of some predictors is fitted from it; None otherwise."""
    return kernels if any("kernels" in own.needs for own in settings) else None


def benchmark_digests(
    parameters: Mapping[str, Any], predictor: str, members: Sequence[str], dataset: Path, kernels: Path | None
) -> Digests:
    """Digests a benchmark of ``predictor`` must carry to be valid now.

    Args:
        parameters: raw mapping of params.yaml, with the sections that fitting depends on and ``benchmark``.
        predictor: its name.
        members: predictors it is made from.
        dataset: folder with manifest.json.
        kernels: table of measured kernels, the fusion rules beside it, where the predictor or a member is
            fitted from them.

    Raises:
        PerfseerError: a section or a file is missing.
    """
    sections = {**parameters.get("predictors", {}), **parameters.get("ensembles", {})}
    names = (predictor, *members)
    wanted = {name: sections.get(name) for name in names}
    _require_sections({**parameters, **wanted}, (*SHARED_SECTIONS, "benchmark", *names))
    study = {name: value for name, value in parameters["benchmark"].items() if name != "regression"}
    depends = {name: parameters[name] for name in SHARED_SECTIONS} | wanted | {"benchmark": study}
    files = [dataset / "manifest.json"]
    if kernels is not None:
        files += [kernels, kernels.with_name("fusion.json")]
    return Digests(params=digest(as_floats(depends)), code=fitting_code(*names, _RUNNING), data=_files(files))


def regression_digests(parameters: Mapping[str, Any]) -> Digests:
    """Digests that the experiment on five numbers must carry to be valid now; its data follow from its seeds.

    Raises:
        PerfseerError: a section is missing.
    """
    _require_sections(parameters, ("benchmark", "predictors"))
    _require_sections(parameters["predictors"], (REGRESSOR,))
    depends = {
        "regression": parameters["benchmark"]["regression"],
        "predictor": parameters["predictors"][REGRESSOR],
    }
    return Digests(params=digest(as_floats(depends)), code=fitting_code(REGRESSOR, _REGRESSION), data="")


def _require_sections(mapping: Mapping[str, Any], names: Sequence[str]) -> None:
    missing = [name for name in names if mapping.get(name) is None]
    require(not missing, f"parameters lack the sections {missing}, which the benchmark depends on")


def _files(paths: Sequence[Path]) -> str:
    for path in paths:
        require(path.is_file(), f"no file {path}: run `perfseer dataset`, or `perfseer kernels`, first")
    return digest([file_digest(path) for path in paths])
