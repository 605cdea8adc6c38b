"""The study on NAS-Bench-201 over a handful of made-up cells; no published file is needed."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from perfseer.data.dataset import Dataset
from perfseer.data.sources.nasbench201.cells import DEVICES, LABEL, N_CONNECTED, Cells
from perfseer.data.sources.nasbench201.graphs import network_graphs
from perfseer.errors import PerfseerError
from perfseer.evaluation.ledger import MISSING as ABSENT
from perfseer.evaluation.ledger import STALE, VALID, Contender, Ledger
from perfseer.reporting.floors import FLOOR, NOT_MEASURED
from perfseer.reporting.units import MISSING, interval
from perfseer.studies.nasbench201 import fitting, tables
from perfseer.studies.nasbench201 import readings as readings_module
from perfseer.studies.nasbench201.about import DOCUMENT
from perfseer.studies.nasbench201.fitting import Plan, run
from perfseer.studies.nasbench201.published import UNVERIFIED
from perfseer.studies.nasbench201.readings import (
    describe,
    graph_classes,
    operation_counts,
    read_readings,
    write_readings,
)
from perfseer.studies.nasbench201.render import markdown, render, render_folder
from perfseer.studies.nasbench201.settings import NasBench201Settings
from perfseer.studies.nasbench201.study import load_study
from perfseer.targets import TARGET_NAMES
from tests.helpers.nasbench201_cells import CONV_1, CONV_3, NONE, POOL, SKIP, every_cell
from tests.helpers.places import PARAMS
from tests.helpers.reading import rows_of

SEEDS = (0, 1, 2)
COSTS_MS = np.array([1.0, 0.0, 2.0, 5.0, 3.0])  # of each operation; a skip is free


@pytest.fixture(scope="module")
def settings():
    section = PARAMS["nasbench201"]
    predictors = {"roofline": {}, "brp_nas": section["predictors"]["brp_nas"]}
    small = {"devices": ["1080ti_256", "pixel3"], "train_cells": 60, "valid_cells": 20}
    return NasBench201Settings.model_validate({**section, **small, "predictors": predictors})


@pytest.fixture(scope="module")
def mapping(settings):
    """Parameters of the study: its section, and what all studies share."""
    return PARAMS | {"seeds": list(SEEDS), "nasbench201": settings.model_dump(mode="json")}


@pytest.fixture
def case(mapping):
    return Plan.of(mapping).case("executed", "roofline", "1080ti_256")


def changed(case, **changes):
    """The case under other settings of the study."""
    settings = case.plan.settings.model_copy(update=changes)
    return replace(case, plan=replace(case.plan, settings=settings))


def some_cells(n=120):
    every = every_cell()
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

    monkeypatch.setattr(fitting, "dataset", dataset)
    return calls


def silent(line):
    pass


def make_stale(path):
    contents = json.loads(path.read_text())
    contents["digests"]["code"] = "0" * 12
    path.write_text(json.dumps(contents))


def test_a_run_records_every_seed_and_is_kept(case, made_up, tmp_path):
    paths = run(case, tmp_path, silent)
    assert [path.parent.relative_to(tmp_path).as_posix() for path in paths] == [
        f"executed/roofline/1080ti_256/{seed}" for seed in SEEDS
    ]
    record = case.records(tmp_path)[1]
    assert (record.split, record.seed) == ("executed-1080ti_256", 1)
    assert set(record.metrics) == {LABEL}
    assert {"within_1_pct", "within_5_pct", "within_10_pct", "within_20_pct"} < set(record.metrics[LABEL])
    assert (record.n.train, record.n.valid, record.n.test) == (60, 20, 40)
    assert json.loads((paths[0].parents[1] / "summary.json").read_text())["predictor"] == "roofline"
    before = [path.stat().st_mtime_ns for path in paths]
    run(case, tmp_path, silent)
    assert [path.stat().st_mtime_ns for path in paths] == before
    assert made_up == [("1080ti_256", "executed", "network")]


def test_only_missing_seeds_are_fitted_again(case, made_up, tmp_path):
    first, second, _ = run(case, tmp_path, silent)
    kept = second.stat().st_mtime_ns
    first.write_text("{", encoding="utf-8")
    run(case, tmp_path, silent)
    assert None not in case.records(tmp_path).values()
    assert second.stat().st_mtime_ns == kept


def test_records_of_other_parameters_are_refused_and_those_of_older_code_kept(case, made_up, tmp_path):
    path = run(case, tmp_path, silent)[0]
    assert set(changed(case, train_cells=61).records(tmp_path).values()) == {None}
    assert set(replace(case, device="pixel3").records(tmp_path).values()) == {None}
    make_stale(path)
    assert None not in case.records(tmp_path).values()


def test_the_digest_of_parameters_ignores_other_predictors_and_devices(case):
    assert changed(case, devices=("1080ti_256",)).digests() == case.digests()
    assert replace(case, reading="pruned").digests().params != case.digests().params


@pytest.mark.parametrize(
    ("names", "unknown"),
    [
        (("guessed", "roofline", "pixel3"), "guessed"),
        (("pruned", "boosting", "pixel3"), "predictors.boosting"),
        (("pruned", "roofline", "abacus"), "abacus"),
    ],
)
def test_unknown_names_are_refused(mapping, names, unknown):
    with pytest.raises(PerfseerError, match=unknown):
        Plan.of(mapping).case(*names)


def test_settings_know_their_devices(settings):
    with pytest.raises(ValueError, match="abacus"):
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
    every = every_cell()
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
    with pytest.raises(PerfseerError, match=path.name):
        read_readings(path)


@pytest.fixture
def partly(case, made_up, described, tmp_path):
    """Folder of a study with one case, whose first seed was fitted by an earlier version of the code."""
    make_stale(run(case, tmp_path, silent)[0])
    write_readings(tmp_path / "readings.json", described)
    return tmp_path


def test_the_ledger_holds_every_trial(mapping, case, partly):
    study = load_study(mapping, partly)
    ledger, contender = study.ledger, Contender("roofline", "executed", "1080ti_256")
    by_seed = {seed: record.metrics[LABEL]["mape_pct"].value for seed, record in case.records(partly).items()}
    assert ledger.values(contender, LABEL, "mape_pct") == by_seed
    trials = ledger.table.drop_duplicates(["predictor", "variant", "split", "seed"])
    assert len(trials) == 2 * 2 * 2 * 3  # readings, predictors, devices, seeds
    assert trials["status"].value_counts().to_dict() == {ABSENT: 21, VALID: 2, STALE: 1}
    assert ledger.n_stale == 1
    assert list(ledger.missing().values()) == [[0, 1, 2]] * 7
    assert contender not in ledger.missing()


def test_rendering_writes_the_ledger(mapping, partly, tmp_path):
    render_folder(mapping, partly, tmp_path / "reports")
    read, made = Ledger.read(partly / "ledger.parquet", 0.95), load_study(mapping, partly).ledger
    pd.testing.assert_frame_equal(read.table, made.table, check_dtype=False)


def test_the_tables_say_what_there_is_and_what_is_missing(mapping, partly):
    study = load_study(mapping, partly)
    mape = study.mean("executed", "roofline", "1080ti_256", "mape_pct")
    assert rows_of(tables.comparison_table(study, "executed", "mape_pct")) == {
        "`roofline`": [interval(mape), MISSING],
        "`brp_nas`": [MISSING, MISSING],
        FLOOR: [NOT_MEASURED, NOT_MEASURED],
    }
    assert rows_of(tables.difference_table(study, "executed")) == {"`roofline`": [MISSING, MISSING]}
    assert rows_of(tables.published_table(study))["desktop GPU"] == [UNVERIFIED, "36.7", "85.9", "96.9"]
    assert rows_of(tables.cost_table(study))["`roofline`"][:2] == ["3", "3"]
    ran = rows_of(tables.reading_table(study))["GTX 1080 Ti"]
    assert (ran[0], ran[-1]) == ("256", tables.RAN["all"])


def test_the_report_counts_what_is_missing(mapping, partly):
    study = load_study(mapping, partly)
    assert study.missing() == [
        "`roofline` from executed graphs on pixel3",
        "`brp_nas` from executed graphs on every device",
        "`roofline` from pruned graphs on every device",
        "`brp_nas` from pruned graphs on every device",
    ]
    assert (len(study.records), study.n_expected, study.n_test) == (3, 24, N_CONNECTED - 80)
    text = markdown(study)
    assert all(line in text for line in study.missing())
    assert "**3 of 24 " in text


def test_the_report_is_complete_and_repeatable(mapping, settings, made_up, tmp_path):
    brp = settings.predictors.brp_nas.model_dump(mode="json")
    brp |= {"hidden": 8, "recipe": {**brp["recipe"], "max_epochs": 2}}
    small = mapping | {
        "nasbench201": mapping["nasbench201"] | {"predictors": {"roofline": {}, "brp_nas": brp}}
    }
    for case in Plan.of(small).cases():
        run(case, tmp_path / "nasbench201", silent)
    first, second = tmp_path / "first", tmp_path / "second"
    assert not render(small, tmp_path, first).missing
    render(small, tmp_path, second)
    found = {path.relative_to(first).as_posix() for path in first.rglob("*.*")}
    assert found == set(DOCUMENT.outputs())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in found)
    table = pd.read_csv(first / "plots" / "nasbench201_accuracy.csv")
    assert len(table) == 2 * 2 * 2 * 3
    study = load_study(small, tmp_path / "nasbench201")
    contenders = (Contender(name, "executed", "pixel3") for name in ("brp_nas", "roofline"))
    assert study.ledger.difference(*contenders, LABEL).seeds == SEEDS
