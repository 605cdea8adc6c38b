"""``perfseer hardware …``: answers, and what is said where there is none."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.errors import PerfseerError
from perfseer.hardware.schema import METADATA
from perfseer.hardware.specs import COLUMNS, IDENTITY, NUMBERS
from perfseer.hardware.storage import write
from perfseer.studies.hardware.asking import (
    fit_for,
    key_of,
    leaders,
    measured,
    narrowed,
    only_scenario,
    picked,
    ranked,
)
from perfseer.studies.hardware.judging import JUDGEMENTS
from perfseer.studies.hardware.shown_units import UNITS, in_shown_units, unit_of
from perfseer.studies.hardware.verbs import Judged
from tests.helpers.hardware import contents
from tests.helpers.places import ROOT


@pytest.fixture
def table() -> pd.DataFrame:
    rows = pd.DataFrame(
        "", index=pd.Index(["h100-sxm", "old-c1", "old-c2"], name="key"), columns=list(COLUMNS)
    )
    rows = rows.astype(object)
    rows[list(NUMBERS)] = float("nan")
    rows = rows.astype(dict.fromkeys(NUMBERS, float))
    rows["name"] = ["NVIDIA H100 80GB HBM3", "GeForce Old", "GeForce Old"]
    rows["vendor"] = ["NVIDIA", "NVIDIA", "AMD"]
    rows["tdp_w"] = [700.0, 50.0, float("nan")]
    rows["memory_bytes"] = [80.0 * 2**30, float("nan"), float("nan")]
    rows["cloud_low_usd_per_h"] = [2.0, 1.0, float("nan")]
    rows["cloud_offers"] = [7.0, 1.0, float("nan")]
    return rows


@pytest.mark.parametrize("name", ["h100-sxm", "H100 SXM", "nvidia h100 sxm5", "NVIDIA H100 80GB HBM3"])
def test_names_are_forgiving(table, name):
    assert key_of(name, table) == "h100-sxm"


def test_a_name_of_two_says_both_keys_and_a_wrong_one_what_is_alike(table):
    with pytest.raises(PerfseerError, match="old-c1, old-c2"):
        key_of("GeForce Old", table)
    with pytest.raises(PerfseerError, match="did you mean"):
        key_of("h100-sxn", table)


@pytest.mark.parametrize("name", ["", " ", ".*", "nvidia", "日本語", "%"])
def test_what_names_nothing_is_no_accelerator(table, name):
    table.loc["old-c1", "name"] = "GeForce"  # nothing is left of it without its vendor's words
    with pytest.raises(PerfseerError):
        key_of(name, table)


def test_a_column_asked_for_twice_is_shown_once(table):
    assert list(picked(table, "name, tdp_w,name").columns) == ["name", "tdp_w"]


@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        ("vendor=nvidia", ["h100-sxm", "old-c1"]),
        ("vendor!=NVIDIA", ["old-c2"]),
        ("tdp_w>=7e2", ["h100-sxm"]),
        ("tdp_w<700", ["old-c1"]),
        ("tdp_w<700 W", ["old-c1"]),
        ("memory_bytes>=80GB", ["h100-sxm"]),
        ("memory_bytes>=81gib", []),
        ("memory_bytes<=8.6e10 byte", ["h100-sxm"]),
    ],
)
def test_conditions(table, condition, keys):
    assert list(narrowed(table, [condition]).index) == keys


@pytest.mark.parametrize(
    "condition",
    ["tdp", "tdb_w>3", "tdp_w>three", "tdp_w>3 GB", "tdp_w>inf", "g3d>3W", "name>3", "'; DROP TABLE gpus"],
)
def test_a_condition_that_cannot_be_met_is_refused(table, condition):
    with pytest.raises(PerfseerError):
        narrowed(table, [condition])


def test_a_column_nobody_has_is_refused_with_what_is_alike(table):
    with pytest.raises(PerfseerError, match="tdp_w"):
        picked(table, "name,tdpw")
    assert list(picked(table, " name , tdp_w ").columns) == ["name", "tdp_w"]


def test_a_ranking_leaves_out_what_nobody_knows(table):
    metrics = pd.DataFrame(columns=["key", "metric", "value", "low", "high", "status"])
    assert list(ranked(table, metrics, "tdp_w", 9)["key"]) == ["h100-sxm", "old-c1"]
    assert list(ranked(table, metrics, "tdp_w", 1, ascending=True)["key"]) == ["old-c1"]
    with pytest.raises(PerfseerError, match="no metric"):
        ranked(table, metrics, "tflops", 3)


def test_a_ranking_begins_with_the_best(table):
    metrics = pd.DataFrame(
        [
            (key, "usd_per_gb", value * 1e-9, None, None, "derived")
            for key, value in (("h100-sxm", 9), ("old-c1", 4))
        ],
        columns=["key", "metric", "value", "low", "high", "status"],
    )
    assert list(ranked(table, metrics, "usd_per_gb", 9)["key"]) == ["old-c1", "h100-sxm"]
    assert list(ranked(table, metrics, "usd_per_gb", 9, ascending=False)["key"]) == ["h100-sxm", "old-c1"]
    assert list(ranked(table, metrics, "tdp_w", 1)["key"]) == ["h100-sxm"]


def test_a_price_of_clouds_says_how_many_offer_it(table):
    metrics = pd.DataFrame(columns=["key", "metric", "value", "low", "high", "status"])
    rows = ranked(table, metrics, "cloud_low_usd_per_h", 9)
    assert rows[["key", "cloud_low_usd_per_h", "cloud_offers"]].to_numpy().tolist() == [
        ["old-c1", 1.0, 1.0],
        ["h100-sxm", 2.0, 7.0],
    ]


def test_a_name_of_several_forms_says_which_is_taken(table):
    said = []
    assert key_of("h100", table, said.append) == "h100-sxm"
    assert "h100-pcie" in said[0]
    said.clear()
    assert key_of("h100 sxm", table, said.append) == "h100-sxm"
    assert not said


def test_every_figure_has_a_unit_for_people_that_its_name_agrees_with():
    assert set(UNITS) == set(NUMBERS)
    by_end = {"_bytes": "byte", "_bytes_per_s": "byte/s", "_w": "W", "_hz": "Hz", "_usd": "US$", "_nm": "nm"}
    by_end |= {"_usd_per_h": "US$/h", "_bits": "bit", "_mm2": "mm²", "_flops": "FLOP/s", "_ops": "OP/s"}
    for figure, unit in UNITS.items():
        ends = [end for end in by_end if figure.endswith(end)]
        assert unit.si == (by_end[ends[0]] if ends else ""), figure
    assert unit_of("fp16_sparse_flops") == UNITS["fp16_flops"]
    assert unit_of("int4_ops") == UNITS["int8_ops"]
    with pytest.raises(PerfseerError, match="mood"):
        unit_of("mood")


def test_people_read_units_and_programs_si():
    frame = pd.DataFrame({"key": ["a"], "fp16_flops": [9.9e14], "memory_bytes": [2.0**36], "g3d": [7.0]})
    assert in_shown_units(frame).to_dict("records") == [
        {"key": "a", "fp16_flops [TFLOP/s]": 990.0, "memory_bytes [GiB]": 64.0, "g3d": 7.0}
    ]


def _result(**changed):
    plain = {
        **{"round": "v5.1", "submitter": "X", "system": "s", "benchmark": "bert", "accuracy_target": "99"},
        **{"scenario": "Offline", "metric": "samples_per_s", "value": 80.0, "total_accelerators": 8.0},
        **{"power_w": None, "maxq": False, "mig": "", "vgpu": "", "power_cap_w": None, "mixed": False},
        **{"virtualised": False, "location": "here"},
    }
    return plain | changed


def test_results_are_per_accelerator_the_latest_and_the_best_first():
    rows = pd.DataFrame(
        [
            _result(round="v0.7", submitter="old", value=800.0),
            _result(submitter="slow", value=40.0, power_cap_w=300.0, maxq=True),
            _result(submitter="fast", value=90.0),
            _result(submitter="late", scenario="SingleStream", metric="latency_p90_s", value=0.2),
            _result(submitter="mixed", benchmark="gptj", metric="tokens_per_s", mixed=True),
        ]
    )
    shown = measured(rows)
    assert shown["submitter"].tolist() == ["fast", "slow", "late", "mixed", "old"]
    assert shown["per_accelerator"].iloc[[0, 1, 4]].tolist() == [11.25, 5.0, 100.0]
    assert shown["per_accelerator"].iloc[[2, 3]].isna().all()
    assert shown["unit"].tolist() == ["sample/s", "sample/s", "s", "token/s", "sample/s"]
    assert shown["set_up"].tolist() == ["", "maxq, capped at 300 W", "", "mixed", ""]
    assert measured(rows, "BERT", "offline")["submitter"].tolist() == ["fast", "slow", "old"]
    with pytest.raises(PerfseerError, match="bert, gptj"):
        measured(rows, "llama9")


def test_leaders_rest_on_the_latest_round_and_on_accelerators_as_they_are_sold(table):
    rows = pd.DataFrame(
        [
            _result(key="h100-sxm", round="v4.1", value=8000.0),
            _result(key="h100-sxm", submitter="Y", value=80.0),
            _result(key="h100-sxm", value=120.0),
            _result(key="h100-sxm", value=960.0, mig="1g.10gb"),
            _result(key="old-c1", round="v0.7", value=96.0),
            _result(key="old-c1", scenario="SingleStream", metric="latency_p90_s", value=0.2),
        ]
    )
    found = leaders(rows, table)
    assert found[["key", "name", "round", "median", "best", "results", "submitters"]].to_numpy().tolist() == [
        ["h100-sxm", "NVIDIA H100 80GB HBM3", "v5.1", 12.5, 15.0, 2, 2],
        ["old-c1", "GeForce Old", "v0.7", 12.0, 12.0, 1, 1],
    ]
    assert set(found["unit"]) == {"sample/s"}
    with pytest.raises(PerfseerError, match="Offline, SingleStream"):
        only_scenario(rows, "offlin")


def test_a_use_leaves_what_is_fit_for_it(table):
    uses = pd.DataFrame([("h100-sxm", "train vision"), ("old-c1", "")], columns=["key", "segments"])
    assert list(fit_for(table, uses, "train").index) == ["h100-sxm"]
    assert list(fit_for(table, uses, None).index) == list(table.index)
    with pytest.raises(PerfseerError, match="train, vision"):
        fit_for(table, uses, "rain")


def test_leaders_and_uses_are_asked_on_the_command_line(tmp_path):
    place = tmp_path / "hardware.sqlite"
    rows = contents()
    rows["systems"][0]["power_cap_w"] = None
    rows["tiers"][0]["segments"] = "train_llm"
    write(rows, place)
    ask = ["--format", "json", "--database", str(place)]
    answer = CliRunner().invoke(app, ["hardware", "results", "--benchmark", "bert", *ask])
    assert answer.exit_code == 0, answer.output
    assert [(row["key"], row["median"]) for row in json.loads(answer.stdout)] == [("a100", 125.0)]
    for verb in (["list"], ["rank", "--by", "tdp_w"]):
        answer = CliRunner().invoke(app, ["hardware", *verb, "--all", "--use", "train_llm", *ask])
        assert answer.exit_code == 0, answer.output
        assert [row["key"] for row in json.loads(answer.stdout)] == ["a100"]
    assert CliRunner().invoke(app, ["hardware", "results", *ask]).exit_code != 0
    answer = CliRunner().invoke(app, ["hardware", "results", "--benchmark", "none", *ask])
    assert answer.exit_code != 0


def test_the_verb_shows_closed_results_once_and_says_who_did_not_verify_them(tmp_path):
    place = tmp_path / "hardware.sqlite"
    rows = contents()
    rows["results"] += [
        rows["results"][0] | {"id": 2, "location": "b", "duplicate": True},
        rows["results"][0] | {"id": 3, "location": "c", "inferred": True},
        rows["results"][0] | {"id": 4, "location": "d", "valid": False},
    ]
    write(rows, place)
    arguments = ["hardware", "results", "a100", "--format", "json", "--database", str(place)]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    (shown,) = json.loads(answer.stdout)
    assert (shown["per_accelerator"], shown["unit"], shown["power_w"]) == (125.0, "sample/s", 3000.0)
    assert "not verified by MLCommons" in answer.stderr
    answer = CliRunner().invoke(app, ["hardware", "results", "a100-80", "--database", str(place)])
    assert answer.exit_code != 0


def test_the_verbs_answer_in_every_format(tmp_path):
    place = tmp_path / "hardware.sqlite"
    write(contents(), place)
    for style in ("table", "json", "csv", "md"):
        arguments = ["hardware", "list", "--all", "--columns", "name,tdp_w", "--format", style]
        answer = CliRunner().invoke(app, [*arguments, "--database", str(place)])
        assert answer.exit_code == 0, answer.output
        assert "400" in answer.output
    answer = CliRunner().invoke(
        app, ["hardware", "show", "a100", "--format", "json", "--database", str(place)]
    )
    shown = {row["figure"]: row for row in json.loads(answer.output)}
    assert shown["tdp_w"]["value"] == "400"
    assert shown["tdp_w"]["source"] == "sheet"
    assert shown["tdp_w"]["unit"] == "W"
    assert shown["cloud_low_usd_per_h"]["source"] == "sheet: 1 price, 2025-03"
    assert set(shown) <= set(IDENTITY) | set(NUMBERS)


def test_an_empty_answer_says_so_and_stays_an_answer(tmp_path):
    place = tmp_path / "hardware.sqlite"
    write(contents(), place)
    for verb in (["rank", "--by", "g3d"], ["matrix", "complete"], ["list", "--where", "vendor=none"]):
        ask = ["hardware", *verb, "--format", "csv", "--database", str(place)]
        answer = CliRunner().invoke(app, ask)
        assert answer.exit_code == 0
        assert len(answer.stdout.splitlines()) == 1
        assert "nothing" in answer.stderr


def test_without_a_database_the_verb_that_makes_it_is_named(tmp_path):
    answer = CliRunner().invoke(app, ["hardware", "list", "--database", str(tmp_path / "none.sqlite")])
    assert answer.exit_code != 0
    assert "perfseer hardware build" in str(answer.exception) + answer.output


@pytest.mark.parametrize("style", ["csv", "parquet"])
def test_every_table_can_be_taken_elsewhere(tmp_path, style):
    place, out = tmp_path / "hardware.sqlite", tmp_path / "out"
    write(contents(), place)
    arguments = ["hardware", "export", str(out), "--format", style, "--database", str(place)]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    assert {path.stem for path in out.iterdir()} == {*METADATA.tables, "accelerators"}
    read = pd.read_csv if style == "csv" else pd.read_parquet
    assert read(out / f"gpus.{style}")["key"].tolist() == ["a100", "a100-80"]
    assert read(out / f"accelerators.{style}")["tdp_w"].tolist()[0] == 400.0


def test_tables_go_to_no_folder_that_is_not_named(tmp_path, monkeypatch):
    write(contents(), tmp_path / "hardware.sqlite")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    arguments = ["hardware", "export", "", "--database", str(tmp_path / "hardware.sqlite")]
    assert CliRunner().invoke(app, arguments).exit_code != 0
    assert list((tmp_path / "here").iterdir()) == []


@pytest.fixture
def judged_by_verb(tmp_path):
    place = tmp_path / "hardware.sqlite"
    write(contents(), place)

    def ask(what: str) -> list[dict]:
        arguments = ["hardware", "quality", what, "--format", "json", "--database", str(place)]
        answer = CliRunner().invoke(app, [*arguments, "--params", str(ROOT / "params.yaml")])
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.stdout)

    return ask


def test_every_judgement_has_its_word_and_answers(judged_by_verb):
    assert [word.value for word in Judged] == list(JUDGEMENTS)
    for word in JUDGEMENTS:
        judged_by_verb(word)


def test_rows_set_aside_are_told_with_source_and_reason(judged_by_verb):
    (row,) = judged_by_verb("quarantine")
    assert row == {"source": "sheet", "row": 3, "column": "tdp", "value": "-5", "reason": "not positive"}


def test_coverage_is_told_before_and_after_rules_and_guesses(judged_by_verb):
    rows = {(row["scope"], row["figure"]): row for row in judged_by_verb("coverage")}
    peak, power = rows["all", "fp16_flops"], rows["all", "tdp_w"]
    assert (peak["before"], peak["imputed"]) == (0, 1)  # the only FP16 of the small database is a guess
    assert (power["before"], power["observed"], power["imputed"]) == (2, 2, 0)
