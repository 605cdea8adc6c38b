"""Files with a column for each model and a row for each repeat."""

import json
from importlib.util import find_spec

import pytest

from perfseer.data.captures import Captures
from perfseer.data.platforms import Platform
from perfseer.data.sources.pytorch_gpu_benchmark import source as module
from perfseer.data.sources.pytorch_gpu_benchmark.source import PytorchGpuBenchmark, Run, parse_path
from perfseer.errors import PerfseerError
from tests.helpers.mirrors import needs_mirror

OPEN = Captures.open
CARD = "GeForce_GTX_1080_Ti"
PARTS = {
    ("fp32", "infer"): "single_model_inference",
    ("fp32", "train"): "single_model_training",
    ("fp16", "infer"): "half_model_inference",
    ("fp16", "train"): "half_model_training",
}


def write(folder, part, *rows, header="resnet18,vgg16", card=CARD, run=""):
    folder.mkdir(exist_ok=True)
    path = folder / f"{card}_{part}_benchmark{run}.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def host(tmp_path):
    return tmp_path / "a-host"


@pytest.mark.parametrize(
    ("name", "run", "phase"),
    [
        (
            "1080TI/GeForce_GTX_1080_Ti_half_model_inference_benchmark.csv",
            Run("GeForce GTX 1080 Ti", "1080TI", "", "fp16"),
            "infer",
        ),
        (
            "2080TI/GeForce_RTX_2080_Ti_single_model_training_benchmark(2).csv",
            Run("GeForce RTX 2080 Ti", "2080TI", "2", "fp32"),
            "train",
        ),
        (
            "2080ti-2/GeForce_RTX_2080_Ti_1_gpus__float_model_train_benchmark.csv",
            Run("GeForce RTX 2080 Ti", "2080ti-2/1_gpus", "", "fp32"),
            "train",
        ),
    ],
)
def test_places_say_what_was_measured(tmp_path, name, run, phase):
    assert parse_path(tmp_path / name) == (run, phase)


@pytest.mark.parametrize(
    "name", ["GeForce_RTX_2080_Ti_2_gpus__half_model_train_benchmark.csv", "system_info.txt", "x_double.csv"]
)
def test_files_of_several_gpus_and_others_are_refused(tmp_path, name):
    with pytest.raises(PerfseerError, match=name.split("_")[0]):
        parse_path(tmp_path / name)


def test_the_label_is_the_median_with_its_spread(host):
    infer = write(host, PARTS["fp32", "infer"], *(f"{t},{10 * t}" for t in (5, 1, 4, 2, 3, 9, 7)))
    train = write(host, PARTS["fp32", "train"], "30,60", "32,64", "31,90")
    rows = PytorchGpuBenchmark((infer, train)).table.set_index("architecture")
    assert rows["infer_time_ms"].to_dict() == {"resnet18": 4.0, "vgg16": 40.0}
    assert rows["infer_time_ci_low_ms"]["resnet18"] == 1.0  # 7 repeats: minimum to maximum covers 98 %
    assert rows["infer_time_ci_high_ms"]["resnet18"] == 9.0
    assert rows["infer_time_mean_ms"]["resnet18"] == pytest.approx(31 / 7)
    assert rows["train_time_ms"].to_dict() == {"resnet18": 31.0, "vgg16": 64.0}
    assert rows["train_time_ci_low_ms"].isna().all()  # 3 repeats cover no 95 %
    assert (rows["infer_iterations"]["vgg16"], rows["train_iterations"]["vgg16"]) == (7, 3)
    (size,) = set(rows["batch_size"])
    assert (size, set(rows["input_shape"])) == (12, {"3x224x224"})
    assert rows["model_ref"]["vgg16"] == "torchvision:vgg16"
    assert rows["family"].to_dict() == {"resnet18": "resnet", "vgg16": "vgg"}
    (platform,) = set(Platform.of_rows(rows))
    assert platform.key == "gtx1080ti-fp32-nchw-eager-torch-unknown"


def test_precisions_runs_and_hosts_are_rows_of_their_own(host, tmp_path):
    places = [
        write(host, PARTS["fp32", "infer"], "1,2", run="(1)"),
        write(host, PARTS["fp32", "infer"], "3,4", run="(2)"),
        write(host, PARTS["fp16", "infer"], "5,6", run="(1)"),
        write(tmp_path / "another-host", PARTS["fp32", "infer"], "7,8"),
    ]
    table = PytorchGpuBenchmark(places).table
    rows = table[table["architecture"] == "resnet18"]
    facts = [json.loads(text) for text in rows["environment"]]
    found = [(fact["host"], fact["run"]) for fact in facts]
    assert found == [("a-host", "1"), ("a-host", "2"), ("a-host", "1"), ("another-host", "")]
    assert rows["precision"].tolist() == ["fp32", "fp32", "fp16", "fp32"]
    assert rows["infer_time_ms"].tolist() == [1, 3, 5, 7]
    assert rows["train_time_ms"].isna().all()
    with pytest.raises(PerfseerError, match="twice"):
        PytorchGpuBenchmark([places[0], places[0]]).read()


def test_a_model_without_all_its_repeats_has_no_time(host):
    path = write(host, PARTS["fp32", "infer"], "1,2", "n/a,2", "1,-3", "1,inf", "1,2")
    rows = PytorchGpuBenchmark([path]).table.set_index("architecture")
    assert rows["status"].tolist() == ["error", "error"]
    assert "1 of 5" in rows["reason"]["resnet18"]
    assert "2 of 5" in rows["reason"]["vgg16"]
    assert rows["infer_time_ms"].isna().all()


def test_networks_that_torchvision_has_changed_have_no_time(host):
    path = write(host, PARTS["fp16", "infer"], "1,2,3,4", header="mnasnet0_5,mnasnet1_0,mnasnet1_3,vgg11")
    rows = PytorchGpuBenchmark([path]).table
    assert rows["status"].tolist() == ["error", "ok", "error", "ok"]
    assert rows["infer_time_ms"].dropna().tolist() == [2, 4]


@pytest.mark.parametrize(
    ("header", "rows"), [("resnet18,vgg 16", ["1,2"]), ("resnet18", []), ("1.5,2.5", ["1,2"])]
)
def test_files_that_hold_something_else_are_refused(host, header, rows):
    path = write(host, PARTS["fp32", "infer"], *rows, header=header)
    with pytest.raises(PerfseerError, match="1080"):
        PytorchGpuBenchmark([path]).read()


@pytest.mark.skipif(find_spec("torchvision") is None, reason="needs torchvision")
def test_graphs_have_each_rows_precision(host, tmp_path, monkeypatch):
    monkeypatch.setattr(module.Captures, "open", lambda folder=None: OPEN(tmp_path / "kept"))
    places = [
        write(host, PARTS["fp32", "infer"], "1", header="squeezenet1_1"),
        write(host, PARTS["fp16", "infer"], "2", header="squeezenet1_1"),
    ]
    graphs, index = PytorchGpuBenchmark(places).graphs()
    assert index["precision"].tolist() == ["fp16", "fp32"]
    half, single = (graphs.graph(number) for number in index["graph"])
    assert single.batch_size == half.batch_size == 12
    assert single.parameter_bytes == 2 * half.parameter_bytes
    assert single.operators.tolist() == half.operators.tolist()
    products = single.flops > 0  # positions of maxima have 64 bits either way
    assert (single.output_bytes[products] == 2 * half.output_bytes[products]).all()


def test_files_of_one_name_in_two_folders_are_told_apart():
    names = [file.name for file in PytorchGpuBenchmark.files]
    assert len(names) == len(set(names)) == 24
    assert not any(f"_{n}_gpus" in name for name in names for n in (2, 3, 4))
    with pytest.raises(PerfseerError, match="2080ti-2"):
        PytorchGpuBenchmark(["GeForce_RTX_2080_Ti_1_gpus__float_model_inference_benchmark"]).paths()


@needs_mirror
def test_the_published_files_hold_what_is_said_of_them():
    table = PytorchGpuBenchmark().table
    assert table["status"].value_counts().to_dict() == {"ok": 236, "error": 12}
    assert table["architecture"].nunique() == 32
    platforms = Platform.of_rows(table)
    assert {platform.spec.key for platform in platforms} == {"gtx1080ti", "rtx2080ti", "titanv"}
    facts = table["environment"].map(json.loads)
    assert len({(fact["host"], fact["run"]) for fact in facts}) == 6
    assert {fact.get("cuda") for fact in facts if fact["host"].startswith("2080ti-2")} == {"10.0"}
    ok = table[table["status"] == "ok"]
    assert (ok["train_time_ms"] > ok["infer_time_ms"]).all()
    assert ok["infer_iterations"].isin([20, 50]).all()
