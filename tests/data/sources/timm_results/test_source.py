"""timm's results through the contract of sources."""

import pytest

from perfseer.data.captures import Captures
from perfseer.data.sources.timm_results.names import FILES, Given
from perfseer.data.sources.timm_results.source import TimmResults
from tests.helpers.timm_files import STEM, row, write


@pytest.fixture
def files(tmp_path):
    return [
        write(tmp_path, row("plain")),
        write(tmp_path, row("plain", 1), stem=STEM.replace("3090", "4090")),
    ]


def test_all_published_files_are_declared():
    assert [file.name for file in TimmResults.files] == [f"benchmark-{file.name}.csv" for file in FILES]


def test_the_table_is_that_of_all_files(files):
    table = TimmResults(files).table
    assert table["batch_size"].tolist() == [64, 1]
    assert table["device"].str[-4:].tolist() == ["3090", "4090"]
    assert set(TimmResults(files, given=Given(device="my card")).table["device"]) == {"my card"}


@pytest.mark.parametrize("as_measured", [False, True])
def test_nothing_is_captured_again(files, captures, monkeypatch, as_measured):
    monkeypatch.setattr(Captures, "open", lambda: captures)
    source = TimmResults(files, as_measured=as_measured)
    graphs, index = source.graphs()
    assert source.captures is captures
    assert sorted(index["graph"]) == [0, 1]
    assert len(graphs) == 2
