"""NAS-Bench-201 through the contract of sources."""

import numpy as np
import pytest

from perfseer.data.building import KEY, NO_GRAPH
from perfseer.data.sources.nasbench201.cells import DEVICES, N_CELLS, N_CONNECTED
from perfseer.data.sources.nasbench201.source import NasBench201
from perfseer.errors import PerfseerError
from perfseer.measure.table import read_table, write_table


def test_a_row_is_a_cell_on_a_device(measured, tmp_path):
    table = NasBench201(("1080ti_256", "pixel3")).table
    assert table.groupby("device", sort=False).size().to_dict() == {
        "GTX 1080 Ti": N_CELLS,
        "Pixel 3": N_CELLS,
    }
    assert table["infer_time_ms"].tolist() == [*range(1, N_CELLS + 1)] * 2
    assert table["train_time_ms"].isna().all()
    assert table["batch_size"].unique().tolist() == [256, 1]
    write_table(table, tmp_path / "table.parquet")
    assert read_table(tmp_path / "table.parquet").equals(table)


def test_every_row_has_the_graph_that_its_device_ran(measured):
    source = NasBench201(("1080ti_1", "gold_6226", "pixel3"))
    graphs, index = source.graphs()
    assert len(graphs) == 2 * N_CONNECTED  # two devices ran the same networks
    assert not index.duplicated(list(KEY)).any()
    index = index.rename(columns={"reason": "without"})
    joined = source.table.merge(index, on=list(KEY), how="left", validate="many_to_one")
    assert (joined["graph"] == NO_GRAPH).sum() == 3 * (N_CELLS - N_CONNECTED)
    assert joined["without"].isna().sum() == 3 * N_CONNECTED
    last = joined.groupby("device", sort=False)["graph"].last()
    assert last["GTX 1080 Ti"] == last["Xeon Gold 6226"] == N_CONNECTED - 1
    assert last["Pixel 3"] == 2 * N_CONNECTED - 1
    sizes = np.diff(graphs.node_ptr)
    assert (sizes[:N_CONNECTED] >= sizes[N_CONNECTED:]).all()


def test_all_devices_are_read_where_none_is_chosen_and_unknown_ones_named():
    assert [device.name for device in NasBench201().devices] == list(DEVICES)
    with pytest.raises(PerfseerError, match=r"tpu.*1080ti_1"):
        NasBench201(("tpu", "pixel3")).read()
