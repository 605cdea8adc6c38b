"""Latencies by network: what files may hold, and what becomes of them."""

import numpy as np
import pytest
import torch

from perfseer.data import capturing
from perfseer.data.captures import Captures
from perfseer.data.download import RemoteFile
from perfseer.data.platforms import Platform
from perfseer.data.sources import once_for_all as module
from perfseer.data.sources.once_for_all import OnceForAllLatencies
from perfseer.errors import PerfseerError
from tests.helpers.mirrors import needs_mirror

CONFIGURATIONS = [
    {"ks": [3] * 20, "e": [3] * 20, "d": [2] * 5, "r": np.int64(128)},
    {"ks": [7] * 20, "e": [6] * 20, "d": [3] * 5, "r": np.int64(224)},
    {"ks": [5] * 20, "e": [4] * 20, "d": [2] * 5, "r": np.int64(160)},
]
OPEN = Captures.open


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three networks, whose latencies are 1, 2 and 3 ms times the batch size; returns the folder."""
    monkeypatch.setattr(module, "N_NETWORKS", len(CONFIGURATIONS))
    monkeypatch.setattr(module, "fetch", lambda file: tmp_path / file.name)
    torch.save({"dataset": "imagenet", "arch": CONFIGURATIONS}, tmp_path / "ofa_archs.pt")
    for name in module.SETTINGS:
        size = float(name.partition("_")[2])
        torch.save([size, 2 * size, 3 * size], tmp_path / f"{name}.pt")
    return tmp_path


def test_a_row_is_a_network_at_a_setting(files):
    table = OnceForAllLatencies().table
    assert len(table) == 3 * 6
    assert (table["status"] == "ok").all()
    row = table[(table["batch_size"] == 64) & table["device"].str.contains("V100")].iloc[1]
    assert row["model_ref"] == "ofa:w1.2-767676-767676-767676-767676-767676"
    assert (row["input_shape"], row["infer_time_ms"]) == ("3x224x224", 128.0)
    keys = {platform.key for platform in Platform.of_rows(table)}
    assert keys == {"v100-sxm2-16gb-fp32-nchw-eager-torch1.8", "rtx2080ti-fp32-nchw-eager-torch1.8"}
    assert OnceForAllLatencies(["v100_1", "2080ti_32.pt"]).table["batch_size"].tolist() == [1] * 3 + [32] * 3
    narrow = OnceForAllLatencies(["v100_1"], width=1.0).table["architecture"]
    assert narrow[0] == "w1.0-3333-3333-3333-3333-3333"
    with pytest.raises(PerfseerError, match=r"titan_1.*v100_64"):
        OnceForAllLatencies(["titan_1"]).read()


def test_a_sample_is_of_networks_and_the_same_at_every_setting(files):
    table = OnceForAllLatencies(sample=2, seed=5).table
    assert len(table) == 2 * 6
    assert table["architecture"].nunique() == 2
    assert table.equals(OnceForAllLatencies(sample=2, seed=5).table)


def test_graphs_are_captured_once_at_every_batch_size(files, monkeypatch, tmp_path):
    opened = []

    def open_(folder=None):
        opened.append(folder)
        return OPEN(tmp_path / "kept")

    monkeypatch.setattr(module.Captures, "open", open_)
    source = OnceForAllLatencies(sample=1)
    graphs, index = source.graphs()
    assert index["batch_size"].tolist() == [1, 32, 64]
    assert [graphs.graph(number).batch_size for number in index["graph"]] == [1, 32, 64]
    flops = [int(graphs.graph(number).flops.sum()) for number in index["graph"]]
    assert flops == [flops[0], 32 * flops[0], 64 * flops[0]]
    monkeypatch.setattr(capturing, "_capture", None)
    again, same = OnceForAllLatencies(sample=1).graphs()
    assert same.equals(index)
    assert len(again) == 3


def test_captures_lie_apart_from_those_of_libraries(files, monkeypatch):
    asked = []

    def stop(rows, captures, *_):
        asked.append(captures.folder)
        raise PerfseerError("enough")

    monkeypatch.setattr(module, "kept_graphs", stop)
    with pytest.raises(PerfseerError, match="enough"):
        OnceForAllLatencies().graphs()
    assert asked[0] != OPEN().folder


@pytest.mark.parametrize(
    "content",
    [
        {"arch": CONFIGURATIONS[:2]},
        {"arch": [{**CONFIGURATIONS[0], "r": 130}, *CONFIGURATIONS[1:]]},
        {"arch": [{**CONFIGURATIONS[0], "ks": [4] * 20}, *CONFIGURATIONS[1:]]},
        {"arch": [{"ks": [3] * 20}] * 3},
        [1.0, 2.0, 3.0],
    ],
)
def test_other_networks_are_refused(files, content):
    torch.save(content, files / "ofa_archs.pt")
    with pytest.raises(PerfseerError):
        module._networks.__wrapped__(files / "ofa_archs.pt", 1.2)


@pytest.mark.parametrize("content", [[1.0, 2.0], {"a": 1.0}, ["1", "2", "3"]])
def test_other_latencies_are_refused(files, content):
    torch.save(content, files / "v100_1.pt")
    with pytest.raises(PerfseerError, match="v100_1"):
        OnceForAllLatencies(["v100_1"]).read()


def test_files_that_hold_code_are_not_run(files):
    torch.save([RemoteFile("a", "b", "c", None)], files / "v100_1.pt")
    with pytest.raises(PerfseerError, match="plain data"):
        OnceForAllLatencies(["v100_1"]).read()


@needs_mirror
def test_the_published_files_hold_what_is_said_of_them():
    table = OnceForAllLatencies().table
    assert len(table) == 30_000
    assert (table["status"] == "ok").all()
    assert table["architecture"].nunique() == 5_000
    medians = table.groupby(["device", "batch_size"])["infer_time_ms"].median()
    assert medians.loc["Tesla V100-SXM2-16GB"].round(2).to_dict() == {1: 10.25, 32: 11.67, 64: 20.11}
