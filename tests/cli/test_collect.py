import json
import os
import re
import subprocess
import sys

import pytest
import torch
from typer import Typer
from typer.testing import CliRunner

from perfseer.cli.collect import collect
from perfseer.errors import PerfseerError
from perfseer.measure.table import read_table
from tests.helpers.places import PARAMS
from tests.helpers.reading import counts

SECTIONS = {
    "zoo": {**PARAMS["zoo"], "depth": [1, 1], "width": [8, 16]},
    "collect": {
        **PARAMS["collect"],
        "threads": 1,
        "batch_sizes": [2, 3],
        "batches_per_architecture": 2,
        "protocol": {**PARAMS["collect"]["protocol"], "warmup_s": 0.0, "phase_budget_s": 0.05},
    },
}

app = Typer()
app.command()(collect)


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """One real collection of four configurations."""
    folder = tmp_path_factory.mktemp("collect")
    command = ["collect", "--params", json.dumps(SECTIONS), "--out", "t.parquet", "--limit", "4"]
    done = subprocess.run(
        [sys.executable, "-m", "perfseer", *command],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key != "PERFSEER_JOURNAL"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def test_result_is_one_line_on_stdout_and_nothing_else(collected):
    _, done = collected
    (line,) = done.stdout.splitlines()
    assert line.startswith("t.parquet: ")
    assert counts(line) == {"configurations": 4, "ok": 4, "now": 4}
    # Whether the machine was busy with something else, and so needed ten seconds, is not in the test's hands.
    expected = r"collect: (warning: other processes .*|\d configurations.*)"
    assert all(re.fullmatch(expected, line) for line in done.stderr.splitlines()), done.stderr


def test_table_holds_all_six_labels_of_every_configuration(collected):
    table = read_table(collected[0] / "t.parquet")
    labels = table[[f"{p}_{q}" for p in ("train", "infer") for q in ("time_ms", "mem_mib", "util_pct")]]
    assert (labels > 0).all(axis=None)
    assert (labels[["train_util_pct", "infer_util_pct"]] <= 100).all(axis=None)
    assert (table["train_mem_mib"] > table["infer_mem_mib"]).all()
    assert list(table["order"]) == [0, 1, 2, 3]
    assert table["architecture"].nunique() == 2


def test_table_says_where_and_how_it_was_measured(collected):
    table = read_table(collected[0] / "t.parquet")
    environment = json.loads(table["environment"].iloc[0])
    assert environment["threads"] == 1
    assert environment["device"] == table["device"].iloc[0]
    assert json.loads(table["protocol"].iloc[0]) == SECTIONS["collect"]["protocol"]


def test_journal_lies_beside_in_its_default_folder(collected):
    (journal,) = (collected[0] / ".journal").glob("*.jsonl")
    assert len(journal.read_text().splitlines()) == 5


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, ["--device", "tpu"], "collect.device is 'tpu' (str), expected one of ['cpu', 'cuda']"),
        ({}, ["--time-budget", "-3"], "time_budget_s is -3.0"),
        ({}, ["--skip", "absent.parquet"], "no measurement table at absent.parquet"),
        ({"collect": None}, [], "there is no collect, expected a mapping of settings"),
        ({"zoo": {"seed": 1}}, [], "zoo"),
    ],
)
def test_what_is_given_wrongly_stops_before_anything_starts(tmp_path, changes, options, message):
    arguments = [
        "--params",
        json.dumps({**SECTIONS, **changes}),
        "--out",
        str(tmp_path / "t.parquet"),
        *options,
    ]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, PerfseerError)
    assert message in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_found_out_before_measuring(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path, tmp_path / "file" / "t.parquet"):
        result = CliRunner().invoke(app, ["--params", json.dumps(SECTIONS), "--out", str(out)])
        assert isinstance(result.exception, PerfseerError)
        assert str(out) in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_missing_section_is_named(tmp_path):
    sections = {"zoo": SECTIONS["zoo"]}
    result = CliRunner().invoke(app, ["--params", json.dumps(sections), "--out", str(tmp_path / "t.parquet")])
    assert isinstance(result.exception, PerfseerError)
    assert "'collect'" in str(result.exception)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_a_device_is_refused_and_leaves_no_journal(tmp_path):
    arguments = ["--params", json.dumps(SECTIONS), "--out", str(tmp_path / "t.parquet")]
    result = CliRunner().invoke(app, [*arguments, "--device", "cuda", "--journal", str(tmp_path / "journal")])
    assert isinstance(result.exception, PerfseerError)
    assert "no CUDA" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_help_is_fast_because_it_imports_nothing_heavy():
    heavy = "{'torch', 'pandas', 'pyarrow'}"
    code = f"import sys, perfseer.cli.collect; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
