"""Exported datasets: what other people's programs find, and what comes back."""

import pickle
import pickletools
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from perfseer.data.building import INDEX_COLUMNS
from perfseer.data.packed import PackedGraphs
from perfseer.data.sources.perfseer_release import writing
from perfseer.data.sources.perfseer_release.reading import read_release
from perfseer.data.sources.perfseer_release.stems import parse_stem, stem
from perfseer.data.sources.perfseer_release.writing import export
from perfseer.errors import PerfseerError
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.targets import TARGET_NAMES
from tests.data.sources.perfseer_release.test_conversion import Plain, assert_equal, captured
from tests.helpers.synthetic import make_graph, make_table, spoil

networkx = pytest.importorskip("networkx")
BATCHES = (1, 6)


@pytest.fixture(scope="module")
def graphs() -> PackedGraphs:
    """The network of every row of `table`, in its order."""
    return PackedGraphs.pack(
        [captured(Plain(), batch_size, 3, 12, 12) for _ in range(3) for batch_size in BATCHES]
    )


@pytest.fixture
def table() -> pd.DataFrame:
    return make_table(3, BATCHES).assign(input_shape="3x12x12")


@pytest.fixture
def index(table) -> pd.DataFrame:
    return table.assign(graph=np.arange(len(table)), reason=None)[list(INDEX_COLUMNS)]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stranger_loads(root: Path) -> list[tuple[list[dict], list[tuple[int, int]], list[float]]]:
    """As the authors' example and the live reproduction read: networkx, eval, float(), pairs by stem."""
    found = []
    for path in sorted((root / "cg" / "cg").iterdir()):
        with path.open("rb") as stream:
            graph = networkx.DiGraph(pickle.load(stream))
        position = {node: place for place, node in enumerate(graph.nodes())}
        features = [graph.nodes[node]["feature"] for node in graph.nodes()]
        edges = [(position[sender], position[receiver]) for sender, receiver in graph.edges()]
        label = eval((root / "label" / "label" / f"{path.stem}.txt").read_text(), {"__builtins__": {}})
        fields = {phase: [float(field) for field in label[phase].split("|")] for phase in ("train", "infer")}
        assert all(len(values) == 7 for values in fields.values())
        values = [fields[phase][field] for phase in ("train", "infer") for field in (0, 6, 1)]
        found.append((features, edges, values))
    return found


def test_a_stranger_finds_what_was_measured(table, graphs, index, tmp_path):
    done = export(table, graphs, index, tmp_path / "out")
    assert (done.configurations, done.rows_left_out, done.left_out) == (6, 0, {})
    loaded = stranger_loads(tmp_path / "out")
    stems = [path.stem for path in sorted((tmp_path / "out" / "cg" / "cg").iterdir())]
    rows = table.set_index([table["architecture"], table["batch_size"]])
    assert len(loaded) == 6
    for name, (features, edges, values) in zip(stems, loaded, strict=True):
        _, architecture, batch_size = parse_stem(name)
        row = rows.loc[(architecture, batch_size)]
        names = [
            f"{phase}_{field}" for phase in ("train", "infer") for field in ("time_ms", "mem_mib", "util_pct")
        ]
        expected = [row[field] / (batch_size if "time" in field else 1) for field in names]
        np.testing.assert_allclose(values, expected, rtol=1e-14)
        assert {node["memory_info"]["batch_size"] for node in features} == {batch_size}
        assert all(float(node["memory_info"]["bytes"]) > 0 for node in features)
        assert len(edges) == len(set(edges)) == 11


def test_nodes_hold_plain_values_and_edges_nothing(table, graphs, index, tmp_path):
    export(table, graphs, index, tmp_path / "out")
    content = next(iter((tmp_path / "out" / "cg" / "cg").iterdir())).read_bytes()
    graph = pickle.loads(content)
    assert type(graph) is networkx.DiGraph
    assert all(data == {} for _, _, data in graph.edges(data=True))
    for _, data in graph.nodes(data=True):
        assert list(data) == ["feature"]
        assert list(data["feature"]) == ["type", "args", "memory_info", "flops", "arith_intensity"]
        assert {type(value) for value in data["feature"]["args"].values()} == {int}
        memory = data["feature"]["memory_info"]
        assert {name for name, value in memory.items() if type(value) is not int} == {"bytes"}
    asked = {arg for op, arg, _ in pickletools.genops(content) if op.name in ("GLOBAL", "STACK_GLOBAL")}
    assert asked <= {None}
    assert b"networkx.classes.digraph" in content


def test_out_and_in_again_gives_the_same_graphs_labels_and_bytes(table, graphs, index, tmp_path):
    export(table, graphs, index, tmp_path / "once")
    back = read_release(tmp_path / "once")
    key = ["architecture", "batch_size"]
    ours, theirs = (frame.sort_values(key, ignore_index=True) for frame in (table, back.table))
    same = [*key, "family", "input_shape", "precision", "mode", "status"]
    pd.testing.assert_frame_equal(ours[same], theirs[same], check_dtype=False)
    np.testing.assert_allclose(ours[list(TARGET_NAMES)], theirs[list(TARGET_NAMES)].astype(float), rtol=1e-14)
    for number in range(len(back.graphs)):
        row = back.table.iloc[number]
        place = table.index[(table[key] == row[key].tolist()).all(axis=1)][0]
        assert_equal(back.graphs.graph(number), graphs.graph(int(place)))
    export(back.table, back.graphs, back.index, tmp_path / "twice")
    assert files(tmp_path / "twice") == files(tmp_path / "once")


def test_archives_hold_the_same_files_and_are_the_same_every_time(table, graphs, index, tmp_path):
    for name in ("a", "b"):
        export(table, graphs, index, tmp_path / name, archives=True)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert sorted(files(tmp_path / "a")) == ["cg.zip", "label.zip"]
    export(table, graphs, index, tmp_path / "folders")
    unpacked = {}
    for kind in ("cg", "label"):
        with zipfile.ZipFile(tmp_path / "a" / f"{kind}.zip") as archive:
            unpacked |= {f"{kind}/{name}": archive.read(name) for name in archive.namelist()}
    assert unpacked == files(tmp_path / "folders")


@pytest.mark.parametrize("per_sample", [0.1, 1 / 3, 2.4795766774219901e-3, 987654.321, 1e-7])
@pytest.mark.parametrize("batch_size", [1, 3, 6, 49, 100, 256, 1000])
def test_a_time_read_back_is_written_with_the_same_digits(per_sample, batch_size):
    row = dict.fromkeys(TARGET_NAMES, 1.0) | {"batch_size": batch_size}
    text = writing.label_text(row | {"train_time_ms": per_sample * batch_size})
    read = float(eval(text)["train"].split("|")[0])
    assert writing.label_text(row | {"train_time_ms": read * batch_size}) == text


def test_rows_that_cannot_be_written_are_left_out_and_counted(table, graphs, index, tmp_path):
    table = spoil(table, 0, "status", "oom")
    table = spoil(table, 1, "infer_util_pct", float("nan"))
    done = export(spoil(table, 2, "train_time_ms", 0.0), graphs, index.drop(index=3), tmp_path / "out")
    assert (done.configurations, done.rows_left_out) == (2, 4)
    assert done.left_out == {
        "graph: not in the graph index: run `perfseer graph build` again": 1,
        "infer_util_pct: missing": 1,
        "status: oom": 1,
        "train_time_ms: zero": 1,
    }


def test_a_dataset_without_some_label_is_refused(table, graphs, index, tmp_path):
    """As NAS-Bench-201's, which has inference times alone."""
    with pytest.raises(PerfseerError, match=r" 6 rows .*infer_mem_mib: missing"):
        export(table.assign(infer_mem_mib=np.nan), graphs, index, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_configurations_of_one_name_are_refused(table, graphs, index, tmp_path):
    table = pd.concat([table, table.head(1).assign(precision="tf32")], ignore_index=True)
    with pytest.raises(PerfseerError, match=r"precision \(fp32, tf32\)"):
        export(table, graphs, index, tmp_path / "out")


def test_a_folder_in_use_is_left_alone(table, graphs, index, tmp_path):
    (tmp_path / "old.txt").write_text("mine")
    with pytest.raises(PerfseerError, match=str(tmp_path)):
        export(table, graphs, index, tmp_path)
    assert files(tmp_path) == {"old.txt": b"mine"}
    (tmp_path / "empty").mkdir()
    export(table, graphs, index, tmp_path / "empty")
    assert len(files(tmp_path / "empty")) == 12


@pytest.mark.parametrize("archives", [False, True])
def test_nothing_appears_when_writing_breaks_off(table, graphs, index, tmp_path, monkeypatch, archives):
    def breaks_off(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(table, graphs, index, tmp_path / "out", archives=archives, progress=breaks_off)
    assert list(tmp_path.iterdir()) == []

    def full(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "pickled", full)
    with pytest.raises(PerfseerError, match=str(tmp_path / "out")):
        export(table, graphs, index, tmp_path / "out", archives=archives)
    assert list(tmp_path.iterdir()) == []


def test_without_networkx_it_says_so(table, graphs, index, tmp_path, monkeypatch):
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(writing.importlib, "import_module", absent)
    with pytest.raises(PerfseerError, match="install networkx"):
        export(table, graphs, index, tmp_path / "out")


@pytest.mark.parametrize(
    ("family", "architecture", "batch_size"),
    [
        ("vgg+resnet+vgg+densenet", "8b8bff563a98", 256),
        ("unknown", "0123456789ab", 1),
        ("a_b+c-d/e", "timm:res-net_50/x%2F", 7),
        ("über", "..", 3),
    ],
)
def test_names_come_back(family, architecture, batch_size):
    name = stem(family, architecture, batch_size)
    assert name.startswith(f"bs{batch_size}_")
    assert "/" not in name
    assert parse_stem(name) == (family, architecture, batch_size)


@pytest.mark.parametrize(
    "name", ["", "bs8", "bs8_1234", "bs0_vgg-1", "bs08_vgg-1", "model-1", "bs8_v/g-1", "bs8_-"]
)
def test_names_of_others_tell_nothing(name):
    assert parse_stem(name) is None


def test_graphs_with_odd_operators_can_be_exported(tmp_path):
    table = make_table(4, (2,))
    store = PackedGraphs.pack([make_graph(9, 12, seed) for seed in range(4)])
    index = table.assign(graph=np.arange(4), reason=None)[list(INDEX_COLUMNS)]
    assert export(table, store, index, tmp_path / "out").configurations == 4
    assert isinstance(store.graph(0), PerfGraph)
