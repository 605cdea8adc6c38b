"""Graphs of cells against ones drawn by hand and against published counts."""

import numpy as np

from perfseer.data.sources.nasbench201.graphs import KINDS, cell_graphs, network_graphs
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
    names,
)


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
