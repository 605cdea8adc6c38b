"""The old report's own experiment: a perceptron on a smooth function of five numbers.

Beside our network stands scikit-learn's `MLPRegressor` with the same layers, optimiser, step size, batches,
epochs, number format and rows.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from perfseer.evaluation.environment import environment
from perfseer.evaluation.metrics import FloatArray
from perfseer.predictors.parts.learners.regressor import ArrayRegressor
from perfseer.predictors.settings import Mlp5dSettings
from perfseer.studies.benchmark.footprint import FootprintMeter
from perfseer.studies.benchmark.isolation import prepare, run_apart
from perfseer.studies.benchmark.prediction import repeat
from perfseer.studies.benchmark.records import (
    LIBRARIES,
    REGRESSOR,
    Library,
    RegressionFitted,
    RegressionPoint,
    RegressionRecord,
    RegressionScores,
    regression_digests,
)
from perfseer.studies.benchmark.settings import BenchmarkSettings, RegressionSettings
from perfseer.studies.benchmark.smooth import N_INPUTS, TEST_STREAM, Rows, draw, function
from perfseer.validation import section


@dataclass(frozen=True)
class Task:
    """What one fit is given.

    Attributes:
        train: rows to learn from.
        valid: rows to stop on.
        test: rows to be scored on.
        settings: layers and recipe.
        seed: of the initial weights and of the order of the rows.
        epochs: that scikit-learn trains for.
    """

    train: Rows
    valid: Rows
    test: Rows
    settings: Mlp5dSettings
    seed: int
    epochs: int


class _Fitted(Protocol):
    def predict(self, x: FloatArray) -> FloatArray: ...


def regression_scores(y: FloatArray, predicted: FloatArray) -> RegressionScores:
    """R², RMSE, MSE and MAE of predictions [n] of values [n]."""
    error = predicted - y
    mse = float(np.square(error).mean())
    return RegressionScores(
        r2=1.0 - mse / float(y.var()), rmse=mse**0.5, mse=mse, mae=float(np.abs(error).mean())
    )


def run_experiment(
    parameters: Mapping[str, Any], threads: int, log: Callable[[str], None]
) -> RegressionRecord:
    """Measure every point of the experiment.

    Args:
        parameters: raw mapping of params.yaml; sections ``seeds``, ``benchmark`` and `REGRESSOR`'s.
        threads: of the numerical libraries, as this process was prepared.
        log: receives a line per point.

    Raises:
        PerfseerError: a section is missing or at fault.
    """
    study = section(BenchmarkSettings, parameters, "benchmark")
    digests = regression_digests(parameters)
    settings = section(Mlp5dSettings, parameters["predictors"], REGRESSOR)
    points, noise_r2 = run_regression(settings, parameters["seeds"], study, log)
    return RegressionRecord(
        settings=settings.model_dump(mode="json"),
        regression=study.regression.model_dump(mode="json"),
        noise_r2=noise_r2,
        threads=threads,
        digests=digests,
        environment=environment(),
        points=tuple(points),
    )


def run_regression(
    settings: Mlp5dSettings, seeds: Sequence[int], study: BenchmarkSettings, log: Callable[[str], None]
) -> tuple[list[RegressionPoint], float]:
    """Measure every point; our network first, since scikit-learn's trains for as many epochs.

    Args:
        settings: section of `mlp5d`.
        seeds: each draws new rows and new weights.
        study: limits of the points, and ``regression``.
        log: receives a line per point.

    Returns:
        The points, and the R² of the function without noise on the test rows, mean over the seeds.
    """
    prepare()
    sizes = study.regression
    points: list[RegressionPoint] = []
    limits: list[float] = []
    for seed in seeds:
        test = draw(sizes.test_rows, seed, sizes.noise_sd, TEST_STREAM)
        limits.append(regression_scores(test.y, function(test.x)).r2)
        for samples in sizes.samples:
            task = _task(settings, sizes, samples, seed, test)
            for library in LIBRARIES:
                point = _measure(library, task, samples, study)
                points.append(point)
                log(_line(point))
                if point.result is not None:
                    task = replace(task, epochs=point.result.epochs)
    return points, float(np.mean(limits))


def _task(settings: Mlp5dSettings, sizes: RegressionSettings, samples: int, seed: int, test: Rows) -> Task:
    rows = draw(samples, seed, sizes.noise_sd)
    n_train = samples - max(1, round(sizes.valid_share * samples))
    return Task(rows.part(0, n_train), rows.part(n_train, samples), test, settings, seed, settings.max_epochs)


def _measure(library: Library, task: Task, samples: int, study: BenchmarkSettings) -> RegressionPoint:
    outcome = run_apart(partial(_point, library, task, study), study.timeout_s)
    return RegressionPoint(**vars(outcome), seed=task.seed, library=library, samples=samples)


def _point(library: Library, task: Task, study: BenchmarkSettings) -> dict[str, Any]:
    with FootprintMeter(study.sampling_s) as meter:
        model, epochs = _FIT[library](task)
    test = task.test

    def call(rows: int, number: int) -> Callable[[], object]:
        return partial(model.predict, test.x[(number * rows + np.arange(rows)) % len(test.x)])

    result = RegressionFitted(
        cost=meter.footprint,
        epochs=epochs,
        scores=regression_scores(test.y, model.predict(test.x)),
        predict_s={
            rows: float(np.median(repeat(partial(call, rows), study.predict_s)[1:]))
            for rows in study.regression.batch_rows
        },
    )
    return result.model_dump(mode="json")


def _fit_ours(task: Task) -> tuple[_Fitted, int]:
    model = ArrayRegressor(N_INPUTS, task.settings)
    history = model.fit(task.train.x, task.train.y, (task.valid.x, task.valid.y), seed=task.seed)
    return model, len(history)


class _Scaled:
    """scikit-learn's network between the same z-scores as ours, fitted."""

    def __init__(self, model: MLPRegressor, train: Rows) -> None:
        self._model = model
        self._means = train.x.mean(axis=0), float(train.y.mean())
        self._scales = train.x.std(axis=0), float(train.y.std())
        with warnings.catch_warnings():
            # It calls ending after the epochs it was given a failure to converge.
            warnings.simplefilter("ignore", ConvergenceWarning)
            scaled = (train.y - self._means[1]) / self._scales[1]
            self._model.fit(self._inputs(train.x), scaled.astype(np.float32))

    def predict(self, x: FloatArray) -> FloatArray:
        outputs = self._model.predict(self._inputs(x)).astype(np.float64)
        return np.asarray(outputs * self._scales[1] + self._means[1])

    def _inputs(self, x: FloatArray) -> Any:
        return ((x - self._means[0]) / self._scales[0]).astype(np.float32)


def _fit_sklearn(task: Task) -> tuple[_Fitted, int]:
    model = MLPRegressor(
        hidden_layer_sizes=task.settings.hidden,
        activation="relu",
        solver="adam",
        alpha=0.0,  # ours has no weight decay
        batch_size=min(task.settings.batch_size, len(task.train.x)),
        learning_rate_init=task.settings.learning_rate,
        max_iter=task.epochs,
        # Never before these epochs are over.
        tol=0.0,
        n_iter_no_change=task.epochs + 1,
        random_state=task.seed,
    )
    return _Scaled(model, task.train), int(model.n_iter_)


_FIT: dict[Library, Callable[[Task], tuple[_Fitted, int]]] = {
    "perfseer": _fit_ours,
    "scikit-learn": _fit_sklearn,
}


def _line(point: RegressionPoint) -> str:
    what = f"seed {point.seed}, {point.samples:,} samples, {point.library}"
    if point.result is None:
        return f"{what}: {point.status}, {point.reason}"
    return f"{what}: {point.result.cost.wall_s:.3g} s, R² {point.result.scores.r2:.5f}"
