"""Broken, hostile and strange files: each is refused in words, quickly, or read; nothing else happens."""

import itertools
import random
import struct

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.graphs.onnx import wire
from perfseer.graphs.onnx.reader import open_onnx
from perfseer.graphs.onnx.wire import looks_like_onnx, read_structure
from tests.helpers.memory import traced_peak
from tests.helpers.model_graphs import read_onnx
from tests.helpers.onnx_files import helper, ints, node, onnx, write


def small(tmp_path):
    nodes = [
        node("Conv", "x w", "c", kernel_shape=[3, 3]),
        node("Shape", "c", "s"),
        node("Reshape", "c target", "r"),
        node("Gemm", "r fw fb", "y", transB=1),
    ]
    stored = {"w": np.zeros((4, 3, 3, 3), np.float32), "target": ints(-1, 144), "fw": (5, 144), "fb": (5,)}
    return write(tmp_path / "small.onnx", nodes, {"x": ["n", 3, 8, 8]}, stored=stored)


def saved(graph, path):
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path.write_bytes(made.SerializeToString())
    return path


def refused(path, match, **settings):
    with pytest.raises(PerfseerError, match=match) as caught:
        read_onnx(path, **settings)
    assert str(path) in str(caught.value) or "\n" not in str(caught.value)


# -- the bytes ------------------------------------------------------------------------------------------


def test_flipped_bytes_give_a_graph_or_a_refusal(tmp_path):
    source = small(tmp_path).read_bytes()
    generator = random.Random(5)
    path, outcomes = tmp_path / "fuzzed.onnx", {"read": 0, "refused": 0}
    for _ in range(120):
        content = bytearray(source)
        for _ in range(generator.choice((1, 1, 2, 8))):
            position = generator.randrange(len(content))
            if generator.random() < 0.7:
                content[position] ^= 1 << generator.randrange(8)
            else:
                del content[position : position + generator.randrange(1, 9)]
        path.write_bytes(bytes(content))
        try:
            read_onnx(path, batch_size=2)
            outcomes["read"] += 1
        except PerfseerError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10


def test_every_truncation_is_refused(tmp_path):
    whole = small(tmp_path).read_bytes()
    path = tmp_path / "cut.onnx"
    for length in range(0, len(whole) - 8, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(PerfseerError, match=r"cut\.onnx"):
            read_onnx(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"{}", b"\x00" * 64, b"PK\x03\x04", b"\xff" * 100])
def test_what_is_no_protobuf_is_refused(tmp_path, content):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    assert not looks_like_onnx(path)
    refused(path, "not a readable ONNX file|no graph")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    refused(tmp_path / "none.onnx", "cannot read")
    refused(tmp_path, "cannot read")


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def test_messages_that_nest_without_end_are_refused(tmp_path):
    """Graphs within attributes within nodes, as a file may claim."""
    graph = b""
    for _ in range(60):
        graph = field(1, field(5, field(6, graph + b"\x12" + varint(2000) + b"n" * 2000)))
    path = tmp_path / "deep.onnx"
    path.write_bytes(b"\x08\x08" + field(7, graph))
    refused(path, "nest deeper")
    graph = b""
    for _ in range(60):
        graph = field(1, field(4, b"If") + field(5, field(6, graph)))
    path.write_bytes(b"\x08\x08" + field(7, graph))
    refused(path, "not a readable ONNX file|graph")


def test_bounds_on_fields_and_structure_hold(tmp_path, monkeypatch):
    path = small(tmp_path)
    monkeypatch.setattr(wire, "MOST_FIELDS", 3)
    refused(path, "more than 3 fields")
    monkeypatch.undo()
    monkeypatch.setattr(wire, "LARGEST_STRUCTURE_BYTES", 100)
    refused(path, "besides its weights")


def test_weights_are_not_read_into_memory(tmp_path):
    weight = np.zeros((4096, 2048), dtype=np.float32)  # 32 MiB
    path = write(tmp_path / "a.onnx", [node("Gemm", "x w", "y")], {"x": ["n", 4096]}, stored={"w": weight})
    assert path.stat().st_size > 32 * 2**20
    assert len(read_structure(path)) < 1000
    graph, peak = traced_peak(lambda: read_onnx(path))
    assert graph.n_parameters == weight.size
    assert peak < 8 * 2**20


def test_weights_in_other_files_are_never_opened(tmp_path):
    tensor = onnx.TensorProto(name="w", data_type=1, dims=(4, 3), data_location=1)
    tensor.external_data.add(key="location", value="/dev/zero")
    graph = helper.make_graph(
        [node("Gemm", "x w", "y", transB=1)],
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 3])],
        [helper.make_tensor_value_info("y", 1, None)],
        [tensor],
    )
    path = saved(graph, tmp_path / "a.onnx")
    assert read_onnx(path).n_parameters == 12


# -- the graph ------------------------------------------------------------------------------------------


def chain(count):
    names = ["x", *(f"t{i}" for i in range(count - 1)), "y"]
    return [node("Relu", a, b) for a, b in itertools.pairwise(names)]


BROKEN = {
    "no operators": ([], "no operators|nothing writes"),
    "cycle": ([node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b", "y")], "has a cycle"),
    "missing input": ([node("Add", "x nobody", "y")], "'nobody', which no operator, input or initialiser"),
    "written twice": ([node("Relu", "x", "y"), node("Exp", "x", "y")], "'y' is written twice"),
    "input written": ([node("Relu", "x", "x"), node("Relu", "x", "y")], "'x' is written twice"),
    "dangling output": ([node("Relu", "x", "z")], "nothing writes the output 'y'"),
    "argument left out": ([node("Conv", "x", "y")], "lacks its argument 2"),
    "wrong attribute": ([node("Transpose", "x", "y", perm="abc")], "'perm' is str; expected integers"),
    "wrong axis": ([node("Softmax", "x", "y", axis=9)], "has no axis 9"),
    "wrong shapes": ([node("MatMul", "x x", "y")], "MatMul .* cannot run on 2x3, 2x3"),
    "negative stride": ([node("MaxPool", "x", "y", kernel_shape=[-1])], "expected|fit"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_graphs_that_cannot_run_are_refused(tmp_path, name):
    nodes, message = BROKEN[name]
    refused(write(tmp_path / "a.onnx", nodes, {"x": [2, 3]}), message)


def test_operators_may_stand_in_any_order(tmp_path):
    path = write(tmp_path / "a.onnx", chain(50)[::-1], {"x": [2]})
    graph = read_onnx(path)
    assert graph.n_nodes == 50
    assert (np.diff(graph.edge_index, axis=0) == 1).all()


HUGE, NO_ROOM = 2**62, "no memory"
LARGE = {
    "weight": ([node("Add", "x w", "y")], {"w": (2**40,)}, "1.1e[+]12 elements"),
    "expand": (
        [node("Expand", "x big", "e"), node("Exp", "e", "y")],
        {"big": ints(2**40, 2, 3)},
        NO_ROOM,
    ),
    "pads": ([node("Pad", "x big", "y")], {"big": ints(0, 0, HUGE, HUGE)}, "no memory|cannot run"),
    "tile": ([node("Tile", "x big", "y")], {"big": ints(2**40, 2**20)}, "no memory|cannot run"),
    "zeros": (
        [node("ConstantOfShape", "big", "z"), node("Add", "x z", "y")],
        {"big": ints(2**50, 3)},
        "no memory",
    ),
    "range": (
        [node("Range", "zero big one", "z"), node("Cast", "z", "f", to=1), node("Add", "f f", "y")],
        {"zero": np.array(0), "big": np.array(HUGE), "one": np.array(1)},
        "no memory|cannot run",
    ),
    "reshape": ([node("Reshape", "x big", "y")], {"big": ints(HUGE, HUGE)}, "cannot run"),
}


@pytest.mark.parametrize("name", LARGE)
def test_sizes_beyond_any_memory_are_refused_without_allocating(tmp_path, name):
    nodes, stored, message = LARGE[name]
    path = write(tmp_path / "a.onnx", nodes, {"x": [2, 3]}, stored=stored)
    _, peak = traced_peak(lambda: refused(path, message))
    assert peak < 64 * 2**20


@pytest.mark.parametrize("size", [2**62, 2**31])
def test_inputs_beyond_any_memory_are_refused(tmp_path, size):
    refused(write(tmp_path / "a.onnx", [node("Exp", "x", "y")], {"x": [size, size]}), "memory has room")


def test_known_values_stay_small_however_they_are_made(tmp_path):
    """Masks that grow by repetition become tensors before they fill the memory."""
    nodes, name = [], "seed"
    for i in range(8):
        nodes += [node("Concat", " ".join([name] * 16), f"t{i}", axis=0)]
        name = f"t{i}"
    nodes += [node("ReduceMax", name, "m", keepdims=1), node("Add", "x m", "y")]
    path = write(tmp_path / "a.onnx", nodes, {"x": [4]}, stored={"seed": np.ones(16, np.float32)})
    _, peak = traced_peak(lambda: read_onnx(path))
    assert peak < 300 * 2**20


def test_functions_that_call_themselves_or_multiply_are_refused(tmp_path):
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    itself = helper.make_function(
        "f", "A", ["a"], ["b"], [helper.make_node("A", ["a"], ["b"], domain="f")], opsets
    )
    call = [helper.make_node("A", ["x"], ["y"], domain="f")]
    refused(write(tmp_path / "a.onnx", call, {"x": [2]}, functions=[itself]), "deeper than 32")
    functions = []
    for level in range(12):
        op, domain = (f"F{level + 1}", "f") if level < 11 else ("Exp", "")
        inner = [helper.make_node(op, ["a"], [f"t{i}"], domain=domain) for i in range(10)]
        functions.append(helper.make_function("f", f"F{level}", ["a"], ["t0"], inner, opsets))
    call = [helper.make_node("F0", ["x"], ["y"], domain="f")]
    refused(write(tmp_path / "b.onnx", call, {"x": [2]}, functions=functions), "expand to more than")


def test_element_types_that_do_not_exist_are_refused(tmp_path):
    path = write(tmp_path / "a.onnx", [node("Relu", "x", "y")], {"x": [2]}, types={"x": 77})
    refused(path, "element type 77")


def test_old_and_unversioned_files_are_refused(tmp_path):
    path = write(tmp_path / "a.onnx", [node("Relu", "x", "y")], {"x": [2]}, opset=6)
    refused(path, "version 6 of ONNX's operators; 7 and later are read")


def test_a_tensor_whose_contents_do_not_fit_its_shape_is_refused(tmp_path):
    tensor = onnx.TensorProto(name="w", data_type=1, dims=(3,), raw_data=struct.pack("<2f", 1, 2))
    graph = helper.make_graph(
        [node("Add", "x w", "y")],
        "g",
        [helper.make_tensor_value_info("x", 1, [3])],
        [helper.make_tensor_value_info("y", 1, None)],
        [tensor],
    )
    path = saved(graph, tmp_path / "a.onnx")
    refused(path, "'w' has 8 bytes; its shape needs 12")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    import sys

    path = small(tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(PerfseerError, match=r"perfseer\[onnx\]"):
        open_onnx(path)
