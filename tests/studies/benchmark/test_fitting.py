"""Points of the benchmark: nested parts, failures as rows, settings, overrides."""

import os
import time
from dataclasses import replace

import numpy as np
import pytest

from perfseer.data.folds import Fold
from perfseer.errors import PerfseerError
from perfseer.evaluation.overrides import override
from perfseer.predictors import registry
from perfseer.studies.benchmark import fitting
from perfseer.studies.benchmark.fitting import nested, shrunk
from perfseer.studies.benchmark.prediction import MIN_CALLS, repeat
from perfseer.studies.benchmark.running import run_study
from perfseer.studies.benchmark.settings import BenchmarkSettings, concerning
from perfseer.training.settings import TrainingSettings
from tests.helpers.places import PARAMS
from tests.helpers.synthetic_graphs import LABELS, make_dataset, make_normaliser

TARGET = "train_time_ms"


@pytest.fixture(scope="module")
def mapping():
    return PARAMS


@pytest.fixture(scope="module")
def section(mapping):
    return mapping["benchmark"] | {
        "shares": [0.5, 1.0],
        "batch_rows": [1, 40],
        "predict_s": 0.001,
        "timeout_s": 60,
    }


@pytest.fixture(scope="module")
def fold():
    """Two rows of each network: 20 networks to train on, 8 to validate on, 6 to test on."""
    data = make_dataset(68, seed=3)
    names = [f"network-{row // 2:02d}" for row in range(len(data))]
    data = replace(data, rows=data.rows.assign(architecture=names))
    train, valid, test = (data.subset(np.arange(*span)) for span in ((0, 40), (40, 56), (56, 68)))
    return Fold("architecture", 0, train, valid, test, make_normaliser(train))


def recipe(mapping, name, targets=(TARGET,), **changes):
    sections = {**mapping["predictors"], "ensemble": {"base": "roofline", "candidates": ["boosting"]}}
    members = ["roofline", "boosting"] if name == "ensemble" else []
    settings = {key: registry.settings_class(key).model_validate(sections[key]) for key in [*members, name]}
    training = TrainingSettings.model_validate(mapping["training"])
    return replace(fitting.Recipe(name, targets, settings, training, LABELS, None), **changes)


def run(recipe, fold, section, **changes):
    study = BenchmarkSettings.model_validate(section | changes)
    return run_study(recipe, [fold], study, lambda line: None)


def test_parts_are_nested_whole_networks(fold):
    parts = [set(nested(fold.train, share, "a").rows["architecture"]) for share in (0.01, 0.25, 0.5, 1.0)]
    assert [len(part) for part in parts] == [1, 5, 10, 20]
    assert parts[0] < parts[1] < parts[2] < parts[3]
    assert len(nested(fold.train, 0.5, "a")) == 20
    assert set(nested(fold.train, 0.5, "b").rows["architecture"]) != parts[2]


def test_validation_shrinks_and_the_test_rows_stay(fold):
    part = shrunk(fold, 0.5)
    assert (len(part.train), len(part.valid), len(part.test)) == (20, 8, 12)


def test_every_point_is_measured(mapping, fold, section):
    fits, predictions = run(recipe(mapping, "roofline"), fold, section)
    assert [(fit.share, fit.networks, fit.train_rows, fit.status) for fit in fits] == [
        (0.5, 10, 20, "ok"),
        (1.0, 20, 40, "ok"),
    ]
    for fit in fits:
        assert set(fit.result.test_mape_pct) == {TARGET}
        assert 0 < fit.result.test_mape_pct[TARGET] < 100
        assert fit.result.n_parameters == 3
        assert fit.result.rounds is None
    assert [(point.rows, point.distinct_rows, point.status) for point in predictions] == [
        (1, 1, "ok"),
        (40, 12, "ok"),
    ]
    assert all(point.result.calls >= MIN_CALLS for point in predictions)


def test_an_ensembles_members_are_fitted_before_it(mapping, fold, monkeypatch):
    created = []

    def create(name, *given):
        created.append(name)
        return registry.create(name, *given)

    monkeypatch.setattr(fitting, "create", create)
    recipe(mapping, "ensemble").fit(fold)
    assert sorted(created[:-1]) == ["boosting", "roofline"]
    assert created[-1] == "ensemble"


def test_an_ensemble_is_measured_like_any_predictor(mapping, fold, section):
    fits, predictions = run(recipe(mapping, "ensemble"), fold, section, shares=[1.0])
    assert [fit.status for fit in fits] == ["ok"], fits[0].reason
    assert {point.status for point in predictions} == {"ok"}


def test_a_refusal_is_a_row_with_its_reason(mapping, fold, section):
    empty = replace(fold, valid=fold.valid.subset([]))
    # Nothing to draw networks from is no reason for the drawing to fail.
    fits, predictions = run(recipe(mapping, "boosting"), empty, section)
    assert {fit.status for fit in fits} == {"error"}
    assert "validation" in fits[0].reason
    assert all(point.reason.endswith(fits[0].reason) for point in predictions)
    assert [point.rows for point in predictions] == [1, 40]


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        (lambda self, fold: os.kill(os.getpid(), 9), "oom", "killed"),
        (lambda self, fold: os.kill(os.getpid(), 15), "error", "SIGTERM"),
        (lambda self, fold: time.sleep(600), "timeout", "busy"),
    ],
)
def test_a_crash_is_a_row_and_the_next_point_runs(mapping, fold, section, monkeypatch, fault, status, reason):
    monkeypatch.setattr(fitting.Recipe, "fit", fault)
    limit_s = 1.0 if status == "timeout" else 60.0
    fits, _ = run(recipe(mapping, "roofline"), fold, section, timeout_s=limit_s)
    assert [fit.status for fit in fits] == [status, status]
    assert reason in fits[0].reason
    assert fits[0].result is None


def test_without_a_supported_label_nothing_runs(mapping, fold, section):
    assert run(recipe(mapping, "roofline", targets=()), fold, section) == ([], [])


def test_calls_are_repeated_at_least_so_often_and_each_is_made_anew():
    made = []

    def call(number):
        made.append(number)
        return lambda: None

    assert len(repeat(call, 0.0)) == MIN_CALLS + 1
    assert made == list(range(MIN_CALLS + 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shares": [0.5]}, "last share"),
        ({"shares": [0.5, 0.25, 1.0]}, "ascend"),
        ({"batch_rows": [10, 10]}, "ascend"),
        ({"targets": ["speed"]}, "may stand once"),
        ({"targets": [TARGET, TARGET]}, "may stand once"),
        ({"predict_s": 0}, "greater than 0"),
        ({"colour": "blue"}, "Extra inputs"),
    ],
)
def test_settings_at_fault_are_refused(section, change, message):
    with pytest.raises(ValueError, match=message):
        BenchmarkSettings.model_validate(section | change)


def test_overrides_change_a_copy_and_know_every_path(mapping):
    changed = override(mapping, {"training.max_epochs": 3})
    assert changed["training"]["max_epochs"] == 3
    assert mapping["training"]["max_epochs"] != 3
    for path in ("training.epochs", "trainings.max_epochs", "training.max_epochs.more", "nothing"):
        with pytest.raises(PerfseerError, match=path):
            override(mapping, {path: 1})


def test_overrides_of_other_predictors_do_not_concern_a_job():
    changes = {"training.max_epochs": 3, "predictors.dippm.hidden": 8, "predictors.seernet.hidden": 8}
    assert set(concerning(changes, {"seernet"})) == {"training.max_epochs", "predictors.seernet.hidden"}
