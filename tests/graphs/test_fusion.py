"""What a compiler spares, on graphs small enough to count by hand."""

import numpy as np

from perfseer.graphs.fusion import fuse
from perfseer.graphs.vocabulary import OPERATOR_INDEX


def fused(names, edges, sizes):
    """Traffic of nodes that each write ``sizes`` bytes and read what their producers write."""
    operators = np.array([OPERATOR_INDEX[name] for name in names])
    edge_index = np.array(edges).reshape(-1, 2).T
    written = np.array(sizes, dtype=float)
    edge_bytes = written[edge_index[0]]
    read = np.bincount(edge_index[1], weights=edge_bytes, minlength=len(names))
    return fuse(operators, read, written, edge_index, edge_bytes)


def test_a_chain_reads_its_first_input_and_writes_its_last_output():
    # conv -> batch norm -> relu -> conv
    result = fused(["conv", "batch_norm", "relu", "conv"], [(0, 1), (1, 2), (2, 3)], [100, 100, 100, 40])
    assert result.input_bytes.tolist() == [0, 100, 0, 100]
    assert result.output_bytes.tolist() == [100, 0, 100, 40]
    assert result.silent.tolist() == [False, True, False, False]


def test_a_tensor_that_is_also_read_elsewhere_is_written():
    # relu's result goes to an addition (joined) and to a convolution (not)
    result = fused(["conv", "relu", "conv", "add"], [(0, 1), (1, 2), (1, 3), (2, 3)], [100, 100, 60, 60])
    assert result.output_bytes.tolist() == [100, 100, 60, 60]
    assert result.input_bytes.tolist() == [0, 100, 100, 60]  # the addition still reads the convolution's


def test_nothing_is_joined_behind_what_shrinks_its_input():
    # a mean joins what comes before it, and what follows starts anew
    result = fused(["mul", "reduce", "mul"], [(0, 1), (1, 2)], [100, 10, 10])
    assert result.silent.tolist() == [True, False, False]
    assert result.input_bytes.tolist() == [0, 0, 10]


def test_products_are_kernels_of_their_own():
    result = fused(["linear", "matmul", "attention", "max_pool"], [(0, 1), (1, 2), (2, 3)], [8, 8, 8, 8])
    assert result.output_bytes.tolist() == [8, 8, 8, 8]
    assert result.input_bytes.tolist() == [0, 8, 8, 8]
