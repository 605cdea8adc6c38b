"""What a file is, by its content; and that weights are never taken for models."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.zoo import builder
from perfseer.zoo.model_files import load_model_file
from tests.helpers.onnx_files import node, write
from tests.helpers.search_space import LITERAL


@pytest.fixture
def onnx_file(tmp_path):
    nodes = [node("Conv", "x w", "c", kernel_shape=[3, 3]), node("Relu", "c", "y")]
    return write(tmp_path / "net.weird", nodes, {"x": ["n", 3, "h", "w"]}, stored={"w": (4, 3, 3, 3)})


def test_an_onnx_file_under_any_name(onnx_file):
    file = load_model_file(onnx_file)
    assert (file.kind, file.name, file.notes) == ("onnx", "net", ())
    assert [str(declared).split() for declared in file.declared_inputs] == [["x", "nx3xhxw", "float32"]]
    graph = file.graph((3, 16, 12), batch_size=4)
    assert graph.has_backward
    assert graph.output_shapes[-1].tolist() == [4, 4, 14, 10]
    assert not file.graph((3, 16, 12), backward=False).has_backward


def test_errors_name_the_file(onnx_file):
    with pytest.raises(PerfseerError, match=r"net\.weird: .*dimension 2"):
        load_model_file(onnx_file).graph(batch_size=4)


def test_a_fixed_batch_is_noted(tmp_path):
    path = write(tmp_path / "a.onnx", [node("Relu", "x", "y")], {"x": [2, 3]})
    assert "batch of 2" in load_model_file(path).notes[0]


def test_an_exported_program(tmp_path):
    module = nn.Sequential(nn.Linear(6, 4), nn.ReLU())
    path = tmp_path / "program"
    torch.export.save(torch.export.export(module, (torch.zeros(3, 6),)), path.with_suffix(".pt2"))
    path.with_suffix(".pt2").rename(path)
    file = load_model_file(path)
    assert file.kind == "exported_program"
    assert "batch of 3" in file.notes[0]
    assert file.graph(batch_size=3).total_flops == capture(module, (torch.zeros(3, 6),)).total_flops


def test_a_zoo_description(tmp_path):
    path = tmp_path / "spec"
    path.write_text(LITERAL.to_json())
    file = load_model_file(path)
    assert (file.kind, file.declared_inputs) == ("architecture", ())
    graph = file.graph((3, 64, 64), batch_size=2)
    reference = capture(builder.build(LITERAL), (torch.zeros(2, 3, 64, 64),))
    assert graph.total_flops == reference.total_flops
    assert graph.batch_size == 2
    with pytest.raises(PerfseerError, match="height"):
        file.graph()


CHECKPOINT = "holds weights"


def torch_checkpoint(path):
    torch.save({"weight": torch.zeros(3)}, path)


def old_checkpoint(path):
    torch.save({"weight": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)


def torchscript(path):
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(str(path))


def safetensors(path):
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))


def plain_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "nothing")


REFUSED = {
    "checkpoint": (torch_checkpoint, CHECKPOINT),
    "checkpoint of old": (old_checkpoint, CHECKPOINT),
    "pickle": (lambda path: path.write_bytes(pickle.dumps([1, 2])), CHECKPOINT),
    "torchscript": (torchscript, "TorchScript"),
    "safetensors": (safetensors, "safetensors"),
    "keras": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40)), "tf2onnx"),
    "lite": (lambda path: path.write_bytes(bytes(4) + b"TFL3" + bytes(40)), "TensorFlow Lite"),
    "archive": (plain_archive, "archive without"),
    "cut archive": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(40)), "broken archive"),
    "text": (lambda path: path.write_text("resnet50\n"), "no model"),
    "numbers": (lambda path: np.save(path.open("wb"), np.zeros(4)), "no model"),
    "json": (lambda path: path.write_text('{"stages": 3}'), "no zoo description"),
    "deep json": (lambda path: path.write_text('{"a":' * 100_000), "no zoo description"),
    "not utf-8": (lambda path: path.write_bytes(b"{\xff\xfe"), "no zoo description"),
    "empty": (lambda path: path.write_bytes(b""), "no model"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_model_is_told_and_refused(tmp_path, name):
    make, message = REFUSED[name]
    path = tmp_path / "model.onnx"
    make(path)
    with pytest.raises(PerfseerError, match=message):
        load_model_file(path)


def test_folders_and_missing_files_are_refused(tmp_path):
    with pytest.raises(PerfseerError, match=f"{tmp_path} is not"):
        load_model_file(tmp_path)
    with pytest.raises(PerfseerError, match=r"none\.onnx"):
        load_model_file(tmp_path / "none.onnx")
