"""`perfseer check` and `perfseer merge`, as programs and people call them."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.errors import PerfseerError
from perfseer.measure.table import read_table, write_table
from perfseer.measure.trust.sanity import RULES
from tests.helpers.commands import perfseer
from tests.helpers.places import ROOT
from tests.helpers.reading import numbers
from tests.helpers.sound_table import put, sound_table

GIVEN = ("--params", ROOT / "params.yaml")


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "sound.parquet"
    write_table(sound_table(), path)
    return path


@pytest.fixture
def unsound(tmp_path):
    path = tmp_path / "unsound.parquet"
    write_table(put(sound_table(), slice(3, 20), train_throttled="power cap"), path)
    return path


def test_a_sound_table_ends_with_code_0(sound):
    done = run("check", sound, *GIVEN)
    assert done.exit_code == 0, done.output
    assert numbers(done.stdout.splitlines()[-1]) == [len(RULES), 0, 0]  # broken, not checked


def test_violations_end_with_code_3_and_are_listed_up_to_the_limit(unsound):
    done = run("check", unsound, *GIVEN)
    assert done.exit_code == 3
    assert done.stdout.count(" in train: power cap") == 10
    assert "8 more; --limit 0" in done.stdout
    assert numbers(done.stdout.splitlines()[-1]) == [len(RULES), 1, 0]
    every = run("check", unsound, *GIVEN, "--limit", 0)
    assert every.stdout.count("in train: power cap") == 18


def test_json_has_every_rule_and_every_row(unsound):
    done = run("check", unsound, *GIVEN, "--format", "json")
    assert done.exit_code == 3
    found = json.loads(done.stdout)
    assert (found["table"], found["rows"], found["violations"]) == (str(unsound), 30, 18)
    assert [rule["rule"] for rule in found["rules"]] == [rule.name for rule in RULES]
    (broken,) = (rule for rule in found["rules"] if rule["violations"])
    assert set(broken) == {"rule", "meaning", "checked", "unknown", "violations"}
    table = sound_table()
    first = broken["violations"][0]
    assert first.pop("detail").endswith("power cap")
    assert first == {"model_ref": table.loc[3, "model_ref"], "batch_size": 8, "order": 3}


def test_markup_in_a_table_is_printed_not_obeyed(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(put(sound_table(), 3, train_throttled="[bold]x[/nonsense]"), path)
    assert "[bold]x[/nonsense]" in run("check", path, *GIVEN).stdout


def test_thresholds_come_from_the_parameters(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(put(sound_table(), 8, infer_time_ms=3.5, infer_time_ci_low_ms=3.4), path)
    trust = {
        "repeats": {"share": 0.1, "at_least": 2, "times": 1, "seed": 0},
        "protocol_study": {"configurations": 2, "warmup_s": 1, "count_s": 1, "seed": 0},
    }
    for slack, code in ((0.1, 3), (0.2, 0)):
        sections = {"trust": {**trust, "sanity": {"time_slack": slack, "drift": 0.1}}}
        assert run("check", path, "--params", json.dumps(sections)).exit_code == code


def test_what_cannot_be_read_is_refused(tmp_path, sound):
    for arguments in (
        ["check", tmp_path / "absent.parquet", *GIVEN],
        ["check", sound, "--params", "{}"],
        ["merge", sound, tmp_path / "absent.parquet", "--out", tmp_path / "m.parquet"],
    ):
        assert isinstance(run(*arguments).exception, PerfseerError)
    assert run("merge", "--out", tmp_path / "m.parquet").exit_code == 2
    assert not (tmp_path / "m.parquet").exists()


@pytest.mark.parametrize(
    "arguments",
    [("check", "n" * 300), ("predict", "zoo:x", "--out", "n" * 300), ("graph", "show", "n" * 300)],
)
def test_a_name_that_is_too_long_is_a_fault_of_the_command_line(tmp_path, arguments):
    assert perfseer(*arguments, cwd=tmp_path).returncode == 2


def test_merge_says_what_it_took_and_left_out(tmp_path, sound):
    table = sound_table()
    more = tmp_path / "more.parquet"
    twice = put(table.tail(6), 25, train_time_ms=50.0)
    write_table(pd.concat([twice, table.tail(3).assign(precision="tf32")]), more)
    out = tmp_path / "folder" / "merged.parquet"
    done = run("merge", sound, more, "--out", out)
    assert done.exit_code == 0, done.output
    said = done.stdout.replace(str(out), "").replace(str(sound), "").replace(str(more), "")
    # Rows: written, of each table, equal to another, measured before.
    assert numbers(said) == [33, 30, 9, 5, 1]
    assert f"{more})" in done.stdout
    assert "positions" in said
    assert len(read_table(out)) == 33


def test_merging_one_table_gives_the_same_bytes(tmp_path, sound):
    out = tmp_path / "copy.parquet"
    assert run("merge", sound, "--out", out).exit_code == 0
    assert out.read_bytes() == sound.read_bytes()
    before = sound.read_bytes()
    assert run("merge", sound, sound, "--out", sound).exit_code == 0, "onto itself"
    assert sound.read_bytes() == before


def test_devices_do_not_mix_unless_told_to(tmp_path, sound):
    other, out = tmp_path / "other.parquet", tmp_path / "m.parquet"
    write_table(sound_table().assign(device="Antikythera"), other)
    refused = run("merge", sound, other, "--out", out)
    assert f"{other} has Antikythera" in str(refused.exception)
    assert not out.exists()
    assert run("merge", sound, other, "--out", out, "--allow-mixed").exit_code == 0
    assert len(read_table(out)) == 60


def test_both_verbs_run_where_only_the_bare_set_exists(tmp_path, sound):
    """Called as functions: Typer itself may bring pydantic along."""
    blocked = "pydantic lightgbm sklearn torch_geometric snakemake dvc matplotlib jinja2 scipy networkx"
    out = tmp_path / "m.parquet"
    code = f"""
import sys
from pathlib import Path
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in set({blocked.split()!r}):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
from perfseer.cli.check import check
from perfseer.cli.merge import merge
from perfseer.console.tables import Format
merge([Path({str(sound)!r})], out=Path({str(out)!r}), allow_mixed=False)
for style in Format:
    check(Path({str(out)!r}), params={str(GIVEN[1])!r}, style=style, limit=10)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "0 broken" in done.stdout
