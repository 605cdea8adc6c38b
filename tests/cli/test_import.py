"""``perfseer import`` as people run it."""

import re

import pandas as pd
import pytest

from perfseer.data.assembly import read_index
from perfseer.data.packed import PackedGraphs
from perfseer.measure.table import read_table
from tests.helpers.commands import perfseer
from tests.helpers.reading import numbers
from tests.helpers.synthetic_release import make_files, write_archives

EVIL = b"cos\nsystem\n(S'touch canary'\ntR."


@pytest.fixture
def release(tmp_path):
    files = make_files() | {"cg/evil.pkl": EVIL, "label/alone.txt": b"{}", "label/bs1_4.txt": b"{}"}
    return write_archives(tmp_path / "release", files)


def test_what_is_good_is_written_and_what_is_not_is_counted_and_listed(release, tmp_path):
    outputs = {name: tmp_path / "out" / name for name in ("t.parquet", "g.safetensors", "i.parquet", "r.csv")}
    table, graphs, index, report = outputs.values()
    done = perfseer(
        *("import", release, "--table", table, "--graphs", graphs, "--index", index, "--report", report),
        *("--workers", 2, "--device-name", "A card"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "canary").exists()
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["graphs", "6", "(30", "nodes,", "30", "edges)"] in lines
    assert ["architectures", "3"] in lines
    assert ["rows", "6,", "5", "with", "all", "labels,", "1", "without", "some"] in lines
    assert ["refused", "files", "1"] in lines
    assert "1 × no graph" in done.stdout
    assert ["2", "×", "label:", "no", "entry"] in lines
    assert re.search(r"evil\.pkl: .*os\.system", done.stderr)
    rows = read_table(table)
    assert set(rows["device"]) == {"A card"}
    assert len(PackedGraphs.load(graphs)) == len(read_index(index)) == len(rows) == 6
    listed = pd.read_csv(report)
    assert listed["kind"].value_counts().tolist() == [2, 1, 1]
    assert set(listed["file"]) == {"cg/cg/evil.pkl", "label/label/alone.txt", "label/label/bs1_4.txt"}


def test_without_options_a_release_is_only_examined(release, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    done = perfseer("import", release, "--workers", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "architectures  3" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_strict_refuses_the_whole_for_one_file_and_writes_only_the_report(release, tmp_path):
    table, report = tmp_path / "t.parquet", tmp_path / "r.csv"
    done = perfseer("import", release, "--strict", "--table", table, "--report", report, cwd=tmp_path)
    assert done.returncode == 2
    assert "os.system" in done.stderr
    assert "Traceback" not in done.stderr
    assert not table.exists()
    assert report.exists()


def test_the_pipeline_takes_what_was_imported(tmp_path):
    write_archives(tmp_path / "release", make_files(tuple(range(4, 40, 2))))
    names = {"table": "t.parquet", "graphs": "g.safetensors", "index": "i.parquet"}
    done = perfseer(
        "import", "release", *(part for name in names for part in (f"--{name}", names[name])), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    params = (
        '{"seeds": [0], "labels": {"time": {"transform": "log", "standardise": true, "margin": 2.3},'
        ' "mem": {"transform": "log", "standardise": true, "margin": 2.3},'
        ' "util": {"transform": "logit", "standardise": true, "margin": 2.3, "ceiling": 101}},'
        ' "splits": {"names": ["architecture", "random"], "headline": "random",'
        ' "fractions": {"train": 0.5, "valid": 0.25, "test": 0.25}}}'
    )
    built = perfseer(
        *("dataset", "--params", params, "--out", "set"),
        *("--measurements", "t.parquet", "--graphs", "g.safetensors", "--index", "i.parquet"),
        cwd=tmp_path,
    )
    assert built.returncode == 0, built.stderr
    assert numbers(built.stdout)[:2] == [36, 18]  # rows, architectures


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "drive.google.com"),
        ((".",), "holds no graphs"),
        (("--workers", "0"), "Invalid value"),
    ],
)
def test_mistakes_end_with_a_message_and_exit_code_2(arguments, said, tmp_path):
    done = perfseer("import", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_path_the_downloaded_release_is_read(tmp_path):
    write_archives(tmp_path / "mirror" / "perfseer_release", make_files())
    done = perfseer("import", "--workers", 1, cwd=tmp_path, PERFSEER_MIRROR=str(tmp_path / "mirror"))
    assert done.returncode == 0, done.stderr
    assert "graphs         6" in done.stdout
