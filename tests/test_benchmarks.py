"""Benchmarks are run by hand; what they import must be there all the same."""

import subprocess
import sys

import pytest

from tests.helpers.places import ROOT

MODULES = sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py"))


@pytest.mark.slow
def test_every_benchmark_can_be_imported():
    names = ", ".join(f"benchmarks.{name}" for name in MODULES)
    done = subprocess.run(
        [sys.executable, "-c", f"import {names}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert len(MODULES) > 8
    assert done.returncode == 0, done.stderr
