"""Code of others is what its publisher wrote, and asks nobody for anything."""

import hashlib
import re
from pathlib import Path

from perfseer.reporting import vendored
from perfseer.reporting.vendored import DATATABLES
from tests.helpers.places import PACKAGE

FOLDER = PACKAGE / "reporting" / "vendored"


def test_every_file_is_listed_with_its_digest():
    listed = dict(
        re.findall(
            r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", (FOLDER / "README.md").read_text(), re.MULTILINE
        )
    )
    ours = {"README.md", "__init__.py"}
    files = {path.name for path in FOLDER.iterdir() if path.is_file()} - ours
    assert {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in files} == listed


def test_the_module_names_every_file():
    named = {path.name for path in vars(vendored).values() if isinstance(path, Path)}
    assert named == {path.name for path in FOLDER.iterdir() if path.is_file()} - {"__init__.py"}


def test_the_version_listed_is_the_one_inside():
    head = DATATABLES.read_text(encoding="utf-8")[:200]
    version = re.search(r"DataTables ([\d.]+)", head)[1]
    assert f"| `datatables.net` | {version} | MIT |" in (FOLDER / "README.md").read_text()


def test_no_program_is_made_of_text():
    text = DATATABLES.read_text(encoding="utf-8")
    assert not re.search(r"\beval\(|new Function\b|importScripts|sourceMappingURL", text)
