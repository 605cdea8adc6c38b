"""Speed of the packed store: pack, save, load, features, normaliser, one mini-batch.

Run: ``pytest benchmarks/bench_packing.py``. 5,000 graphs of 100 nodes; the PerfSeer release has 53,407,
so multiply all but the mini-batch by eleven.
"""

import numpy as np
import pytest
from tests.helpers.synthetic import make_graph
from tests.helpers.synthetic_graphs import dataset_of

from perfseer.data.batches import BatchSource
from perfseer.data.features import graph_features
from perfseer.data.normalisation import FeatureNormaliser
from perfseer.data.packed import PackedGraphs

N_GRAPHS, N_NODES, N_EDGES = 5_000, 100, 110


@pytest.fixture(scope="module")
def graphs():
    return [make_graph(N_NODES, N_EDGES, seed) for seed in range(N_GRAPHS)]


@pytest.fixture(scope="module")
def data(graphs):
    return dataset_of(graphs)


def test_pack(benchmark, graphs):
    benchmark.pedantic(PackedGraphs.pack, (graphs,), rounds=3)


def test_save(benchmark, data, tmp_path):
    benchmark.pedantic(data.graphs.save, (tmp_path / "g.safetensors",), rounds=3)


def test_load(benchmark, data, tmp_path):
    data.graphs.save(tmp_path / "g.safetensors")
    loaded = benchmark.pedantic(PackedGraphs.load, (tmp_path / "g.safetensors",), rounds=5)
    assert len(loaded) == N_GRAPHS


def test_features(benchmark, data):
    features = benchmark.pedantic(graph_features, (data.graphs,), rounds=3)
    assert len(features.nodes) == N_GRAPHS * N_NODES


def test_fit_a_feature_normaliser_on_half(benchmark, data):
    benchmark.pedantic(FeatureNormaliser.fit, (data.features, np.arange(0, N_GRAPHS, 2)), rounds=3)


def test_normalise_all(benchmark, data):
    normaliser = FeatureNormaliser.fit(data.features, np.arange(N_GRAPHS))
    benchmark.pedantic(BatchSource, (data, normaliser), rounds=3)


def test_mini_batch_of_128(benchmark, data):
    source = BatchSource(data, FeatureNormaliser.fit(data.features, np.arange(N_GRAPHS)))
    rows = np.random.default_rng(0).permutation(N_GRAPHS)[:128]
    batch = benchmark(source.batch, rows)
    assert batch.n_graphs == 128
    assert len(batch.nodes) == 128 * N_NODES


def test_collating_objects_for_comparison(benchmark, data):
    """The same mini-batch where every graph is an object: a slice per graph and field, then concatenation."""
    features = FeatureNormaliser.fit(data.features, np.arange(N_GRAPHS)).transform(data.features)
    singles = [features.take(np.array([number])) for number in range(N_GRAPHS)]
    rows = np.random.default_rng(0).permutation(N_GRAPHS)[:128]

    def collate():
        chosen = [singles[row] for row in rows]
        sizes = [len(single.nodes) for single in chosen]
        shifts = np.cumsum([0, *sizes[:-1]])
        edges = [single.edge_index + shift for single, shift in zip(chosen, shifts, strict=True)]
        numbers = range(len(chosen))
        return (
            np.concatenate([single.nodes for single in chosen]),
            np.concatenate([single.operators for single in chosen]),
            np.concatenate([single.edges for single in chosen]),
            np.concatenate(edges, axis=1),
            np.concatenate([single.globals_ for single in chosen]),
            np.concatenate([np.full(size, number) for number, size in zip(numbers, sizes, strict=True)]),
        )

    assert len(benchmark(collate)[0]) == 128 * N_NODES
