"""Records of every variant of the ablation, made up so that their errors are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from perfseer.data.dataset import Dataset
from perfseer.data.folds import open_fold
from perfseer.evaluation.records import Cost, build_record, write_record
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.studies.ablation.variants import Variant, resolve, variant_digests
from perfseer.studies.experiment import Paths
from tests.helpers.experiment_files import FakePredictor, measurements, write_dataset_files
from tests.helpers.places import ROOT

# Relative errors of the made-up variants; whatever is not listed errs like the base, up to noise.
BASE_ERROR = 0.10
ERRORS = {
    "without_node_features": 0.30,
    "without_edge_features": 0.12,
    "without_global_features": 0.20,
    "max": 0.08,
    "mean": 0.13,
    "multi_pcgrad": 0.14,
    "multi_sum": 0.15,
    "operator_one_hot": 0.101,
}
# Records left out of the rendered study.
MISSING = (("blocks_3", 0), ("blocks_3", 1), ("blocks_3", 2), ("multi_sum", 2))


def parameters() -> dict[str, Any]:
    """params.yaml with three seeds and tests that few networks pass."""
    mapping: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    mapping["seeds"] = [0, 1, 2]
    mapping["report"]["comparison"] |= {"resamples": 4000, "min_networks": 20}
    return mapping


def write_study(folder: Path) -> tuple[dict[str, Any], Paths]:
    """Dataset and the records of all variants but for the `MISSING` ones.

    Returns:
        The parameters and the paths.
    """
    mapping, paths = parameters(), Paths.below(folder)
    data = write_dataset_files(folder, mapping, measurements(n_architectures=60))
    for variant in resolve(mapping).values():
        for seed in mapping["seeds"]:
            if (variant.name, seed) not in MISSING:
                _write_run(paths, mapping, data, variant, seed)
    return mapping, paths


def _write_run(paths: Paths, mapping: dict[str, Any], data: Dataset, variant: Variant, seed: int) -> None:
    fold = open_fold(data, paths.dataset, variant.split, seed)
    record, table = build_record(
        FakePredictor(variant.predictor, 1000 + len(variant.name)),
        fold,
        _predict(fold.test, variant, seed),
        settings=variant.fitting["settings"],
        digests=variant_digests(variant, paths.dataset),
        cost=Cost(fit_s=4.5, predict_ms_per_row=0.25, peak_mem_mib=300.0),
        environment={"python": "3.11"},
        evaluation=EvaluationSettings.model_validate(mapping["evaluation"]),
        valid_predictions=_predict(fold.valid, variant, seed),
    )
    write_record(paths.ablation / variant.name / str(seed), record, table)


def _predict(part: Dataset, variant: Variant, seed: int) -> pd.DataFrame:
    """Off by ± the variant's error, with noise above the excess of `operator_one_hot`."""
    rng = np.random.default_rng([1, seed, len(part), *variant.name.encode()])
    error = ERRORS.get(variant.name, BASE_ERROR) * (1 + 0.2 * rng.uniform(-1, 1, len(part)))
    signs = np.where(np.arange(len(part)) % 2, 1.0, -1.0)
    values = part.rows[list(variant.targets)].to_numpy() * (1 + signs * error)[:, None]
    return pd.DataFrame(values, columns=list(variant.targets))
