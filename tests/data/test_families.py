"""Families of packed graphs do to many networks what a batch family does to one."""

import numpy as np
import pytest
import torch
from torch import nn

from perfseer.data.families import PackedFamilies
from perfseer.data.packed import EDGE_ARRAYS, GRAPH_ARRAYS, NODE_ARRAYS, PackedGraphs
from perfseer.errors import PerfseerError
from perfseer.graphs.batch_family import BatchFamily
from perfseer.graphs.capture import capture
from tests.helpers.batch_networks import Tokens, Windows, convolutions


class Fickle(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        x = self.layer(x.mean(dim=(2, 3)))
        return torch.relu(x) if len(x) > 100 else x


class Halves(nn.Module):
    """As many operators at any batch size, but one works on a share of samples that is no whole number."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        x = self.layer(x.mean(dim=(2, 3)))
        return self.layer(x[: len(x) // 3 + 1])


def pack(models, sizes):
    inputs = [torch.empty(size, 3, 32, 32, device="meta") for size in sizes]
    return PackedGraphs.pack([capture(model, (given,)) for model, given in zip(models, inputs, strict=True)])


@pytest.fixture(scope="module")
def models():
    return [convolutions(), Fickle(), Tokens(), Windows(), Halves()]


@pytest.fixture(scope="module")
def families(models):
    return PackedFamilies.of(pack(models, [2] * 5), pack(models, [256, 256, 64, 256, 256]))


def assert_equal(first, second):
    np.testing.assert_array_equal(first.node_ptr, second.node_ptr)
    np.testing.assert_array_equal(first.edge_ptr, second.edge_ptr)
    for name in (*NODE_ARRAYS, *EDGE_ARRAYS, *GRAPH_ARRAYS):
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert first.unknown == second.unknown


def test_networks_that_are_no_family_are_marked(families):
    assert families.whole.tolist() == [True, False, True, True, False]
    assert len(families) == 5


def test_many_graphs_are_those_of_each_family(families):
    chosen, sizes = np.array([3, 0, 0, 2]), np.array([17, 2, 1000, 64])
    expected = [
        BatchFamily.of(families.low.graph(number), families.high.graph(number)).at(size)
        for number, size in zip(chosen.tolist(), sizes.tolist(), strict=True)
    ]
    assert_equal(families.at(chosen, sizes), PackedGraphs.pack(expected))


def test_no_graph_at_all(families):
    none = np.array([], dtype=np.int64)
    assert len(families.at(none, none)) == 0


def test_what_is_not_known_is_refused(families, models):
    with pytest.raises(PerfseerError, match="one family"):
        families.at(np.array([0, 1]), np.array([8, 8]))
    with pytest.raises(PerfseerError, match="batch 1 "):
        families.at(np.array([0]), np.array([1]))
    with pytest.raises(PerfseerError, match="smaller"):
        PackedFamilies.of(families.high, families.low)
    with pytest.raises(PerfseerError, match=r"5 graphs .* 1"):
        PackedFamilies.of(families.low, pack(models[:1], [256]))


def test_taking_graphs_is_packing_them_in_that_order(families):
    numbers = np.array([4, 1, 1])
    expected = PackedGraphs.pack([families.low.graph(number) for number in numbers.tolist()])
    assert_equal(families.low.take(numbers), expected)
