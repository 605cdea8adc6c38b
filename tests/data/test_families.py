"""Families of packed graphs against captures at other batch sizes."""

import numpy as np
import pytest
import torch
from torch import nn

from perfseer.data.families import PackedFamilies
from perfseer.data.packed import EDGE_ARRAYS, GRAPH_ARRAYS, NODE_ARRAYS, PackedGraphs
from perfseer.errors import PerfseerError
from perfseer.graphs.batch_family import AFFINE, CONVEX, LARGE, SMALL, STRUCTURE
from perfseer.graphs.capture import capture
from tests.helpers.batch_networks import Tokens, Windows, convolutions
from tests.helpers.model_graphs import Lambda


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


def test_every_count_of_many_graphs_is_that_of_a_capture(families, models):
    chosen, sizes = np.array([3, 0, 0, 2, 2, 3, 0]), np.array([17, 2, 1000, 64, 3, 1000, 3])
    given, captured = families.at(chosen, sizes), pack([models[number] for number in chosen], sizes.tolist())
    assert given.unknown == captured.unknown
    for name in ("batch_size", *STRUCTURE, *AFFINE):
        if name != "unknown":
            np.testing.assert_array_equal(given[name], captured[name], err_msg=name)


def family_of(model, low, high):
    return PackedFamilies.of(pack([model], [low]), pack([model], [high]))


def taken(family, size):
    return family.at(np.array([0]), np.array([size])).graph(0)


@pytest.mark.parametrize("make", [convolutions, Tokens, Windows])
def test_peak_memory_is_bounded_from_above_between_the_captures_and_from_below_beyond(make):
    model = make()
    family = family_of(model, SMALL, LARGE)
    captured = {size: pack([model], [size]).graph(0) for size in (SMALL, 32, LARGE, 1024)}
    for name in CONVEX:
        exact, given = (
            {size: getattr(graph, name) for size, graph in graphs.items()}
            for graphs in (captured, {size: taken(family, size) for size in captured})
        )
        assert (given[SMALL], given[LARGE]) == (exact[SMALL], exact[LARGE])
        assert exact[32] <= given[32] <= 1.1 * exact[32]
        assert 0.99 * exact[1024] <= given[1024] <= exact[1024]


def test_at_batch_1_a_network_may_lose_operators():
    assert pack([Tokens()], [1]).graph(0).n_nodes < pack([Tokens()], [2]).graph(0).n_nodes


def test_two_captures_cannot_tell_a_network_that_looks_at_all_pairs_of_samples():
    layer = nn.Linear(3, 3)
    model = Lambda(lambda parts, x: (y := parts[0](x.mean(dim=(2, 3)))) @ y.T, layer)
    assert taken(family_of(model, 2, 4), 8).total_flops < pack([model], [8]).graph(0).total_flops


def test_work_that_shrinks_with_the_batch_is_no_family():
    model = Lambda(lambda parts, x: parts[0](x.mean(dim=(2, 3))[: 400 - len(x)]), nn.Linear(3, 3))
    assert family_of(model, 100, 200).whole.tolist() == [True]
    assert family_of(model, 200, 300).whole.tolist() == [False]


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
