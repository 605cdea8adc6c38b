"""Snakemake's code digests and DVC's dependencies speak of the same source."""

from pathlib import Path

import pytest
import yaml

from perfseer.evaluation.provenance import CODE_ROOMS
from perfseer.predictors.registry import PREDICTOR_NAMES
from tests.helpers.places import ROOT
from tests.test_rooms import imported_modules

STAGES = {
    "collect": ("collect", "trust", "join", "import", "kernels"),
    "survey": ("survey",),
    "dataset": ("graphs", "dataset"),
    "train": ("train", "summarize"),
    "combine": ("train", "summarize"),
    "ablation": ("ablation",),
    "benchmark": ("train", "benchmark"),
    "report": ("report",),
}


def stages():
    return yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_source_its_rules_digest(stage):
    definition = stages()[stage]
    deps = definition.get("do", definition)["deps"]
    prefix = "src/perfseer/"
    listed = {name.removeprefix(prefix) for name in deps if name.startswith(prefix)}
    own = {"predictors/library/${key}.py"} if stage == "train" else set()
    digested = {file for rule in STAGES[stage] for room in CODE_ROOMS[rule] for file in expanded(room)}
    # DVC knows no patterns: where the digest covers a part of a room, the stage may depend on all of it.
    uncovered = {name for name in digested if not {name, *map(str, Path(name).parents)} & listed}
    assert not uncovered
    assert not {
        name for name in listed - own if not any(Path(file).is_relative_to(name) for file in digested)
    }


def expanded(room):
    """Files of a pattern; DVC knows no patterns."""
    package = ROOT / "src/perfseer"
    return [path.relative_to(package).as_posix() for path in package.glob(room)]


def test_every_room_exists():
    for rooms in CODE_ROOMS.values():
        for room in rooms:
            assert expanded(room), room


@pytest.mark.parametrize("name", PREDICTOR_NAMES)
def test_a_predictor_imports_no_other_so_that_its_digest_covers_it(name):
    path = ROOT / "src/perfseer/predictors/library" / f"{name}.py"
    assert not [
        module for module in imported_modules(path) if module.startswith("perfseer.predictors.library")
    ]


def test_no_known_trap_between_snakemake_and_dvc():
    """Never persist, no directory() or temp() at a boundary, no cores in a command."""
    text = (ROOT / "dvc.yaml").read_text() + "".join(
        path.read_text() for path in sorted((ROOT / "workflow").rglob("*.smk"))
    )
    for trap in ("persist", "directory(", "temp(", "--cores", "dvc repro"):
        assert trap not in text
