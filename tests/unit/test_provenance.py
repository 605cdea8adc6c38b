"""Snakemake's code digests and DVC's dependencies speak of the same source."""

from pathlib import Path

import pytest
import yaml

from perfseer.evaluation.provenance import CODE_ROOMS

ROOT = Path(__file__).parents[2]
STAGES = {
    "collect": ("collect",),
    "survey": ("survey",),
    "dataset": ("graphs", "dataset"),
    "train": ("train", "summarize"),
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
    assert listed == {room for rule in STAGES[stage] for room in CODE_ROOMS[rule]}


def test_every_room_exists():
    for rooms in CODE_ROOMS.values():
        for room in rooms:
            assert (ROOT / "src/perfseer" / room).exists(), room


def test_no_known_trap_between_snakemake_and_dvc():
    """Never persist, no directory() or temp() at a boundary, no cores in a command."""
    text = (ROOT / "dvc.yaml").read_text() + "".join(
        path.read_text() for path in sorted((ROOT / "workflow").rglob("*.smk"))
    )
    for trap in ("persist", "directory(", "temp(", "--cores", "dvc repro"):
        assert trap not in text
