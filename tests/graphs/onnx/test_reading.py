"""Hand-written ONNX files: nodes, bytes and FLOPs worked out on paper."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.graphs.onnx.batching import scaled
from perfseer.graphs.onnx.reader import open_onnx
from perfseer.graphs.vocabulary import HYPERPARAMETERS
from tests.helpers.model_graphs import assert_same_work, operators, read_onnx
from tests.helpers.onnx_files import helper, ints, node, number, write

# -- costs ----------------------------------------------------------------------------------------------


def test_a_convolution_on_paper(tmp_path):
    path = write(
        tmp_path / "conv.onnx",
        [
            node("Conv", "x w b", "h", kernel_shape=[3, 5], strides=[2, 2], pads=[1, 2, 1, 2], group=1),
            node("Relu", "h", "y"),
        ],
        {"x": ["n", 3, 8, 8]},
        stored={"w": (6, 3, 3, 5), "b": (6,)},
    )
    graph = read_onnx(path, batch_size=2)
    assert operators(graph) == ["conv", "relu"]
    weights, tensor_in, tensor_out = 6 * 3 * 15 + 6, 2 * 3 * 64, 2 * 6 * 16
    assert graph.flops.tolist() == [2 * tensor_out * 3 * 15, 0]
    assert graph.input_bytes.tolist() == [4 * tensor_in, 4 * tensor_out]
    assert graph.weight_bytes.tolist() == [4 * weights, 0]
    assert graph.output_bytes.tolist() == [4 * tensor_out, 4 * tensor_out]
    assert (graph.n_parameters, graph.buffer_bytes, graph.batch_size) == (weights, 0, 2)
    values = dict(zip(HYPERPARAMETERS, graph.hyperparameters[0].tolist(), strict=True))
    assert values["conv_kernel"] == 5
    assert values["conv_stride"] == 2
    assert values["conv_padding"] == 2
    assert values["conv_bias"] == 1
    assert graph.edge_index.T.tolist() == [[0, 1]]
    assert not graph.has_backward


def test_training_costs_are_those_of_pytorch(tmp_path):
    path = write(
        tmp_path / "net.onnx",
        [
            node("Conv", "x w", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("BatchNormalization", "c s b m v", "d"),
            node("Relu", "d", "e"),
            node("GlobalAveragePool", "e", "f"),
            node("Flatten", "f", "g"),
            node("Gemm", "g fw fb", "y", transB=1),
        ],
        {"x": ["n", 3, 8, 8]},
        stored={"w": (4, 3, 3, 3), **dict.fromkeys("sbmv", (4,)), "fw": (10, 4), "fb": (10,)},
    )
    conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    parts = (conv, nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    reference = capture(nn.Sequential(*parts, nn.Linear(4, 10)), (torch.empty(5, 3, 8, 8),))
    graph = read_onnx(path, batch_size=5, backward=True)
    assert_same_work(graph, reference)


@pytest.mark.parametrize("opset", [11, 13])
def test_arguments_that_moved_between_versions(tmp_path, opset):
    """Axes of Squeeze and ReduceMean, sizes of Split: attributes before 13 (18), inputs afterwards."""
    axes = {"axes": [2]} if opset < 13 else {}
    nodes = [
        node("ReduceMean", "x", "m", axes=[2], keepdims=1),
        node("Squeeze", "m" if axes else "m two", "s", **axes),
        node("Split", "s" if axes else "s parts", "a b", axis=1, **({"split": [2, 4]} if axes else {})),
        node("Concat", "b a", "y", axis=1),
    ]
    stored = {} if axes else {"two": ints(2), "parts": ints(2, 4)}
    path = write(tmp_path / "a.onnx", nodes, {"x": [3, 6, 5]}, stored=stored, opset=opset)
    graph = read_onnx(path)
    assert operators(graph) == ["reduce", "concat"]
    assert graph.total_bytes == 4 * (3 * 6 * 5 + 3 * 6 + 2 * 3 * 6)


def test_weights_in_other_files_and_numbers_in_operators(tmp_path):
    """Scalars are element-wise, parameters are weights, tables of integers are buffers."""
    table = np.zeros(100, dtype=np.int64)
    path = write(
        tmp_path / "a.onnx",
        [
            node("Gather", "words ids", "e", axis=0),
            node("Mul", "e half", "f"),
            node("Add", "f positions", "g"),
            node("Gather", "g table", "y", axis=1),
        ],
        {"ids": ["n", 7]},
        stored={"words": (50, 8), "half": number(0.5), "positions": (7, 8), "table": table % 7},
        types={"ids": 7},
    )
    graph = read_onnx(path, batch_size=2)
    assert operators(graph) == ["embedding", "elementwise", "add", "index"]
    assert graph.weight_bytes.tolist() == [4 * 2 * 7 * 8, 0, 4 * 7 * 8, 8 * 100]
    assert (graph.n_parameters, graph.buffer_bytes) == (50 * 8 + 7 * 8, 800)


# -- shapes ---------------------------------------------------------------------------------------------


def shape_chain():
    """x [n, 6, 4] -> [n, 2, 12] by way of its own shape."""
    return [
        node("Shape", "x", "shape"),
        node("Gather", "shape zero", "n", axis=0),
        node("Unsqueeze", "n axis", "n1"),
        node("Mul", "two two", "four"),
        node("Sub", "four two", "again"),
        node("Concat", "n1 again minus", "target", axis=0),
        node("Reshape", "x target", "r"),
        node("Relu", "r", "y"),
    ]


CHAIN = {"zero": np.array(0), "axis": ints(0), "two": ints(2), "minus": ints(-1)}


@pytest.mark.parametrize("batch", [1, 5])
def test_shapes_that_are_computed_are_folded(tmp_path, batch):
    path = write(tmp_path / "a.onnx", shape_chain(), {"x": ["n", 6, 4]}, stored=CHAIN)
    graph = read_onnx(path, batch_size=batch)
    assert operators(graph) == ["relu"]
    assert graph.output_shapes.tolist() == [[batch, 2, 12, 1]]


def test_a_known_condition_takes_its_branch(tmp_path):
    branches = {
        name: helper.make_graph(
            [node(op, "x", f"{name}_y")], name, [], [helper.make_tensor_value_info(f"{name}_y", 1, None)]
        )
        for name, op in (("then", "Tanh"), ("else", "Exp"))
    }
    nodes = [
        node("Shape", "x", "shape"),
        node("ReduceProd", "shape", "count", keepdims=0),
        node("Greater", "count many", "large"),
        node("If", "large", "y", then_branch=branches["then"], else_branch=branches["else"]),
    ]
    path = write(tmp_path / "a.onnx", nodes, {"x": ["n", 4]}, stored={"many": np.array(10)})
    assert operators(read_onnx(path, batch_size=2)) == ["elementwise"]
    assert operators(read_onnx(path, batch_size=3)) == ["activation"]


def test_a_symbol_has_one_size_in_every_input(tmp_path):
    path = write(tmp_path / "a.onnx", [node("Add", "a b", "y")], {"a": ["n", "length"], "b": ["n", "length"]})
    graph = read_onnx(path, input_shapes={"a": (2, 9)}, batch_size=2)
    assert graph.output_shapes.tolist() == [[2, 9, 1, 1]]
    with pytest.raises(PerfseerError, match=r"'a' .* 1 open"):
        read_onnx(path, batch_size=2)
    with pytest.raises(PerfseerError, match=r"'c'.* a \[n, length\], b"):
        read_onnx(path, input_shapes={"c": (2, 9)})


def test_shapes_that_contradict_the_file_are_refused(tmp_path):
    path = write(tmp_path / "a.onnx", [node("Relu", "x", "y")], {"x": ["n", 3, 8, 8]})
    with pytest.raises(PerfseerError, match="nx3x8x8, given 1x8x8x3"):
        read_onnx(path, input_shapes={"x": (1, 8, 8, 3)})
    with pytest.raises(PerfseerError, match="given 0"):
        read_onnx(path, batch_size=0)


def test_a_shape_that_depends_on_data_is_refused(tmp_path):
    nodes = [node("Cast", "x", "i", to=7), node("Reshape", "x i", "y")]
    path = write(tmp_path / "a.onnx", nodes, {"x": [4]})
    with pytest.raises(PerfseerError, match=r"Reshape .* 'i'"):
        read_onnx(path)


# -- batches that are fixed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "now", "expected"),
    [
        ((1, 512, 1, 1), (1, 512), (4, 512, 1, 1), (4, 512)),
        ((197, 1, 768), (197, 12, 64), (197, 4, 768), (197, 48, 64)),
        ((32, 1, 4, 16), (32, 64), (32, 4, 4, 16), (128, 64)),
        ((32, 64), (32, 1, 64), (128, 64), (32, 4, 64)),
        ((1, 8, 7, 8, 7, 96), (64, 49, 96), (4, 8, 7, 8, 7, 96), (256, 49, 96)),
        ((64, 49, 96), (1, 8, 8, 7, 7, 96), (256, 49, 96), (4, 8, 8, 7, 7, 96)),
    ],
)
def test_targets_of_reshape_grow_with_the_batch(before, after, now, expected):
    assert scaled(before, after, now, 4) == expected


def test_a_fixed_batch_is_scaled(tmp_path):
    nodes = [
        node("Conv", "x w", "c", kernel_shape=[1, 1]),
        node("Reshape", "c target", "t"),
        node("Concat", "class t", "u", axis=2),
        node("MatMul", "fw u", "y"),
    ]
    stored = {"w": (4, 3, 1, 1), "target": ints(1, 4, 64), "class": (1, 4, 1), "fw": (5, 4)}
    path = write(tmp_path / "a.onnx", nodes, {"x": [1, 3, 8, 8]}, stored=stored)
    one, six = read_onnx(path), read_onnx(path, batch_size=6, backward=True)
    assert (one.batch_size, six.batch_size) == (1, 6)
    assert six.total_flops == 6 * one.total_flops
    assert six.output_shapes[-1].tolist() == [6, 5, 65, 1]
    assert six.n_parameters == one.n_parameters == 12 + 4 + 20


def test_a_fixed_batch_that_cannot_be_scaled_is_refused(tmp_path):
    nodes = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node("Reshape", "t target", "r"),
        node("MatMul", "r w", "y"),
    ]
    path = write(tmp_path / "a.onnx", nodes, {"x": [2, 3, 4]}, stored={"target": ints(24, 1), "w": (1, 2)})
    assert read_onnx(path).total_flops == 2 * 24 * 2
    with pytest.raises(PerfseerError, match="batch of 2; 3 "):
        read_onnx(path, batch_size=3)
    path = write(tmp_path / "b.onnx", [node("MatMul", "x x", "y")], {"x": [3, 3]})
    with pytest.raises(PerfseerError, match=r"of 3 .* with 6;"):
        read_onnx(path, batch_size=6)


# -- operators outside the table ------------------------------------------------------------------------


def test_unknown_operators_keep_their_bytes_and_their_names(tmp_path):
    nodes = [
        helper.make_node("Fancy", ["x"], ["a"], domain="com.example"),
        node("Hardmax", "a", "b"),
        node("Det", "b", "c"),
        node("Relu", "c", "y"),
    ]
    path = write(tmp_path / "a.onnx", nodes, {"x": ["n", 5, 5]})
    graph = read_onnx(path, batch_size=2)
    assert operators(graph) == ["other", "other", "other", "relu"]
    assert graph.unknown == {"com.example.Fancy": 1, "Hardmax": 1, "Det": 1}
    assert graph.bytes.tolist() == [400, 400, 200 + 8, 16]
    assert graph.other_share == pytest.approx(1008 / 1024)
    trained = read_onnx(
        write(
            tmp_path / "b.onnx",
            [node("Mul", "x w", "a"), *nodes[1:3], node("Relu", "c", "y")],
            {"x": ["n", 5, 5]},
            stored={"w": (5, 5)},
        ),
        batch_size=2,
        backward=True,
    )
    assert trained.backward_bytes[1] == 3 * 200  # gradient and input read, gradient written


def test_functions_of_the_file_are_inlined(tmp_path):
    opsets = [helper.make_opsetid("", 17)]
    inner = helper.make_function(
        "local", "Scale", ["a"], ["b"], [node("LeakyRelu", "a", "t"), node("Exp", "t", "b")], opsets
    )
    calls = [
        helper.make_node("Scale", ["a"], ["t"], domain="local"),
        helper.make_node("Scale", ["t"], ["b"], domain="local"),
    ]
    outer = helper.make_function(
        "local", "Twice", ["a"], ["b"], calls, [*opsets, helper.make_opsetid("local", 1)]
    )
    path = write(
        tmp_path / "a.onnx",
        [helper.make_node("Twice", ["x"], ["y"], domain="local")],
        {"x": [2, 3]},
        functions=[inner, outer],
    )
    assert operators(read_onnx(path)) == ["activation", "elementwise"] * 2


# -- reading what exporters fold or merge ---------------------------------------------------------------


def folded(tmp_path, producer, restore=True):
    stored = {
        "onnx::Conv_7": (4, 3, 1, 1),
        "onnx::Conv_8": (4,),
        "own.weight": (5, 4, 1, 1),
        "own.bias": (5,),
    }
    nodes = [node("Conv", "x onnx::Conv_7 onnx::Conv_8", "h"), node("Conv", "h own.weight own.bias", "y")]
    path = write(tmp_path / "a.onnx", nodes, {"x": ["n", 3, 2, 2]}, stored=stored, producer=producer)
    reading = open_onnx(path, restore_batch_norm=restore)
    return reading, reading.graph(batch_size=1)


def test_batch_norms_that_the_exporter_folded_are_put_back(tmp_path):
    reading, graph = folded(tmp_path, "pytorch")
    assert operators(graph) == ["conv", "batch_norm", "conv"]
    assert graph.n_parameters == 12 + 2 * 4 + 20 + 5
    assert graph.buffer_bytes == 2 * 4 * 4 + 8
    (note,) = reading.notes
    assert note.startswith("1 ")


@pytest.mark.parametrize(("producer", "restore"), [("pytorch", False), ("tf2onnx", True)])
def test_folded_batch_norms_stay_where_asked_or_unknown(tmp_path, producer, restore):
    reading, graph = folded(tmp_path, producer, restore)
    assert operators(graph) == ["conv", "conv"]
    assert graph.n_parameters == 12 + 4 + 20 + 5
    assert reading.notes == ()


def test_vectors_that_an_exporter_merged_are_counted_apart_and_tied_matrices_once(tmp_path):
    nodes = [
        node("Identity", "a.weight", "b.weight"),
        node("Identity", "words", "head.weight"),
        node("LayerNormalization", "x a.weight bias", "h"),
        node("LayerNormalization", "h b.weight bias", "i"),
        node("MatMul", "i words", "j"),
        node("MatMul", "j head.weight", "y"),
    ]
    stored = {"a.weight": (8,), "bias": (8,), "words": (8, 8)}
    path = write(tmp_path / "a.onnx", nodes, {"x": [2, 8]}, stored=stored, producer="pytorch")
    assert read_onnx(path).n_parameters == 4 * 8 + 64


# -- patterns -------------------------------------------------------------------------------------------

HALF, ONE, TWO, THREE, SIX = (number(v) for v in (0.5, 1, 2, 3, 6))
CONSTANTS = {
    "half": HALF,
    "one": ONE,
    "two": TWO,
    "three": THREE,
    "six": SIX,
    "root": number(2**0.5),
    "zero": number(0),
}


def pattern(tmp_path, nodes, stored=None, shape=("n", 4, 8)):
    path = write(tmp_path / "a.onnx", nodes, {"x": list(shape)}, stored={**CONSTANTS, **(stored or {})})
    return read_onnx(path, batch_size=2)


ERF = [node("Div", "x root", "a"), node("Erf", "a", "b"), node("Add", "b one", "c")]
GATE = [node("Add", "x three", "a"), node("Clip", "a zero six", "b")]
ACTIVATIONS = {
    "gelu": [*ERF, node("Mul", "x c", "d"), node("Mul", "d half", "y")],
    "gelu, otherwise bracketed": [*ERF, node("Mul", "half x", "h"), node("Mul", "c h", "y")],
    "silu": [node("Sigmoid", "x", "a"), node("Mul", "x a", "y")],
    "hardswish": [*GATE, node("Mul", "x b", "c"), node("Div", "c six", "y")],
    "hardsigmoid": [*GATE, node("Div", "b six", "y")],
    "mish": [node("Softplus", "x", "a"), node("Tanh", "a", "b"), node("Mul", "b x", "y")],
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_written_out_are_one_operator(tmp_path, name):
    graph = pattern(tmp_path, ACTIVATIONS[name])
    assert operators(graph) == ["activation"]
    assert graph.total_bytes == 2 * 4 * (2 * 4 * 8)


def test_a_gate_by_another_tensor_is_no_silu(tmp_path):
    graph = pattern(tmp_path, [node("Exp", "x", "e"), node("Sigmoid", "e", "a"), node("Mul", "x a", "y")])
    assert operators(graph) == ["elementwise", "activation", "mul"]


def test_a_value_that_others_read_too_is_not_swallowed(tmp_path):
    nodes = [node("Sigmoid", "x", "a"), node("Mul", "x a", "b"), node("Add", "a b", "y")]
    assert operators(pattern(tmp_path, nodes)) == ["activation", "mul", "add"]


LAYER_NORM = [
    node("ReduceMean", "x", "m", axes=[-1]),
    node("Sub", "x m", "d"),
    node("Pow", "d two", "p"),
    node("ReduceMean", "p", "v", axes=[-1]),
    node("Add", "v half", "e"),
    node("Sqrt", "e", "s"),
    node("Div", "d s", "n"),
    node("Mul", "n scale", "t"),
    node("Add", "t shift", "y"),
]


def test_a_layer_norm_written_out_is_one_operator(tmp_path):
    graph = pattern(tmp_path, LAYER_NORM, {"scale": (8,), "shift": (8,)})
    reference = capture(nn.LayerNorm(8), (torch.empty(2, 4, 8),), backward=False)
    assert_same_work(graph, reference)


def test_a_norm_over_another_axis_is_not_a_layer_norm(tmp_path):
    graph = pattern(tmp_path, LAYER_NORM, {"scale": (4, 8), "shift": (4, 8)})
    assert "layer_norm" not in operators(graph)


def test_a_group_norm_written_out_is_one_operator(tmp_path):
    nodes = [
        node("Reshape", "x grouped", "a"),
        node("InstanceNormalization", "a ones zeros", "b"),
        node("Shape", "x", "shape"),
        node("Reshape", "b shape", "c"),
        node("Mul", "c scale", "d"),
        node("Add", "d shift", "y"),
    ]
    stored = {"grouped": ints(0, 2, -1), "ones": np.ones(2, np.float32), "zeros": np.zeros(2, np.float32)}
    graph = pattern(tmp_path, nodes, {**stored, "scale": (6, 1, 1), "shift": (6, 1, 1)}, ("n", 6, 5, 5))
    reference = capture(nn.GroupNorm(2, 6), (torch.empty(2, 6, 5, 5),), backward=False)
    assert_same_work(graph, reference)


class Attention(nn.Module):
    def forward(self, query, key, value):
        return F.scaled_dot_product_attention(query, key, value)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_as_pytorch_exports_it_is_one_operator(tmp_path, masked):
    nodes = [
        node("Transpose", "k", "kt", perm=[0, 1, 3, 2]),
        node("Mul", "q root", "q1"),
        node("Mul", "kt root", "k1"),
        node("MatMul", "q1 k1", "s"),
        node("Add", "s causal", "t"),
        node("Softmax", "t" if masked else "s", "w", axis=-1),
        node("MatMul", "w v", "y"),
    ]
    nodes = nodes if masked else [n for n in nodes if n.op_type != "Add"]
    # a mask that hides what comes later is an argument in PyTorch, not a tensor
    causal = np.triu(np.full((6, 6), -np.inf, dtype=np.float32), 1)
    shapes = {name: ["n", 3, 6, 5] for name in "qkv"}
    path = write(tmp_path / "a.onnx", nodes, shapes, stored={"root": number(0.4), "causal": causal})
    graph = read_onnx(path, batch_size=2)
    reference = capture(Attention(), tuple(torch.empty(2, 3, 6, 5) for _ in "qkv"), backward=False)
    assert operators(graph) == ["attention"]
    assert graph.flops.tolist() == reference.flops.tolist() == [2 * 2 * (2 * 3 * 6 * 6 * 5)]
    assert graph.total_bytes == reference.total_bytes == 4 * 4 * (2 * 3 * 6 * 5)


def test_attention_that_the_network_spells_out_stays(tmp_path):
    nodes = [
        node("Transpose", "x", "t", perm=[0, 2, 1]),
        node("MatMul", "x t", "s"),
        node("Div", "s two", "u"),
        node("Softmax", "u", "w", axis=-1),
        node("MatMul", "w x", "y"),
    ]
    assert operators(pattern(tmp_path, nodes)) == ["matmul", "elementwise", "softmax", "matmul"]


def test_a_linear_layer_is_a_product_and_its_bias_but_a_residual_is_not(tmp_path):
    nodes = [
        node("MatMul", "x w", "m"),
        node("Add", "b m", "h"),
        node("MatMul", "h v", "n"),
        node("Add", "x n", "y"),
    ]
    graph = pattern(tmp_path, nodes, {"w": (8, 8), "b": (8,), "v": (8, 8)})
    assert operators(graph) == ["linear", "linear", "add"]
    assert graph.hyperparameters[:, HYPERPARAMETERS.index("linear_bias")].tolist() == [1, 0, 0]
    assert graph.flops.tolist() == [2 * 8 * 64, 2 * 8 * 64, 0]


def test_slices_that_take_a_tensor_apart_are_views_of_one_split(tmp_path):
    nodes = [
        node("MatMul", "x w", "h"),
        node("Slice", "h a b axis", "p"),
        node("Slice", "h b c axis", "q"),
        node("Add", "p q", "y"),
    ]
    stored = {"w": (8, 12), "a": ints(0), "b": ints(6), "c": ints(12), "axis": ints(-1)}
    path = write(tmp_path / "a.onnx", nodes, {"x": [2, 4, 8]}, stored=stored)

    class Split(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Linear(8, 12, bias=False)

        def forward(self, x):
            first, second = self.w(x).chunk(2, -1)
            return first + second

    assert_same_work(read_onnx(path, backward=True), capture(Split(), (torch.empty(2, 4, 8),)))


def test_slices_joined_the_other_way_round_are_a_roll(tmp_path):
    most = ints(2**63 - 1)
    nodes = [
        node("Slice", "x two_ end one_", "a"),
        node("Slice", "x zero_ two_ one_", "b"),
        node("Concat", "a b", "c", axis=1),
        node("Slice", "c three_ end two_", "d"),
        node("Slice", "c zero_ three_ two_", "e"),
        node("Concat", "d e", "y", axis=2),
    ]
    stored = {"zero_": ints(0), "one_": ints(1), "two_": ints(2), "three_": ints(3), "end": most}
    graph = pattern(tmp_path, nodes, stored)
    assert operators(graph) == ["copy"]
    assert graph.total_bytes == 2 * 4 * (2 * 4 * 8)


# -- counterparts in PyTorch ----------------------------------------------------------------------------

COUNTERPARTS = {
    "ArgMax": ({"axis": 1, "keepdims": 0}, {}, [2, 8, 1, 1], "reduce"),
    "ArgMin": ({}, {}, [1, 4, 8, 1], "reduce"),
    "ReduceL1": ({"axes": [1]}, {}, [2, 1, 8, 1], "reduce"),
    "ReduceL2": ({"axes": [-1], "keepdims": 0}, {}, [2, 4, 1, 1], "reduce"),
    "GatherElements": ({"axis": 2}, {"i": np.zeros((2, 4, 3), np.int64)}, [2, 4, 3, 1], "index"),
    "ScatterElements": ({}, {"i": np.zeros((1, 4, 8), np.int64), "u": (1, 4, 8)}, [2, 4, 8, 1], "index"),
    "LeakyRelu": ({"alpha": 0.2}, {}, [2, 4, 8, 1], "activation"),
    "Mod": ({"fmod": 1}, {"two": number(2)}, [2, 4, 8, 1], "elementwise"),
}


@pytest.mark.parametrize("op", COUNTERPARTS)
def test_attributes_reach_the_function_of_torch(tmp_path, op):
    attributes, stored, shape, operator = COUNTERPARTS[op]
    graph = pattern(tmp_path, [node(op, " ".join(["x", *stored]), "y", **attributes)], stored)
    assert operators(graph) == [operator]
    assert graph.output_shapes.tolist() == [shape]


@pytest.mark.parametrize(("op", "shape"), [("DepthToSpace", [2, 2, 4, 6]), ("SpaceToDepth", [2, 32, 1, 1])])
def test_blocks_are_as_large_as_their_attribute(tmp_path, op, shape):
    image = ("n", 8, 2, 3) if op == "DepthToSpace" else ("n", 8, 2, 2)
    graph = pattern(tmp_path, [node(op, "x", "y", blocksize=2)], {}, image)
    assert graph.output_shapes.tolist() == [shape]
