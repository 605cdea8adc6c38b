"""``perfseer graph show``: what is printed, where, and how faults end."""

import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app, run
from perfseer.errors import PerfseerError
from tests.helpers.reading import numbers

MOBILENET = "module:perfseer.zoo.reference.mobilenet_v1"


def show(*arguments: str):
    return CliRunner().invoke(app, ["graph", "show", *arguments])


def test_nodes_totals_and_understanding():
    result = show(MOBILENET, "--limit", "3")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert sum(line.strip().startswith(("0 ", "1 ", "2 ", "3 ")) for line in lines) == 3
    assert "kernel=3 stride=2 padding=1" in result.stdout
    assert "80 further nodes; --limit 0" in result.stdout
    said = {line.split()[0]: line for line in lines if line.strip()}
    assert numbers(said["parameters"])[:2] == [4_231_976, 16.1]
    assert numbers(said["forward"])[0] == 1.14
    assert {"backward", "understood"} <= set(said)


def test_forward_only_shows_no_backward():
    result = show(MOBILENET, "--no-backward", "--limit", "0", "--batch-size", "2")
    assert result.exit_code == 0, result.output
    assert "backward" not in result.stdout
    assert "further nodes" not in result.stdout
    assert "83 nodes, 82 edges" in result.stdout


def test_what_was_not_understood_is_named(tmp_path, monkeypatch):
    (tmp_path / "odd_model.py").write_text(
        "from torch import nn\n"
        "class Odd(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = nn.Linear(4, 4)\n"
        "    def forward(self, x):\n"
        "        return self.layer(x).erfinv().erfinv()\n"
    )
    monkeypatch.chdir(tmp_path)
    result = show("module:odd_model.Odd", "--input-shape", "4")
    assert result.exit_code == 0, result.output
    # linear moves 16 + 80 + 16 bytes, each of the two others 32
    assert "erfinv (2); 36.4 %" in result.stdout


def test_tokens_need_an_integer_type(tmp_path, monkeypatch):
    (tmp_path / "token_model.py").write_text("from torch import nn\nmodel = nn.Embedding(100, 8)\n")
    monkeypatch.chdir(tmp_path)
    result = show("module:token_model.model", "--input-shape", "12", "--input-type", "int64")
    assert result.exit_code == 0, result.output
    assert "embedding" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([MOBILENET, "--input-shape", "3xlarge"], "--input-shape '3xlarge' is no shape"),
        ([MOBILENET, "--input-shape", "3x0x4"], "is no shape"),
        ([MOBILENET, "--input-type", "relu"], "'relu' is no type"),
        ([MOBILENET, "--input-shape", "5x64x64"], "cannot capture Sequential with input 1x5x64x64"),
        (["nothing"], "no model 'nothing'"),
    ],
)
def test_faults_are_user_errors(arguments, message):
    result = show(*arguments)
    assert isinstance(result.exception, PerfseerError)
    assert message in str(result.exception)
    assert result.stdout == ""


def test_a_fault_ends_with_code_two_and_one_message(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["perfseer", "graph", "show", "nothing"])
    with pytest.raises(SystemExit) as ended:
        run()
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith("error: no model 'nothing'")
