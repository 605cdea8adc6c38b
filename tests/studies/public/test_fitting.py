"""The study on published results, on made-up ones."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.errors import PerfseerError
from perfseer.evaluation.ledger import Ledger
from perfseer.evaluation.trials import fit as FIT
from perfseer.studies.public import fitting, source
from perfseer.studies.public.agreement import agreements, common
from perfseer.studies.public.facts import row_facts
from perfseer.studies.public.fitting import Case, run
from perfseer.studies.public.records import FoldRecord, prediction_table, times_ms
from perfseer.studies.public.settings import PublicSettings
from perfseer.studies.public.source import data_digest, place_of
from perfseer.studies.public.unseen import UnseenCase, run_unseen
from tests.helpers.public_results import CPU, FILES, GPU_NEW, GPU_OLD, TRAIN, settings, silent, stand_in

UNSEEN = {
    "entrant": "boosting",
    "devices": {"cpu": (CPU,)},
    "seeds": (0,),
    "measured": (0, 5, 10, 1000),
}
ALONE = {"means": {}, "variants": {}, "subject": "roofline"}


@pytest.fixture
def study(monkeypatch, data, tmp_path):
    stand_in(monkeypatch, data)
    return tmp_path


def case(name="roofline", grouping="architecture", seed=0, **changes):
    return Case(settings(**changes), name, grouping, seed)


def test_every_row_is_predicted_once_by_one_that_never_saw_its_group(study, data):
    paths = run(case(), study, 1, silent)
    tables = [FoldRecord.read(path).read_table(path) for path in paths]
    together = pd.concat(tables)
    headline = data.rows[data.rows["source"].isin([GPU_NEW, TRAIN, CPU])]
    assert sorted(together["configuration"]) == sorted(headline["configuration"])
    owners = [set(table["architecture"]) for table in tables]
    assert sum(map(len, owners)) == len(set.union(*owners)) == 36
    record = FoldRecord.read(paths[0])
    assert [part.files for part in record.parts] == [(GPU_NEW,), (TRAIN,), (CPU,)]
    assert all(part.n.train + part.n.valid + part.n.test == 72 for part in record.parts)
    assert json.loads((paths[0].parents[1] / "summary.json").read_text())["entrant"] == "roofline"


def test_a_joint_fit_learns_from_other_devices_but_for_what_it_is_tested_on(study, data, monkeypatch):
    """The others ran the very networks of the study: those of a fold's tests may not be learnt there."""
    given = []

    def fitted(model, fold, *, log, inputs):
        given.append((fold, inputs.elsewhere))
        return FIT(model, fold, log=log)

    monkeypatch.setattr(source, "published_rows", lambda name, wanted, seed: data)
    monkeypatch.setattr(source, "bound_by_device", lambda rows: rows)
    monkeypatch.setattr(fitting, "fit", fitted)
    source._elsewhere.cache_clear()
    pooled = {"predictor": "roofline", "fit": "joint", "files": (GPU_NEW,)}
    entrants = {"pooled": pooled, "alone": {"predictor": "roofline"}}
    changed = {"entrants": entrants, **ALONE, "subject": "pooled", "elsewhere": {"once_for_all": {}}}
    for grouping in ("architecture", "family"):
        given.clear()
        pooled = case("pooled", grouping, **changed)
        run(pooled, study, 1, silent)
        assert len(given) == 3
        for fold, (seen, elsewhere) in enumerate(given):
            record = FoldRecord.read(study / pooled.folder / str(fold) / "record.json")
            tested = record.read_table(study / pooled.folder / str(fold) / "record.json")[grouping]
            learnt = set(elsewhere.rows[grouping])
            assert learnt == set(seen.train.rows[grouping])
            assert learnt.isdisjoint(tested)
    given.clear()
    run(case("alone", **changed), study, 1, silent)
    assert all(elsewhere is None for _, elsewhere in given)
    assert (
        case("pooled", **changed).digests().params
        != case("pooled", **changed | {"elsewhere": {}}).digests().params
    )


def test_a_joint_fit_learns_from_all_files_at_once():
    joint = {"pooled": {"predictor": "roofline", "fit": "joint"}, "boosting": {"predictor": "roofline"}}
    assert case("pooled", entrants=joint, means={}, variants={}).groups() == (FILES,)
    assert case("boosting", entrants=joint, means={}, variants={}).groups() == ((GPU_NEW,), (TRAIN,), (CPU,))


def test_a_finished_fold_is_kept_and_a_missing_one_is_made(study):
    first, second, third = run(case(), study, 1, silent)
    kept = second.stat().st_mtime_ns
    third.write_text("{", encoding="utf-8")
    first.unlink()
    run(case(), study, 1, silent)
    assert case().kept(first.parent) is not None
    assert case().kept(third.parent) is not None
    assert second.stat().st_mtime_ns == kept


def test_records_of_other_parameters_are_refused_and_those_of_older_code_kept(study):
    path = run(case(), study, 1, silent)[0]
    assert case(valid_share=0.3).kept(path.parent) is None
    assert case(seeds=(0,)).kept(path.parent) is not None
    contents = json.loads(path.read_text())
    contents["digests"]["code"] = "0" * 12
    path.write_text(json.dumps(contents))
    assert case().kept(path.parent) is not None


def test_a_table_that_was_exchanged_is_refused(study):
    first, second, _ = run(case(), study, 1, silent)
    first.with_name("predictions.parquet").write_bytes(second.with_name("predictions.parquet").read_bytes())
    with pytest.raises(PerfseerError, match=FoldRecord.read(first).predictions_digest):
        FoldRecord.read(first).read_table(first)


def test_a_variant_is_its_entrant_with_changes():
    entrant = settings().entrant("stumps")
    assert (entrant.predictor, entrant.settings["num_leaves"], entrant.settings["n_estimators"]) == (
        "boosting",
        2,
        60,
    )
    assert (entrant.seeds, entrant.folds, entrant.files) == ((0,), (0, 2), FILES)
    assert case("stumps").digests().params != case("boosting").digests().params


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"headline": ("nothing",)}, r"headline names \['nothing'\]"),
        ({"files": ("nothing",)}, r"files names \['nothing'\]"),
        ({"subject": "oracle"}, r"subject names \['oracle'\]"),
        ({"means": {"both": ("roofline", "oracle")}}, r"means.both names \['oracle'\]"),
        ({"means": {"roofline": ("roofline", "boosting")}}, "roofline"),
        (
            {"variants": {"v": {"of": "boosting", "changes": {"nothing": 1}, "says": ""}}},
            "nothing",
        ),
        (
            {"variants": {"v": {"of": "boosting", "changes": {"folds": [7]}, "says": ""}}},
            r"folds names \[7\]",
        ),
        ({"unseen": {**UNSEEN, "devices": {"x": ("nothing",)}}}, r"unseen.devices.x names"),
    ],
)
def test_faults_in_the_section_are_named(changes, message):
    with pytest.raises((ValidationError, PerfseerError), match=message):
        settings(**changes)


def test_faults_in_a_case_are_named():
    with pytest.raises(PerfseerError, match=r"oracle.* roofline, boosting, stumps"):
        case("oracle")
    with pytest.raises(PerfseerError, match=r"seed \(0, 1\).*7"):
        case(seed=7)
    entrants = {"boosting": {"predictor": "boosting", "settings": {"leaves": 3}}}
    with pytest.raises(PerfseerError, match=r"public\.entrants\.boosting\.settings\.leaves = 3"):
        case("boosting", entrants=entrants, means={}, variants={})


def test_files_of_ones_own_come_before_published_ones(tmp_path):
    own = tmp_path / f"benchmark-{CPU}.csv"
    own.write_text("model\n")
    with_folder = settings(folder=str(tmp_path))
    assert place_of(with_folder, CPU) == own
    assert place_of(with_folder, GPU_NEW) == GPU_NEW
    assert data_digest(with_folder) != data_digest(settings())
    with pytest.raises(PerfseerError, match=r"public\.files: 'unheard-of'"):
        place_of(with_folder, "unheard-of")


def test_the_settings_dump_to_themselves():
    plain = settings(unseen=UNSEEN).model_dump(mode="json")
    assert PublicSettings.model_validate(plain) == settings(unseen=UNSEEN)


def test_rows_have_one_time_of_either_phase(data):
    rows = data.rows.iloc[:4]
    assert times_ms(rows).tolist() == [
        *rows["infer_time_ms"].iloc[:3],
        rows["train_time_ms"].iloc[3],
    ]
    both = rows.assign(train_time_ms=1.0)
    with pytest.raises(PerfseerError, match="one time"):
        times_ms(both)


def test_predictions_are_taken_from_each_rows_own_phase(data):
    chosen = data.subset([0, 3])
    predicted = pd.DataFrame({"infer_time_ms": [1.0, 2.0], "train_time_ms": [3.0, 4.0]})
    bounds = pd.DataFrame(
        {
            f"{phase}_time_ms_{end}": [v, v]
            for phase, v in (("infer", 5.0), ("train", 6.0))
            for end in ("low", "high")
        }
    )
    table = prediction_table(chosen, predicted, bounds)
    assert table["predicted_ms"].tolist() == [1.0, 4.0]
    assert table["low_ms"].tolist() == [5.0, 6.0]
    with pytest.raises(PerfseerError, match="1 of 2"):
        prediction_table(chosen, predicted[["infer_time_ms"]])


def test_facts_say_what_a_row_is_made_of(data):
    facts = row_facts(data)
    assert len(facts) == len(data)
    first, graph = facts.iloc[0], data.graph(0)
    assert first["flops"] == graph.flops.sum()
    assert first["n_nodes"] == graph.n_nodes
    assert (first["model"], first["phase"], first["software"]) == ("neta0", "infer", "torch 2.4.0 cu124")
    assert facts.iloc[3]["phase"] == "train"
    assert (facts["grouped_share"] == 0).all()


def test_operators_that_few_families_have_are_rare(data):
    kernel = np.array(data.graphs["hyperparameters"])
    nodes = slice(*data.graphs.node_ptr[:2])
    is_conv = kernel[nodes, 0] == 3
    kernel[nodes, 0] = np.where(is_conv, 31, kernel[nodes, 0])
    kernel[nodes, 4] = np.where(is_conv, 16, kernel[nodes, 4])
    altered = replace(
        data,
        graphs=replace(data.graphs, arrays={**data.graphs.arrays, "hyperparameters": kernel}),
        _shared={},
    )
    facts = row_facts(altered)
    assert facts.iloc[0]["rare"] == "31×31 grouped conv"
    moved = data.features.nodes[nodes, 14]
    assert facts.iloc[0]["rare_share"] == pytest.approx(moved[is_conv].sum() / moved.sum())
    assert facts.iloc[0]["grouped_share"] == pytest.approx(facts.iloc[0]["rare_share"])
    assert (facts["rare_share"].iloc[4:] == 0).all()


def test_files_that_differ_in_software_alone_agree_up_to_a_factor(data):
    facts = row_facts(data)
    (found,) = agreements(facts, confidence=0.95, resamples=100)
    assert (found.first, found.second, found.n) == (GPU_NEW, GPU_OLD, 72)
    assert found.factor == pytest.approx(1 / 1.1, rel=0.01)
    assert found.mean_pct == pytest.approx(100 * 0.01 * np.sqrt(2) * np.sqrt(2 / np.pi), rel=0.3)
    assert found.low_pct < found.mean_pct < found.high_pct


def test_the_common_factor_is_that_of_times_per_sample(data):
    facts = row_facts(data)
    chosen = facts["source"] == GPU_OLD
    double = facts.assign(
        batch_size=facts["batch_size"].where(~chosen, 16),
        time_ms=facts["time_ms"].where(~chosen, 2 * facts["time_ms"]),
    )
    pd.testing.assert_frame_equal(common(double, GPU_NEW, GPU_OLD), common(facts, GPU_NEW, GPU_OLD))


def test_an_unseen_device_is_predicted_and_calibrated(study):
    # Boosting cannot know the device: thirty times slower is what five measurements tell.
    one = UnseenCase(settings(unseen=UNSEEN, entrants=_pooled(), means={}, variants={}), "cpu", 0)
    path = run_unseen(one, study, silent)
    record = one.kept(path.parent)
    table = record.read_table(path)
    assert sorted(table["measured"].unique()) == [0, 5, 10]
    assert len(record.chosen) == 10
    errors = (
        (table["predicted_ms"] / table["actual_ms"] - 1).abs().groupby([table["measured"], table["known"]])
    )
    means = errors.mean()
    assert means[0].min() > 0.9
    assert means[10].max() < 0.3
    unknown = table[~table["known"]]
    assert not unknown["configuration"].isin(record.chosen).any()
    assert len(set(unknown.groupby("measured").size())) == 1
    kept = path.stat().st_mtime_ns
    assert run_unseen(one, study, silent).stat().st_mtime_ns == kept


def _pooled():
    section = settings().model_dump(mode="json")["entrants"]
    return {**section, "boosting": {**section["boosting"], "fit": "joint", "files": (GPU_NEW, CPU)}}


def test_an_unseen_device_must_be_named_in_the_section():
    with pytest.raises(PerfseerError, match=r"tpu.*cpu"):
        UnseenCase(settings(unseen=UNSEEN), "tpu", 0)
    with pytest.raises(PerfseerError, match="unseen"):
        UnseenCase(settings(), "cpu", 0)


def invoke(*arguments):
    return CliRunner().invoke(app, ["public", *map(str, arguments)], catch_exceptions=False)


def params(tmp_path, **changes):
    path = tmp_path / "params.yaml"
    path.write_text(json.dumps({"public": settings(**changes).model_dump(mode="json")}))
    return path


def test_the_verbs_write_what_the_report_reads(study, tmp_path):
    file = params(tmp_path, entrants={"roofline": {"predictor": "roofline", "files": (GPU_NEW,)}}, **ALONE)
    common_options = ("--params", file, "--out", study)
    done = invoke("fit", "--entrant", "roofline", "--grouping", "family", "--seed", 1, *common_options)
    assert done.stdout.splitlines() == [str(study / f"roofline/family/1/{k}/record.json") for k in range(3)]
    assert done.stderr.count("roofline/family/1") == 3
    assert invoke("describe", *common_options).stdout.strip() == str(study / "facts.parquet")
    done = invoke("report", "--params", file, "--study", study, "--out", tmp_path / "reports")
    assert done.exit_code == 0
    assert "`roofline` (3 of 12" in done.stderr
    assert " 288 " in (tmp_path / "reports" / "public.md").read_text()
    assert Ledger.read(study / "ledger.parquet", 0.95).missing() == {
        ("roofline", "", "architecture"): [0, 1],
        ("roofline", "", "family"): [0],
    }


def test_a_file_without_the_section_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("public: null\n")
    with pytest.raises(PerfseerError, match="'public'"):
        invoke("describe", "--params", path)
    path.write_text("public: {files: []}\n")
    with pytest.raises(PerfseerError, match=r"public\.files = \[\]"):
        invoke("describe", "--params", path)


def test_an_unknown_grouping_is_refused(tmp_path):
    with pytest.raises(PerfseerError, match=r"grouping.*shape"):
        invoke(
            *("fit", "--entrant", "roofline", "--grouping", "shape", "--seed", 0),
            *("--params", params(tmp_path), "--out", tmp_path),
        )


def test_devices_that_are_left_out_are_not_learnt_from_elsewhere():
    with pytest.raises(ValidationError, match="take one of both away"):
        settings(unseen=UNSEEN, elsewhere={"once_for_all": {}})
