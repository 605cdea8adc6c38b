"""``remeasure`` and ``protocol-study`` for real, on a dozen tiny networks."""

import json
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.errors import PerfseerError
from perfseer.evaluation.noise import SAME, noise_floors, protocol_differences
from perfseer.measure.table import read_table, write_table
from perfseer.targets import TARGET_NAMES
from tests.helpers.commands import perfseer
from tests.helpers.places import PARAMS
from tests.helpers.processes import wait_until
from tests.helpers.reading import counts

PROTOCOL = {
    **PARAMS["collect"]["protocol"],
    "warmup_s": 0.0,
    "warmup_budget_s": 0.05,
    "phase_budget_s": 0.05,
}
SECTIONS = {
    "zoo": {**PARAMS["zoo"], "depth": [1, 1], "width": [8, 16]},
    "collect": {**PARAMS["collect"], "threads": 1, "batch_sizes": [2, 3], "protocol": PROTOCOL},
    "trust": {
        **PARAMS["trust"],
        "repeats": {"share": 0.5, "at_least": 4, "times": 2, "seed": 0},
        "protocol_study": {"configurations": 2, "warmup_s": 0.1, "count_s": 0.3, "seed": 0},
    },
}
GIVEN = ["--params", json.dumps(SECTIONS)]


def done(folder, *arguments):
    """What a verb that succeeds prints as its result."""
    finished = perfseer(*arguments, cwd=folder)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with a table of eight configurations, its repeats and its protocol study; their output."""
    folder = tmp_path_factory.mktemp("trust")
    done(folder, "collect", *GIVEN, "--out", "t.parquet", "--limit", "8")
    repeated = done(folder, "remeasure", *GIVEN, "--table", "t.parquet", "--out", "r.parquet")
    studied = done(folder, "protocol-study", *GIVEN, "--table", "t.parquet", "--out", "s.parquet")
    return folder, repeated, studied


def test_repeats_are_of_the_tables_configurations_and_environment(measured):
    table, repeats = (read_table(measured[0] / name) for name in ("t.parquet", "r.parquet"))
    assert len(repeats) == 8
    assert list(repeats["order"]) == list(range(8))
    assert len(repeats[list(SAME)].drop_duplicates()) == 4
    assert len(repeats.merge(table, on=list(SAME))) == 8
    assert (repeats["status"] == "ok").all()


def test_floors_come_out_of_real_repeats(measured):
    table, repeats = (read_table(measured[0] / name) for name in ("t.parquet", "r.parquet"))
    floors = noise_floors(table, repeats, 0.95)
    assert set(floors) == set(TARGET_NAMES)
    for floor in floors.values():
        assert (floor.configurations, floor.measurements) == (4, 12)
        assert 0 <= floor.low_pct <= floor.mape_pct <= floor.high_pct
    # The clock does not repeat itself.
    assert floors["train_time_ms"].mape_pct > 0


def test_the_study_measures_by_the_tables_protocol_and_by_a_long_one(measured):
    study = read_table(measured[0] / "s.parquet")
    found = protocol_differences(study)
    assert (len(study), found.configurations) == (4, 2)
    assert found.long_s > 2 * (0.1 + 0.3)
    protocols = [json.loads(text) for text in study["protocol"]]
    assert sorted((one["warmup_s"], one["phase_budget_s"]) for one in protocols) == [
        *[(0.0, 0.05)] * 2,
        *[(0.1, 0.3)] * 2,
    ]
    long = study[[one["warmup_s"] == 0.1 for one in protocols]]
    assert (long[["train_disturbed_iterations", "infer_disturbed_iterations"]] == 0).all(axis=None)


def test_one_line_on_stdout_says_what_was_done(measured):
    for printed, out, rows in zip(measured[1:], ("r.parquet: ", "s.parquet: "), (8, 4), strict=True):
        (line,) = printed.splitlines()
        assert line.startswith(out)
        assert counts(line) == {"configurations": rows, "ok": rows, "now": rows}


def test_the_same_command_again_measures_nothing(measured):
    folder = measured[0]
    before = (folder / "r.parquet").read_bytes()
    printed = done(folder, "remeasure", *GIVEN, "--table", "t.parquet", "--out", "r.parquet")
    assert counts(printed)["now"] == 0
    assert (folder / "r.parquet").read_bytes() == before


def test_ctrl_c_leaves_no_table_and_the_same_command_goes_on(measured, tmp_path):
    folder = measured[0]
    # Three times each: when the signal comes there is still much to measure.
    many = {**SECTIONS["trust"], "repeats": {**SECTIONS["trust"]["repeats"], "times": 3}}
    given = ["--params", json.dumps({**SECTIONS, "trust": many})]
    command = ["remeasure", *given, "--table", "t.parquet", "--out", str(tmp_path / "r.parquet")]
    command += ["--journal", str(tmp_path / "journal")]
    process = subprocess.Popen(
        [sys.executable, "-m", "perfseer", *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: measurements(tmp_path / "journal") >= 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "remeasure: interrupted;" in said
    assert not (tmp_path / "r.parquet").exists()
    kept = measurements(tmp_path / "journal")
    assert kept >= 2
    assert counts(done(folder, *command)) == {"configurations": 12, "ok": 12, "now": 12 - kept}


def measurements(folder):
    """Finished measurements in the one journal of a folder."""
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    return sum('"record"' in line for line in lines)


@pytest.mark.parametrize(
    ("verb", "changes", "options", "message"),
    [
        ("remeasure", {"trust": None}, [], "there is no trust,"),
        ("remeasure", {"trust": {}}, [], "trust lacks the keys"),
        ("protocol-study", {"trust": {"repeats": {"share": 2}}}, [], "trust"),
        ("remeasure", {}, ["--table", "absent.parquet"], "absent.parquet"),
        ("remeasure", {}, ["--time-budget", "-1"], "budget is -1 s"),
        ("remeasure", {}, ["--out", "."], "measurement table .:"),
    ],
)
def test_what_is_given_wrongly_stops_before_anything_starts(
    measured, tmp_path, monkeypatch, verb, changes, options, message
):
    monkeypatch.chdir(tmp_path)
    given = ["--table", str(measured[0] / "t.parquet"), "--out", "out.parquet", *options]
    result = CliRunner().invoke(app, [verb, "--params", json.dumps({**SECTIONS, **changes}), *given])
    assert isinstance(result.exception, PerfseerError)
    assert message in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["remeasure", "protocol-study"])
def test_a_table_of_another_machine_is_refused_by_the_real_worker(measured, tmp_path, verb):
    table = read_table(measured[0] / "t.parquet")
    elsewhere = {**json.loads(table["environment"].iloc[0]), "cores": 96, "digest": "of another"}
    write_table(table.assign(environment=json.dumps(elsewhere)), tmp_path / "t.parquet")
    given = ["--table", str(tmp_path / "t.parquet"), "--out", str(tmp_path / "out.parquet")]
    result = CliRunner().invoke(app, [verb, *GIVEN, *given, "--journal", str(tmp_path / "journal")])
    assert isinstance(result.exception, PerfseerError)
    assert "cores 96 " in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]
