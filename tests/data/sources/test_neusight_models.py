"""NeuSight's language models through the contract of sources."""

import json

import numpy as np
import pytest

from perfseer.data.platforms import Platform
from perfseer.data.sources.neusight_models.source import NeuSightModels
from perfseer.errors import PerfseerError
from perfseer.measure.table import read_table, write_table
from tests.helpers.mirrors import needs_mirror

V100 = "Tesla_V100-PCIE-32GB"
ZOO = "module:perfseer.zoo.transformers."


def write(place, name, forward=500.0, backward=0.0, layers=24, device=V100, **more):
    folder = place / device
    folder.mkdir(exist_ok=True)
    times = {"e2e_latency": forward + backward, "fw_latency": forward, "bwall_latency": backward}
    (folder / f"{name}.json").write_text(json.dumps({"num_layer": layers, **times, **more}))
    return folder / f"{name}.json"


def rows(*paths):
    return NeuSightModels(paths).table.to_dict("records")


def test_inference_is_the_forward_pass(tmp_path):
    (found,) = rows(write(tmp_path, "bert_large-inf-512-8"))
    assert (found["model_ref"], found["architecture"], found["family"]) == (
        ZOO + "bert_large",
        "bert_large",
        "bert",
    )
    assert (found["input_shape"], found["batch_size"], found["mode"]) == ("512", 8, "eager")
    assert (found["infer_time_ms"], found["infer_iterations"], found["status"]) == (500.0, 5, "ok")
    assert np.isnan(found["train_time_ms"])


def test_training_is_both_passes_of_the_model_that_is_trained(tmp_path):
    (found,) = rows(write(tmp_path, "bert_large-train-512-2", 80.0, 150.0))
    assert found["model_ref"] == ZOO + "bert_large_pretraining"
    assert (found["train_time_ms"], found["train_iterations"]) == (230.0, 5)
    assert np.isnan(found["infer_time_ms"])
    (found,) = rows(write(tmp_path, "gpt2_large-train-1024-1", 200.0, 400.0, layers=36))
    assert found["model_ref"] == ZOO + "gpt2_large"


def test_fusion_is_compiled_and_the_folder_is_the_device(tmp_path):
    path = write(tmp_path, "gpt2_large-inf-1024-4-fusion", layers=36, device="NVIDIA_A100-PCIE-40GB")
    table = NeuSightModels([path]).table
    (platform,) = Platform.of_rows(table)
    assert platform.key == "a100-pcie-40gb-fp32-nchw-compiled-torch2.1"
    assert platform.software == "torch 2.1.0 cu121"
    write_table(table, tmp_path / "table.parquet")
    assert read_table(tmp_path / "table.parquet").equals(table)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("switchxl4-inf-512-1", {"layers": 0}),
        ("t5-inf-512-1", {}),
        ("bert_large-inf-512-8", {"layers": 1}),
        ("bert_large-inf-512-8", {"e2e_latency": 700.0}),
        ("bert_large-inf-512-8", {"forward": 0.0}),
        ("bert_large-inf-512-8", {"forward": float("nan")}),
        ("bert_large-inf-512-8", {"e2e_latency": "700"}),
        ("bert_large-inf-512-8", {"backward": 100.0}),
        ("bert_large-train-512-8", {}),
        ("bert_large-inf-512-8", {"forward": 10.0}),  # 2.5 TFLOP in ten milliseconds
    ],
)
def test_rows_that_cannot_be_used_have_failed_with_a_reason(tmp_path, name, label):
    (found,) = rows(write(tmp_path, name, **label))
    assert found["status"] == "error"
    assert found["reason"]
    assert np.isnan(found["infer_time_ms"])
    assert np.isnan(found["train_time_ms"])


@pytest.mark.parametrize(
    "text",
    [
        *("", "[1]", '{"e2e_latency": 1}', "\x00", "[" * 100_000),
        '{"num_layer": 24, "e2e_latency": 1' + "0" * 400 + ', "fw_latency": 1, "bwall_latency": 0}',
    ],
)
def test_what_is_no_label_is_refused(tmp_path, text):
    path = write(tmp_path, "bert_large-inf-512-8")
    path.write_text(text)
    with pytest.raises(PerfseerError, match="bert_large-inf-512-8"):
        NeuSightModels([path]).read()


@pytest.mark.parametrize("name", ["bert_large", "bert_large-test-512-8", "bert_large-inf-0-8"])
def test_a_file_of_another_name_is_refused(tmp_path, name):
    with pytest.raises(PerfseerError, match=name):
        NeuSightModels([write(tmp_path, name)]).read()


def test_models_are_captured_over_tokens(tmp_path):
    names = (
        "bert_large-inf-64-2",
        "bert_large-inf-64-2-fusion",
        "bert_large-train-64-2",
        "switchxl4-inf-64-2",
    )
    backward = {"bert_large-train-64-2": 900.0}
    graphs, index = NeuSightModels(
        [write(tmp_path, name, backward=backward.get(name, 0.0)) for name in names]
    ).graphs()
    assert index["model_ref"].tolist() == [ZOO + "bert_large", ZOO + "bert_large_pretraining"]
    assert index["graph"].tolist() == [0, 1]
    assert graphs["n_parameters"].tolist() == [335_143_938, 336_226_108]
    assert graphs["batch_size"].tolist() == [2, 2]
    assert graphs["has_backward"].all()


@needs_mirror
def test_the_published_rows_are_all_read():
    table = NeuSightModels().table
    assert table["status"].value_counts().to_dict() == {"ok": 38, "error": 6}
    assert set(table.loc[table["status"] == "error", "architecture"]) == {"switchxl4"}
    assert table["train_time_ms"].notna().sum() == 3
    assert table["mode"].value_counts().to_dict() == {"eager": 40, "compiled": 4}
    assert table["device"].nunique() == 5
