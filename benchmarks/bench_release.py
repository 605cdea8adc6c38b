"""Speed of reading the PerfSeer release, one graph and 1,000 by one process and by two, and of writing them.

Run: ``pytest benchmarks/bench_release.py``. Graphs of 103 nodes, the mean of the search space; the release
has 53,407, so multiply the 1,000 by 53.
"""

import pickle

import networkx as nx
import pytest
from tests.helpers.synthetic_release import label_text, node, write_archives

from perfseer.data.sources.perfseer_release.conversion import to_perfgraph
from perfseer.data.sources.perfseer_release.reading import read_release
from perfseer.data.sources.perfseer_release.unpickling import read_graph
from perfseer.data.sources.perfseer_release.writing import export

N_GRAPHS, N_NODES = 1_000, 103
KINDS = ("Conv", "BatchNormalization", "Relu")


def content(width: int, batch_size: int = 8) -> bytes:
    graph = nx.DiGraph()
    for number in range(N_NODES):
        kind, weights = KINDS[number % 3], 9 * width * width
        channels = (3 if number == 0 else width, width)
        graph.add_node(number, feature=node(kind, batch_size, channels, weights, weights * batch_size))
    nx.add_path(graph, range(N_NODES))
    return pickle.dumps(graph, protocol=4)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    files = {f"cg/bs8_{number}.pkl": content(8 + number) for number in range(N_GRAPHS)}
    files |= {f"label/bs8_{number}.txt": label_text().encode() for number in range(N_GRAPHS)}
    return write_archives(tmp_path_factory.mktemp("release"), files)


def test_read_graph(benchmark):
    assert len(benchmark(read_graph, content(64), "a.pkl").features) == N_NODES


def test_to_perfgraph(benchmark):
    assert benchmark(to_perfgraph, read_graph(content(64), "a.pkl"), "a.pkl").n_nodes == N_NODES


@pytest.mark.parametrize("workers", [1, 2])
def test_read_release(benchmark, release, workers):
    found = benchmark.pedantic(read_release, (release,), {"workers": workers}, rounds=3)
    assert len(found.graphs) == N_GRAPHS


@pytest.mark.parametrize("archives", [False, True])
def test_export(benchmark, release, tmp_path, archives):
    found = read_release(release, workers=2)
    places = iter(tmp_path / str(number) for number in range(3))

    def next_place():
        return (found.table, found.graphs, found.index, next(places)), {"archives": archives}

    done = benchmark.pedantic(export, setup=next_place, rounds=3)
    assert done.configurations == N_GRAPHS
