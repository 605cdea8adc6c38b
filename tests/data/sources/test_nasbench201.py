"""Cells, their graphs and the published split; no published file is needed."""

from itertools import product

import numpy as np
import pytest
import torch

from perfseer.data.download import RemoteFile
from perfseer.data.sources import nasbench201
from perfseer.data.sources.nasbench201 import DEVICES, N_CELLS, N_CONNECTED, Cells, dataset, fold
from perfseer.data.sources.nasbench201.graphs import KINDS, OPERATIONS, cell_graphs, network_graphs
from perfseer.errors import PerfseerError
from perfseer.graphs.vocabulary import OPERATORS
from tests.helpers.synthetic import SETTINGS

NONE, SKIP, CONV_1, CONV_3, POOL = range(5)
GPU, PHONE = DEVICES["1080ti_256"], DEVICES["pixel3"]
# One edge after another: 0→1, 0→2, 1→2, 0→3, 1→3, 2→3.
CHAIN = [CONV_1, NONE, CONV_3, NONE, NONE, POOL]
DEAD_ENDS = [NONE, CONV_3, POOL, CONV_1, POOL, NONE]  # 0→2 leads nowhere; 1→3 is fed by zeros


def cells_of(*operations):
    return Cells(np.array(operations))


def names(graph):
    return [OPERATORS[index] for index in graph.operators]


def test_the_published_number_of_cells_is_connected():
    every = Cells(np.array(list(product(range(5), repeat=6))))
    assert len(every) == N_CELLS
    assert int(every.connected.sum()) == N_CONNECTED


def test_a_cell_string_lists_edges_by_receiver():
    text = "|avg_pool_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
    assert Cells.of([text]).operations.tolist() == [[POOL, NONE, CONV_1, SKIP, CONV_3, NONE]]


@pytest.mark.parametrize("text", ["", "|none~0|", "|none~1|+|none~0|none~1|+|none~0|none~1|none~2|", "|x~0|"])
def test_what_is_no_cell_is_refused(text):
    with pytest.raises(PerfseerError, match="is no NAS-Bench-201 cell"):
        Cells.of([text])


def test_pruning_keeps_what_lies_between_input_and_output():
    cells = cells_of(CHAIN, DEAD_ENDS)
    assert cells.pruned.tolist() == [
        [True, False, True, False, False, True],
        [False, False, False, True, False, False],
    ]
    assert cells.leading[1].tolist() == [False, False, False, True, True, False]
    assert cells.ran("executed", GPU).all()
    assert cells.ran("executed", PHONE).tolist() == cells.leading.tolist()


def test_a_chain_becomes_a_chain():
    cells = cells_of(CHAIN)
    graph = cell_graphs(cells.operations, cells.pruned, 256).graph(0)
    assert names(graph) == ["conv", "conv", "avg_pool"]
    assert graph.hyperparameters[:, [0, 9]].tolist() == [[1, 0], [3, 0], [0, 3]]
    assert graph.edge_index.tolist() == [[0, 1], [1, 2]]
    assert graph.batch_size == 256


def test_a_skip_joins_its_predecessors_to_its_successors():
    cells = cells_of([CONV_1, CONV_3, SKIP, NONE, NONE, POOL])
    graph = cell_graphs(cells.operations, cells.pruned, 1).graph(0)
    assert names(graph) == ["conv", "conv", "avg_pool"]
    assert graph.edge_index.tolist() == [[0, 1], [2, 2]]


def test_multiplications_by_zero_are_nodes_only_where_they_ran():
    cells = cells_of(DEAD_ENDS)
    ran = cell_graphs(cells.operations, cells.ran("executed", GPU), 1).graph(0)
    assert names(ran) == ["mul", "conv", "avg_pool", "conv", "avg_pool", "mul"]
    assert ran.edge_index.tolist() == [[0, 0, 1, 2], [2, 4, 5, 5]]
    kept = cell_graphs(cells.operations, cells.ran("executed", PHONE), 1).graph(0)
    assert names(kept) == ["conv", "avg_pool"]
    assert kept.n_edges == 0


def test_a_cell_of_skips_has_an_empty_graph_among_others():
    cells = cells_of(CHAIN, [SKIP] * 6, CHAIN)
    graphs = cell_graphs(cells.operations, cells.pruned, 1)
    assert graphs.node_ptr.tolist() == [0, 3, 3, 6]
    assert graphs.edge_ptr.tolist() == [0, 2, 2, 4]
    assert np.array_equal(graphs.graph(0).flops, graphs.graph(2).flops)


def test_networks_have_the_published_parameters_and_macs():
    """All 3x3 convolutions: 1.531546 M and 220.12 M multiply-accumulates; all skips: 0.073306 M."""
    cells = cells_of([CONV_3] * 6, [SKIP] * 6)
    graphs = network_graphs(cells.operations, cells.pruned, 1)
    assert graphs["n_parameters"].tolist() == [1_531_546, 73_306]
    assert graphs.graph(0).total_flops == 2 * 220_119_680
    assert graphs.graph(1).total_flops == 2 * (442_368 + 7_340_032 + 640)


def test_bytes_are_those_of_all_three_kernels():
    """In the first stage a tensor has 16 x 32 x 32 items, in the others half and a quarter of them."""
    tensor, repetitions = 4 * 16 * 32 * 32, 5
    items = repetitions * (tensor + tensor // 2 + tensor // 4)
    pool, conv = KINDS["avg_pool_3x3"].columns(), KINDS["nor_conv_3x3"].columns()
    assert (pool["input_bytes"], pool["output_bytes"], pool["flops"]) == (items, items, 0)
    assert (conv["input_bytes"], conv["output_bytes"]) == (3 * items, 3 * items)
    assert conv["flops"] == 2 * 15 * 9 * 16 * 16 * 32 * 32
    batched = cell_graphs(np.array([[POOL] * 6]), np.ones((1, 6), dtype=bool), 256).graph(0)
    assert batched.input_bytes.tolist() == [256 * items] * 6


def test_the_network_view_joins_the_cell_to_its_surroundings():
    cells = cells_of(CHAIN, [SKIP] * 6)
    graphs = network_graphs(cells.operations, cells.pruned, 8)
    first, second = graphs.graph(0), graphs.graph(1)
    before = ["conv", "conv", "conv", "avg_pool", "conv"]
    assert names(first) == [*before, "conv", "conv", "avg_pool", "global_avg_pool", "linear"]
    assert {(2, 5), (4, 5), (7, 8), (8, 9)} <= set(zip(*first.edge_index.tolist(), strict=True))
    assert names(second) == [*before, "global_avg_pool", "linear"]
    assert {(2, 5), (4, 5)} <= set(zip(*second.edge_index.tolist(), strict=True))


@pytest.fixture
def measured(monkeypatch):
    """All cells, in an order of their own, with made-up latencies."""
    every = Cells(np.array(list(product(range(5), repeat=6))))
    monkeypatch.setattr(nasbench201, "cells", lambda: every)
    monkeypatch.setattr(nasbench201, "latencies_ms", lambda device: 1.0 + np.arange(N_CELLS))
    return every


def test_rows_are_the_connected_cells_with_one_label(measured):
    data = dataset(GPU, "pruned", "cell")
    assert len(data) == N_CONNECTED
    assert data.targets == ("infer_time_ms",)
    index = data.rows["configuration"].str[-5:].astype(int).to_numpy()
    assert measured.connected[index].all()
    assert np.array_equal(data.rows["infer_time_ms"], 1.0 + index)
    assert np.isfinite(data.features.globals_).all()


def test_the_split_is_the_published_one_and_depends_on_the_seed_alone(measured):
    data = dataset(GPU, "pruned", "cell")
    first, again, other = (fold(data, seed, 900, 100, SETTINGS.labels) for seed in (0, 0, 1))
    assert [len(part) for part in (first.train, first.valid, first.test)] == [900, 100, 14_284]
    parts = [set(part.rows["configuration"]) for part in (first.train, first.valid, first.test)]
    assert len(set.union(*parts)) == N_CONNECTED
    assert first.train.rows.equals(again.train.rows)
    assert not first.train.rows.equals(other.train.rows)
    elsewhere = fold(dataset(PHONE, "executed", "network"), 0, 900, 100, SETTINGS.labels)
    assert list(elsewhere.test.rows["configuration"]) == list(first.test.rows["configuration"])


def test_a_split_without_test_cells_is_refused(measured):
    with pytest.raises(PerfseerError, match="leave none of 15284"):
        fold(dataset(GPU, "pruned", "cell"), 0, 15_000, 284, SETTINGS.labels)


def test_files_of_other_contents_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "latencies.pt"
    monkeypatch.setattr(nasbench201, "fetch", lambda file: path)
    torch.save([1.0, float("nan")], path)
    with pytest.raises(PerfseerError, match="does not hold 15625 positive latencies"):
        nasbench201.latencies_ms(GPU)
    path.write_bytes(b"no torch file")
    with pytest.raises(PerfseerError, match="cannot be read"):
        nasbench201.latencies_ms(GPU)


def test_files_are_named_by_url_and_digest():
    files = [device.file for device in DEVICES.values()]
    assert all(isinstance(file, RemoteFile) and len(file.sha256) == 64 for file in files)
    assert len({file.url for file in files}) == 7
    assert OPERATIONS[NONE] == "none"
