"""``perfseer source list`` and ``table``."""

import json

import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.data.assembly import read_index
from perfseer.data.download import NOT_STATED
from perfseer.data.packed import PackedGraphs
from perfseer.data.sources import source_names
from perfseer.errors import PerfseerError
from perfseer.measure.table import read_table
from tests.helpers.synthetic_release import make_files, write_archives


def invoke(*arguments):
    return CliRunner().invoke(app, ["source", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror that holds the release and nothing else."""
    write_archives(tmp_path / "mirror/perfseer_release", make_files())
    monkeypatch.setenv("PERFSEER_MIRROR", str(tmp_path / "mirror"))
    return tmp_path / "mirror"


def test_all_sources_are_listed_with_what_is_here(mirror):
    facts = json.loads(invoke("list", "--format", "json").stdout)
    assert tuple(facts) == source_names()
    here = {name: [file["here"] for file in source["files"]] for name, source in facts.items()}
    assert here["perfseer_release"] == [True, True]
    assert here["nasbench201"] == [False] * 8
    licences = {name: {file["licence"] for file in source["files"]} for name, source in facts.items()}
    assert licences["timm_results"] == {"Apache-2.0"}
    assert licences["perfseer_release"] == {NOT_STATED}
    lines = invoke("list").stdout.splitlines()
    assert [line.partition(":")[0] for line in lines if not line.startswith(" ")] == list(facts)


def test_a_source_is_read_with_its_graphs(mirror, tmp_path):
    table, graphs, index = (tmp_path / name for name in ("t.parquet", "g.safetensors", "i.parquet"))
    done = invoke("table", "perfseer_release", "--out", table, "--graphs", graphs, "--index", index)
    assert done.exit_code == 0
    assert len(read_table(table)) == len(PackedGraphs.load(graphs)) == len(read_index(index)) == 6
    elsewhere = mirror.rename(tmp_path / "elsewhere") / "perfseer_release"
    assert invoke("table", "perfseer_release", elsewhere).stdout.startswith("6 rows, 6 ")


def test_mistakes_are_named(mirror, tmp_path):
    with pytest.raises(PerfseerError, match=r"'nowhere'.*timm_results"):
        invoke("table", "nowhere")
    with pytest.raises(PerfseerError, match=r"--graphs.*--index"):
        invoke("table", "perfseer_release", "--graphs", tmp_path / "g.safetensors")
