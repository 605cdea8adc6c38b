import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.data.dataset import Dataset
from perfseer.data.folds import open_fold
from perfseer.errors import PerfseerError
from perfseer.measure.table import COLUMNS, write_table
from perfseer.targets import TARGET_NAMES
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import SearchSpace
from tests.helpers.reading import numbers
from tests.helpers.synthetic import SETTINGS

SPACE = SearchSpace.from_mapping(
    {
        "seed": 0,
        "styles": ["vgg", "resnet"],
        "resolution": 64,
        "in_channels": 3,
        "stem_channels": 8,
        "n_classes": 10,
        "depth": [1, 1],
        "width": [8, 16],
        "max_parameters": 10_000_000,
    }
)
FILLERS = {pa.string(): "", pa.int64(): 1, pa.float64(): 1.0}
# Two styles and twelve networks are too few to hold a style out.
SPLITS = SETTINGS.splits.model_copy(update={"names": ("architecture", "random")})
PARAMS = SETTINGS.model_copy(update={"splits": SPLITS}).model_dump_json()


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    rows = []
    for order, spec in enumerate(sample(SPACE, 12)):
        for batch_size in (1, 4):
            row = {name: FILLERS[column.kind] for name, column in COLUMNS.items()}
            row |= {"model_ref": f"zoo:{spec.id}", "model_spec": spec.to_json(), "architecture": spec.id}
            row |= {"family": spec.family, "input_shape": "3x64x64", "batch_size": batch_size, "order": order}
            row |= {"precision": "fp32", "memory_format": "nchw", "mode": "eager", "status": "ok"}
            rows.append(row | {name: rng.uniform(1, 99) for name in TARGET_NAMES})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    """Graphs and dataset of a table with one failed row, one hostile label and one unknown model."""
    folder = tmp_path_factory.mktemp("cli")
    table = table.copy()
    table.loc[0, ["status", "reason"]] = ["timeout", "busy after 30 s"]
    table.loc[1, "infer_util_pct"] = 101.0
    table.loc[2, ["model_ref", "model_spec"]] = ["zoo:000000000000", "{}"]
    write_table(table, folder / "m.parquet")
    return folder


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def build(folder):
    files = ("--measurements", folder / "m.parquet", "--out", folder / "g.safetensors")
    return invoke("graph", "build", *files, "--index", folder / "i.parquet")


def make(folder, out, params=PARAMS):
    files = ("--measurements", folder / "m.parquet", "--graphs", folder / "g.safetensors")
    return invoke("dataset", "--params", params, *files, "--index", folder / "i.parquet", "--out", out)


@pytest.fixture(scope="module")
def built(folder):
    return build(folder)


def test_graph_build_says_what_it_built_and_what_failed(built, folder):
    assert built.exit_code == 0
    assert built.stdout.startswith("23 graphs with ")
    assert "1 failed" in built.stdout
    assert "no graph for 1 " in built.stderr
    index = pd.read_parquet(folder / "i.parquet")
    assert len(index) == 24
    assert (index["graph"] == -1).sum() == 1


def test_dataset_writes_what_can_be_opened(built, folder, table):
    result = make(folder, folder / "out")
    assert result.exit_code == 0
    assert numbers(result.stdout)[:2] == [21, 11]  # rows, architectures
    assert "3 rows in quarantine" in result.stdout
    assert "1 × infer_util_pct:" in result.stderr
    lines = pd.read_csv(folder / "out" / "quarantine.csv")
    assert lines[["row", "column"]].to_numpy().tolist() == [
        [0, "status"],
        [1, "infer_util_pct"],
        [2, "graph"],
    ]
    assert lines["reason"][0] == "busy after 30 s"
    data = Dataset.open(folder / "out", folder / "g.safetensors")
    assert len(data) == 21
    assert len(open_fold(data, folder / "out", "architecture", 1).test) > 0


def test_the_same_input_gives_the_same_bytes(built, folder):
    make(folder, folder / "a")
    make(folder, folder / "b")
    names = sorted(path.name for path in (folder / "a").iterdir())
    assert names == ["manifest.json", "normalisers.json", "quarantine.csv", "rows.parquet", "splits.parquet"]
    for name in names:
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes(), name
    graphs = (folder / "g.safetensors").read_bytes()
    build(folder)
    assert (folder / "g.safetensors").read_bytes() == graphs


def test_parameters_at_fault_are_named(built, folder):
    params = json.loads(PARAMS)
    params["labels"]["util"]["ceiling"] = 100
    with pytest.raises(PerfseerError, match=r"labels\.util\.ceiling = 100: .*100"):
        make(folder, folder / "never", json.dumps(params))
    assert not (folder / "never").exists()


def test_a_measurement_table_without_a_label(folder, table, tmp_path):
    table.drop(columns="train_mem_mib").to_parquet(tmp_path / "m.parquet")
    with pytest.raises(PerfseerError, match="train_mem_mib"):
        build(tmp_path)


@pytest.mark.parametrize("missing", ["m.parquet", "g.safetensors", "i.parquet"])
def test_a_missing_file_exits_with_2_and_a_message(built, folder, tmp_path, missing):
    for name in {"m.parquet", "g.safetensors", "i.parquet"} - {missing}:
        (tmp_path / name).symlink_to(folder / name)
    files = [f"--{option}={tmp_path / name}" for option, name in OPTIONS.items()]
    command = [sys.executable, "-m", "perfseer.cli.main", "dataset", f"--params={PARAMS}", *files]
    result = subprocess.run([*command, f"--out={tmp_path}"], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert missing in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


OPTIONS = {"measurements": "m.parquet", "graphs": "g.safetensors", "index": "i.parquet"}
