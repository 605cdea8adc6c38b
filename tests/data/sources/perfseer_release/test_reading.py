"""A release as table and graphs: files found wherever they lie, every one of them accounted for."""

import os
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest

from perfseer.data.assembly import assemble
from perfseer.data.building import INDEX_COLUMNS, KEY
from perfseer.data.packed import PackedGraphs
from perfseer.data.sources.perfseer_release import reading
from perfseer.data.sources.perfseer_release.archive import Reader, find_release
from perfseer.data.sources.perfseer_release.conversion import to_perfgraph
from perfseer.data.sources.perfseer_release.reading import DEVICE, read_release
from perfseer.data.sources.perfseer_release.unpickling import read_graph
from perfseer.errors import PerfseerError
from perfseer.measure.table import read_table, write_table
from tests.helpers.synthetic import SETTINGS
from tests.helpers.synthetic_release import label_text, make_digraph, make_files, write_archives, write_folder

FILES = make_files()
# Of families, which the published names do not tell, no split can be made.
SPLITS = SETTINGS.splits.model_copy(update={"names": ("architecture", "random")})
SETTINGS_HERE = SETTINGS.model_copy(update={"seeds": (0,), "splits": SPLITS})
EVIL = b"cos\nsystem\n(S'touch canary'\ntR."


def below(prefix: str, files: dict[str, bytes] = FILES) -> dict[str, bytes]:
    """``cg/…`` as ``cg/<prefix>/…``, as archives unpacked into a folder of their own name give."""
    return {name.replace("/", f"/{prefix or name.split('/')[0]}/", 1): value for name, value in files.items()}


def noted(found) -> dict[str, list[str]]:
    return found.notes.groupby("kind")["file"].apply(list).to_dict()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return read_release(write_folder(tmp_path_factory.mktemp("plain"), FILES))


# -- places -------------------------------------------------------------------------------------------------


def lay_out(place, root):
    """The release below ``root`` in one of the ways people have it; returns what they would give as PATH."""
    if place == "archives":
        return write_archives(root, FILES)
    if place == "one archive":
        with zipfile.ZipFile(root / "all.zip", "w") as archive:
            for name, content in FILES.items():
                archive.writestr(f"perfseer/{name}", content)
        return root / "all.zip"
    if place == "doubled folders":
        return write_folder(root, below(""))
    if place == "nested":
        write_folder(root / "data" / "set", FILES)
        return root
    if place == "flat":
        return write_folder(root, {name.split("/")[1]: content for name, content in FILES.items()})
    if place == "unpacked beside archives":
        write_archives(root, FILES)
        return write_folder(root, FILES)
    if place == "linked":
        write_folder(root / "elsewhere", FILES)
        (root / "here").mkdir()
        for part in ("cg", "label"):
            (root / "here" / part).symlink_to(root / "elsewhere" / part)
        return root / "here"
    chosen = {
        "the graphs": "cg",
        "the doubled graphs": "cg/cg",
        "the labels": "label",
        "the archive": "cg.zip",
    }
    if place == "the archive":
        write_archives(root, FILES)
    else:
        write_folder(root, below("") if "doubled" in place else FILES)
    return root / chosen[place]


PLACES = (
    *("archives", "one archive", "doubled folders", "nested", "flat", "linked"),
    *("the graphs", "the doubled graphs", "the labels", "the archive"),
)


@pytest.mark.parametrize("place", PLACES)
def test_the_same_table_comes_from_wherever_the_files_lie(place, tmp_path, expected):
    found = read_release(lay_out(place, tmp_path))
    pd.testing.assert_frame_equal(found.table, expected.table)
    assert found.notes.empty


def test_what_lies_beside_the_release_is_no_part_of_it(tmp_path, expected):
    write_archives(tmp_path, FILES)
    (tmp_path / "notes.txt").write_text("not a label")
    (tmp_path / "mine.pkl").write_bytes(EVIL)
    (tmp_path / "broken.zip").write_bytes(b"no archive")
    with zipfile.ZipFile(tmp_path / "cg.zip", "a") as archive:
        archive.writestr("__MACOSX/cg/._bs1_4.pkl", b"\x00\x05\x16\x07")
    found = read_release(tmp_path)
    pd.testing.assert_frame_equal(found.table, expected.table)
    assert found.notes.empty


def test_unpacked_files_come_before_those_of_archives_and_both_are_noted(tmp_path, expected):
    found = read_release(lay_out("unpacked beside archives", tmp_path))
    pd.testing.assert_frame_equal(found.table, expected.table)
    assert set(noted(found)) == {"repeated"}
    assert len(found.notes) == len(FILES)
    assert all(
        member.number is None for pair in find_release(tmp_path).pairs for member in (pair.graph, pair.label)
    )


def test_a_missing_release_says_where_it_is_published(tmp_path):
    with pytest.raises(PerfseerError, match=r"drive\.google\.com.*upuuuuuu/PerfSeer"):
        read_release(tmp_path / "nowhere")
    with pytest.raises(PerfseerError, match=str(tmp_path)):
        read_release(tmp_path)


def test_a_truncated_archive_is_refused(tmp_path):
    write_archives(tmp_path, FILES)
    content = (tmp_path / "cg.zip").read_bytes()
    (tmp_path / "cg.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(PerfseerError, match=str(tmp_path / "cg.zip")):
        read_release(tmp_path)


# -- the table ----------------------------------------------------------------------------------------------


def test_rows_say_what_the_release_says(expected):
    table = expected.table
    assert len(table) == 6
    first = table.iloc[0]  # bs1_4: sorted by stem
    assert (first["batch_size"], first["input_shape"], first["order"]) == (1, "3x8x8", 0)
    assert (first["device"], first["device_kind"], first["precision"]) == (DEVICE, "cuda", "fp32")
    assert (first["family"], first["mode"], first["memory_format"]) == ("unknown", "eager", "nchw")
    assert first["model_ref"] == f"perfseer-release:{first['architecture']}"
    assert (table["status"] == "ok").all()
    assert set(table["protocol_version"]) == {0}
    assert '"counted_s":30.0' in first["protocol"]


def test_times_are_per_iteration_and_the_other_labels_as_published(expected):
    table = expected.table
    width_4 = table[table["architecture"] == table["architecture"].iloc[0]].set_index("batch_size")
    assert width_4["train_time_ms"].to_dict() == {1: 4.0, 2: 8.0}  # 4 ms per sample
    assert width_4["infer_time_ms"].to_dict() == {1: 0.5, 2: 1.0}
    assert width_4["train_util_pct"].to_dict() == {1: 60.5, 2: 60.5}
    assert width_4["infer_mem_mib"].to_dict() == {1: 1500.0, 2: 1500.0}


def test_batch_sizes_of_one_network_are_one_architecture(expected):
    groups = expected.table.groupby("architecture")["batch_size"].apply(sorted)
    assert groups.tolist() == [[1, 2]] * 3


def test_graphs_and_index_belong_to_the_rows(expected, tmp_path):
    assert list(expected.index.columns) == list(INDEX_COLUMNS)
    assert expected.index[list(KEY)].apply(tuple, axis=1).is_monotonic_increasing
    joined = expected.table.merge(expected.index, on=list(KEY), validate="one_to_one")
    stems = sorted(name.split("/")[1] for name in FILES if name.startswith("cg"))
    for number, stem in zip(joined["graph"], stems, strict=True):
        raw = read_graph(FILES[f"cg/{stem}"], stem)
        whole, packed = to_perfgraph(raw, stem), expected.graphs.graph(number)
        assert np.array_equal(whole.edge_index, packed.edge_index)
        assert np.array_equal(whole.flops, packed.flops)
        assert packed.batch_size == int(stem[2])


def test_the_pipeline_goes_on_with_what_was_written(expected, tmp_path):
    write_table(expected.table, tmp_path / "t.parquet")
    expected.graphs.save(tmp_path / "g.safetensors")
    read = read_table(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read, expected.table)
    many = read_release(write_folder(tmp_path / "many", make_files(tuple(range(4, 40, 2)))))
    assembled = assemble(many.table, many.graphs, many.index, SETTINGS_HERE)
    assert len(assembled.data.rows) == 36
    assert assembled.quarantine.empty


def test_several_processes_give_the_same(tmp_path, monkeypatch, expected):
    monkeypatch.setattr(reading, "_CHUNK", 2)
    seen = []
    found = read_release(
        write_archives(tmp_path, FILES), workers=2, progress=lambda done, total: seen.append((done, total))
    )
    pd.testing.assert_frame_equal(found.table, expected.table)
    pd.testing.assert_frame_equal(found.index, expected.index)
    assert all(np.array_equal(found.graphs[name], expected.graphs[name]) for name in expected.graphs.arrays)
    assert seen == [(2, 6), (4, 6), (6, 6)]


# -- files that are not as they should be -------------------------------------------------------------------


def test_a_hostile_graph_is_refused_by_name_and_the_rest_is_read(tmp_path, monkeypatch, expected):
    monkeypatch.chdir(tmp_path)
    found = read_release(write_archives(tmp_path / "r", FILES | {"cg/bs1_6.pkl": EVIL}))
    assert not (tmp_path / "canary").exists()
    assert noted(found) == {"refused graph": ["cg/cg/bs1_6.pkl"]}
    assert "os.system" in found.refused["reason"].iloc[0]
    assert len(found.table) == len(found.graphs) == 5
    assert found.table["order"].tolist() == list(range(5))


def test_hostile_labels_leave_a_row_without_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = {"label/bs1_6.txt": b"open('canary', 'w')", "label/bs2_6.txt": b"\xff\xfe\x00"}
    found = read_release(write_folder(tmp_path / "r", FILES | evil))
    assert not (tmp_path / "canary").exists()
    assert sorted(noted(found)["refused labels"]) == ["label/bs1_6.txt", "label/bs2_6.txt"]
    failed = found.table[found.table["status"] == "error"]
    assert len(failed) == 2
    assert failed["train_time_ms"].isna().all()
    assert "evaluated" in failed["reason"].iloc[0]


def test_graphs_without_labels_and_labels_without_graphs_are_counted(tmp_path):
    files = {
        name: content for name, content in FILES.items() if name not in ("cg/bs1_4.pkl", "label/bs2_4.txt")
    }
    found = read_release(write_folder(tmp_path / "r", files))
    assert noted(found) == {"no graph": ["label/bs1_4.txt"], "no labels": ["cg/bs2_4.pkl"]}
    row = found.table[found.table["status"] == "error"]
    assert row["reason"].str.contains("label").tolist() == [True]
    assert row["batch_size"].tolist() == [2]


def test_missing_and_zero_labels_reach_the_quarantine_and_no_wrong_number_does(tmp_path):
    files = make_files(tuple(range(4, 40, 2)))
    files["label/bs1_4.txt"] = repr({"train": "1|0|3|4|5|6|7", "infer": "1|2|3|4|5|6|7"}).encode()
    files["label/bs1_6.txt"] = repr({"infer": "1|2|3|4|5|6|7"}).encode()
    files["label/bs1_8.txt"] = repr({"train": "nan|2|3|4|5|6|7", "infer": "1|2|3|4|5|6"}).encode()
    files["label/bs1_10.txt"] = b""
    found = read_release(write_folder(tmp_path, files))
    assert {kind: len(names) for kind, names in noted(found).items()} == {
        "label: zero": 1,
        "label: no entry": 3,
        "label: nan": 1,
        "label: too few fields": 1,
    }
    assembled = assemble(found.table, found.graphs, found.index, SETTINGS_HERE)
    told = assembled.quarantine.set_index("column")["reason"]
    assert set(told["status"]) == {
        "train: average_sm_util is zero",
        "train: no entry",
        "train: time is nan; infer: 6 fields, expected 7",
        "train: no entry; infer: no entry",
    }
    assert len(assembled.data.rows) == 32


def test_the_same_network_published_twice_is_one_graph_and_two_rows(tmp_path):
    files = FILES | {"cg/again.pkl": FILES["cg/bs1_4.pkl"], "label/again.txt": label_text(9.0).encode()}
    found = read_release(write_folder(tmp_path / "r", files))
    assert noted(found) == {"repeated configuration": ["cg/bs1_4.pkl"]}
    assert len(found.table) == 7
    assert len(found.index) == 6
    assembled_index = found.index.set_index(list(KEY))
    assert assembled_index.index.is_unique


def test_family_and_architecture_of_our_own_exports_come_from_their_names(tmp_path):
    files = {
        "cg/bs1_vgg_resnet-0123.pkl": FILES["cg/bs1_4.pkl"],
        "label/bs1_vgg_resnet-0123.txt": label_text().encode(),
    }
    (row,) = read_release(write_folder(tmp_path, files)).table.to_dict("records")
    assert (row["family"], row["architecture"]) == ("vgg+resnet", "0123")
    assert row["model_ref"] == "perfseer-release:0123"


@pytest.mark.parametrize(
    "stem", ["bs1_%3Cscript%3E-0123", "bs1_vgg-%1B%5B2J", "bs1_%7C-0123", "bs2_vgg-0123", "bs1_vgg_0123"]
)
def test_a_name_that_is_odd_or_contradicts_the_graph_tells_nothing(stem, tmp_path, expected):
    found = read_release(write_folder(tmp_path, {f"cg/{stem}.pkl": FILES["cg/bs1_4.pkl"]}))
    assert found.table["family"].tolist() == ["unknown"]
    assert found.table["architecture"].tolist() == [expected.table["architecture"].iloc[0]]


@pytest.mark.parametrize("size", ["x", None, 0, "-1", "nan", "1e300", [8, 8]])
def test_a_graph_whose_input_has_no_size_is_refused(size, tmp_path):
    graph = make_digraph()
    graph.nodes["Conv_0"]["feature"]["memory_info"]["input_h"] = size
    found = read_release(write_folder(tmp_path, FILES | {"cg/odd.pkl": pickle.dumps(graph)}))
    assert "odd.pkl" in found.refused["reason"].iloc[0]


def test_not_one_readable_graph_is_an_error_that_names_the_first(tmp_path):
    with pytest.raises(PerfseerError, match=r" 1 graphs .*os\.system"):
        read_release(write_folder(tmp_path, {"cg/a.pkl": EVIL}))


# -- archives as attacks ------------------------------------------------------------------------------------


def test_a_zip_bomb_is_read_no_further_than_the_limit(tmp_path):
    write_archives(tmp_path, FILES | {"cg/bomb.pkl": b"N" * (64 * 2**20)})
    assert (tmp_path / "cg.zip").stat().st_size < 2**20
    found = read_release(tmp_path)
    assert noted(found) == {"refused graph": ["cg/cg/bomb.pkl"]}
    assert "more than" in found.refused["reason"].iloc[0]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_can_ask_for_gigabytes_is_refused(method, tmp_path):
    write_archives(tmp_path, FILES)
    with zipfile.ZipFile(tmp_path / "cg.zip", "a", method) as archive:
        archive.writestr("cg/odd.pkl", FILES["cg/bs1_4.pkl"])
    found = read_release(tmp_path)
    assert noted(found)["refused graph"] == ["cg/cg/odd.pkl"]
    assert f"zip method {method}," in found.refused["reason"].iloc[0]


def test_a_member_with_a_wrong_checksum_is_refused(tmp_path):
    write_archives(tmp_path, {})
    with zipfile.ZipFile(tmp_path / "cg.zip", "a", zipfile.ZIP_STORED) as archive:
        for name in ("cg/bs1_4.pkl", "cg/bs1_6.pkl"):
            archive.writestr(name, FILES[name])
    content = bytearray((tmp_path / "cg.zip").read_bytes())
    content[content.index(b"Conv_0")] ^= 1
    (tmp_path / "cg.zip").write_bytes(content)
    assert noted(read_release(tmp_path))["refused graph"] == ["cg/cg/bs1_4.pkl"]


def test_names_that_climb_out_of_an_archive_are_only_names(tmp_path, expected):
    files = {name.replace("/", "/../../../../"): content for name, content in FILES.items()}
    root = tmp_path / "deep" / "er"
    found = read_release(write_archives(root, files))
    pd.testing.assert_frame_equal(found.table, expected.table)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cg.zip", "deep", "er", "label.zip"]


def test_names_with_control_characters_are_shown_without(tmp_path):
    name = "cg/\x1b[2J\nevil.pkl"
    found = read_release(write_archives(tmp_path, FILES | {name: EVIL}))
    (shown,) = noted(found)["refused graph"]
    assert shown.isprintable()
    assert found.refused["reason"].iloc[0].isprintable()


def test_pipes_and_folders_named_like_files_are_passed_over(tmp_path, expected):
    write_folder(tmp_path, FILES)
    os.mkfifo(tmp_path / "cg" / "pipe.pkl")
    (tmp_path / "cg" / "folder.pkl").mkdir()
    pd.testing.assert_frame_equal(read_release(tmp_path).table, expected.table)


def test_a_file_that_vanishes_is_noted(tmp_path):
    write_folder(tmp_path, FILES)
    release = find_release(tmp_path)
    (tmp_path / "cg" / "bs1_4.pkl").unlink()
    with pytest.raises(PerfseerError, match=r"bs1_4\.pkl: .*\(FileNotFoundError\)"):
        Reader().read(release.pairs[0].graph, 1000)


def test_packing_in_parts_equals_packing_at_once():
    graphs = [to_perfgraph(read_graph(FILES[name], name), name) for name in FILES if name.startswith("cg")]
    whole = PackedGraphs.pack(graphs)
    parts = PackedGraphs.concatenate([PackedGraphs.pack(graphs[:1]), PackedGraphs.pack(graphs[1:])])
    assert all(np.array_equal(parts[name], whole[name]) for name in whole.arrays)
    assert {name: parts[name].dtype for name in parts.arrays} == {
        name: whole[name].dtype for name in whole.arrays
    }
