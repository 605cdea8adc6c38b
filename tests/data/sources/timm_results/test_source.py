"""timm's results through the contract of sources."""

import pytest

from perfseer.data.captures import Captures
from perfseer.data.sources.timm_results import source as source_module
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
    assert table["device"].tolist() == ["NVIDIA GeForce RTX 3090", "NVIDIA GeForce RTX 4090"]
    assert set(TimmResults(files, given=Given(device="my card")).table["device"]) == {"my card"}


def test_graphs_are_those_captured_in_the_precision_asked_for(files, captures, monkeypatch):
    monkeypatch.setattr(Captures, "open", lambda: captures)
    asked = []
    capture = source_module.capture_graphs

    def noted(*arguments, **options):
        asked.append(options["as_measured"])
        return capture(*arguments, **options)

    monkeypatch.setattr(source_module, "capture_graphs", noted)
    sizes = []
    for as_measured in (False, True):
        source = TimmResults(files, as_measured=as_measured)
        graphs, index = source.graphs()
        assert sorted(index["graph"]) == [0, 1]
        assert len(source.joined().data) == 2
        sizes.append(graphs["operators"].size)
    assert asked == [False, True]
    assert sizes[1] > sizes[0]  # casts
