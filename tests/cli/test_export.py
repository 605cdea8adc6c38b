import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.data.building import INDEX_COLUMNS
from perfseer.data.files import write_parquet
from perfseer.data.packed import PackedGraphs
from perfseer.errors import PerfseerError
from perfseer.measure.table import COLUMNS, read_table, write_table
from perfseer.targets import TARGET_NAMES
from tests.data.sources.perfseer_release.test_conversion import Plain, captured
from tests.helpers.synthetic import make_table

pytest.importorskip("networkx")
FILLERS = {pa.string(): "", pa.int64(): 1, pa.float64(): np.nan}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> list[str]:
    """Options that name a table of four rows, one of them failed, its graphs and their index."""
    folder = tmp_path_factory.mktemp("export")
    table = make_table(2, (1, 4)).assign(input_shape="3x12x12")
    for name, column in COLUMNS.items():
        if name not in table.columns:
            table[name] = FILLERS[column.kind]
    table.loc[3, ["status", "reason"]] = ["oom", "training: out of memory"]
    write_table(table, folder / "table.parquet")
    graphs = PackedGraphs.pack([captured(Plain(), size, 3, 12, 12) for size in table["batch_size"]])
    graphs.save(folder / "graphs.safetensors")
    write_parquet(
        folder / "index.parquet", table.assign(graph=np.arange(4), reason=None)[list(INDEX_COLUMNS)]
    )
    names = {"measurements": "table.parquet", "graphs": "graphs.safetensors", "index": "index.parquet"}
    return [text for option, name in names.items() for text in (f"--{option}", str(folder / name))]


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
    assert sorted(found["architecture"]) == ["000000000000", "000000000000", "000000000001"]
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
