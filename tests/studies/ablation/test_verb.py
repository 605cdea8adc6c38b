"""``perfseer ablate``: every kind of variant fitted for real on a small made-up dataset."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.data.dataset import Dataset
from perfseer.data.folds import open_fold
from perfseer.evaluation.records import read_record
from perfseer.studies.ablation.variants import resolve, variant_digests
from tests.helpers.experiment_files import write_experiment

TIMES = ["train_time_ms", "infer_time_ms"]
VARIANTS = {
    "without_node_features": {"predictors.seernet.node_features": False},
    "labels_raw": {"labels.time.transform": "identity", "labels.time.standardise": False},
    "multi_uncertainty": {
        "ablation.predictor": "seernet_multi",
        "ablation.targets": [*TIMES, "train_mem_mib"],
        "predictors.seernet_multi.gradients": "uncertainty",
    },
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    mapping, paths = write_experiment(folder)
    mapping["training"]["max_epochs"] = 2
    mapping["predictors"]["seernet"]["hidden"] = mapping["predictors"]["seernet_multi"]["hidden"] = 8
    base = {"predictors.seernet.roofline_input": False, "predictors.seernet.roofline_residual": False}
    mapping["ablation"] |= {"targets": TIMES, "base": base, "variants": VARIANTS}
    return mapping, paths, folder


def ablate(files, variant, *, mapping=None):
    given, paths, folder = files
    out = folder / "ablation" / variant
    arguments = ["ablate", "--variant", variant, "--params", json.dumps(mapping or given)]
    arguments += ["--dataset", str(paths.dataset), "--graphs", str(paths.graphs), "--out", str(out)]
    return CliRunner().invoke(app, arguments), out


@pytest.mark.parametrize("variant", ["base", *VARIANTS])
def test_every_seed_gets_its_record_and_predictions(files, variant):
    mapping, paths, _ = files
    result, out = ablate(files, variant)
    assert result.exception is None, result.output
    chosen = resolve(mapping)[variant]
    for seed in mapping["seeds"]:
        record = read_record(out / str(seed) / "record.json")
        assert (record.predictor, record.split, record.seed) == (chosen.predictor, "architecture", seed)
        assert set(record.metrics) == set(record.validation_mape_pct) == set(chosen.targets)
        assert record.digests == variant_digests(chosen, paths.dataset)
        assert record.settings == chosen.fitting["settings"]
        table = pd.read_parquet(out / str(seed) / "predictions.parquet")
        assert len(table) == record.n.test
        assert not (out / str(seed) / "model").exists()


def test_a_variant_of_the_labels_learns_on_its_own_scale(files):
    """Decoding raw times stays within a factor of e^margin of the training range, as for logarithms."""
    mapping, paths, _ = files
    result, out = ablate(files, "labels_raw")
    assert result.exception is None, result.output
    data = Dataset.open(paths.dataset, paths.graphs)
    losses = [json.loads(line) for line in (out / "0" / "history.jsonl").read_text().splitlines()]
    times = data.rows["train_time_ms"]
    # Squared milliseconds, not squared standard deviations.
    assert losses[0]["train_loss"] > 0.1 * float(np.square(times).mean())
    fold = open_fold(data, paths.dataset, "architecture", 0)
    predicted = pd.read_parquet(out / "0" / "predictions.parquet")["predicted_train_time_ms"]
    train, factor = fold.train.rows["train_time_ms"], np.exp(mapping["labels"]["time"]["margin"])
    assert predicted.between(train.min() / factor * 0.999, train.max() * factor * 1.001).all()


def test_the_same_variant_gives_the_same_predictions(files):
    first = [(ablate(files, "base")[1] / "0" / "predictions.parquet").read_bytes() for _ in range(2)]
    assert first[0] == first[1]


def test_sections_of_one_variant_are_enough(files):
    """What a job of the workflow is given."""
    mapping = files[0]
    names = ("seeds", "splits", "labels", "training", "evaluation", "predictors")
    part = {name: mapping[name] for name in names}
    part["predictors"] = {name: part["predictors"][name] for name in ("seernet", "seernet_multi")}
    part["ablation"] = mapping["ablation"] | {"variants": {"labels_raw": VARIANTS["labels_raw"]}}
    result, out = ablate(files, "labels_raw", mapping=part)
    assert result.exception is None, result.output
    record = read_record(out / "0" / "record.json")
    assert record.digests == variant_digests(resolve(mapping)["labels_raw"], files[1].dataset)


def test_an_unknown_variant_is_named(files):
    result, _ = ablate(files, "without_everything")
    assert "no variant 'without_everything'; params.yaml has base, without_node_features" in str(
        result.exception
    )
