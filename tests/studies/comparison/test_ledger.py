"""The ledger of the experiment: every number of every record, for people to load and documents to show."""

import json
import math

import pytest

from perfseer.evaluation.ledger import OF_THE_FIT, VALIDATION_MAPE, Contender, Ledger
from perfseer.evaluation.metrics import metrics
from perfseer.studies.comparison.about import ABOUT
from perfseer.studies.experiment import load_experiment
from perfseer.targets import TARGET_NAMES
from tests.helpers.experiment_files import MISSING, NOISE


@pytest.fixture(scope="module")
def experiment(part):
    return load_experiment(*part)


@pytest.fixture(scope="module")
def table(experiment):
    return experiment.ledger.table


def test_every_number_of_a_record_is_a_row(experiment, table):
    rows = table.query("predictor == 'seernet' and split == 'random' and seed == 1")
    names = metrics(experiment.evaluation.within_pct)
    assert len(rows) == len(TARGET_NAMES) * (len(names) + 1) + len(OF_THE_FIT)
    record = experiment.runs["seernet", "random", 1].record
    for label, metric, value, n in rows[["label", "metric", "value", "n"]].itertuples(index=False):
        if label and metric != VALIDATION_MAPE:
            measure = record.metrics[label][metric]
            assert (measure.n, measure.value) == (n, None if math.isnan(value) else value)
    costs = rows[rows["label"] == ""].set_index("metric")["value"]
    assert costs.to_dict() == {
        "fit_s": 12.5,
        "predict_ms_per_row": 0.25,
        "peak_mem_mib": 300.0,
        "n_parameters": 1234.0,
    }


def test_what_has_no_record_is_a_row_too(experiment, table):
    lacking = table[table["status"] == "missing"]
    found = set(lacking[["predictor", "split", "seed"]].itertuples(index=False, name=None))
    assert found == set(MISSING)
    assert lacking["value"].isna().all()
    assert experiment.n_missing == len(MISSING)
    assert len(table.drop_duplicates(["predictor", "split", "seed"])) == len(NOISE) * 3 * 2


def test_means_are_those_of_the_made_up_errors(experiment):
    found = experiment.mape("seernet", "architecture", "train_time_ms")
    assert (found.mean, found.n) == (pytest.approx(8.1), 2)
    gap = experiment.difference("seernet", "boosting", "architecture", "train_time_ms")
    assert (gap.interval.mean, gap.seeds) == (pytest.approx(3.0), (0, 1))
    assert experiment.mean_mape("roofline", "architecture") == {}  # it predicts no utilisation


def test_the_file_is_the_ledger(experiment, tmp_path):
    path = experiment.ledger.write(tmp_path / ABOUT.ledger)
    assert path.relative_to(tmp_path).as_posix() == "ledger/comparison.parquet"
    again = Ledger.read(path, experiment.evaluation.confidence)
    contender = Contender("ensemble", "", "family")
    for label in TARGET_NAMES:
        assert again.mean(contender, label, "mape_pct") == experiment.ledger.mean(
            contender, label, "mape_pct"
        )
    assert again.missing() == experiment.ledger.missing()


def test_an_edited_record_is_another_number(copy):
    mapping, paths = copy
    path = paths.models / "seernet" / "architecture" / "0" / "record.json"
    record = json.loads(path.read_text())
    record["metrics"]["train_time_ms"]["mape_pct"]["value"] = 42.0
    path.write_text(json.dumps(record))
    changed = load_experiment(mapping, paths).values("seernet", "architecture", "train_time_ms", "mape_pct")
    assert changed[0] == 42.0
