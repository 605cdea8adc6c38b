"""The verbs of the study: what they refuse, and a report from nothing."""

import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.errors import PerfseerError
from perfseer.evaluation.ledger import MISSING, Ledger
from tests.helpers.places import PARAMS


def invoke(*arguments):
    return CliRunner().invoke(app, ["nasbench201", *map(str, arguments)], catch_exceptions=False)


def fit(*arguments):
    return invoke("fit", "--predictor", "roofline", "--device", "pixel3", *arguments)


def test_without_published_files_the_message_says_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFSEER_MIRROR", str(tmp_path))
    with pytest.raises(PerfseerError, match=r"nasbench201/str_arch2idx\.pt"):
        fit("--reading", "pruned", "--out", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--reading", "guessed"), "guessed"),
        (("--reading", "pruned", "--params", '{"seeds": [0]}'), "nasbench201"),
        (("--reading", "pruned", "--params", '{"nasbench201": {"devices": []}}'), r"nasbench201\.devices"),
    ],
)
def test_what_is_at_fault_is_named(tmp_path, arguments, fault):
    with pytest.raises(PerfseerError, match=fault):
        fit("--out", tmp_path, *arguments)


def test_a_report_without_any_record_says_what_is_missing(tmp_path):
    done = invoke("report", "--study", tmp_path / "none", "--out", tmp_path / "reports")
    assert done.exit_code == 0
    assert done.stdout.split() == [str(tmp_path / "reports" / f"nasbench201.{end}") for end in ("md", "html")]
    study = PARAMS["nasbench201"]
    assert done.stderr.count("every device") == len(study["readings"]) * len(study["predictors"])
    assert set(Ledger.read(tmp_path / "none" / "ledger.parquet", 0.95).table["status"]) == {MISSING}
