"""One variant fitted with every seed, its test rows predicted and recorded."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from perfseer.data.dataset import Dataset
from perfseer.data.folds import fit_normaliser, open_fold
from perfseer.errors import require
from perfseer.evaluation.parameters import training_parameters
from perfseer.evaluation.trials import Log, fit_and_record
from perfseer.predictors.registry import create
from perfseer.studies.ablation.variants import resolve, variant_digests
from perfseer.training.process import prepare_process


def fit_variant(
    parameters: Mapping[str, Any],
    name: str,
    dataset: Path,
    graphs: Path,
    out: Path,
    *,
    threads: int,
    log_of: Callable[[str], Log],
) -> None:
    """Fit one variant, once per seed, and write a record for each; models are not kept.

    Args:
        parameters: params.yaml, or of it the sections `resolve` and fitting read.
        name: of the variant, or ``base``.
        dataset: folder with rows.parquet, splits.parquet and manifest.json.
        graphs: graphs.safetensors.
        out: folder that receives one folder per seed.
        threads: of the numerical libraries.
        log_of: gives the function that receives lines about what it is told.

    Raises:
        PerfseerError: there is no such variant, a file is missing or damaged, or learning diverged.
    """
    variants = resolve(parameters)
    require(name in variants, f"no variant {name!r}; params.yaml has {', '.join(variants)}")
    variant = variants[name]
    sections = training_parameters(dict(variant.parameters), variant.predictor, variant.split)
    prepare_process(threads)
    digests = variant_digests(variant, dataset)
    data = Dataset.open(dataset, graphs)
    settings = sections.settings_of(variant.predictor)
    for seed in sections.seeds:
        fold = open_fold(data, dataset, variant.split, seed)
        # The dataset's own normaliser is that of params.yaml; a variant may scale labels otherwise.
        fold = replace(fold, normaliser=fit_normaliser(fold.train, sections.labels))
        model = create(variant.predictor, settings, sections.training, variant.targets)
        log = log_of(f"{variant.predictor} {variant.split} seed {seed}")
        fit_and_record(model, fold, digests, sections.evaluation, out / str(seed), log=log, keep_model=False)
