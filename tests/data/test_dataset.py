import json
import resource
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from perfseer.data.assembly import assemble, write_dataset
from perfseer.data.building import build_graphs
from perfseer.data.dataset import Dataset
from perfseer.errors import PerfseerError
from perfseer.targets import TARGET_NAMES
from tests.helpers.synthetic import SETTINGS, make_graph, make_store, make_table
from tests.helpers.synthetic_graphs import dataset_of


@pytest.fixture
def table():
    return make_table(40)


def write(table, folder, store=None):
    packed, index = store or make_store(table)
    packed.save(folder / "graphs.safetensors")
    assembled = assemble(table, packed, index, SETTINGS)
    manifest = write_dataset(
        assembled, folder, inputs={"graphs": folder / "graphs.safetensors"}, settings=SETTINGS
    )
    return assembled, manifest


def test_rows_keep_their_own_graph_and_labels(table, tmp_path):
    write(table, tmp_path)
    data = Dataset.open(tmp_path, tmp_path / "graphs.safetensors")
    packed, index = make_store(table)
    assert len(data) == 80
    key = ["model_ref", "input_shape", "batch_size"]
    expected = data.rows.merge(table[[*key, *TARGET_NAMES]], on=key).merge(index, on=key)
    np.testing.assert_array_equal(data.labels, expected[[f"{name}_y" for name in TARGET_NAMES]])
    np.testing.assert_array_equal(data.graph_rows, expected["graph_y"])
    for row in (0, 17, 79):
        np.testing.assert_array_equal(data.graph(row).flops, packed.graph(int(data.graph_rows[row])).flops)
        assert data.graph(row).batch_size == data.rows["batch_size"][row]


def test_a_subset_shares_graphs_and_features(table, tmp_path):
    write(table, tmp_path)
    data = Dataset.open(tmp_path, tmp_path / "graphs.safetensors")
    part = data.subset([5, 3])
    assert part.graphs is data.graphs
    assert part.features is data.features
    np.testing.assert_array_equal(part.labels, data.labels[[5, 3]])
    assert part.rows["configuration"].tolist() == data.rows["configuration"][[5, 3]].tolist()
    assert part.rows.index.tolist() == [0, 1]


def test_equal_input_gives_equal_bytes(table, tmp_path):
    for name in ("a", "b"):
        write(table, tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_the_order_of_rows_does_not_matter(table, tmp_path):
    store = make_store(table)
    write(table, tmp_path / "a", store)
    write(table.sample(frac=1, random_state=0), tmp_path / "b", store)
    for name in ("rows.parquet", "splits.parquet", "normalisers.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_the_manifest_counts_what_there_is(table, tmp_path):
    table.loc[3, "train_time_ms"] = 0.0
    table.loc[5, "status"] = "oom"
    packed, index = make_store(table)
    index.loc[7, ["graph", "reason"]] = [-1, "unheard-of"]
    assembled, manifest = write(table, tmp_path, (packed, index))
    assert manifest == json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["counts"]["rows"] == 77
    assert manifest["counts"]["quarantine"] == {
        "graph: unheard-of": 1,
        "status: oom": 1,
        "train_time_ms: zero": 1,
    }
    rows = manifest["splits"]["family"]["1"]["rows"]
    assert sum(rows.values()) == 77
    assert rows["unused"] > 0
    assert manifest["splits"]["family"]["1"]["held_out"] == "googlenet"
    assert manifest["splits"]["architecture"]["0"]["architectures"] == {"train": 20, "valid": 10, "test": 10}
    unknown = manifest["unknown_operators"]
    graphs = [assembled.data.graph(row) for row in range(77)]
    assert unknown["graphs"] == sum(bool(graph.unknown) for graph in graphs)
    assert unknown["counts"] == {"aten.frobnicate": 2 * unknown["graphs"]}
    other = sum(graph.bytes[graph.operators == 0].sum() for graph in graphs)
    assert unknown["bytes_share"] == pytest.approx(other / sum(graph.total_bytes for graph in graphs))
    lines = pd.read_csv(tmp_path / "quarantine.csv")
    assert lines["row"].tolist() == [3, 5, 7]


def test_a_configuration_the_index_does_not_list_is_quarantined(table):
    packed, index = make_store(table)
    assembled = assemble(table, packed, index.drop(index=[0]), SETTINGS)
    assert assembled.quarantine["column"].tolist() == ["graph"]
    assert assembled.quarantine["reason"].str.startswith("not in").all()


def test_an_index_may_tell_precisions_apart(table):
    packed, index = make_store(table)
    halved = pd.concat([table, table.assign(precision="fp16")], ignore_index=True)
    turned = index.assign(precision="fp16", graph=index["graph"].iloc[::-1].to_numpy())
    both = pd.concat([index.assign(precision="fp32"), turned], ignore_index=True)
    rows = assemble(halved, packed, both, SETTINGS).data.rows
    single, half = (rows[rows["precision"] == name].set_index("model_ref") for name in ("fp32", "fp16"))
    found = both.set_index(["precision", "model_ref", "batch_size"])["graph"]
    for part, name in ((single, "fp32"), (half, "fp16")):
        assert len(part) == len(table)
        expected = [found[name, ref, size] for ref, size in part["batch_size"].items()]
        assert part["graph"].tolist() == expected
    with pytest.raises(PerfseerError, match="twice"):
        assemble(halved, packed, pd.concat([both, turned]), SETTINGS)


def test_an_index_of_other_graphs_is_refused(table):
    packed, index = make_store(table)
    with pytest.raises(PerfseerError, match="different runs"):
        assemble(table, packed, index.assign(graph=index["graph"] + 1), SETTINGS)


@pytest.mark.parametrize(("column", "values"), [("device", ["gpu", "cpu"]), ("protocol_version", [1, 2])])
def test_two_devices_or_protocols_are_not_one_dataset(table, column, values):
    mixed = table.assign(**{column: values * 40})
    with pytest.raises(PerfseerError, match=rf"{column} \({sorted(map(str, values))[0]}, "):
        assemble(mixed, *make_store(table), SETTINGS)


@contextmanager
def disk_of(n_bytes):
    """No file can grow beyond ``n_bytes``, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_dataset_whole(table, tmp_path):
    store = make_store(table)
    write(table, tmp_path, store)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with disk_of(4096):
        with pytest.raises(PerfseerError, match=r"graphs\.safetensors: .*space"):
            store[0].save(tmp_path / "graphs.safetensors")
        with pytest.raises(PerfseerError, match=r"rows\.parquet: .*space"):
            write_dataset(assemble(table, *store, SETTINGS), tmp_path, inputs={}, settings=SETTINGS)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["rows.parquet", "graphs.safetensors"])
def test_a_file_that_changed_since_is_refused(table, tmp_path, name):
    write(table, tmp_path)
    with (tmp_path / name).open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(PerfseerError, match=rf"{name} .*digest"):
        Dataset.open(tmp_path, tmp_path / "graphs.safetensors")


@pytest.mark.parametrize("name", ["rows.parquet", "graphs.safetensors", "manifest.json"])
def test_a_missing_file_is_named(table, tmp_path, name):
    write(table, tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(PerfseerError, match=rf"{name}: .*`perfseer dataset`"):
        Dataset.open(tmp_path, tmp_path / "graphs.safetensors")


def test_a_damaged_or_older_manifest(table, tmp_path):
    _, manifest = write(table, tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(PerfseerError, match=r"manifest\.json"):
        Dataset.open(tmp_path, tmp_path / "graphs.safetensors")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"schema_version": 0}))
    with pytest.raises(PerfseerError, match=r"version 0, .*1"):
        Dataset.open(tmp_path, tmp_path / "graphs.safetensors")


@pytest.mark.parametrize("bad", [0.0, -1.0, -np.inf, np.inf])
def test_a_dataset_with_a_bad_label_cannot_exist(bad):
    data = dataset_of([make_graph(2, 1), make_graph(3, 2)])
    with pytest.raises(PerfseerError, match=r"infer_mem_mib .*finite"):
        Dataset.from_rows(data.rows.assign(infer_mem_mib=[bad, 1.0]), data.graphs)


def test_rows_may_lack_labels_but_not_all_of_them():
    data = dataset_of([make_graph(2, 1), make_graph(3, 2)])
    partial = Dataset.from_rows(data.rows.assign(infer_mem_mib=[np.nan, 1.0]), data.graphs)
    assert data.complete
    assert not partial.complete
    assert partial.targets == data.targets
    nothing = data.rows.assign(**dict.fromkeys(data.targets, pd.Series([np.nan, 1.0])))
    with pytest.raises(PerfseerError, match="1 of 2 rows"):
        Dataset.from_rows(nothing, data.graphs)


def test_a_dataset_cannot_name_graphs_that_are_not_there():
    data = dataset_of([make_graph(2, 1), make_graph(3, 2)])
    with pytest.raises(PerfseerError, match="the 2 "):
        Dataset.from_rows(data.rows.assign(graph=[0, 2]), data.graphs)


REFERENCES = "module:tests.data.test_dataset."


def fixed():
    """A network that `module:` references can name."""
    import torch

    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1))


def broken():
    """A network that fails when it runs."""
    import torch

    class Broken(torch.nn.Module):
        def forward(self, x):
            raise RuntimeError("jammed")

    return Broken()


def measured(*rows):
    table = pd.DataFrame(rows, columns=["model_ref", "input_shape", "batch_size"])
    return table.assign(model_spec=None)


def test_one_graph_per_distinct_model_input_and_batch_size():
    ref = REFERENCES + "fixed"
    table = measured((ref, "3x8x8", 4), (ref, "3x8x8", 2), (ref, "3x8x8", 4), (ref, "3x8x8", None))
    packed, index = build_graphs(table)
    assert index[["batch_size", "graph"]].to_numpy().tolist() == [[2, 0], [4, 1]]
    assert [packed.graph(number).batch_size for number in (0, 1)] == [2, 4]
    np.testing.assert_array_equal(packed.graph(1).flops, 2 * packed.graph(0).flops)
    assert packed.graph(0).has_backward


def test_what_cannot_be_captured_is_listed_with_its_reason():
    ok, bad, absent = (REFERENCES + name for name in ("fixed", "broken", "absent"))
    table = measured(
        (ok, "3x8x8", 1), (bad, "3x8x8", 1), (absent, "3x8x8", 1), (absent, "3x8x8", 2), (ok, "tall", 1)
    )
    packed, index = build_graphs(table)
    assert len(packed) == 1
    failed = index[index["graph"] == -1]
    assert len(failed) == 4
    assert failed["reason"].str.contains("jammed").sum() == 1
    assert failed["reason"].str.contains("absent").sum() == 2
    assert index.loc[index["graph"] == 0, "reason"].isna().all()


def test_a_pool_of_processes_gives_the_same():
    ref = REFERENCES + "fixed"
    table = measured((ref, "3x8x8", 1), (ref, "3x16x16", 1), (ref, "3x8x8", 3))
    seen = []
    (alone, index), (pool, other) = (
        build_graphs(table),
        build_graphs(table, 2, lambda *done: seen.append(done)),
    )
    pd.testing.assert_frame_equal(index, other)
    for name, array in alone.arrays.items():
        np.testing.assert_array_equal(array, pool[name])
    assert seen == [(1, 2), (2, 2)]


def test_nothing_could_be_captured():
    with pytest.raises(PerfseerError, match="jammed"):
        build_graphs(measured((REFERENCES + "broken", "3x8x8", 1)))


def test_joined_rows_keep_their_own_graphs(table):
    packed, index = make_store(table)
    whole = Dataset.from_rows(assemble(table, packed, index, SETTINGS).data.rows, packed)
    first, second = whole.subset([3, 1, 3]), whole.subset([7, 0])
    joined = Dataset.joined([first, second])
    assert joined.rows["configuration"].tolist() == whole.rows["configuration"].iloc[[3, 1, 3, 7, 0]].tolist()
    np.testing.assert_array_equal(joined.labels, whole.labels[[3, 1, 3, 7, 0]])
    assert len(joined.graphs) == len({*whole.graph_rows[[3, 1]]}) + len({*whole.graph_rows[[7, 0]]})
    for place, row in enumerate([3, 1, 3, 7, 0]):
        np.testing.assert_array_equal(joined.graph(place).flops, whole.graph(row).flops)
