"""Every verb's output arrives whole, or the verb fails aloud; nothing printed acts on a terminal."""

import errno
import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import onnx
import pytest
import typer
from onnx import TensorProto, helper
from rich.console import Console

from perfseer.cli.main import run
from perfseer.console.streams import guarded
from perfseer.console.tables import Column, console, table
from tests.helpers.commands import perfseer
from tests.helpers.places import ROOT

VERBS = {
    "help": ("--help",),
    "help of a verb": ("predict", "--help"),
    "schema": ("predict", "--schema"),
    "table": ("predictors", "list"),
    "lines": ("source", "list"),
    "JSON": ("params", "schema"),
    "architectures": ("zoo", "sample"),
    **{
        f"answers as {form}": (
            "predict",
            "module:tests.helpers.forecasts.Convolution",
            "--format",
            form,
            "--quiet",
        )
        for form in ("table", "md", "csv", "json", "jsonl")
    },
}
HOSTILE = "a\x1b[31m\x07\u202eb\x9b2J"
ACTING = set("\x1b\x07\u202e\x9b")


def shell(line: str, *verb: str) -> subprocess.CompletedProcess[str]:
    """Run a verb as ``$PERFSEER`` in a line of a shell."""
    words = " ".join((sys.executable, "-m", "perfseer", *verb))
    place = f"{ROOT / 'src'}:{ROOT}"
    environment = {**os.environ, "PYTHONPATH": place, "PERFSEER": words, "COLUMNS": "200"}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, env=environment, cwd=ROOT
    )


class Full(io.StringIO):
    """A disk on which some characters still fit; what is written is refused when it is handed on."""

    def flush(self) -> None:
        if self.tell():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", VERBS)
def test_a_full_disk_is_said_once(name, monkeypatch):
    errors = io.StringIO()
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["perfseer", *VERBS[name]])
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", errors)
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 1
    assert "No space left" in errors.getvalue()
    assert len(errors.getvalue().splitlines()) == 1


def test_the_full_device():
    if not Path("/dev/full").exists():
        pytest.skip("there is no full device here")
    ended = shell("$PERFSEER >/dev/full", *VERBS["JSON"])
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1


def test_closed_outputs():
    closed = shell("$PERFSEER >&-", *VERBS["JSON"])
    assert closed.returncode == 1
    assert len(closed.stderr.splitlines()) == 1
    whole, silent, full = (
        shell(f"$PERFSEER {where}", *VERBS["JSON"]) for where in ("", "2>&-", "2>/dev/full")
    )
    assert whole.stdout
    assert [silent.returncode, silent.stdout] == [whole.returncode, whole.stdout]
    assert [full.returncode, full.stdout] == [whole.returncode, whole.stdout]


def test_a_reader_that_leaves_is_no_news():
    ended = shell("$PERFSEER | head -1", *VERBS["JSON"])
    assert ended.stdout.splitlines() == ["{"]
    assert ended.stderr == ""


def test_what_is_printed_acts_on_no_terminal():
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), guarded():
        typer.echo(HOSTILE)
        typer.echo(HOSTILE, err=True)
        print(HOSTILE)
        shown = console()
        shown.print(table([Column("name", str)], [HOSTILE], title=HOSTILE))
        shown.print(HOSTILE)
    assert not set(out.getvalue() + err.getvalue()) & ACTING
    assert out.getvalue().count("\\u202e") == 5
    assert err.getvalue().count("\\u202e") == 1


def test_colours_of_our_own_stay():
    out = io.StringIO()
    with redirect_stdout(out), guarded():
        Console(force_terminal=True, color_system="standard").print("[red]red[/]")
    assert "\x1b[31mred" in out.getvalue()


def test_streams_are_as_before_afterwards():
    before = sys.stdin, sys.stdout, sys.stderr
    with guarded():
        assert sys.stdout is not before[1]
    assert (sys.stdin, sys.stdout, sys.stderr) == before


@pytest.mark.parametrize("form", ["table", "md", "csv", "json", "jsonl"])
def test_names_of_a_hostile_file_do_not_act(tmp_path, form):
    node = helper.make_node(f"Op{HOSTILE}=|<img src=x>", ["x"], ["y"], domain="=evil")
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    model = helper.make_model(helper.make_graph([node], "g", value[:1], value[1:]))
    path = tmp_path / f"=cmd{HOSTILE}|<img src=x>![p](http:evil).onnx"
    path.write_bytes(model.SerializeToString())
    ended = perfseer("predict", "--format", form, "--", "=*.onnx", cwd=tmp_path)
    assert ended.returncode == 0
    said = ended.stdout + ended.stderr
    assert "img src" in said
    assert not set(said) & ACTING
    if form == "md":
        assert "<img" not in ended.stdout
        assert "![p](" not in ended.stdout
    if form == "csv":
        assert "\n'=cmd" in ended.stdout


def test_a_model_is_not_written_over(tmp_path):
    path = tmp_path / "model.onnx"
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    onnx.save(helper.make_model(graph), path)
    before = path.read_bytes()
    (tmp_path / "other").symlink_to(path)
    for out in (path, tmp_path / "other"):
        ended = perfseer("predict", path, "--out", out, cwd=tmp_path)
        assert ended.returncode == 2
        assert path.read_bytes() == before
