"""A whole experiment on disk, made of made-up measurements but written by the project's own writers."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from perfseer.data.assembly import assemble, write_dataset
from perfseer.data.dataset import Dataset
from perfseer.data.folds import open_fold
from perfseer.data.settings import DatasetSettings
from perfseer.evaluation.records import Cost, build_record, write_record
from perfseer.evaluation.settings import EvaluationSettings
from perfseer.evaluation.trials import present_digests
from perfseer.measure.table import COLUMNS, write_table
from perfseer.studies.experiment import Paths
from perfseer.targets import TARGET_NAMES
from tests.helpers.places import ROOT
from tests.helpers.synthetic import make_store, make_table

# Relative errors the made-up predictors make, so that expected figures can be worked out.
NOISE = {"roofline": 0.25, "boosting": 0.05, "seernet": 0.08, "seernet_multi": 0.10, "ensemble": 0.04}
# Factors by which times measured again differ from the first; the floor follows (evaluation/noise.py).
AGAIN = (1.02, 1.04)
ENSEMBLES = {"ensemble": {"base": "boosting", "candidates": ["seernet"]}}
EPOCHS = 8
# Records left out of the rendered experiments.
MISSING = (("seernet_multi", "architecture", 1), ("boosting", "family", 0), ("boosting", "family", 1))


@dataclass
class FakePredictor:
    name: str
    n_parameters_: int = 1234


def parameters() -> dict[str, Any]:
    """params.yaml with two seeds, the predictors of `NOISE` and tests that few seeds and networks pass."""
    mapping = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    mapping["seeds"] = [0, 1]
    mapping["predictors"] = {name: mapping["predictors"][name] for name in NOISE if name not in ENSEMBLES}
    mapping["ensembles"] = ENSEMBLES
    mapping["report"]["comparison"] |= {"min_seeds": 2, "min_networks": 2, "resamples": 2000}
    mapping["training"]["max_epochs"] = EPOCHS
    return copy.deepcopy(mapping)


def measurements(n_architectures: int = 16) -> pd.DataFrame:
    """Usable rows, then one that ran out of memory and one with a label of zero."""
    table = make_table(n_architectures, batch_sizes=(1, 4, 16))
    for phase in ("train", "infer"):
        table[f"{phase}_time_ci_low_ms"] = table[f"{phase}_time_ms"] * 0.98
        table[f"{phase}_time_ci_high_ms"] = table[f"{phase}_time_ms"] * 1.02
        table[f"{phase}_foreign_cores"] = 0.25
    table["device"], table["device_kind"] = "Made-up CPU <2 GHz | rev 1>", "cpu"
    table["environment"] = json.dumps({"cores": 2, "torch": "2.13.0"})
    table["protocol"] = json.dumps({"ci_width": 0.05, "min_iterations": 7})
    table["protocol_version"] = 1
    table.loc[0, ["status", "reason"]] = ["oom", "12 GiB asked | 8 GiB there"]
    table.loc[1, "infer_time_ms"] = 0.0
    return table


def write_experiment(
    folder: Path, missing: tuple[tuple[str, str, int], ...] = ()
) -> tuple[dict[str, Any], Paths]:
    """Dataset, survey and the records of `NOISE` but for ``missing`` ones.

    Returns:
        The parameters and the paths.
    """
    mapping = parameters()
    paths = Paths.below(folder)
    table = measurements()
    write_repeats(paths, table)
    data = write_dataset_files(folder, mapping, table)
    paths.survey.parent.mkdir()
    survey = pd.DataFrame({"flops": [1e9, 4e10], "bytes": [1e8, 2e9], "n_parameters": [1e6, 9e6]})
    survey.to_parquet(paths.survey, index=False)
    write_records(mapping, paths, data, missing)
    return mapping, paths


def write_dataset_files(folder: Path, mapping: dict[str, Any], table: pd.DataFrame) -> Dataset:
    """Graphs and dataset of some measurements, below the results folder."""
    paths = Paths.below(folder)
    paths.graphs.parent.mkdir(parents=True)
    store, index = make_store(table)
    store.save(paths.graphs)
    index.to_parquet(paths.index, index=False)
    settings = DatasetSettings.from_mapping(mapping)
    inputs = {"graphs": paths.graphs, "index": paths.index}
    write_dataset(assemble(table, store, index, settings), paths.dataset, inputs=inputs, settings=settings)
    return Dataset.open(paths.dataset, paths.graphs)


def write_repeats(paths: Paths, table: pd.DataFrame) -> None:
    """Some usable configurations measured twice again: times by `AGAIN`, the other labels as at first."""
    usable = table.iloc[len(table) // 2 :]
    parts = []
    for factor in AGAIN:
        part = usable.copy()
        part[["train_time_ms", "infer_time_ms"]] *= factor
        parts.append(part)
    again = pd.concat(parts, ignore_index=True).reindex(columns=list(COLUMNS))
    again["order"] = range(len(again))
    write_table(again, paths.repeats)


def write_records(
    mapping: dict[str, Any], paths: Paths, data: Dataset, missing: tuple[tuple[str, str, int], ...]
) -> None:
    """A record of each predictor of `NOISE`, split and seed, but for ``missing`` ones."""
    for name in NOISE:
        for split in mapping["splits"]["names"]:
            for seed in mapping["seeds"]:
                if (name, split, seed) not in missing:
                    _write_run(mapping, paths, data, name, split, seed)


def _write_run(
    mapping: dict[str, Any], paths: Paths, data: Dataset, name: str, split: str, seed: int
) -> None:
    fold = open_fold(data, paths.dataset, split, seed)
    record, table = build_record(
        FakePredictor(name),
        fold,
        _predict(fold.test, name, seed),
        settings={**mapping["predictors"], **mapping["ensembles"]}[name],
        digests=present_digests(mapping, name, paths.dataset),
        cost=Cost(fit_s=12.5, predict_ms_per_row=0.25, peak_mem_mib=300.0),
        environment={"python": "3.11"},
        evaluation=EvaluationSettings.model_validate(mapping["evaluation"]),
        valid_predictions=_predict(fold.valid, name, seed),
    )
    folder = (paths.ensembles if name in ENSEMBLES else paths.models) / name / split / str(seed)
    write_record(folder, record, table)
    lines = _history(name) if name.startswith("seernet") else []
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _predict(part: Dataset, name: str, seed: int) -> pd.DataFrame:
    """Off by ± the predictor's noise, alternating, a little more for later seeds."""
    signs = np.where(np.arange(len(part)) % 2, 1.0, -1.0)[:, None]
    values = part.labels * (1 + signs * (NOISE[name] + 0.002 * seed))
    frame = pd.DataFrame(values, columns=list(TARGET_NAMES))
    return frame.drop(columns=[c for c in frame if "util" in c]) if name == "roofline" else frame


def _history(name: str) -> list[dict[str, Any]]:
    return [
        {
            "target": target,
            "epoch": epoch,
            "train_loss": 1.0 / epoch,
            "valid_loss": 1.2 / epoch,
            "lr": 0.001,
            "seconds": 0.1,
        }
        for target in TARGET_NAMES
        for epoch in range(1, EPOCHS + 1)
    ]
