"""The example of docs/adding-a-study.md as printed there: a folder and a rule file, found by everyone."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.helpers.places import ROOT

FILES = (
    "src/perfseer/studies/rows/__init__.py",
    *("src/perfseer/studies/rows/about.py", "src/perfseer/studies/rows/render.py"),
    *("src/perfseer/studies/rows/page.md.j2", "workflow/rules/rows.smk"),
)
BATCH_SIZES = [1, 8, 8, 32, 32, 32]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout with the study's files as the page prints them, and a dataset of six rows."""
    path = tmp_path_factory.mktemp("checkout")
    skip = shutil.ignore_patterns("__pycache__", "shipped")
    for name in ("src", "workflow"):
        shutil.copytree(ROOT / name, path / name, ignore=skip)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy2(ROOT / name, path)
    page = (ROOT / "docs/adding-a-study.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w+\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    for name, block in zip(FILES, blocks, strict=True):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(block, encoding="utf-8")
    (path / "results/dataset").mkdir(parents=True)
    pd.DataFrame({"batch_size": BATCH_SIZES}).to_parquet(path / "results/dataset/rows.parquet")
    return path


def run(checkout, *command):
    folder = Path(sys.executable).parent
    environment = os.environ | {
        "PYTHONPATH": str(checkout / "src"),
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_verb_renders_it(checkout):
    run(checkout, "perfseer", "report", "rows", "--out", "reports")
    text = (checkout / "reports/rows.md").read_text()
    assert "6 rows" in text
    assert re.findall(r"^\| (\d+) \| (\d+) \|$", text, flags=re.MULTILINE) == [
        ("1", "1"),
        ("8", "2"),
        ("32", "3"),
    ]
    assert pd.read_csv(checkout / "reports/plots/rows_counts.csv")["rows"].tolist() == [1, 2, 3]


def test_snakemake_renders_it_with_the_others(checkout):
    planned = run(checkout, "snakemake", "--dry-run", "--quiet", "rules")
    assert re.search(r"^render_rows +1$", planned, flags=re.MULTILINE)


def test_dvc_gets_a_stage_that_depends_on_its_template(checkout):
    stages = yaml.safe_load(run(checkout, "perfseer", "params", "stages"))["stages"]
    stage = stages["report-rows"]
    assert "src/perfseer/studies/rows" in stage["deps"]
    assert "workflow/rules/rows.smk" in stage["deps"]
    assert {next(iter(out)) for out in stage["outs"]} == {
        *("reports/rows.md", "reports/rows.html", "reports/plots/rows_counts.csv")
    }
