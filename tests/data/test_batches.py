import dataclasses

import numpy as np
import pytest
import torch

from perfseer.data.batches import BatchSource
from perfseer.data.dataset import Dataset
from perfseer.data.normalisation import FeatureNormaliser
from tests.helpers.synthetic import make_graph
from tests.helpers.synthetic_graphs import dataset_of


@pytest.fixture(scope="module")
def data():
    return dataset_of([make_graph(1 + seed % 4, 2 * seed, seed) for seed in range(7)])


@pytest.fixture(scope="module")
def normaliser(data):
    return FeatureNormaliser.fit(data.features, np.arange(5))


@pytest.fixture(scope="module")
def source(data, normaliser):
    return BatchSource(data, normaliser)


@pytest.mark.parametrize("rows", [[0], [3, 1, 6], [2, 2, 0, 2], range(7)])
def test_a_batch_is_its_singles_laid_end_to_end(source, rows):
    batch, singles = source.batch(list(rows)), [source.batch([row]) for row in rows]
    for name in ("nodes", "operators", "edges", "globals_"):
        assert torch.equal(getattr(batch, name), torch.cat([getattr(single, name) for single in singles])), (
            name
        )
    sizes = [len(single.nodes) for single in singles]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    shifted = [single.edge_index + start for single, start in zip(singles, starts, strict=True)]
    assert torch.equal(batch.edge_index, torch.cat(shifted, dim=1))
    assert batch.ptr.tolist() == [*starts, sum(sizes)]
    assert batch.node_graph.tolist() == [i for i, size in enumerate(sizes) for _ in range(size)]
    assert batch.edge_graph.tolist() == [i for i, s in enumerate(singles) for _ in range(len(s.edges))]
    assert batch.n_graphs == len(singles)


def test_features_and_edges_are_those_of_the_graph(data, source, normaliser):
    expected = normaliser.transform(data.features)
    for row in range(len(data)):
        batch, graph = source.batch([row]), data.graph(row)
        nodes = expected.nodes[data.features.node_ptr[row] : data.features.node_ptr[row + 1]]
        np.testing.assert_array_equal(batch.nodes.numpy(), nodes)
        np.testing.assert_array_equal(batch.operators.numpy(), graph.operators)
        np.testing.assert_array_equal(batch.edge_index.numpy(), graph.edge_index)
        assert batch.edge_index.dtype == batch.node_graph.dtype == torch.int64


def test_edges_stay_within_their_graph(source):
    batch = source.batch([6, 5, 0, 3])
    for end in batch.edge_index:
        assert torch.equal(batch.node_graph[end], batch.edge_graph)


def test_a_subset_keeps_only_its_own_graphs_in_memory(data, normaliser, source):
    part = BatchSource(data.subset([5, 2]), normaliser)
    assert len(part) == 2
    assert torch.equal(part.batch([0, 1]).nodes, source.batch([5, 2]).nodes)
    assert len(part._nodes) == sum(data.graph(row).n_nodes for row in (5, 2))


def test_rows_that_share_a_graph(data, normaliser):
    shared = Dataset.from_rows(data.rows.assign(graph=[0, 1, 1, 1, 4, 5, 6]), data.graphs)
    batch = BatchSource(shared, normaliser).batch([1, 2, 3])
    assert torch.equal(batch.globals_[0], batch.globals_[2])


def test_there_is_no_such_row(source):
    with pytest.raises(IndexError):
        source.batch([7])


def test_moving_to_a_device_keeps_everything(source):
    batch = source.batch([0, 1])
    moved = batch.to("cpu")
    for field in dataclasses.fields(batch):
        left, right = getattr(batch, field.name), getattr(moved, field.name)
        assert torch.equal(left, right) if isinstance(left, torch.Tensor) else left == right
