"""The contract of sources, held by each there is; no published file is needed."""

import re

import numpy as np
import pandas as pd
import pytest

from perfseer.data import source as source_module
from perfseer.data import sources
from perfseer.data.download import RemoteFile
from perfseer.data.published import published_table
from perfseer.data.source import Source, source_class
from perfseer.data.sources import module_name, source_names
from perfseer.errors import PerfseerError
from tests.helpers.places import PACKAGE

ROWS = pd.DataFrame(
    {
        "model_ref": ["module:a.b"],
        "architecture": ["a"],
        "input_shape": ["3x8x8"],
        "batch_size": [2],
        "infer_time_ms": [1.5],
    }
)
SETTING = {
    **{"device": "a card", "device_kind": "cuda", "protocol": {"statistic": "mean"}},
    **{"protocol_version": 1999, "environment": {"torch": "2.4.0"}},
}


class Mine(Source):
    name = "mine"
    title = "made up"
    files = (RemoteFile("mine", "a.csv", "file:///nowhere/a.csv", "0" * 64),)
    graphs_by = "none"

    def read(self):
        return published_table(ROWS, **SETTING)


def test_every_file_and_folder_is_a_source():
    entries = {path.stem for path in (PACKAGE / "data/sources").glob("[!_]*")}
    assert (
        set(source_names()) == entries >= {"nasbench201", "once_for_all", "perfseer_release", "timm_results"}
    )


@pytest.mark.parametrize("name", source_names())
def test_a_source_declares_its_files(name):
    source = source_class(name)
    assert source.title
    assert source.files
    assert len({(file.folder, file.name) for file in source.files}) == len(source.files)
    for file in source.files:
        assert file.url.startswith("https://")
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.n_bytes is None or file.n_bytes > 0
        assert file.licence


@pytest.mark.parametrize("name", source_names())
def test_a_source_that_rebuilds_graphs_says_how(name):
    source = source_class(name)
    own = source.graphs is not Source.graphs
    assert own if source.graphs_by == "rebuilding" else not own or source.graphs_by == "capture"


def test_a_file_holds_one_source_of_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LIBRARY", tmp_path)
    monkeypatch.setattr(sources, "__path__", [str(tmp_path)])
    (tmp_path / "of_another_name.py").write_text("from tests.data.test_source import Mine\n")
    (tmp_path / "_hidden.py").write_text("")
    (tmp_path / "in_a_folder").mkdir()
    (tmp_path / "in_a_folder/source.py").write_text("")
    (tmp_path / "no_source").mkdir()
    assert source_names() == ("in_a_folder", "of_another_name")
    assert module_name("in_a_folder").split(".")[-2:] == ["in_a_folder", "source"]
    with pytest.raises(PerfseerError, match=r"of_another_name.*\[\]"):
        source_class("of_another_name")
    with pytest.raises(PerfseerError, match=r"'absent'.*of_another_name"):
        source_class("absent")


def test_a_table_is_read_once_and_what_is_not_published_is_null():
    source = Mine()
    assert source.table is source.table
    (row,) = source.table.to_dict("records")
    assert (row["precision"], row["memory_format"], row["mode"]) == ("fp32", "nchw", "eager")
    assert (row["status"], row["reason"], row["protocol_version"]) == ("ok", "", 1999)
    assert row["infer_time_ms"] == 1.5
    assert np.isnan(row["train_time_ms"])
    assert source.table["family"].isna().all()


def test_columns_that_no_table_has_are_refused():
    with pytest.raises(PerfseerError, match="latency"):
        published_table(ROWS.assign(latency=1.0), **SETTING)


def test_a_source_without_graphs_says_so():
    with pytest.raises(PerfseerError, match="mine"):
        Mine().graphs()


def test_a_sample_is_of_architectures_and_lies_in_greater_ones():
    table = pd.DataFrame({"architecture": [*"abcdefgh", "a", None], "time": range(10)})
    drawn = [set(Mine(seed=3).sampled(table, n)["architecture"]) for n in (1, 3, 8, 99)]
    assert [len(names) for names in drawn] == [1, 3, 8, 8]
    assert drawn[0] < drawn[1] < drawn[2]
    turned = Mine(seed=3).sampled(table.iloc[::-1], 3)
    assert set(turned["time"]) == set(Mine(seed=3).sampled(table, 3)["time"])
    others = [Mine(seed=seed).sampled(table, 1) for seed in range(9)]
    assert set(pd.concat(others)["architecture"]) > drawn[0]
    assert Mine(sample=1).table["model_ref"].tolist() == ["module:a.b"]
    with pytest.raises(PerfseerError, match="sample of 0"):
        Mine(seed=3).sampled(table, 0)


def test_files_are_chosen_by_name_or_path(tmp_path, monkeypatch):
    monkeypatch.setattr(source_module, "fetch", lambda file: tmp_path / file.name)
    own = tmp_path / "own.csv"
    own.write_text("")
    assert Mine().paths() == Mine(("a",)).paths() == Mine(("a.csv",)).paths() == [tmp_path / "a.csv"]
    assert Mine((own, "a")).paths() == [own, tmp_path / "a.csv"]
    with pytest.raises(PerfseerError, match=r"b\.csv.*a\.csv"):
        Mine(("b.csv",)).paths()
