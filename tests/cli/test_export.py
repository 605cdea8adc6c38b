import subprocess
import sys

import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.errors import PerfseerError
from perfseer.measure.table import read_table
from perfseer.targets import TARGET_NAMES
from tests.helpers.results_files import write_results
from tests.helpers.sound_table import SPECS

pytest.importorskip("networkx")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> list[str]:
    """Options that name a table of two networks at two batch sizes, one failed, its graphs and index."""
    folder = tmp_path_factory.mktemp("export")
    write_results(folder, [0, 1, 5, 6], failed=[3])
    names = {
        "measurements": "measurements/local.parquet",
        "graphs": "graphs/graphs.safetensors",
        "index": "graphs/index.parquet",
    }
    return [
        text for option, name in names.items() for text in (f"--{option}", str(folder / "results" / name))
    ]


def run(*arguments: str):
    return CliRunner().invoke(app, ["export", *arguments])


def test_a_table_is_exported_and_imported_again(inputs, tmp_path):
    out = tmp_path / "release"
    result = run("--format", "perfseer-release", *inputs, "--out", str(out))
    assert result.exit_code == 0
    assert result.stdout.startswith("3 configurations")
    assert "1 rows left" in result.stdout
    assert "1 × status: oom" in result.stderr
    assert len(list((out / "cg" / "cg").iterdir())) == len(list((out / "label" / "label").iterdir())) == 3
    again = CliRunner().invoke(
        app, ["import", str(out), "--table", str(tmp_path / "t.parquet"), "--workers", "1"]
    )
    assert again.exit_code == 0
    found = read_table(tmp_path / "t.parquet")
    assert sorted(found["architecture"]) == sorted([SPECS[0].id] * 2 + [SPECS[1].id])
    assert found[list(TARGET_NAMES)].notna().all(axis=None)


def test_archives(inputs, tmp_path):
    assert run(*inputs, "--out", str(tmp_path / "a"), "--archives").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["cg.zip", "label.zip"]


def test_an_unknown_format_is_refused(inputs, tmp_path):
    result = run("--format", "onnx", *inputs, "--out", str(tmp_path / "a"))
    assert isinstance(result.exception, PerfseerError)
    assert "'onnx'" in str(result.exception)


def test_faults_of_the_user_end_with_two_and_one_line(inputs, tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    command = [sys.executable, "-m", "perfseer", "export", *inputs, "--out", str(tmp_path / "used")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert str(tmp_path / "used") in done.stderr
    assert "Traceback" not in done.stderr
