"""The example of docs/adding-a-predictor.md as printed there: one file, trained, tested and reported."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from perfseer.evaluation.records import read_record
from tests.helpers.experiment_files import write_experiment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def blocks(repository):
    """Code of the page by its language; the first of each."""
    page = (repository / "docs/adding-a-predictor.md").read_text(encoding="utf-8")
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    return dict(reversed(found))


@pytest.fixture(scope="module")
def package(repository, blocks, tmp_path_factory):
    """A copy of the package with one file more."""
    source = tmp_path_factory.mktemp("package")
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(repository / "src/perfseer", source / "perfseer", ignore=skip)
    (source / "perfseer/predictors/library/nearest.py").write_text(blocks["python"], encoding="utf-8")
    return source


def python(package, repository, *arguments):
    """Run the interpreter with the copy in place of the installed package."""
    environment = os.environ | {"PYTHONPATH": f"{package}{os.pathsep}{repository}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_is_short(blocks):
    assert len(blocks["python"].splitlines()) < 100


def test_the_example_keeps_the_contract(package, repository):
    options = ["-q", "-p", "no:cacheprovider", "-k", "nearest"]
    out = python(package, repository, "-m", "pytest", "tests/contract", *options)
    passed = re.search(r"(\d+) passed", out)
    assert passed, out
    assert int(passed[1]) >= 12
    assert "failed" not in out


def test_the_example_is_trained_and_stands_in_the_comparison(package, repository, blocks, tmp_path):
    mapping, paths = write_experiment(tmp_path)
    overlay = yaml.safe_load(blocks["yaml"])
    mapping["predictors"] |= overlay["predictors"]
    params = json.dumps(mapping)
    train = ["train", "--predictor", "nearest", "--split", "architecture", "--params", params]
    train += ["--dataset", str(paths.dataset), "--graphs", str(paths.graphs)]
    train += ["--out", str(paths.models / "nearest/architecture")]
    results, reports = paths.models.parent, tmp_path / "reports"
    report = ["report", "comparison", "--params", params, "--results", str(results), "--out", str(reports)]
    both = f"for verb in {[train, report]!r}: app(verb, standalone_mode=False)"
    python(package, repository, "-c", f"from perfseer.cli.main import app\n{both}")
    record = read_record(paths.models / "nearest/architecture/0/record.json")
    assert record.settings == overlay["predictors"]["nearest"]
    assert len(record.metrics) == 6
    text = (reports / "comparison.md").read_text(encoding="utf-8")
    assert "| nearest |" in text.replace("`", "")
    said = re.findall(r'(?:source|departures): .* = \(?"(.*?)"', blocks["python"])
    assert len(said) == 2
    assert all(sentence in text for sentence in said)
