"""Programs of torch.export.save: the same graph as the module's, without unpickling anything."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.graphs.exported import program
from perfseer.graphs.exported.program import read_program
from perfseer.zoo.reference import EncoderBlock
from tests.helpers.model_graphs import assert_same_work, read_exported


def cnn():
    parts = [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*parts, nn.Flatten(), nn.Dropout(0.1), nn.Linear(72, 5))


def saved(module, inputs, path, dynamic=None):
    torch.export.save(torch.export.export(module.eval(), inputs, dynamic_shapes=dynamic), path)
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A program whose batch is open."""
    path = tmp_path_factory.mktemp("exported") / "cnn.pt2"
    return saved(cnn(), (torch.zeros(2, 3, 8, 8),), path, ({0: torch.export.Dim("n")},))


def test_an_open_batch_takes_any_size_and_both_phases(archive):
    """Exported in evaluation mode, it is captured in training mode all the same."""
    graph = read_exported(archive, batch_size=6, backward=True)
    assert_same_work(graph, capture(cnn(), (torch.zeros(6, 3, 8, 8),)))
    forward = read_exported(archive, batch_size=3)
    assert not forward.has_backward
    np.testing.assert_array_equal(forward.flops * 2, graph.flops)


def test_attention_and_symbolic_shapes(tmp_path):
    path = tmp_path / "encoder.pt2"
    saved(EncoderBlock(32, 4), (torch.zeros(2, 5, 32),), path, ({0: torch.export.Dim("n")},))
    graph = read_exported(path, batch_size=7, backward=True)
    assert_same_work(graph, capture(EncoderBlock(32, 4), (torch.zeros(7, 5, 32),)))


def test_a_fixed_batch_is_said_and_kept(tmp_path):
    path = saved(cnn(), (torch.zeros(2, 3, 8, 8),), tmp_path / "cnn.pt2")
    assert read_exported(path).batch_size == 2
    with pytest.raises(PerfseerError, match=r"\b2, given 4\b"):
        read_exported(path, batch_size=4)


class Bomb:
    """Leaves a trace if it is ever unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


def rewritten(source, target, changes):
    """The archive with some files replaced: the end of a name against contents."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            for ending, change in changes.items():
                if name.endswith(ending):
                    content = change(content)
            new.writestr(name, content)
    return target


def test_nothing_in_the_archive_is_unpickled(archive, tmp_path):
    trace = tmp_path / "trace"
    bomb = pickle.dumps(Bomb(trace))
    path = rewritten(archive, tmp_path / "bomb.pt2", {"model.pt": lambda _: bomb, "weight_0": lambda _: bomb})
    assert read_exported(path).n_parameters == sum(p.numel() for p in cnn().parameters())
    assert not trace.exists()


def edited(archive, path, change):
    def edit(content):
        described = json.loads(content)
        change(described["graph_module"])
        return json.dumps(described).encode()

    return rewritten(archive, path, {"model.json": edit})


def target(name):
    def change(module):
        module["graph"]["nodes"][0]["target"] = name

    return change


@pytest.mark.parametrize(
    "name",
    [
        *(
            "torch.os.system",
            "os.system",
            "torch.hub.load",
            "torch.ops.aten.from_file.default",
            "builtins.eval",
        ),
        *("torch.ops.higher_order.cond", "torch.ops.aten.nothing.default", "x"),
        *("torch.ops.aten.__class__.__init__", "torch.ops.aten.conv2d.__init__"),
    ],
)
def test_only_operators_are_run(archive, tmp_path, name):
    path = edited(archive, tmp_path / "a.pt2", target(name))
    with pytest.raises(PerfseerError):
        read_exported(path)


def test_operators_of_other_libraries_are_kept_as_other(archive, tmp_path):
    path = edited(archive, tmp_path / "a.pt2", target("torch.ops.mine.conv.default"))
    graph = read_exported(path, batch_size=5)
    assert graph.unknown == {"mine.conv": 1}
    assert graph.output_shapes[0].tolist() == [5, 8, 6, 6]


def weight(sizes):
    return lambda module: module["graph"]["tensor_values"]["p_0_weight"].update(sizes=sizes)


BROKEN = {
    "no nodes": lambda module: module.pop("graph"),
    "no argument": lambda module: module["graph"]["nodes"][1]["inputs"][0].pop("arg"),
    "no such type": lambda module: module["graph"]["tensor_values"]["input"].update(dtype=99),
    "huge": weight([{"as_int": 2**60}] * 4),
    "negative": weight([{"as_int": -1}] * 4),
    "text": lambda module: module["graph"].update(nodes="abc"),
    "no outputs": lambda module: module["signature"].update(output_specs=[]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_programs_are_refused(archive, tmp_path, name):
    with pytest.raises(PerfseerError):
        read_exported(edited(archive, tmp_path / "a.pt2", BROKEN[name]))


def test_a_program_beyond_the_bound_is_refused(archive, monkeypatch):
    monkeypatch.setattr(program, "LARGEST_JSON_BYTES", 1000)
    with pytest.raises(PerfseerError, match="larger than"):
        read_program(archive)


def test_a_cut_archive_is_refused(archive, tmp_path):
    path = tmp_path / "cut.pt2"
    path.write_bytes(archive.read_bytes()[:-500])
    with pytest.raises(PerfseerError, match=r"cut\.pt2"):
        read_program(path)


def test_declared_inputs(archive):
    (declared,) = read_program(archive).inputs
    assert declared.dtype == "float32"
    assert declared.shape[1:] == (3, 8, 8)
    assert isinstance(declared.shape[0], str)
