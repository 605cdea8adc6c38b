"""Cells and their latencies; no published file is needed."""

import re

import pytest
import torch

from perfseer.data.sources.nasbench201 import cells
from perfseer.data.sources.nasbench201.cells import DEVICES, N_CELLS, N_CONNECTED, Cells
from perfseer.data.sources.nasbench201.graphs import OPERATIONS
from perfseer.errors import PerfseerError
from tests.helpers.nasbench201_cells import (
    CHAIN,
    CONV_1,
    CONV_3,
    DEAD_ENDS,
    GPU,
    NONE,
    PHONE,
    POOL,
    SKIP,
    cells_of,
    every_cell,
)


def test_the_published_number_of_cells_is_connected():
    every = every_cell()
    assert len(every) == N_CELLS
    assert int(every.connected.sum()) == N_CONNECTED


def test_a_cell_string_lists_edges_by_receiver():
    text = "|avg_pool_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
    assert Cells.of([text]).operations.tolist() == [[POOL, NONE, CONV_1, SKIP, CONV_3, NONE]]


@pytest.mark.parametrize("text", ["", "|none~0|", "|none~1|+|none~0|none~1|+|none~0|none~1|none~2|", "|x~0|"])
def test_what_is_no_cell_is_refused(text):
    with pytest.raises(PerfseerError, match=re.escape(repr(text))):
        Cells.of([text])


def test_pruning_keeps_what_lies_between_input_and_output():
    chosen = cells_of(CHAIN, DEAD_ENDS)
    assert chosen.pruned.tolist() == [
        [True, False, True, False, False, True],
        [False, False, False, True, False, False],
    ]
    assert chosen.leading[1].tolist() == [False, False, False, True, True, False]
    assert chosen.ran("executed", GPU).all()
    assert chosen.ran("executed", PHONE).tolist() == chosen.leading.tolist()


def test_files_of_other_contents_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "latencies.pt"
    monkeypatch.setattr(cells, "fetch", lambda file: path)
    torch.save([1.0, float("nan")], path)
    with pytest.raises(PerfseerError, match=rf"{GPU.file.name} .* {N_CELLS} "):
        cells.latencies_ms(GPU)
    path.write_bytes(b"no torch file")
    with pytest.raises(PerfseerError, match=str(path)):
        cells.latencies_ms(GPU)


def test_devices_are_in_the_order_of_reports():
    assert list(DEVICES) == [
        "1080ti_1",
        "1080ti_256",
        "2080ti_256",
        "titanx_256",
        "titanxp_256",
        "gold_6226",
        "pixel3",
    ]
    assert (GPU.batch_size, GPU.title, GPU.runs, PHONE.runs) == (256, "GTX 1080 Ti", "all", "leading")
    assert OPERATIONS[NONE] == "none"
