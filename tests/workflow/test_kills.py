"""Snakemake and DVC killed while a job runs: nothing lives on, and the same command goes on."""

import os
import signal
import subprocess

import pandas as pd
import pytest

from tests.helpers.processes import descendants, state, wait_until
from tests.workflow.conftest import Repository, copy_checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

TARGET = "results/zoo/survey.parquet"
ARCHITECTURES = 8


@pytest.fixture
def repository(tmp_path):
    copy_checkout(tmp_path)
    repository = Repository(tmp_path)
    repository.run("git", "init", "--quiet")
    repository.edit("survey.architectures", 2000)  # long enough to be killed in
    return repository


@pytest.mark.parametrize(
    "command", [("snakemake", TARGET), ("dvc", "repro", "--single-item", "survey")], ids=["snakemake", "dvc"]
)
def test_the_same_command_goes_on_after_it_was_killed(repository, command):
    with (repository.path / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=repository.path, env=repository.environment, stdout=log, stderr=log
        )
    incomplete = repository.path / ".snakemake/incomplete"
    wait_until(lambda: incomplete.is_dir() and any(incomplete.iterdir()), "no job was started")
    wait_until(lambda: len(descendants(process.pid)) > 3, "the job has no workers")
    started = descendants(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: all(state(pid) == "Z" for pid in started), "something lives on")
    assert any((repository.path / ".snakemake/locks").iterdir()), "it was killed before or after its work"
    repository.edit("survey.architectures", ARCHITECTURES)
    repository.run(*command)
    assert pd.read_parquet(repository.path / TARGET)["architecture"].nunique() == ARCHITECTURES
