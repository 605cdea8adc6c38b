"""The example of docs/adding-a-dataset.md as printed there: one file, read and made a dataset of."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from perfseer.data.assembly import read_index
from perfseer.data.dataset import Dataset
from perfseer.data.packed import PackedGraphs
from perfseer.measure.table import read_table
from tests.helpers.documents import code_blocks
from tests.helpers.places import PACKAGE, ROOT

pytestmark = pytest.mark.slow
BLOCKS = code_blocks("adding-a-dataset.md")
NAME = "three_networks"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working folder, a package with one file more, and the published file in a mirror."""
    folder = tmp_path_factory.mktemp("dataset")
    shutil.copytree(PACKAGE, folder / "package/perfseer", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / f"package/perfseer/data/sources/{NAME}.py").write_text(BLOCKS["python"][0], encoding="utf-8")
    (folder / f"mirror/{NAME}").mkdir(parents=True)
    (folder / f"mirror/{NAME}/times.csv").write_text(BLOCKS["csv"][0], encoding="utf-8")
    shutil.copytree(ROOT / "workflow", folder / "workflow")
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / f"{NAME}.yaml").write_text(BLOCKS["yaml"][0], encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def said(place):
    """What the commands that look at it print."""
    return run(place, BLOCKS["bash"][0])


@pytest.fixture(scope="module")
def table(place, said):
    """The table they write."""
    return read_table(place / "three.parquet")


def run(place, commands):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(place / "package"),
        "PERFSEER_MIRROR": str(place / "mirror"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_one_file_and_one_line_of_parameters_are_all_there_is_to_write():
    assert len(BLOCKS["python"][0].splitlines()) < 70
    section = yaml.safe_load(BLOCKS["yaml"][0])
    assert section.pop("source") == {"kind": NAME}
    assert section == {"predictors": {"nn_meter": None}}


def test_it_is_listed_beside_the_others(said):
    for name in (NAME, "timm_results", "nasbench201", "perfseer_release"):
        assert f"{name}:" in said


def test_the_table_has_the_published_values(table):
    published = pd.read_csv(io.StringIO(BLOCKS["csv"][0]))
    assert table["architecture"].tolist() == published["network"].tolist()
    assert table["train_time_ms"].tolist()[:6] == published["train_ms"].tolist()[:6]
    assert table["infer_mem_mib"].tolist() == published["infer_mib"].tolist()
    assert table["status"].tolist() == ["ok"] * 6 + ["error"]
    assert table["device"].unique().tolist() == ["made-up card"]


def test_its_models_are_captured(place, table):
    graphs, index = PackedGraphs.load(place / "three.safetensors"), read_index(place / "three_index.parquet")
    assert len(graphs) == len(index) == len(table)
    (resnet,) = index.loc[index["model_ref"].str.endswith("resnet50") & (index["batch_size"] == 8), "graph"]
    assert graphs.graph(int(resnet)).n_parameters == 25_557_032


def test_the_dataset_is_made_by_verb_and_by_workflow_alike(place, said):
    by_verb = Dataset.open(place / "three", place / "three.safetensors").rows
    assert len(by_verb) == 6
    run(place, BLOCKS["bash"][1])
    results = place / "results"
    by_workflow = Dataset.open(results / "dataset", results / "graphs/graphs.safetensors").rows
    pd.testing.assert_frame_equal(by_workflow, by_verb)
