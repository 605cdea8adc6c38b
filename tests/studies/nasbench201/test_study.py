"""The study on NAS-Bench-201 over a handful of made-up cells; no published file is needed."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import yaml

from perfseer.data.dataset import Dataset
from perfseer.data.sources.nasbench201 import DEVICES, LABEL, Cells
from perfseer.data.sources.nasbench201_graphs import network_graphs
from perfseer.errors import PerfseerError
from perfseer.reporting.units import interval
from perfseer.studies.nasbench201 import fitting as study_module
from perfseer.studies.nasbench201 import readings as readings_module
from perfseer.studies.nasbench201.fitting import Case, read_valid, run
from perfseer.studies.nasbench201.readings import (
    describe,
    graph_classes,
    operation_counts,
    read_readings,
    write_readings,
)
from perfseer.studies.nasbench201.render import markdown, render
from perfseer.studies.nasbench201.settings import NasBench201Settings
from perfseer.studies.nasbench201.study import load_study
from perfseer.targets import TARGET_NAMES
from tests.helpers.places import ROOT
from tests.helpers.synthetic import SETTINGS as DATASET

NONE, SKIP, CONV_1, CONV_3, POOL = range(5)
SEEDS = (0, 1, 2)
COSTS_MS = np.array([1.0, 0.0, 2.0, 5.0, 3.0])  # of each operation; a skip is free


@pytest.fixture(scope="module")
def settings():
    section = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["nasbench201"]
    predictors = {"roofline": {}, "brp_nas": section["predictors"]["brp_nas"]}
    small = {"devices": ["1080ti_256", "pixel3"], "train_cells": 60, "valid_cells": 20}
    return NasBench201Settings.model_validate({**section, **small, "predictors": predictors})


@pytest.fixture(scope="module")
def mapping(settings):
    """Parameters of the study: its section, and what all studies share."""
    shared = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return shared | {"seeds": list(SEEDS), "nasbench201": settings.model_dump(mode="json")}


@pytest.fixture
def case(settings):
    return Case(settings, DATASET.labels, 0.95, "executed", "roofline", "1080ti_256")


def some_cells(n=120):
    every = Cells(np.array(list(product(range(5), repeat=6))))
    connected = np.flatnonzero(every.connected)
    return Cells(every.operations[np.random.default_rng(0).choice(connected, n, replace=False)])


@pytest.fixture
def made_up(monkeypatch):
    """Latency is a constant and a cost for each of the six operations; the list notes what was read."""
    calls = []

    def dataset(device, reading, view):
        calls.append((device.name, reading, view))
        chosen = some_cells()
        graphs = network_graphs(chosen.operations, chosen.ran(reading, device), device.batch_size)
        names = [f"cell{i}" for i in range(len(chosen))]
        rows = pd.DataFrame({"configuration": names, "architecture": names, "graph": range(len(chosen))})
        labels = dict.fromkeys(TARGET_NAMES, np.nan) | {LABEL: 10.0 + COSTS_MS[chosen.operations].sum(axis=1)}
        return Dataset.from_rows(rows.assign(family="nasbench201", batch_size=256, **labels), graphs)

    monkeypatch.setattr(study_module, "dataset", dataset)
    return calls


def silent(line):
    pass


def test_a_run_records_every_seed_and_is_kept(case, made_up, tmp_path):
    paths = run(case, SEEDS, tmp_path, silent)
    assert [path.parent.relative_to(tmp_path).as_posix() for path in paths] == [
        f"executed/roofline/1080ti_256/{seed}" for seed in SEEDS
    ]
    record = read_valid(paths[1], case)
    assert (record.split, record.seed) == ("executed-1080ti_256", 1)
    assert set(record.metrics) == {LABEL}
    assert {"within_1_pct", "within_5_pct", "within_10_pct", "within_20_pct"} < set(record.metrics[LABEL])
    assert (record.n.train, record.n.valid, record.n.test) == (60, 20, 40)
    assert json.loads((paths[0].parents[1] / "summary.json").read_text())["predictor"] == "roofline"
    before = [path.stat().st_mtime_ns for path in paths]
    run(case, SEEDS, tmp_path, silent)
    assert [path.stat().st_mtime_ns for path in paths] == before
    assert made_up == [("1080ti_256", "executed", "network")]


def test_only_missing_seeds_are_fitted_again(case, made_up, tmp_path):
    first, second, _ = run(case, SEEDS, tmp_path, silent)
    kept = second.stat().st_mtime_ns
    first.write_text("{", encoding="utf-8")
    run(case, SEEDS, tmp_path, silent)
    assert read_valid(first, case) is not None
    assert second.stat().st_mtime_ns == kept


def test_records_of_other_parameters_are_refused_and_those_of_older_code_kept(case, made_up, tmp_path):
    path = run(case, (0,), tmp_path, silent)[0]
    other = replace(case, settings=case.settings.model_copy(update={"train_cells": 61}))
    assert read_valid(path, other) is None
    assert read_valid(path, replace(case, device="pixel3")) is None
    contents = json.loads(path.read_text())
    contents["digests"]["code"] = "0" * 12
    path.write_text(json.dumps(contents))
    assert read_valid(path, case) is not None


def test_the_digest_of_parameters_ignores_other_predictors_and_devices(case):
    fewer = case.settings.model_copy(update={"devices": ("1080ti_256",)})
    assert replace(case, settings=fewer).digests() == case.digests()
    assert replace(case, reading="pruned").digests().params != case.digests().params


def test_unknown_names_are_refused(settings):
    with pytest.raises(PerfseerError, match="no device 'abacus'"):
        Case(settings, DATASET.labels, 0.95, "pruned", "roofline", "abacus")
    with pytest.raises(PerfseerError, match=r"no section nasbench201\.predictors\.boosting"):
        Case(settings, DATASET.labels, 0.95, "pruned", "boosting", "pixel3")
    with pytest.raises(ValueError, match=r"devices names \['abacus'\]"):
        NasBench201Settings.model_validate({**settings.model_dump(mode="json"), "devices": ["abacus"]})


def test_settings_dump_to_themselves(settings):
    plain = settings.model_dump(mode="json")
    assert list(plain["predictors"]) == ["roofline", "brp_nas"]
    assert NasBench201Settings.model_validate(plain) == settings


def test_counts_leave_skips_out():
    chosen = Cells(np.array([[CONV_3, SKIP, CONV_3, POOL, NONE, CONV_1]]))
    assert operation_counts(chosen, np.ones((1, 6), dtype=bool)).tolist() == [[1, 1, 2, 1]]
    assert operation_counts(chosen, chosen.leading).tolist() == [[0, 1, 2, 1]]


def test_equal_graphs_share_a_class_whatever_edges_they_stand_on():
    cells = Cells(
        np.array(
            [
                [CONV_1, NONE, CONV_3, NONE, NONE, POOL],  # 1x1, 3x3, pool in a row
                [SKIP, CONV_1, NONE, NONE, NONE, SKIP],  # a single 1x1
                [CONV_1, NONE, NONE, NONE, SKIP, NONE],  # the same
                [CONV_3, NONE, CONV_1, NONE, NONE, POOL],  # 3x3, 1x1, pool in a row
                [SKIP, NONE, CONV_1, NONE, CONV_3, NONE],  # a single 3x3: the 1x1 is a dead end
            ]
        )
    )
    classes = graph_classes(cells.operations, cells.pruned)
    assert classes[1] == classes[2]
    assert len(set(classes.tolist())) == 4


def test_the_published_space_has_2717_pruned_graphs():
    every = Cells(np.array(list(product(range(5), repeat=6))))
    connected = Cells(every.operations[every.connected])
    assert len(np.unique(graph_classes(connected.operations, connected.pruned))) == 2_717


@pytest.fixture
def described(settings, monkeypatch):
    """Readings of latencies to which every operation contributes."""
    chosen = some_cells(400)
    monkeypatch.setattr(readings_module, "cells", lambda: chosen)
    latency_ms = 10.0 + COSTS_MS[chosen.operations].sum(axis=1)
    monkeypatch.setattr(readings_module, "latencies_ms", lambda device: latency_ms)
    return {name: describe(settings, SEEDS, DEVICES[name]) for name in settings.devices}


def test_the_right_reading_explains_the_latencies(described):
    found = described["1080ti_256"].counts_mape_pct
    assert len(found["all"]) == len(SEEDS)
    assert max(found["all"]) < 1e-6
    assert min(found["leading"]) > 1.0
    assert min(found["pruned"]) > 1.0


def test_equal_graphs_of_different_latency_have_a_ceiling(described):
    ceilings = described["1080ti_256"].ceilings
    assert ceilings["executed"]["mape_pct"] < ceilings["pruned"]["mape_pct"]
    assert ceilings["executed"]["graphs"] > ceilings["pruned"]["graphs"]


def test_readings_of_other_files_are_left_out(described, tmp_path):
    path = tmp_path / "readings.json"
    write_readings(path, described)
    assert read_readings(path) == described
    contents = json.loads(path.read_text())
    contents["pixel3"]["data"] = "0" * 12
    path.write_text(json.dumps(contents))
    assert list(read_readings(path)) == ["1080ti_256"]
    path.write_text('{"pixel3": {}}')
    with pytest.raises(PerfseerError, match="is damaged"):
        read_readings(path)


def test_the_report_says_what_there_is_and_what_is_missing(case, made_up, described, tmp_path):
    run(case, SEEDS, tmp_path, silent)
    write_readings(tmp_path / "readings.json", described)
    study = load_study(case.settings, case.labels, SEEDS, case.confidence, tmp_path)
    text = markdown(study)
    mape = study.mean(("executed", "roofline", "1080ti_256"), "mape_pct")
    assert f"| `roofline` | {interval(mape)} | missing |" in text
    assert "`brp_nas` from executed graphs on every device" in text
    assert "`roofline` from executed graphs on pixel3" in text
    assert "- `executed`: no result yet." in text
    assert "remembered, UNVERIFIED | 36.7 | 85.9 | 96.9" in text
    assert "earlier version of the code" not in text
    assert "| measurement noise (floor) | not measured | not measured |" in text


def test_the_report_is_complete_and_repeatable(case, made_up, tmp_path):
    brp = case.settings.predictors.brp_nas
    quick = brp.model_copy(update={"hidden": 8, "recipe": {**brp.recipe, "max_epochs": 2}})
    predictors = case.settings.predictors.model_copy(update={"brp_nas": quick})
    small = case.settings.model_copy(update={"predictors": predictors})
    for reading, predictor, device in product(small.readings, small.predictor_names, small.devices):
        run(Case(small, case.labels, 0.95, reading, predictor, device), SEEDS, tmp_path, silent)
    study = load_study(small, case.labels, SEEDS, 0.95, tmp_path)
    assert study.missing() == []
    first, second = tmp_path / "first", tmp_path / "second"
    render(study, first)
    render(study, second)
    names = sorted(path.relative_to(first) for path in first.rglob("*.*"))
    assert [name.as_posix() for name in names] == [
        "figures/nasbench201_shares.svg",
        "nasbench201.html",
        "nasbench201.md",
        "plots/nasbench201_accuracy.csv",
    ]
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    table = pd.read_csv(first / "plots" / "nasbench201_accuracy.csv")
    assert len(table) == 2 * 2 * 2 * 3
    difference = study.difference("executed", "pixel3", "roofline")
    assert difference.seeds == SEEDS
