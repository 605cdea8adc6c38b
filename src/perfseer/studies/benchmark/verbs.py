"""``perfseer benchmark`` and ``perfseer benchmark-regression``: what training and using predictors costs."""

import os
from pathlib import Path
from typing import Annotated

import typer

from perfseer.console.places import DATASET, GRAPHS, KERNELS
from perfseer.console.progress import line_log

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
    _prepare(threads)
    from perfseer.data.files import write_json
    from perfseer.parameters import load_mapping
    from perfseer.studies.benchmark.running import run_benchmark

    places = {"dataset": dataset, "graphs": graphs, "kernels": kernels}
    record = run_benchmark(
        load_mapping(params), predictor, **places, threads=threads, log=line_log(predictor)
    )
    write_json(out, record.model_dump(mode="json"))


def benchmark_regression(
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")] = 1,
) -> None:
    """The network of mlp5d, and scikit-learn's like it, on a smooth function of five numbers."""
    _prepare(threads)
    from perfseer.data.files import write_json
    from perfseer.parameters import load_mapping
    from perfseer.studies.benchmark.records import REGRESSOR
    from perfseer.studies.benchmark.regression5d import run_experiment

    record = run_experiment(load_mapping(params), threads, line_log(REGRESSOR))
    write_json(out, record.model_dump(mode="json"))


def _prepare(threads: int) -> None:
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(threads)
    from perfseer.training.process import prepare_process

    prepare_process(threads)


def register(app: typer.Typer) -> None:
    """Add the study's verbs."""
    app.command("benchmark")(benchmark)
    app.command("benchmark-regression")(benchmark_regression)
