"""The release through the contract of sources."""

import numpy as np
import pytest

from perfseer.data.sources.perfseer_release.source import PerfseerRelease
from perfseer.errors import PerfseerError
from tests.helpers.synthetic_release import make_files, write_archives


def test_table_and_graphs_are_of_one_reading(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFSEER_MIRROR", str(tmp_path))
    write_archives(tmp_path / "perfseer_release", make_files())
    source = PerfseerRelease(device_name="A card")
    graphs, index = source.graphs()
    assert len(source.table) == len(graphs) == 6
    assert set(source.table["device"]) == {"A card"}
    assert np.array_equal(np.sort(index["graph"]), np.arange(6))
    elsewhere = PerfseerRelease([tmp_path / "perfseer_release"])
    assert elsewhere.table["train_time_ms"].equals(source.table["train_time_ms"])


def test_a_release_is_one_place(tmp_path):
    with pytest.raises(PerfseerError, match="2"):
        PerfseerRelease([tmp_path, tmp_path]).read()
