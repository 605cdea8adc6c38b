"""Records: what is written is what is read, and what does not belong is refused."""

import json
import math

import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.evaluation.predictions import prediction_table, table_digest
from perfseer.evaluation.records import differing, read_predictions, read_record, write_record
from perfseer.evaluation.summaries import summarise
from perfseer.evaluation.trials import present_digests
from tests.helpers.experiment_files import write_experiment


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return write_experiment(tmp_path_factory.mktemp("experiment"))


def record_path(experiment, predictor="seernet"):
    return experiment[1].models / predictor / "architecture" / "0" / "record.json"


def test_round_trip(experiment, tmp_path):
    path = record_path(experiment)
    record = read_record(path)
    table = read_predictions(path, record)
    again = write_record(tmp_path, record, table)
    assert read_record(again) == record
    pd.testing.assert_frame_equal(read_predictions(again, record), table)
    assert again.read_bytes() == path.read_bytes()


def test_metrics_are_those_of_the_predictions(experiment):
    record = read_record(record_path(experiment))
    measure = record.metrics["train_time_ms"]["mape_pct"]
    assert (measure.value, measure.unit, measure.n) == (pytest.approx(8.0), "%", record.n.test)
    assert record.validation_mape_pct["infer_mem_mib"] == pytest.approx(8.0)


def test_unsupported_targets_are_named(experiment):
    record = read_record(record_path(experiment, "roofline"))
    assert record.unsupported == ("train_util_pct", "infer_util_pct")
    assert set(record.metrics) & set(record.unsupported) == set()


def test_whole_numbers_and_floats_are_the_same_parameter(experiment):
    parameters, paths = experiment
    present = present_digests(parameters, "seernet", paths.dataset)
    changed = json.loads(json.dumps(parameters))
    changed["evaluation"]["within_pct"] = [float(x) for x in changed["evaluation"]["within_pct"]]
    changed["seeds"] = [0, 1, 2]
    changed["predictors"]["boosting"]["num_leaves"] = 99
    assert present_digests(changed, "seernet", paths.dataset) == present
    changed["predictors"]["seernet"]["hidden"] = 99
    assert present_digests(changed, "seernet", paths.dataset).params != present.params


def test_differing_digests_are_listed(experiment):
    parameters, paths = experiment
    record = read_record(record_path(experiment))
    present = present_digests(parameters, "seernet", paths.dataset)
    assert differing(record.digests, present) == []
    other = present.model_copy(update={"code": "0" * 12, "data": "1" * 12})
    assert [line.split()[0] for line in differing(record.digests, other)] == ["code", "dataset"]


@pytest.mark.parametrize("section", ["labels", "training", "predictors"])
def test_missing_sections_are_named(experiment, section):
    parameters, paths = experiment
    rest = {name: value for name, value in parameters.items() if name != section}
    with pytest.raises(PerfseerError, match=section):
        present_digests(rest, "seernet", paths.dataset)


def test_predictions_of_another_record_are_refused(experiment, tmp_path):
    path = record_path(experiment)
    record = read_record(path)
    table = read_predictions(path, record)
    table.loc[0, "predicted_train_time_ms"] *= 1.0001
    with pytest.raises(PerfseerError, match="record"):
        write_record(tmp_path, record, table)
    (tmp_path / "record.json").write_bytes(path.read_bytes())
    table.to_parquet(tmp_path / "predictions.parquet", index=False)
    with pytest.raises(PerfseerError, match="content digest"):
        read_predictions(tmp_path / "record.json", record)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"seed": 0', '"seed": "zero"'),
        lambda text: text.replace('"status": "ok"', '"status": "ok", "comment": "x"'),
        lambda text: text.replace('"fit_s": 12.5', '"fit_s": Infinity'),
        lambda text: text.replace('"schema_version": 1', '"schema_version": 2'),
    ],
)
def test_damaged_records_are_refused(experiment, tmp_path, damage):
    text = record_path(experiment).read_text()
    assert damage(text) != text
    (tmp_path / "record.json").write_text(damage(text))
    with pytest.raises(PerfseerError, match=r"record\.json"):
        read_record(tmp_path / "record.json")


def test_prediction_table_refuses_strangers():
    rows = pd.DataFrame({"configuration": ["a"], "architecture": ["x"], "family": ["vgg"], "batch_size": [1]})
    with pytest.raises(PerfseerError, match="2 predictions"):
        prediction_table(rows, pd.DataFrame({"train_time_ms": [1.0, 2.0]}))
    with pytest.raises(PerfseerError, match="latency"):
        prediction_table(rows, pd.DataFrame({"latency": [1.0]}))


def test_digest_of_a_table_refuses_nan():
    with pytest.raises(ValueError, match="JSON"):
        table_digest(pd.DataFrame({"a": [math.nan]}))


def test_summary_lists_the_records_in_order(experiment):
    folder = experiment[1].models / "boosting"
    summary = summarise(sorted(folder.rglob("record.json"), reverse=True))
    assert summary["predictor"] == "boosting"
    assert [(entry["split"], entry["seed"]) for entry in summary["records"]] == [
        (split, seed) for split in ("architecture", "family", "random") for seed in (0, 1)
    ]
    with pytest.raises(PerfseerError, match="several predictors"):
        summarise([record_path(experiment), record_path(experiment, "boosting")])
