"""``perfseer train``: fit one predictor on one split with every seed, predict its test rows, record."""

from pathlib import Path
from typing import Annotated

import typer

from perfseer.console.places import DATASET, GRAPHS, KERNELS
from perfseer.console.progress import line_log


def train(
    predictor: Annotated[str, typer.Option(help="A predictor of params.yaml, for example seernet.")],
    split: Annotated[str, typer.Option(help="A split of params.yaml, for example architecture.")],
    out: Annotated[Path, typer.Option(help="Folder that receives one folder per seed.")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    dataset: Annotated[Path, typer.Option(help="Written by `perfseer dataset`.")] = DATASET,
    graphs: Annotated[Path, typer.Option(help="Written by `perfseer graph build`.")] = GRAPHS,
    kernels: Annotated[Path, typer.Option(help="Written by `perfseer kernels`, for nn_meter.")] = KERNELS,
    models: Annotated[
        Path, typer.Option(help="Predictors fitted before, as this verb writes them; ensembles need them.")
    ] = Path("results/models"),
    threads: Annotated[
        int,
        typer.Option(
            min=1, help="Threads of the numerical libraries; other numbers of them give other last digits."
        ),
    ] = 1,
) -> None:
    """Fit one predictor on one split, once per seed, and write a record for each."""
    from perfseer.data.dataset import Dataset
    from perfseer.data.folds import open_fold
    from perfseer.evaluation.parameters import training_parameters
    from perfseer.evaluation.trials import fit_and_record, fit_inputs, present_digests
    from perfseer.parameters import load_mapping
    from perfseer.predictors.registry import create
    from perfseer.training.process import prepare_process

    mapping = load_mapping(params)
    parameters = training_parameters(mapping, predictor, split)
    prepare_process(threads)
    digests = present_digests(mapping, predictor, dataset)
    data = Dataset.open(dataset, graphs)
    settings = parameters.settings_of(predictor)
    for seed in parameters.seeds:
        fold = open_fold(data, dataset, split, seed)
        inputs = fit_inputs(
            settings, kernels, {name: models / name / split / str(seed) for name in settings.members}
        )
        model = create(predictor, settings, parameters.training)
        log = line_log(f"{predictor} {split} seed {seed}")
        fit_and_record(model, fold, digests, parameters.evaluation, out / str(seed), log=log, inputs=inputs)
