"""What a job depends on follows from the code: an edit changes the digests of those that read the file."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from perfseer.cli.pipeline import dvc_file, stages_of
from perfseer.errors import PerfseerError
from perfseer.predictors.registry import PREDICTOR_NAMES, module_name
from perfseer.provenance import _module_in, closure, code_digest
from perfseer.stages import source_files
from perfseer.studies import shelf
from tests.helpers.experiment_files import write_experiment
from tests.helpers.imports import imported_modules
from tests.helpers.places import PACKAGE, PARAMS, ROOT

# Jobs by name: what each runs. Fitting, rendering and measuring, which have little in common.
JOBS = {
    "collect": ("perfseer.cli.collect",),
    "dataset": ("perfseer.cli.dataset",),
    "summarize": ("perfseer.cli.summarize",),
    **{f"train {name}": ("perfseer.cli.train", module_name(name)) for name in PREDICTOR_NAMES},
    **{
        f"render {study}": shelf.rendering(study, PREDICTOR_NAMES)
        for study in shelf.STUDY_NAMES
        if shelf.about(study).document
    },
}
DIGESTS = """
import json, sys
from perfseer.provenance import code_digest
print(json.dumps({name: code_digest(*modules) for name, modules in json.loads(sys.argv[1]).items()}))
"""


def digests(source, jobs=JOBS):
    """Digest of each job's code, by a process that imports the package from ``source``."""
    done = subprocess.run(
        [sys.executable, "-c", DIGESTS, json.dumps(jobs)],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package in a folder of its own, and the digests of its jobs."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(PACKAGE, source / "perfseer", ignore=shutil.ignore_patterns("__pycache__", "shipped"))
    return source, digests(source)


def changed_by(copy, file, edit):
    """Jobs whose digest an edit of one file changes."""
    source, before = copy
    path = source / "perfseer" / file
    original = path.read_text(encoding="utf-8")
    try:
        path.write_text(edit(original), encoding="utf-8")
        after = digests(source)
    finally:
        path.write_text(original, encoding="utf-8")
    return {name for name in JOBS if before[name] != after[name]}


def named(name):
    """Jobs whose closure holds a file of this name."""
    return {job for job, run in JOBS.items() if any(path.name == name for path in closure(*run))}


def test_the_digest_of_a_job_is_that_of_its_own_copy(copy):
    assert copy[1] == {name: code_digest(*modules) for name, modules in JOBS.items()}


def test_an_edit_of_one_cell_changes_those_that_read_the_table(copy):
    changed = changed_by(
        copy, "data/catalogue/figures.csv", lambda text: text.replace("5.704e12", "5.705e12", 1)
    )
    assert changed == named("figures.csv")
    assert {"train seernet_x", "train memory", "train calibrated"} <= changed
    assert "train roofline" not in changed
    assert "collect" not in changed


def test_an_edit_of_a_helper_changes_the_predictors_that_import_it_and_no_other(copy):
    changed = changed_by(
        copy, "predictors/parts/learners/gaussian_process.py", lambda text: text + "\n# an edit\n"
    )
    assert {name for name in changed if name.startswith("train")} == {"train seernet_x"}


def test_an_edit_of_a_template_changes_its_document_alone(copy):
    changed = changed_by(copy, "studies/ablation/page.md.j2", lambda text: text + "\n")
    assert changed == {"render ablation"}


def test_an_edit_of_one_predictor_changes_its_fits_and_the_documents_that_quote_it(copy):
    changed = changed_by(copy, "predictors/library/boosting.py", lambda text: text + "\n# an edit\n")
    assert {name for name in changed if name.startswith("train")} == {"train boosting"}
    assert "render comparison" in changed
    assert "render measurement" not in changed


def test_a_predictor_depends_on_a_third_of_what_it_once_was_said_to():
    sizes = {name: len(closure("perfseer.cli.train", module_name(name))) for name in ("roofline", "seernet")}
    assert sizes["roofline"] < sizes["seernet"] < 80


LOADED = """
import sys
CODE = (".py", ".pyc")
opened = set()
sys.addaudithook(lambda event, args: opened.add(str(args[0])) if event == "open" else None)
from typer.testing import CliRunner
from perfseer.cli.main import app
shown = {name for name in sys.modules if name.startswith("perfseer.")}
result = CliRunner().invoke(app, sys.argv[1:])
assert result.exit_code == 0, result.output + repr(result.exception)
print("\\n".join(sorted({name for name in sys.modules if name.startswith("perfseer.")} - shown)))
print("\\n".join(name for name in opened if "/perfseer/" in name and not name.endswith(CODE)))
"""


@pytest.mark.parametrize("predictor", ["roofline", "boosting"])
def test_a_real_job_loads_nothing_its_digest_does_not_cover(tmp_path, predictor):
    """What `perfseer train` really imports and opens, not what a list says."""
    mapping, paths = write_experiment(tmp_path)
    arguments = {
        "--params": json.dumps(mapping),
        "--predictor": predictor,
        "--split": mapping["splits"]["headline"],
        "--dataset": str(paths.dataset),
        "--graphs": str(paths.graphs),
        "--out": str(tmp_path / "fitted"),
    }
    flat = [text for pair in arguments.items() for text in pair]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "train", *flat], capture_output=True, text=True, check=True
    )
    covered = set(map(str, closure("perfseer.cli.train", module_name(predictor))))
    loaded = done.stdout.split()
    modules = [name for name in loaded if name.startswith("perfseer.")]
    assert module_name(predictor) in modules
    assert [name for name in modules if not _paths(name) & covered] == []
    assert {name for name in loaded if name.startswith("/")} <= covered


def _paths(name):
    place = PACKAGE.joinpath(*name.split(".")[1:])
    return {str(place.with_suffix(".py")), str(place / "__init__.py")}


def test_every_file_that_is_no_code_is_opened_by_a_module_that_says_so():
    everything = set(
        closure(
            *(
                ".".join(("perfseer", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
                    ".__init__"
                )
                for path in PACKAGE.rglob("*.py")
            )
        )
    )
    others = {
        path
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and "shipped" not in path.parts
    }
    assert others - everything == set()


@pytest.mark.parametrize("study", ["ablation", "benchmark", "nasbench201", "public"])
def test_no_fit_depends_on_a_caption(study):
    """What a study says of itself and how its page looks is no reason to fit anything again."""
    fitting = {"benchmark": "running"}.get(study, "fitting")
    covered = {
        path.relative_to(PACKAGE).as_posix() for path in closure(f"perfseer.studies.{study}.{fitting}")
    }
    assert f"studies/{study}/settings.py" in covered
    assert not {"studies/shelf.py", f"studies/{study}/about.py", "reporting/document.py"} & covered


@pytest.mark.parametrize(
    ("line", "opened"),
    [
        ('X = Path(__file__).with_name("beside.csv")', True),
        ("X = Path(__file__).with_name(\n    'beside.csv'\n)", True),
        ('X = Path(__file__).parent / "beside.csv"', True),
        ('X = "elsewhere.csv"', False),
    ],
)
def test_a_file_that_is_named_is_covered_however_it_is_opened(copy, line, opened):
    source, _ = copy
    module, table = source / "perfseer/probe.py", source / "perfseer/beside.csv"
    module.write_text(f"from pathlib import Path\n\n{line}\n")
    found = set()
    for text in ("a\n", "b\n"):
        table.write_text(text)
        found.add(digests(source, {"probe": ["perfseer.probe"]})["probe"])
    module.unlink()
    table.unlink()
    assert (len(found) == 2) == opened


def test_an_attribute_that_is_named_stands_for_its_module():
    assert _module_in("perfseer.zoo.reference.resnet50") == "perfseer.zoo.reference"


def test_an_unknown_module_is_named():
    with pytest.raises(PerfseerError, match=r"perfseer\.cli\.trian"):
        closure("perfseer.cli.trian")


def test_dvc_yaml_is_the_one_that_follows_from_parameters_and_code():
    assert (ROOT / "dvc.yaml").read_text() == dvc_file(PARAMS), "run: perfseer params stages > dvc.yaml"


def test_a_stage_of_dvc_depends_on_every_file_its_jobs_read():
    definitions = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for stage in stages_of(PARAMS):
        listed = {ROOT / name for name in definitions[stage.name]["deps"]}
        assert [path for path in closure(*stage.modules) if not {path, *path.parents} & listed] == []


def test_whole_folders_stand_as_one():
    listed = source_files(("perfseer.cli.release",))
    assert "src/perfseer/data/sources/perfseer_release" in listed
    assert not [name for name in listed if name.startswith("src/perfseer/data/sources/perfseer_release/")]


@pytest.mark.parametrize("name", PREDICTOR_NAMES)
def test_a_predictor_imports_no_other_so_that_its_digest_covers_it(name):
    path = PACKAGE / "predictors/library" / f"{name}.py"
    assert not {
        module for module in imported_modules(path) if module.startswith("perfseer.predictors.library")
    }


def test_every_job_of_the_workflow_depends_on_its_code():
    """Fits that keep what they have, and copies, do not: they say so in the head of their file."""
    keeps = {
        "fit_nasbench201",
        "describe_nasbench201",
        "fit_public",
        "describe_public",
        "unseen_public",
        "memory_public",
    }
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for rule in re.split(r"^\s*(?=rule |use rule )", path.read_text(), flags=re.MULTILINE)[1:]:
            name = re.split(r"[\s:]", rule.removeprefix("use ").removeprefix("rule "))[0]
            if re.search(r'"perfseer ', rule) and name not in keeps:
                assert "code=" in rule, f"{path.name}: {name}"


def test_no_known_trap_between_snakemake_and_dvc():
    """Never persist, no directory() or temp() at a boundary, no cores in a command."""
    text = (ROOT / "dvc.yaml").read_text() + "".join(
        path.read_text() for path in sorted((ROOT / "workflow").rglob("*.smk"))
    )
    for trap in ("persist", "directory(", "temp(", "--cores", "dvc repro"):
        assert trap not in text
