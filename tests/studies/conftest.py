"""An experiment on disk that studies are rendered from, and a private copy of it to be tampered with."""

import json
import shutil

import pytest

from perfseer.studies.experiment import Paths
from tests.helpers.experiment_files import MISSING, write_experiment


@pytest.fixture(scope="session")
def part(tmp_path_factory):
    """Parameters and paths of an experiment; three records are missing."""
    return write_experiment(tmp_path_factory.mktemp("experiment"), MISSING)


@pytest.fixture
def copy(part, tmp_path):
    """A private copy of the inputs, to be tampered with."""
    mapping, paths = part
    shutil.copytree(paths.models.parent, tmp_path / "copy")
    return json.loads(json.dumps(mapping)), Paths.below(tmp_path / "copy")
