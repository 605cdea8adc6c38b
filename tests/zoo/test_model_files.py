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
from perfseer.graphs.given import Given
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


def test_dimensions_of_a_program_are_named(tmp_path):
    module = nn.Linear(6, 4)
    dynamic = ({0: torch.export.Dim("batch", min=2), 1: torch.export.Dim("length", min=2)},)
    program = torch.export.export(module, (torch.zeros(3, 5, 6),), dynamic_shapes=dynamic)
    torch.export.save(program, tmp_path / "program.pt2")
    file = load_model_file(tmp_path / "program.pt2")
    batch, length, _ = file.declared_inputs[0].shape
    with pytest.raises(PerfseerError, match=f"--dim {length}=SIZE"):
        file.captured(Given())
    found = file.captured(Given(dims={length: 7}, batch_size=8), backward=False)
    assert (found.shapes, found.graph.total_flops) == (((8, 7, 6),), 2 * 8 * 7 * 6 * 4)
    assert file.captured(Given(dims={length: 7, batch: 3})).graph.batch_size == 3
    shapes = Given(shapes={file.declared_inputs[0].name: (8, 7, 6)})
    assert file.captured(shapes).graph.total_flops == found.graph.total_flops


def test_the_sequence_of_a_program_is_no_batch(tmp_path):
    program = torch.export.export(
        Attending(), (torch.zeros(5, 3, 16),), dynamic_shapes=({0: torch.export.Dim("a", min=2)},)
    )
    torch.export.save(program, tmp_path / "program.pt2")
    file = load_model_file(tmp_path / "program.pt2")
    with pytest.raises(PerfseerError, match="--batch-dim x=1"):
        file.captured(Given(batch_size=8), backward=False)
    length = file.declared_inputs[0].shape[0]
    found = file.captured(Given(dims={length: 8}, batch_dims={"x": 1}), backward=False)
    # scores of 8 steps with 8 others, and as much again for what they pick
    assert (found.graph.total_flops, found.graph.batch_size) == (2 * 2 * 3 * 8 * 8 * 16, 3)


class Attending(nn.Module):
    """Attention over [length, batch, channels]."""

    def forward(self, x):
        x = x.transpose(0, 1)
        return torch.softmax(x @ x.transpose(1, 2), -1) @ x


def test_the_fixed_batch_that_is_noted_is_the_one_that_was_named(tmp_path):
    file = load_model_file(write(tmp_path / "a.onnx", [node("Relu", "x", "y")], {"x": [5, 3, 10]}))
    (note,) = file.captured(Given(batch_dims={"x": 1}), backward=False).notes
    assert "batch of 3" in note
