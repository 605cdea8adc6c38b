"""All points of one predictor."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from perfseer.data.dataset import Dataset
from perfseer.data.folds import Fold, open_fold
from perfseer.evaluation.environment import environment
from perfseer.evaluation.overrides import override
from perfseer.evaluation.parameters import training_parameters
from perfseer.predictors.registry import predictor_class
from perfseer.studies.benchmark.fitting import Recipe, measure_fit
from perfseer.studies.benchmark.isolation import prepare
from perfseer.studies.benchmark.prediction import measure_prediction
from perfseer.studies.benchmark.records import BenchmarkRecord, FitPoint, PredictPoint, benchmark_digests
from perfseer.studies.benchmark.settings import BenchmarkSettings, concerning
from perfseer.validation import section


def run_benchmark(
    parameters: dict[str, Any],
    predictor: str,
    *,
    dataset: Path,
    graphs: Path,
    kernels: Path,
    threads: int,
    log: Callable[[str], None],
) -> BenchmarkRecord:
    """Measure every point of a predictor.

    Args:
        parameters: raw mapping of params.yaml, with the sections of the predictor and its members.
        predictor: its name.
        dataset: folder written by `perfseer dataset`.
        graphs: written by `perfseer graph build`.
        kernels: table written by `perfseer kernels`; only predictors that need it read it.
        threads: of the numerical libraries, as this process was prepared.
        log: receives a line per point.

    Raises:
        PerfseerError: a section or file is missing or at fault.
    """
    study = section(BenchmarkSettings, parameters, "benchmark")
    present = {*parameters.get("predictors", {}), *parameters.get("ensembles", {})}
    changed = override(parameters, concerning(study.overrides, present))
    used = training_parameters(changed, predictor, study.split)
    data = Dataset.open(dataset, graphs)
    targets = [name for name in study.targets if name in data.targets]
    recipe = Recipe.of(used, predictor, targets, kernels)
    members = tuple(name for name in recipe.settings if name != predictor)
    # Before anything runs: what is run is what is imported, whatever happens to the files meanwhile.
    digests = benchmark_digests(parameters, predictor, members, dataset, recipe.kernels)
    folds = [open_fold(data, dataset, study.split, seed) for seed in used.seeds]
    fits, predictions = run_study(recipe, folds, study, log)
    return BenchmarkRecord(
        predictor=predictor,
        members=members,
        split=study.split,
        targets=recipe.targets,
        settings={name: settings.model_dump(mode="json") for name, settings in recipe.settings.items()},
        training=used.training.model_dump(mode="json"),
        overrides=study.overrides,
        threads=threads,
        digests=digests,
        environment=environment(),
        fits=tuple(fits),
        predictions=tuple(predictions),
    )


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
    not_fitted: dict[str, Any] = {"status": fit.status, "reason": f"not fitted: {fit.reason}", "result": None}
    return PredictPoint(**not_fitted, seed=fold.seed, rows=rows, distinct_rows=min(rows, len(fold.test)))


def _line(what: str, point: FitPoint | PredictPoint) -> str:
    if point.result is None:
        return f"seed {point.seed}, {what}: {point.status}, {point.reason}"
    cost = point.result.cost
    return f"seed {point.seed}, {what}: {cost.wall_s:.3g} s, {cost.peak_mib:.3g} MiB"
