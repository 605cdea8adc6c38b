import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.errors import PerfseerError


def invoke(*arguments):
    return CliRunner().invoke(app, ["nasbench201", *map(str, arguments)], catch_exceptions=False)


def fit(*arguments):
    return invoke("fit", "--predictor", "roofline", "--device", "pixel3", *arguments)


def test_without_published_files_the_message_says_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFSEER_MIRROR", str(tmp_path))
    with pytest.raises(
        PerfseerError, match=r"PERFSEER_MIRROR=.* has no nasbench201/str_arch2idx\.pt: put the"
    ):
        fit("--reading", "pruned", "--out", tmp_path)


def test_an_unknown_reading_is_refused(tmp_path):
    with pytest.raises(PerfseerError, match="no reading 'guessed'; there are executed, pruned"):
        fit("--reading", "guessed", "--out", tmp_path)


def test_parameters_without_the_section_are_refused(tmp_path):
    with pytest.raises(PerfseerError, match="no section nasbench201"):
        fit("--reading", "pruned", "--out", tmp_path, "--params", '{"seeds": [0]}')


def test_a_fault_in_the_section_is_named(tmp_path):
    with pytest.raises(PerfseerError, match="section nasbench201 is at fault: devices: "):
        fit("--reading", "pruned", "--out", tmp_path, "--params", '{"nasbench201": {"devices": []}}')


def test_a_report_without_any_record_says_what_is_missing(tmp_path):
    done = invoke("report", "--study", tmp_path / "none", "--out", tmp_path / "reports")
    assert done.exit_code == 0
    assert "`brp_nas` from executed graphs on every device" in done.stderr
    text = (tmp_path / "reports" / "nasbench201.md").read_text(encoding="utf-8")
    assert "**0 of " in text
