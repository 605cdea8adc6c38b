"""The tables this repository ships, read as a clone has them: no mirror, no cache, no network."""

import re
import subprocess

import pytest

from perfseer.hardware import source
from perfseer.hardware.originals import UnavailableError
from perfseer.hardware.shipped import read_shipped, repository, shipped_path
from perfseer.hardware.source import hardware_source, hardware_source_names

ROOT = repository()
SHIPPING = [name for name in hardware_source_names() if hardware_source(name).shipped]

pytestmark = pytest.mark.skipif(ROOT is None, reason="an installed package ships no tables")


def test_what_may_be_passed_on_is_shipped_and_nothing_else():
    assert SHIPPING == ["cloud_prices", "epoch", "mlperf_logs", "mlperf_results"]
    sources = [hardware_source(name)() for name in SHIPPING]
    names = {one.shipped_name(file) for one in sources for file in one.files}
    pointers = {path.name.removesuffix(".parquet.dvc") for path in ROOT.glob("data/hardware/*.dvc")}
    assert pointers == names


@pytest.mark.parametrize("name", SHIPPING)
def test_a_shipped_table_has_the_cells_of_the_file_its_source_names(name):
    one = hardware_source(name)()
    for file in one.files:
        cells, origin = read_shipped(one.shipped_name(file))
        assert (origin.sha256, origin.licence) == (file.sha256, one.licence)
        assert len(cells) == origin.n_rows > 0
        assert "remote: shipped" in shipped_path(one.shipped_name(file), ROOT).with_suffix(
            ".parquet.dvc"
        ).read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "n_taken", "n_read"), [("epoch", 170, 170), ("cloud_prices", 255, 257)])
def test_a_source_reads_them_where_there_is_nothing_else(name, n_taken, n_read, monkeypatch):
    def unavailable(file):
        raise UnavailableError(file.name)

    monkeypatch.setattr(source, "local_original", lambda file: None)
    monkeypatch.setattr(source, "downloaded_original", unavailable)
    reading = hardware_source(name)().read()
    assert (len(reading.rows), reading.n_read, reading.where) == (n_taken, n_read, "shipped")


def test_objects_are_in_git_not_only_on_this_disk():
    listed = subprocess.run(
        ["git", "ls-files", "data/remote"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("no Git checkout")
    objects = set(listed.stdout.split())
    for pointer in ROOT.glob("data/hardware/*.dvc"):
        md5 = pointer.read_text(encoding="utf-8").partition("md5: ")[2][:32]
        assert f"data/remote/files/md5/{md5[:2]}/{md5[2:]}" in objects


def test_the_document_says_of_every_source_how_it_gets_here():
    text = (ROOT / "docs/hardware.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", text.partition("## Sources")[2], re.MULTILINE)
    ways = dict(lines[: len(hardware_source_names())])
    assert sorted(ways) == list(hardware_source_names())
    assert sorted(name for name, way in ways.items() if way == "shipped") == SHIPPING
