"""A room imports only rooms above it (docs/architecture.md)."""

import subprocess
import sys
from pathlib import Path

import pytest

from perfseer.cli.main import app
from perfseer.studies import shelf
from tests.helpers.imports import imported_modules
from tests.helpers.places import PACKAGE

ORDER = (
    "graphs",
    "zoo",
    "measure",
    "data",
    "hardware",
    "nn",
    "training",
    "predictors",
    "forecast",
    "evaluation",
    "reporting",
    "console",
    "studies",
    "cli",
)
FOUNDATION = {
    *("errors", "blame", "targets", "digests", "settings", "parameters", "plain_data", "validation"),
    *("discovery", "lifeline", "provenance", "stages", "outputs", "text", "words"),
}
# Present on a bare GPU machine (DESIGN 6), beside the standard library.
BARE = {"numpy", "pandas", "perfseer", "pyarrow", "pynvml", "rich", "torch", "typer", "yaml"}


def modules(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_rooms_above_it(room):
    assert modules(room), f"room {room} is empty"
    allowed = FOUNDATION | set(ORDER[: ORDER.index(room) + 1])
    for path in modules(room):
        for name in imported_modules(path):
            if name.startswith("perfseer."):
                assert name.split(".")[1] in allowed, f"{path.relative_to(PACKAGE)} imports {name}"


def test_the_foundation_imports_nothing_of_ours_but_itself():
    for name in FOUNDATION:
        ours = {i for i in imported_modules(PACKAGE / f"{name}.py") if i.startswith("perfseer")}
        assert {i.split(".")[1] for i in ours} <= FOUNDATION


@pytest.mark.parametrize("room", ["graphs", "zoo", "measure"])
def test_the_measuring_path_needs_only_the_bare_set(room):
    for path in modules(room):
        for name in imported_modules(path):
            top = name.split(".")[0]
            assert top in BARE or top in sys.stdlib_module_names, f"{path.name} imports {name}"


def test_collect_runs_where_only_the_bare_set_exists():
    """The verb itself, with everything else of the environment made unimportable."""
    blocked = "pydantic lightgbm sklearn torch_geometric snakemake dvc matplotlib jinja2 safetensors scipy"
    code = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in set({blocked.split()!r}):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
import perfseer.cli.collect, perfseer.measure.collector, perfseer.measure.worker, perfseer.zoo.builder
import perfseer.measure.merging, perfseer.measure.trust.sanity, perfseer.cli.check, perfseer.cli.merge
import perfseer.measure.trust.repeats, perfseer.measure.trust.protocol_study, perfseer.cli.trust
import perfseer.cli.main
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_verb_imports_another():
    """A verb parses, calls and tells; what two of them share stands elsewhere (`console`, `evaluation`)."""
    commands = [command.callback.__module__ for command in _commands(app)]
    verbs = set(commands)
    assert len(commands) > 25
    for name in sorted(verbs):
        path = PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")
        assert not imported_modules(path) & verbs - {name}, name


def _commands(group):
    yield from group.registered_commands
    for inner in group.registered_groups:
        yield from _commands(inner.typer_instance)


@pytest.mark.parametrize("study", shelf.STUDY_NAMES)
def test_a_study_imports_no_other(study):
    """What several share lies beside their folders; memory, which has no page, gives public a section."""
    others = set(shelf.STUDY_NAMES) - {study} - ({"memory"} if study == "public" else set())
    for path in modules(f"studies/{study}"):
        used = {name.split(".")[2] for name in imported_modules(path) if name.startswith("perfseer.studies.")}
        assert not used & others, path.name
