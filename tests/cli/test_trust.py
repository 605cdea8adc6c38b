"""``remeasure`` and ``protocol-study`` for real, on a dozen tiny networks."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from typer import Typer
from typer.testing import CliRunner

from perfseer.cli.trust import protocol_study, remeasure
from perfseer.errors import PerfseerError
from perfseer.evaluation.noise import SAME, noise_floors, protocol_differences
from perfseer.measure.table import read_table, write_table
from perfseer.targets import TARGET_NAMES
from tests.helpers.places import PARAMS

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

app = Typer()
app.command("remeasure")(remeasure)
app.command("protocol-study")(protocol_study)


def environment():
    return {key: value for key, value in os.environ.items() if key != "PERFSEER_JOURNAL"}


def perfseer(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "perfseer", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with a table of twelve configurations, its repeats and its protocol study; their output."""
    folder = tmp_path_factory.mktemp("trust")
    perfseer(folder, "collect", *GIVEN, "--out", "t.parquet", "--limit", "12")
    repeated = perfseer(folder, "remeasure", *GIVEN, "--table", "t.parquet", "--out", "r.parquet")
    studied = perfseer(folder, "protocol-study", *GIVEN, "--table", "t.parquet", "--out", "s.parquet")
    return folder, repeated, studied


def test_repeats_are_of_the_tables_configurations_and_environment(measured):
    table, repeats = (read_table(measured[0] / name) for name in ("t.parquet", "r.parquet"))
    assert len(repeats) == 12
    assert list(repeats["order"]) == list(range(12))
    assert len(repeats[list(SAME)].drop_duplicates()) == 6
    assert len(repeats.merge(table, on=list(SAME))) == 12
    assert (repeats["status"] == "ok").all()


def test_floors_come_out_of_real_repeats(measured):
    table, repeats = (read_table(measured[0] / name) for name in ("t.parquet", "r.parquet"))
    floors = noise_floors(table, repeats, 0.95)
    assert set(floors) == set(TARGET_NAMES)
    for floor in floors.values():
        assert (floor.configurations, floor.measurements) == (6, 18)
        assert 0 <= floor.low_pct <= floor.mape_pct <= floor.high_pct
    # The clock does not repeat itself.
    assert floors["train_time_ms"].mape_pct > 0


def test_the_long_protocol_takes_its_time(measured):
    study = read_table(measured[0] / "s.parquet")
    found = protocol_differences(study)
    assert (len(study), found.configurations) == (4, 2)
    assert found.long_s > 2 * (0.1 + 0.3)
    assert found.cost_ratio > 1
    long = study[study["protocol"].map(lambda text: json.loads(text)["warmup_s"] == 0.1)]
    assert len(long) == 2
    for phase in ("train", "infer"):
        counted_s = long[f"{phase}_iterations"] * long[f"{phase}_time_mean_ms"] / 1000
        # Beside the iterations, the clock and the readings of the machine's speed take time.
        assert (counted_s <= 0.31 + long[f"{phase}_time_mean_ms"] / 1000).all()
        assert (counted_s > 0.15).all()
    assert (long[["train_disturbed_iterations", "infer_disturbed_iterations"]] == 0).all(axis=None)


def test_one_line_on_stdout_says_what_was_done(measured):
    for done, start in zip(measured[1:], ("r.parquet: 12 ", "s.parquet: 4 "), strict=True):
        (line,) = done.stdout.splitlines()
        assert line.startswith(start)
        assert "of them measured now; " in line


def test_the_same_command_again_measures_nothing(measured):
    folder = measured[0]
    before = (folder / "r.parquet").read_bytes()
    done = perfseer(folder, "remeasure", *GIVEN, "--table", "t.parquet", "--out", "r.parquet")
    assert "12 configurations (12 ok), 0 of them measured now" in done.stdout
    assert (folder / "r.parquet").read_bytes() == before


def test_ctrl_c_leaves_no_table_and_the_same_command_goes_on(measured, tmp_path):
    folder = measured[0]
    command = ["remeasure", *GIVEN, "--table", "t.parquet", "--out", str(tmp_path / "r.parquet")]
    command += ["--journal", str(tmp_path / "journal")]
    process = subprocess.Popen(
        [sys.executable, "-m", "perfseer", *command],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and measurements(tmp_path / "journal") < 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "remeasure: interrupted; every finished configuration is in" in said
    assert not (tmp_path / "r.parquet").exists()
    kept = measurements(tmp_path / "journal")
    assert 2 <= kept < 12
    done = perfseer(folder, *command)
    assert f"12 configurations (12 ok), {12 - kept} of them measured now" in done.stdout


def measurements(folder):
    """Finished measurements in the one journal of a folder."""
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    return sum('"record"' in line for line in lines)


@pytest.mark.parametrize(
    ("verb", "changes", "options", "message"),
    [
        ("remeasure", {"trust": None}, [], "there is no trust, expected a mapping of settings"),
        ("remeasure", {"trust": {}}, [], "trust lacks the keys"),
        ("protocol-study", {"trust": {"repeats": {"share": 2}}}, [], "trust"),
        ("remeasure", {}, ["--table", "absent.parquet"], "no measurement table at absent.parquet"),
        ("remeasure", {}, ["--time-budget", "-1"], "the time budget is -1 s, expected more than 0"),
        ("remeasure", {}, ["--out", "."], "cannot write the measurement table ."),
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
    assert "the table was measured elsewhere: cores 96 there" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]
