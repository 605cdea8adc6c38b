"""``perfseer predict`` and ``perfseer predictors``: formats, streams, exit codes, whole files."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app, run
from perfseer.cli.predictions import CSV_COLUMNS, HEADINGS
from perfseer.errors import PerfseerError
from perfseer.forecast.card import write_card
from perfseer.forecast.document import from_json
from perfseer.forecast.prediction import Failure
from perfseer.forecast.predictor import Predictor
from tests.helpers.forecasts import CARD, R3090, R4090, Convolution, law, save_roofline

MODEL = "module:tests.helpers.forecasts.Convolution"
THIS_PROCESS = os.getpid()
SMALL = ("--input-shape", "3x8x8")


@pytest.fixture
def lawful(monkeypatch):
    """Whatever predictor is named, the law answers."""
    monkeypatch.setattr(Predictor, "load", classmethod(lambda cls, name: law()))


def predict(*arguments: str, stdin: str | None = None):
    return CliRunner().invoke(app, ["predict", *arguments], input=stdin)


# -- formats ----------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_question(lawful):
    result = predict(MODEL, *SMALL, "--batch-size", "1,8", "--phase", "infer,train", "--target", "rtx4090")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert re.split(r"\s{2,}", lines[1].strip()) == list(HEADINGS)
    rows = [line.split() for line in lines if line.strip().startswith(MODEL)]
    assert [(row[1], row[2], row[3]) for row in rows] == [
        (batch, phase, R4090.key) for batch in ("1", "8") for phase in ("infer", "train")
    ]
    assert float(rows[2][4]) == pytest.approx(8 * 0.5 * Convolution.KFLOPS, rel=0.01)
    assert "90 % interval" in result.stdout
    assert {"(tests),", "0123456789ab,", "d1ge57,", "abc1234,"} <= set(result.stdout.split())
    assert "\x1b[" not in result.stdout


def test_json_is_the_document_of_the_schema(lawful):
    result = predict(MODEL, "nonsense", *SMALL, "--format", "json", "--explain")
    assert result.exit_code == 2
    document = from_json(result.stdout)
    answer, failure = document.results
    assert answer.time.value == pytest.approx(Convolution.KFLOPS)
    assert answer.explanation is not None
    assert isinstance(failure, Failure)
    assert document.complete


def test_csv_has_a_line_for_each_answer_and_numbers_in_full(lawful):
    result = predict(MODEL, "nonsense", *SMALL, "--format", "csv", "--quiet")
    assert result.exit_code == 2
    good, bad = list(csv.DictReader(io.StringIO(result.stdout)))
    assert tuple(good) == CSV_COLUMNS
    assert float(good["time_ms"]) == pytest.approx(Convolution.KFLOPS, rel=1e-12)
    assert (good["utilisation_pct"], good["target"], good["trained_on"]) == ("", R3090.key, "true")
    assert bad["status"] == "error"
    assert "'nonsense'" in bad["error"]
    assert bad["time_ms"] == ""
    assert result.stderr == ""


def test_json_lines_are_one_answer_each(lawful):
    result = predict(MODEL, *SMALL, "--format", "jsonl", "--batch-size", "1,2")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["input"]["batch_size"] for row in rows] == [1, 2]


def test_markdown_is_a_table_that_survives_bars(lawful, monkeypatch):
    monkeypatch.setattr(Predictor, "phases", ("infer",))
    result = predict("a|b", MODEL, *SMALL, "--format", "md", "--explain")
    lines = result.stdout.splitlines()
    assert lines[0] == f"| {' | '.join(HEADINGS)} |"
    assert lines[1].count("--:") == 5
    assert lines[2].startswith("| a\\|b |")
    assert "| conv | 1 |" in result.stdout
    assert "- error: a\\|b: " in result.stdout


def test_explanations_follow_the_table(lawful):
    result = predict(MODEL, *SMALL, "--explain")
    assert f"{MODEL}, batch 1, infer, {R3090.key}: " in result.stdout
    assert re.search(r"conv +1 +99\.\d %", result.stdout)
    assert "widened: infer_time_ms" in result.stdout


# -- streams and exit codes -------------------------------------------------------------------------------


def test_warnings_go_to_standard_error_and_strict_makes_them_an_exit_code(lawful):
    result = predict(MODEL, *SMALL, "--target", "rtx3080")
    assert result.exit_code == 0
    assert "warning: " not in result.stdout
    assert f"warning: {MODEL}: " in result.stderr
    assert predict(MODEL, *SMALL, "--target", "rtx3080", "--strict").exit_code == 3
    silent = predict(MODEL, *SMALL, "--target", "rtx3080", "--strict", "--quiet")
    assert (silent.exit_code, silent.stderr) == (3, "")
    assert predict(MODEL, "nonsense", *SMALL, "--target", "rtx3080", "--strict").exit_code == 2


def test_a_fault_names_its_model_once(lawful, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    fault = next(
        line for line in predict(str(broken), *SMALL).stderr.splitlines() if line.startswith("error")
    )
    assert fault.count(str(broken)) == 1


def test_notes_are_no_warnings(lawful, monkeypatch):
    from perfseer.forecast.prediction import Prediction

    monkeypatch.setattr(Prediction, "doubtful", property(lambda answer: False))
    result = predict(MODEL, "--strict")
    assert result.exit_code == 0
    assert "3x224x224 was assumed" in result.stderr


def test_a_list_on_standard_input(lawful):
    result = predict("-", *SMALL, "--format", "jsonl", stdin=f"# two\n{MODEL}\n\n{MODEL}\n")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    assert "predict: 2 of 2" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no model was given"),
        ([MODEL, "--batch-size", "1,x"], "--batch-size 'x' is no number"),
        ([MODEL, "--batch-size", "0"], "--batch-size '0' is no number"),
        ([MODEL, "--input-shape", "3x-1"], "--input-shape '3x-1' is no shape"),
        ([MODEL, "--input-type", "int65"], "'int65' is no type of torch"),
        ([MODEL, "--phase", "infer,test"], "no phases test"),
        ([MODEL, "--confidence", "2"], "a confidence of 2.0"),
        ([MODEL, "--target", "abacus"], "no target 'abacus'"),
        ([MODEL, "--precision", "fp12"], "precision 'fp12' is none of"),
        ([MODEL, "--mode", "fast"], "mode 'fast' is none of eager, compiled"),
        (["zoo:0123456789ab", "--params", "none.yaml"], "no parameters at none.yaml"),
    ],
)
def test_faults_of_options_are_named(lawful, arguments, message):
    result = predict(*arguments)
    assert isinstance(result.exception, PerfseerError)
    assert result.exception.exit_code == 2
    assert message in str(result.exception)


def test_a_predictor_that_is_none(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["perfseer", "predict", MODEL, "--predictor", "oracle"])
    with pytest.raises(SystemExit) as end:
        run()
    assert end.value.code == 2
    assert "'oracle'" in capsys.readouterr().err


# -- files and interruption -------------------------------------------------------------------------------


def test_a_file_holds_what_standard_output_would(lawful, tmp_path):
    for kind in ("table", "json", "csv", "md", "jsonl"):
        out = tmp_path / f"answers.{kind}"
        result = predict(MODEL, *SMALL, "--format", kind, "-o", str(out))
        assert (result.exit_code, result.stdout) == (0, "")
        assert out.read_text() == predict(MODEL, *SMALL, "--format", kind).stdout


class Talkative(Convolution):
    """Prints what nobody asked for."""

    def forward(self, x):
        print("hello")
        return super().forward(x)


def test_what_a_model_prints_is_no_result(lawful, capfd):
    name = "module:tests.cli.test_predict.Talkative"
    result = predict(name, *SMALL, "--format", "json")
    assert from_json(result.stdout).results[0].model == name
    assert "hello" in capfd.readouterr().err
    assert predict(name, *SMALL, "--format", "jsonl", "--quiet").stderr == ""


def test_lines_reach_a_file_while_a_bar_is_on_the_terminal(tmp_path):
    folder = save_roofline(tmp_path)
    terminal, process_side = os.openpty()
    command = [sys.executable, "-m", "perfseer", "predict", MODEL, MODEL, *SMALL, "--format", "csv"]
    with (tmp_path / "out.csv").open("w") as out:
        process = subprocess.Popen(
            [*command, "--predictor", str(folder)],
            stdout=out,
            stderr=process_side,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(process_side)
        assert process.wait() == 0
    os.close(terminal)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["model", MODEL, MODEL]


class Interrupted(Convolution):
    """Ctrl-C in the middle of a long list: models are captured in a child, the signal is the parent's."""

    def forward(self, x):
        os.kill(THIS_PROCESS, signal.SIGINT)
        time.sleep(60)


def test_after_an_interruption_the_answers_so_far_are_shown_and_no_file_written(lawful, tmp_path):
    arguments = [MODEL, "module:tests.cli.test_predict.Interrupted", MODEL, *SMALL]
    result = predict(*arguments, "--format", "json")
    assert result.exit_code == 130
    document = from_json(result.stdout)
    assert [answer.model for answer in document.results] == [MODEL]
    assert not document.complete
    assert "interrupted after 1 " in result.stderr
    assert "interrupted: " in predict(*arguments).stdout
    out = tmp_path / "answers.json"
    out.write_text("old")
    result = predict(*arguments, "-o", str(out))
    assert result.exit_code == 130
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["answers.json"]


def test_a_signal_ends_a_real_process_with_130(tmp_path):
    folder = save_roofline(tmp_path)
    command = [
        sys.executable,
        "-m",
        "perfseer",
        "predict",
        "-",
        "--predictor",
        str(folder),
        "--format",
        "csv",
    ]
    process = subprocess.Popen(
        [*command, *SMALL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("module:perfseer.zoo.reference.mobilenet_v1\n" * 10_000)
    process.stdin.close()
    assert process.stdout.readline().startswith("model,status")
    assert process.stdout.readline().startswith("module:perfseer.zoo.reference.mobilenet_v1,ok,1,infer")
    os.kill(process.pid, signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait() == 130
    assert all(",ok," in line for line in rest.splitlines())
    assert "interrupted after" in process.stderr.read()
    process.stdout.close()
    process.stderr.close()


def test_the_schema_is_printed_without_a_model():
    result = predict("--schema")
    assert result.exit_code == 0
    assert "predictions" in json.loads(result.stdout)["$defs"]["Prediction"]["properties"]


# -- predictors -------------------------------------------------------------------------------------------


def test_list_and_show(tmp_path):
    folder = save_roofline(tmp_path / "mine")
    write_card(folder, CARD)
    result = CliRunner().invoke(app, ["predictors", "list", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "roofline" in result.stdout
    assert "a law" in result.stdout
    result = CliRunner().invoke(app, ["predictors", "show", str(folder)])
    assert result.exit_code == 0, result.output
    assert "dataset     d1ge57" in result.stdout
    assert [R3090.key, "infer_time_ms", "family", "7.00", "9", "n/a"] in [
        line.split() for line in result.stdout.splitlines()
    ]
    assert re.search(r"batch_size +1\.00 +\d", result.stdout)
    empty = CliRunner().invoke(app, ["predictors", "show", str(tmp_path)])
    assert isinstance(empty.exception, PerfseerError)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['perfseer', 'predict', '--help']\n"
        "from perfseer.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'scipy', 'timm', 'onnx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
