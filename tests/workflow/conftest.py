"""One real run of the pipeline at the ci preset, in a temporary repository, shared by all workflow tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.helpers.places import ROOT


def merged(base, overlay):
    """``overlay`` laid over ``base``, as Snakemake lays a --configfile over params.yaml."""
    if not (isinstance(base, dict) and isinstance(overlay, dict)):
        return overlay
    return {**base, **{key: merged(base.get(key), value) for key, value in overlay.items()}}


# One predictor of each kind: plain, trees, network, fitted from kernels; and an ensemble of two.
PREDICTORS = ("roofline", "boosting", "additive", "nn_meter", "seernet", "seernet_multi")
VARIANTS = ("max", "without_gnpb")
# With fewer networks a part of a split may have no row.
ARCHITECTURES = 16


def narrowed(parameters):
    """Fewer predictors and variants: `perfseer train` itself is tested with each of them elsewhere."""
    predictors = {name: parameters["predictors"][name] for name in PREDICTORS}
    study = parameters["ablation"]
    variants = {name: study["variants"][name] for name in VARIANTS}
    return parameters | {
        "predictors": predictors,
        "ensembles": {"ensemble": {"base": "boosting", "candidates": ["additive"]}},
        "ablation": study | {"variants": variants},
        "report": parameters["report"] | {"beside": []},
        "hardware": None,  # tests of its own
    }


class Repository:
    """A clone of the project in which commands run as a user runs them."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def environment(self) -> dict[str, str]:
        """Of the commands: this checkout's programs, that clone's code."""
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.path / "src"),
            "COLUMNS": "200",
        }

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(
            command, cwd=self.path, env=self.environment, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}")
        return done

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        done = self.run("snakemake", *arguments, check=check)
        return done.stdout + done.stderr

    def dvc(self, *arguments: str, check: bool = True) -> str:
        done = self.run("dvc", *arguments, check=check)
        return done.stdout + done.stderr

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def edit(self, path: str, value) -> None:
        """Set one parameter, addressed as ``section.key``."""
        file = self.path / "params.yaml"
        mapping = yaml.safe_load(file.read_text())
        *parents, last = path.split(".")
        inner = mapping
        for name in parents:
            inner = inner[name]
        inner[last] = value
        file.write_text(yaml.safe_dump(mapping, sort_keys=False))

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs per rule that Snakemake would run now."""
        text = self.snakemake("--dry-run", *arguments)
        if "Nothing to be done" in text:
            return {}
        table = text.split("Job stats:")[-1].splitlines()[3:]
        jobs = {}
        for line in table:
            if not line.strip():
                break
            rule, count = line.split()
            jobs[rule] = int(count)
        return {rule: count for rule, count in jobs.items() if rule not in {"all", "total"}}


def measure_enough(repository: Repository) -> None:
    """Measure until there are networks for every part of every split, however busy the machine is."""
    for budget_s in (20, 60, 180, 540):
        repository.edit("collect.time_budget_s", budget_s)
        repository.snakemake("results/measurements/local.parquet")
        table = pd.read_parquet(repository.path / "results/measurements/local.parquet")
        if table.loc[table["status"] == "ok", "architecture"].nunique() >= ARCHITECTURES:
            return
    raise AssertionError(f"fewer than {ARCHITECTURES} networks measured in {budget_s} s")


def copy_checkout(path: Path) -> None:
    """The tracked files of this checkout but for what a run makes."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in filter(None, (item.decode() for item in tracked)):
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith("reports/"):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, path / name)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Repository:
    """The tracked files of this checkout, with the ci preset as params.yaml, run once from end to end."""
    path = tmp_path_factory.mktemp("perfseer")
    copy_checkout(path)
    preset = yaml.safe_load((ROOT / "workflow/presets/ci.yaml").read_text())
    base = yaml.safe_load((ROOT / "params.yaml").read_text())
    parameters = narrowed(merged(base, preset))
    (path / "params.yaml").write_text(yaml.safe_dump(parameters, sort_keys=False))
    repository = Repository(path)
    repository.run("git", "init", "--quiet", "--initial-branch=main")
    repository.run("git", "config", "user.name", "test")
    repository.run("git", "config", "user.email", "test@localhost")
    # Tables shipped in the repository are ignored by git and were added by name, as here.
    repository.run("git", "add", "--force", "data/remote")
    measure_enough(repository)
    repository.commit("start")
    repository.snakemake()
    repository.run("sh", "workflow/record.sh")
    repository.commit("run")
    return repository
