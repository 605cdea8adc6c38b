"""NeuSight's operators through the contract of sources."""

import json

import numpy as np
import pandas as pd
import pytest

from perfseer.data.building import KEY
from perfseer.data.platforms import Platform
from perfseer.data.sources.neusight_operators.source import FORMS, NeuSightOperators
from perfseer.errors import PerfseerError
from perfseer.graphs.vocabulary import OPERATORS as VOCABULARY
from perfseer.measure.table import read_table, write_table
from tests.helpers.mirrors import needs_mirror

T4, V100 = "Tesla T4", "Tesla V100-PCIE-32GB"
SIZES = {
    "conv": (2, 16, 32, 3, 28, 1, 1),
    "linear": (1, 580, 141, 13),
    "bmm": (3, 50, 70, 110),
}


def row(name, sizes=None, latency=0.5, device=T4):
    sizes = sizes or SIZES.get(name, (50, 80))
    facts = {"OPName": name, "Latency": latency, "Device": device, "Torch Version": "p2.1.0"}
    facts |= {"CUDA Version": "cu121", "CUDNN Version": 8902, "Kernel Name": "sgemm"}
    return facts | dict(zip(FORMS[name].sizes, sizes, strict=True))


def write(place, *rows, name="own.csv"):
    pd.DataFrame(rows).to_csv(place / name, index=False)
    return place / name


@pytest.mark.parametrize(
    ("name", "ref", "shape", "batch"),
    [
        ("conv", "conv(2x16x28x28->32,kernel=3,stride=1,padding=1)", "16x28x28", 2),
        ("linear", "linear(1x580x141->13)", "580x141", 1),
        ("bmm", "bmm(3x50x70,3x70x110)", "50x70", 3),
        ("add", "add(50x80,50x80)", "80", 50),
        ("powu", "pow_number(50x80)", "80", 50),
        ("ln", "layer_norm(50x80)", "80", 50),
        ("softmax", "softmax(50x80)", "80", 50),
        ("gelu", "gelu(50x80)", "80", 50),
    ],
)
def test_a_row_is_an_operator(tmp_path, name, ref, shape, batch):
    (found,) = NeuSightOperators([write(tmp_path, row(name))]).table.to_dict("records")
    assert found["model_ref"] == f"operator:{ref}"
    assert (found["architecture"], found["family"]) == (ref, ref.partition("(")[0])
    assert (found["input_shape"], found["batch_size"]) == (shape, batch)
    assert (found["infer_time_ms"], found["infer_iterations"], found["status"]) == (0.5, 5, "ok")
    assert np.isnan(found["train_time_ms"])


@pytest.mark.parametrize("name", FORMS)
def test_every_operator_has_a_graph(tmp_path, name):
    source = NeuSightOperators([write(tmp_path, row(name))])
    graphs, index = source.graphs()
    assert index[list(KEY)].to_dict("list") == source.table[list(KEY)].to_dict("list")
    assert index["graph"].tolist() == [0]
    graph = graphs.graph(0)
    assert graph.n_nodes == 1
    assert VOCABULARY[graph.operators[0]] != "other"
    assert not graph.has_backward


def test_the_platform_is_what_the_row_says(tmp_path):
    table = NeuSightOperators([write(tmp_path, row("add"), row("add", device=V100))]).table
    first, second = Platform.of_rows(table)
    assert (first.key, second.key) == (
        "t4-fp32-nchw-eager-torch2.1",
        "v100-pcie-32gb-fp32-nchw-eager-torch2.1",
    )
    assert first.software == "torch 2.1.0 cu121"
    assert json.loads(table["environment"][0])["cudnn"] == "8902"
    write_table(table, tmp_path / "table.parquet")
    assert read_table(tmp_path / "table.parquet").equals(table)


def test_repeats_are_one_row_and_counted(tmp_path):
    one = write(tmp_path, row("add", latency=0.25), row("add", latency=0.75), row("mul"))
    source = NeuSightOperators([one])
    assert source.table["family"].tolist() == ["add", "mul"]
    assert source.table["infer_time_ms"].tolist() == [0.5, 0.5]
    assert source.table["infer_iterations"].tolist() == [10, 5]
    assert source.repeats == 1


def test_rows_that_cannot_be_have_failed_with_a_reason(tmp_path):
    rows = [
        row("linear", (1, 8192, 8192, 8192), latency=1.0),  # 1.1 TFLOP in a millisecond
        row("add", (16000, 4000), latency=0.1),  # half a GB in a tenth of a millisecond
        row("add", latency=float("nan")),
        row("mul", latency=-1.0),
        row("mul", (50, 0)),
        row("mul", (50, 1.5)),
        row("div", (50, 80)),
    ]
    table = NeuSightOperators([write(tmp_path, *rows)]).table
    assert table["status"].tolist() == ["error"] * 6 + ["ok"]
    assert table["reason"].str.len().gt(0).tolist() == [True] * 6 + [False]
    assert table["infer_time_ms"].notna().tolist() == [False] * 6 + [True]
    assert table["reason"].nunique() == 5
    graphs, _ = NeuSightOperators([write(tmp_path, *rows)]).graphs()
    assert len(graphs) == 1


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda frame: frame.drop(columns="Latency"), "Latency"),
        (lambda frame: frame.drop(columns="H"), r"lacks the columns H"),
        (lambda frame: frame.assign(OPName="fft"), "'fft'.*linear"),
        (lambda frame: frame[:0], "no rows"),
    ],
)
def test_what_is_no_table_of_operators_is_refused(tmp_path, spoil, told):
    spoil(pd.DataFrame([row("add")])).to_csv(tmp_path / "own.csv", index=False)
    with pytest.raises(PerfseerError, match=told):
        NeuSightOperators([tmp_path / "own.csv"]).read()


@pytest.mark.parametrize("name", ["Device", "Torch Version", "CUDA Version", "CUDNN Version"])
def test_a_time_of_no_device_or_software_is_refused_by_its_line(tmp_path, name):
    """Neither left out in silence nor taken for one of a device of that name."""
    path = write(tmp_path, row("relu"), row("gelu") | {name: None})
    with pytest.raises(PerfseerError, match="line 3"):
        _ = NeuSightOperators([path]).table


def test_bytes_that_are_no_table_are_refused(tmp_path):
    (tmp_path / "own.csv").write_bytes(b"\x00\xff\xfe")
    with pytest.raises(PerfseerError, match=r"own\.csv"):
        NeuSightOperators([tmp_path / "own.csv"]).read()


def test_some_of_the_rows_are_chosen(tmp_path):
    rows = [row("add", (50, n), latency=n / 100) for n in range(1, 101)]
    rows += [row("mul", latency=float("nan"))]
    place = write(tmp_path, *rows)
    table = NeuSightOperators([place], sample=30).table
    assert len(table) == 30
    assert (table["status"] == "ok").all()
    assert NeuSightOperators([place], sample=30).table.equals(table)
    with pytest.raises(PerfseerError, match="sample of 0"):
        _ = NeuSightOperators([place], sample=0).table


def test_all_files_are_declared_and_chosen_by_operator():
    names = [file.name for file in NeuSightOperators.files]
    assert len(names) == len(set(names)) == 80
    assert {name.split("/")[1] for name in names} == set(FORMS)


@needs_mirror
def test_an_operator_chooses_its_files():
    paths = NeuSightOperators(["conv"]).paths()
    assert len(paths) == 5
    assert {path.parent.parent.name for path in paths} == {"conv"}


@needs_mirror
def test_the_published_rows_are_all_read():
    source = NeuSightOperators(["ln", "conv"])
    table = source.table
    assert source.repeats == 15
    assert table["status"].eq("ok").all()
    assert table.groupby("family").size().to_dict() == {"conv": 24_662, "layer_norm": 7_000 - 15}
    assert table.groupby("device").size()["NVIDIA A100 80GB PCIe"] == 4_787
