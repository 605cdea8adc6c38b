import dataclasses
import json

import numpy as np
import pytest

from perfseer.data.packed import EDGE_ARRAYS, GRAPH_ARRAYS, NODE_ARRAYS, PackedGraphs
from perfseer.errors import PerfseerError
from perfseer.graphs.perfgraph import PerfGraph
from tests.helpers.synthetic import make_graph


@pytest.fixture
def graphs():
    return [make_graph(3, 2, 0), make_graph(1, 0, 1), make_graph(6, 9, 2), make_graph(4, 0, 3)]


def assert_same(left: PerfGraph, right: PerfGraph) -> None:
    for field in dataclasses.fields(PerfGraph):
        a, b = getattr(left, field.name), getattr(right, field.name)
        assert type(a) is type(b), field.name
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg=field.name)
            assert a.dtype == b.dtype, field.name
        else:
            assert a == b, field.name


def test_every_field_of_a_perfgraph_is_stored():
    stored = {*NODE_ARRAYS, *EDGE_ARRAYS, *GRAPH_ARRAYS, "unknown"}
    assert stored == {field.name for field in dataclasses.fields(PerfGraph)}


def test_round_trip_in_memory_and_through_a_file(graphs, tmp_path):
    packed = PackedGraphs.pack(iter(graphs))
    packed.save(tmp_path / "g.safetensors")
    loaded = PackedGraphs.load(tmp_path / "g.safetensors")
    assert len(packed) == len(loaded) == 4
    assert loaded.node_ptr.tolist() == [0, 3, 4, 10, 14]
    assert loaded.edge_ptr.tolist() == [0, 2, 2, 11, 11]
    for number, graph in enumerate(graphs):
        assert_same(packed.graph(number), graph)
        assert_same(loaded.graph(number), graph)


def test_loading_maps_instead_of_copying(graphs, tmp_path):
    PackedGraphs.pack(graphs).save(tmp_path / "g.safetensors")
    flops = PackedGraphs.load(tmp_path / "g.safetensors")["flops"]
    assert isinstance(flops, np.memmap)
    assert not flops.flags.writeable


def test_equal_graphs_give_equal_bytes(graphs, tmp_path):
    for name in ("a", "b"):
        PackedGraphs.pack(graphs).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_integers_are_stored_narrowly_and_large_ones_exactly():
    graph = dataclasses.replace(make_graph(2, 1), flops=np.array([2**53 + 1, 0]))
    packed = PackedGraphs.pack([graph])
    assert packed["operators"].dtype == np.uint8
    assert packed["flops"].dtype == np.int64
    assert packed.graph(0).flops.tolist() == [2**53 + 1, 0]


def test_no_graphs_at_all(tmp_path):
    PackedGraphs.pack([]).save(tmp_path / "g.safetensors")
    assert len(PackedGraphs.load(tmp_path / "g.safetensors")) == 0


def test_there_is_no_graph_beyond_the_last(graphs):
    with pytest.raises(IndexError, match="graph 4 of 4"):
        PackedGraphs.pack(graphs).graph(4)
    with pytest.raises(IndexError):
        PackedGraphs.pack(graphs).graph(-1)


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_truncated_file(graphs, tmp_path, kept):
    path = tmp_path / "g.safetensors"
    PackedGraphs.pack(graphs).save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(PerfseerError, match="perfseer graph"):
        PackedGraphs.load(path)


def test_foreign_file(tmp_path):
    path = tmp_path / "g.safetensors"
    path.write_text(json.dumps({"not": "graphs"}))
    with pytest.raises(PerfseerError, match=r"g\.safetensors"):
        PackedGraphs.load(path)


def test_missing_file(tmp_path):
    with pytest.raises(PerfseerError, match=r"g\.safetensors.*graph build"):
        PackedGraphs.load(tmp_path / "g.safetensors")


@pytest.mark.parametrize("name", ["SCHEMA_VERSION", "VOCABULARY_VERSION"])
def test_another_version_is_refused(graphs, tmp_path, monkeypatch, name):
    path = tmp_path / "g.safetensors"
    PackedGraphs.pack(graphs).save(path)
    monkeypatch.setattr(f"perfseer.data.packed.{name}", 99)
    with pytest.raises(PerfseerError, match=rf"'{name.lower()}': 1.*'{name.lower()}': 99"):
        PackedGraphs.load(path)


def test_saving_where_nothing_can_be_written(graphs, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PerfseerError, match="cannot write"):
        PackedGraphs.pack(graphs).save(tmp_path / "file" / "g.safetensors")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("edge_index", lambda values: values + 100),
        ("edge_index", lambda values: values[:, :1]),
        ("operators", lambda values: values + 200),
        ("batch_size", lambda values: values * 0),
        ("hyperparameters", lambda values: values[:, :5]),
        ("flops", lambda values: values[:-1]),
        ("node_ptr", lambda values: values[::-1]),
        ("node_ptr", lambda values: values[:-1]),
        ("edge_ptr", lambda values: values + 1),
        ("flops", lambda values: values.astype(np.float64)),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(graphs, tmp_path, name, change):
    path = tmp_path / "g.safetensors"
    packed = PackedGraphs.pack(graphs)
    if name in ("node_ptr", "edge_ptr"):
        packed = dataclasses.replace(packed, **{name: change(getattr(packed, name))})
    else:
        packed = dataclasses.replace(packed, arrays={**packed.arrays, name: change(packed[name])})
    packed.save(path)
    with pytest.raises(PerfseerError, match="graph build"):
        PackedGraphs.load(path)
