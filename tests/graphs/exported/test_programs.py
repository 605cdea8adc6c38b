"""Programs of torch.export.save: the same graph as the module's, without unpickling anything."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.graphs.exported import archive as archive_module
from perfseer.graphs.exported.program import read_program
from perfseer.zoo.reference import EncoderBlock
from tests.helpers.exported_programs import edited, rewritten, saved
from tests.helpers.model_graphs import Lambda, assert_same_work, read_exported


def cnn():
    parts = [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*parts, nn.Flatten(), nn.Dropout(0.1), nn.Linear(72, 5))


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


class Bomb:
    """Leaves a trace if it is ever unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


def test_nothing_in_the_archive_is_unpickled(archive, tmp_path):
    trace = tmp_path / "trace"
    bomb = pickle.dumps(Bomb(trace))
    path = rewritten(archive, tmp_path / "bomb.pt2", {"model.pt": lambda _: bomb, "weight_0": lambda _: bomb})
    assert read_exported(path).n_parameters == sum(p.numel() for p in cnn().parameters())
    assert not trace.exists()


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
        *("torch.ops.aten.count.default", "torch.ops.aten.grad.default", "torch.ops.aten.set_.source_Tensor"),
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
    "whole numbers with gradients": lambda module: module["graph"]["tensor_values"]["p_0_weight"].update(
        dtype=5
    ),
    "infinite": weight([{"as_int": float("inf")}] * 4),
    "no whole number": weight([{"as_int": 3.5}] * 4),
    "many dimensions": weight([{"as_int": 1}] * 100),
    "no outputs": lambda module: module["signature"].update(output_specs=[]),
    "unknown name": lambda module: module["graph"]["nodes"][1]["inputs"][0]["arg"].update(
        as_tensor={"name": "nowhere"}
    ),
    "no text": lambda module: module["signature"]["input_specs"][-1]["user_input"]["arg"].update(
        as_tensor={"name": "\ud800"}
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_programs_are_refused(archive, tmp_path, name):
    with pytest.raises(PerfseerError):
        read_exported(edited(archive, tmp_path / "a.pt2", BROKEN[name]))


def test_a_program_beyond_the_bound_is_refused(archive, monkeypatch):
    monkeypatch.setattr(archive_module, "LARGEST_JSON_BYTES", 1000)
    with pytest.raises(PerfseerError, match="larger than"):
        read_program(archive)


def test_json_that_would_fill_the_memory_is_refused(archive, tmp_path):
    """Each of these lists takes three bytes in the file and more than twenty times as many when parsed."""
    lists = b"[" + b"[]," * 4_000_000 + b"[]]"
    path = rewritten(archive, tmp_path / "a.pt2", {"model.json": lambda _: lists})
    with pytest.raises(PerfseerError, match="3,000,000"):
        read_program(path)


def test_json_that_nests_without_end_is_refused(archive, tmp_path):
    path = rewritten(archive, tmp_path / "a.pt2", {"model.json": lambda _: b"[" * 100_000})
    with pytest.raises(PerfseerError, match="RecursionError"):
        read_program(path)


def tied():
    """Two layers of one weight, and one that looks alike."""
    first, second, third = (nn.Linear(8, 8, bias=False) for _ in range(3))
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second, third)


def test_tied_weights_count_once(tmp_path):
    graph = read_exported(saved(tied(), (torch.zeros(2, 8),), tmp_path / "tied.pt2"), backward=True)
    assert graph.n_parameters == 2 * 64
    assert_same_work(graph, capture(tied(), (torch.zeros(2, 8),)))


def test_tensors_of_other_kinds_are_not_tied_whatever_the_archive_says(tmp_path):
    """One of the two is said to be frozen."""

    def freeze(module):
        module["graph"]["tensor_values"]["p_0_weight"]["requires_grad"] = False

    path = edited(saved(tied(), (torch.zeros(2, 8),), tmp_path / "a.pt2"), tmp_path / "b.pt2", freeze)
    graph = read_exported(path)
    assert (graph.n_parameters, graph.parameter_bytes + graph.buffer_bytes) == (2 * 64, 3 * 64 * 4)


def test_operators_of_other_libraries_whose_shapes_depend_on_data_are_refused(archive, tmp_path):
    def unknown(module):
        target("torch.ops.mine.nms.default")(module)
        module["graph"]["tensor_values"]["conv2d"]["sizes"][0] = {"as_expr": {"expr_str": "u0", "hint": None}}

    with pytest.raises(PerfseerError, match="depends on the data"):
        read_exported(edited(archive, tmp_path / "a.pt2", unknown))


def test_a_layer_called_twice_has_one_weight(tmp_path):
    layer = nn.Linear(8, 8, bias=False)
    path = saved(
        Lambda(lambda parts, x: parts[0](parts[0](x)), layer), (torch.zeros(2, 8),), tmp_path / "a.pt2"
    )
    assert read_exported(path).n_parameters == 64


def test_a_mask_of_infinities_and_outputs_that_are_no_tensors(tmp_path):
    """JSON has no infinity: the archive holds it as text."""
    masked = Lambda(lambda _, x: {"y": x.masked_fill(x > 0, float("-inf")), "n": 3, "none": None})
    graph = read_exported(saved(masked, (torch.zeros(2, 8),), tmp_path / "a.pt2"))
    assert graph.output_shapes.shape[0] == 2


def test_a_program_taken_apart_into_core_operators_is_the_same_work(tmp_path):
    """Causal masks of minus infinity, and dropout that is written out."""
    attention = Lambda(
        lambda _, x: nn.functional.dropout(
            nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True), 0.1, training=True
        )
    )
    inputs = (torch.zeros(2, 4, 5, 8),)
    path = tmp_path / "core.pt2"
    torch.export.save(torch.export.export(attention, inputs).run_decompositions(), path)
    graph = read_exported(path)
    assert graph.total_flops == 2 * (2 * 2 * 4 * 5 * 5 * 8)
    assert not graph.unknown


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
