"""``perfseer ablate``: fit one variant of the ablation with every seed, predict its test rows, record."""

from pathlib import Path
from typing import Annotated

import typer

from perfseer.console.places import DATASET, GRAPHS
from perfseer.console.progress import line_log


def ablate(
    variant: Annotated[str, typer.Option(help="A variant of params.yaml, or `base`.")],
    out: Annotated[Path, typer.Option(help="Folder that receives one folder per seed.")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    dataset: Annotated[Path, typer.Option(help="Written by `perfseer dataset`.")] = DATASET,
    graphs: Annotated[Path, typer.Option(help="Written by `perfseer graph build`.")] = GRAPHS,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")] = 1,
) -> None:
    """Fit one variant of the ablation, once per seed, and write a record for each; models are not kept."""
    from dataclasses import replace

    from perfseer.data.dataset import Dataset
    from perfseer.data.folds import fit_normaliser, open_fold
    from perfseer.errors import require
    from perfseer.evaluation.parameters import training_parameters
    from perfseer.evaluation.trials import fit_and_record
    from perfseer.parameters import load_mapping
    from perfseer.predictors.registry import create
    from perfseer.studies.ablation.variants import resolve, variant_digests
    from perfseer.training.process import prepare_process

    variants = resolve(load_mapping(params))
    require(variant in variants, f"no variant {variant!r}; params.yaml has {', '.join(variants)}")
    chosen = variants[variant]
    parameters = training_parameters(dict(chosen.parameters), chosen.predictor, chosen.split)
    prepare_process(threads)
    digests = variant_digests(chosen, dataset)
    data = Dataset.open(dataset, graphs)
    settings = parameters.settings_of(chosen.predictor)
    for seed in parameters.seeds:
        fold = open_fold(data, dataset, chosen.split, seed)
        # The dataset's own normaliser is that of params.yaml; a variant may scale labels otherwise.
        fold = replace(fold, normaliser=fit_normaliser(fold.train, parameters.labels))
        model = create(chosen.predictor, settings, parameters.training, chosen.targets)
        log = line_log(f"{chosen.predictor} {chosen.split} seed {seed}")
        fit_and_record(
            model, fold, digests, parameters.evaluation, out / str(seed), log=log, keep_model=False
        )


def register(app: typer.Typer) -> None:
    """Add the study's verb."""
    app.command("ablate")(ablate)
