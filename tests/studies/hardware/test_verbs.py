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
from perfseer.studies.hardware.asking import key_of, narrowed, picked, ranked
from perfseer.studies.hardware.judging import JUDGEMENTS
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
    ],
)
def test_conditions(table, condition, keys):
    assert list(narrowed(table, [condition]).index) == keys


@pytest.mark.parametrize("condition", ["tdp", "tdb_w>3", "tdp_w>three", "name>3", "'; DROP TABLE gpus"])
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
    assert set(shown) <= set(IDENTITY) | set(NUMBERS)


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
