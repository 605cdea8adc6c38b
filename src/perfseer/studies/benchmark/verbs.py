"""``perfseer benchmark`` and ``perfseer benchmark-regression``: what training and using predictors costs."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfseer.console.places import DATASET, GRAPHS, KERNELS
from perfseer.console.progress import line_log

if TYPE_CHECKING:
    from perfseer.evaluation.parameters import TrainingParameters
    from perfseer.studies.benchmark.fitting import Recipe
    from perfseer.studies.benchmark.settings import BenchmarkSettings

# Read when these libraries are imported, and by no call afterwards.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def benchmark(
    predictor: Annotated[str, typer.Option(help="A predictor or ensemble of params.yaml.")],
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    dataset: Annotated[Path, typer.Option(help="Written by `perfseer dataset`.")] = DATASET,
    graphs: Annotated[Path, typer.Option(help="Written by `perfseer graph build`.")] = GRAPHS,
    kernels: Annotated[
        Path, typer.Option(help="Written by `perfseer kernels`; nn_meter needs it.")
    ] = KERNELS,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")] = 1,
) -> None:
    """Time and memory of fitting and predicting against the number of rows, each point in a fresh process."""
    _fix_threads(threads)
    from perfseer.data.dataset import Dataset
    from perfseer.data.folds import open_fold
    from perfseer.evaluation.environment import environment
    from perfseer.parameters import load_mapping
    from perfseer.studies.benchmark.records import BenchmarkRecord, benchmark_digests, write_contents
    from perfseer.studies.benchmark.running import run_study
    from perfseer.training.process import prepare_process

    prepare_process(threads)
    mapping = load_mapping(params)
    study = _study(mapping)
    parameters = _overridden(mapping, study, predictor)
    data = Dataset.open(dataset, graphs)
    recipe = _recipe(parameters, predictor, study, kernels, data.targets)
    members = tuple(name for name in recipe.settings if name != predictor)
    # Before anything runs: what is run is what is imported, whatever happens to the files meanwhile.
    digests = benchmark_digests(mapping, predictor, members, dataset, recipe.kernels)
    folds = [open_fold(data, dataset, study.split, seed) for seed in parameters.seeds]
    fits, predictions = run_study(recipe, folds, study, line_log(predictor))
    record = BenchmarkRecord(
        predictor=predictor,
        members=members,
        split=study.split,
        targets=recipe.targets,
        settings={name: settings.model_dump(mode="json") for name, settings in recipe.settings.items()},
        training=parameters.training.model_dump(mode="json"),
        overrides=study.overrides,
        threads=threads,
        digests=digests,
        environment=environment(),
        fits=tuple(fits),
        predictions=tuple(predictions),
    )
    write_contents(out, record)


def benchmark_regression(
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")] = 1,
) -> None:
    """The network of mlp5d, and scikit-learn's like it, on a smooth function of five numbers."""
    _fix_threads(threads)
    from perfseer.evaluation.environment import environment
    from perfseer.parameters import load_mapping
    from perfseer.predictors.settings import Mlp5dSettings
    from perfseer.studies.benchmark.records import (
        REGRESSOR,
        RegressionRecord,
        regression_digests,
        write_contents,
    )
    from perfseer.studies.benchmark.regression5d import run_regression
    from perfseer.training.process import prepare_process

    prepare_process(threads)
    mapping = load_mapping(params)
    study = _study(mapping)
    digests = regression_digests(mapping)
    settings = Mlp5dSettings.model_validate(mapping["predictors"][REGRESSOR])
    points, noise_r2 = run_regression(settings, mapping["seeds"], study, line_log(REGRESSOR))
    record = RegressionRecord(
        settings=settings.model_dump(mode="json"),
        regression=study.regression.model_dump(mode="json"),
        noise_r2=noise_r2,
        threads=threads,
        digests=digests,
        environment=environment(),
        points=tuple(points),
    )
    write_contents(out, record)


def _fix_threads(threads: int) -> None:
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(threads)


def _study(mapping: Mapping[str, Any]) -> "BenchmarkSettings":
    from perfseer.studies.benchmark.settings import BenchmarkSettings
    from perfseer.validation import section

    return section(BenchmarkSettings, mapping, "benchmark")


def _overridden(mapping: dict[str, Any], study: "BenchmarkSettings", predictor: str) -> "TrainingParameters":
    """Parameters of fitting, with the overrides that concern the predictors at hand."""
    from perfseer.evaluation.overrides import override
    from perfseer.evaluation.parameters import training_parameters
    from perfseer.studies.benchmark.settings import concerning

    present = {*mapping.get("predictors", {}), *mapping.get("ensembles", {})}
    changed = override(mapping, concerning(study.overrides, present))
    return training_parameters(changed, predictor, study.split)


def _recipe(
    parameters: "TrainingParameters",
    predictor: str,
    study: "BenchmarkSettings",
    kernels: Path,
    available: tuple[str, ...],
) -> "Recipe":
    from perfseer.errors import require
    from perfseer.predictors.registry import predictor_class
    from perfseer.studies.benchmark.fitting import Recipe

    own = parameters.settings_of(predictor)
    settings = {name: parameters.settings_of(name) for name in dict.fromkeys((*own.members, predictor))}
    supported = predictor_class(predictor).supported
    needed = any("kernels" in section.needs for section in settings.values())
    require(
        not needed or kernels.is_file(), f"no measured kernels at {kernels}: run `perfseer kernels` first"
    )
    return Recipe(
        predictor=predictor,
        targets=tuple(name for name in study.targets if name in supported and name in available),
        settings=settings,
        training=parameters.training,
        labels=parameters.labels,
        kernels=kernels if needed else None,
    )


def register(app: typer.Typer) -> None:
    """Add the study's verbs."""
    app.command("benchmark")(benchmark)
    app.command("benchmark-regression")(benchmark_regression)
