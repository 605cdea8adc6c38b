"""A private copy of an experiment's files, to be tampered with."""

import json
import shutil

import pytest

from perfseer.studies.experiment import Paths


@pytest.fixture
def copy(written, tmp_path):
    """A private copy of the inputs, to be tampered with."""
    mapping, paths, _ = written
    root = paths.models.parent
    shutil.copytree(root, tmp_path / "copy", ignore=shutil.ignore_patterns("reports"))
    return json.loads(json.dumps(mapping)), Paths.below(tmp_path / "copy")
