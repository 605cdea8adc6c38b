"""``perfseer zoo``: standard output for results, standard error for the rest."""

import json

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from perfseer.cli.zoo import zoo_sample, zoo_survey
from perfseer.errors import PerfseerError
from perfseer.zoo.space import ArchitectureSpec, n_parameters
from tests.helpers.search_space import SPACE, SURVEY

PARAMS = json.dumps({"zoo": SPACE, "survey": SURVEY})


@pytest.fixture
def run():
    app = typer.Typer()
    app.command("sample")(zoo_sample)
    app.command("survey")(zoo_survey)

    def invoke(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


def test_sample_prints_one_json_object_a_line(run):
    done = run("sample", "--params", PARAMS, "--count", 5)
    assert done.exit_code == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 5
    for line in lines:
        spec = ArchitectureSpec.from_mapping(line["spec"])
        assert (line["id"], line["family"], line["n_parameters"]) == (
            spec.id,
            spec.family,
            n_parameters(spec),
        )


def test_sample_writes_the_same_to_a_file(run, tmp_path):
    out = tmp_path / "new" / "specs.jsonl"
    done = run("sample", "--params", PARAMS, "--count", 5, "--out", out)
    assert done.exit_code == 0
    assert done.stdout == ""
    assert out.read_text() == run("sample", "--params", PARAMS, "--count", 5).stdout
    assert [path.name for path in out.parent.iterdir()] == ["specs.jsonl"]


def test_survey_writes_the_table_and_prints_it_beside_the_papers(run, tmp_path):
    out = tmp_path / "survey.parquet"
    done = run("survey", "--params", PARAMS, "--out", out)
    assert done.exit_code == 0, done.output
    table = pd.read_parquet(out)
    assert len(table) == 12
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["mean", "min", "median", "max"]
    assert [line.split(",")[0] for line in lines[1:]] == ["flops"] * 2 + ["bytes"] * 2 + ["n_parameters"] * 2
    assert float(lines[1].split()[-1]) == pytest.approx(table["flops"].max(), rel=0.01)
    assert [float(number) for number in lines[6].split()[-4:]] == [9.5e6, 4e4, 3.6e6, 2.55e8]


@pytest.mark.parametrize("verb", ["sample", "survey"])
def test_parameters_without_the_section_are_refused(run, verb, tmp_path):
    done = run(verb, "--params", "{}", "--out", tmp_path / "x")
    assert isinstance(done.exception, PerfseerError)
    assert "expected a mapping" in str(done.exception)


def test_a_count_of_zero_is_a_usage_error(run):
    assert run("sample", "--params", PARAMS, "--count", 0).exit_code == 2
