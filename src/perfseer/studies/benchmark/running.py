"""All points of one predictor."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from perfseer.data.folds import Fold
from perfseer.predictors.registry import predictor_class
from perfseer.studies.benchmark.fitting import Recipe, measure_fit
from perfseer.studies.benchmark.isolation import prepare
from perfseer.studies.benchmark.prediction import measure_prediction
from perfseer.studies.benchmark.records import FitPoint, PredictPoint
from perfseer.studies.benchmark.settings import BenchmarkSettings


def run_study(
    recipe: Recipe, folds: Sequence[Fold], study: BenchmarkSettings, log: Callable[[str], None]
) -> tuple[list[FitPoint], list[PredictPoint]]:
    """Measure every point, seed after seed, so that a change of the machine's pace meets all sizes alike.

    Args:
        recipe: what is fitted; nothing is, where it has no targets.
        folds: one per seed.
        study: which points.
        log: receives a line per point.
    """
    fits: list[FitPoint] = []
    predictions: list[PredictPoint] = []
    if not recipe.targets:
        return fits, predictions
    prepare()
    for name in recipe.settings:
        predictor_class(name)  # imported here once, so that no point pays for it
    for fold in folds:
        _ = fold.train.features  # raw features belong to the data, like the graphs themselves
        with tempfile.TemporaryDirectory(prefix="perfseer-benchmark-") as folder:
            for share in study.shares:
                save_to = Path(folder) / "model" if share == study.shares[-1] else None
                fits.append(measure_fit(recipe, fold, share, study, save_to))
                log(_line(f"{share:.0%} of the networks", fits[-1]))
            for rows in study.batch_rows:
                point = _predict(fits[-1], Path(folder) / "model", fold, rows, study)
                predictions.append(point)
                log(_line(f"predicting {rows:,} rows", point))
    return fits, predictions


def _predict(fit: FitPoint, folder: Path, fold: Fold, rows: int, study: BenchmarkSettings) -> PredictPoint:
    if fit.result is not None:
        return measure_prediction(folder, fold.test, rows, fold.seed, study)
    return PredictPoint(
        seed=fold.seed,
        status=fit.status,
        reason=f"not fitted: {fit.reason}",
        rows=rows,
        distinct_rows=min(rows, len(fold.test)),
        result=None,
    )


def _line(what: str, point: FitPoint | PredictPoint) -> str:
    if point.result is None:
        return f"seed {point.seed}, {what}: {point.status}, {point.reason}"
    cost = point.result.cost
    return f"seed {point.seed}, {what}: {cost.wall_s:.3g} s, {cost.peak_mib:.3g} MiB"
