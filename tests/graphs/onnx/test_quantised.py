"""Quantised operators: FLOPs of what they stand for, bytes of what they read; on paper."""

import numpy as np
import pytest

from perfseer.graphs.given import Given
from perfseer.graphs.onnx.reader import open_onnx
from perfseer.graphs.vocabulary import HYPERPARAMETERS
from tests.helpers.model_graphs import operators, read_onnx
from tests.helpers.onnx_files import helper, microsoft, node, number, onnx, tensor, write

UINT8, INT8 = 2, 3
SCALES = {"s": number(0.1), "z": np.array(0, dtype=np.uint8)}
KERNEL = np.ones((6, 4, 3, 3), np.int8)
MATRIX = np.ones((16, 8), np.int8)


def one_node(tmp_path, made, inputs, stored, types=None):
    """Name, FLOPs and bytes (read, of weights, written) of a graph of one node."""
    graph = read_onnx(write(tmp_path / "a.onnx", [made], inputs, stored=stored, types=types))
    assert graph.unknown == {}
    assert graph.n_nodes == 1
    costs = (graph.flops, graph.input_bytes, graph.weight_bytes, graph.output_bytes)
    return operators(graph)[0], *(int(values[0]) for values in costs)


SAME = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
CONV_FLOPS = 2 * (2 * 6 * 5 * 5) * 4 * 9


@pytest.mark.parametrize(
    ("made", "itemsize"),
    [
        (node("QLinearConv", "x s z w s z s z", "y", **SAME), 1),
        (node("ConvInteger", "x w z", "y", **SAME), 4),
        (microsoft("QLinearConv", "x s z w s z s z", **SAME), 1),
    ],
)
def test_convolutions(tmp_path, made, itemsize):
    name, flops, input_bytes, weight_bytes, output_bytes = one_node(
        tmp_path, made, {"x": [2, 4, 5, 5]}, {"w": KERNEL, **SCALES}, {"x": UINT8}
    )
    assert (name, flops) == ("conv", CONV_FLOPS)
    assert weight_bytes == KERNEL.size
    assert input_bytes == pytest.approx(2 * 4 * 25, abs=32)  # and a few scales
    assert output_bytes == 2 * 6 * 25 * itemsize


def test_a_quantised_convolution_has_its_arguments(tmp_path):
    made = node("QLinearConv", "x s z w s z s z", "y", kernel_shape=[3, 3], strides=[2, 2], group=2)
    path = write(
        tmp_path / "a.onnx", [made], {"x": [2, 8, 7, 7]}, stored={"w": KERNEL, **SCALES}, types={"x": UINT8}
    )
    graph = read_onnx(path)
    values = dict(zip(HYPERPARAMETERS, graph.hyperparameters[0].tolist(), strict=True))
    assert (values["conv_kernel"], values["conv_stride"], values["conv_groups"]) == (3, 2, 2)
    assert graph.output_shapes.tolist() == [[2, 6, 3, 3]]
    assert graph.flops.tolist() == [2 * (2 * 6 * 9) * 4 * 9]


def test_channels_behind_the_pixels(tmp_path):
    made = microsoft("QLinearConv", "x s z w s z s z", channels_last=1, **SAME)
    path = write(
        tmp_path / "a.onnx", [made], {"x": [2, 5, 7, 4]}, stored={"w": KERNEL, **SCALES}, types={"x": UINT8}
    )
    graph = read_onnx(path)
    assert graph.output_shapes.tolist() == [[2, 5, 7, 6]]
    assert graph.total_flops == 2 * (2 * 6 * 35) * 4 * 9


PRODUCT = 2 * (2 * 3 * 8) * 16
PRODUCTS = {
    "QLinearMatMul": (node("QLinearMatMul", "x s z w s z s z", "y"), UINT8, 1),
    "MatMulInteger": (node("MatMulInteger", "x w z", "y"), UINT8, 4),
    "MatMulIntegerToFloat": (microsoft("MatMulIntegerToFloat", "x w s s z"), UINT8, 4),
    "DynamicQuantizeMatMul": (microsoft("DynamicQuantizeMatMul", "x w s z"), 1, 4),
}


@pytest.mark.parametrize("op", PRODUCTS)
def test_products(tmp_path, op):
    made, kind, itemsize = PRODUCTS[op]
    name, flops, input_bytes, weight_bytes, output_bytes = one_node(
        tmp_path, made, {"x": [2, 3, 16]}, {"w": MATRIX, **SCALES}, {"x": kind}
    )
    assert (name, flops, weight_bytes) == ("linear", PRODUCT, MATRIX.size)
    assert input_bytes == pytest.approx(2 * 3 * 16 * (4 if kind == 1 else 1), abs=16)
    assert output_bytes == 2 * 3 * 8 * itemsize


@pytest.mark.parametrize("scores", ["QLinearMatMul", "MatMulInteger"])
def test_a_product_of_activations_is_no_layer(tmp_path, scores):
    made = node(scores, "x s z k s z s z" if scores[0] == "Q" else "x k", "y")
    name, flops, _, weight_bytes, _ = one_node(
        tmp_path, made, {"x": [2, 3, 16], "k": [2, 16, 5]}, SCALES, {"x": UINT8, "k": UINT8}
    )
    assert (name, flops, weight_bytes) == ("matmul", 2 * (2 * 3 * 5) * 16, 0)


def test_gemm_with_its_scales(tmp_path):
    made = microsoft("QGemm", "x s z w s z . s z", transB=1)
    stored = {"w": np.ones((9, 16), np.int8), **SCALES}
    name, flops, _, weight_bytes, output_bytes = one_node(
        tmp_path, made, {"x": [4, 16]}, stored, {"x": UINT8}
    )
    assert (name, flops, weight_bytes, output_bytes) == ("linear", 2 * 4 * 9 * 16, 9 * 16, 4 * 9)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_of_a_few_bits(tmp_path, bits):
    inner, outer, block = 64, 24, 32
    packed = np.zeros((outer, inner // block, block * bits // 8), np.uint8)
    stored = {"w": packed, "scales": np.ones(outer * inner // block, np.float32)}
    made = microsoft("MatMulNBits", "x w scales", K=inner, N=outer, bits=bits, block_size=block)
    name, flops, input_bytes, weight_bytes, output_bytes = one_node(
        tmp_path, made, {"x": [2, 3, inner]}, stored
    )
    assert (name, flops) == ("linear", 2 * 6 * inner * outer)
    assert weight_bytes == inner * outer * bits // 8 + 4 * outer * inner // block
    assert (input_bytes, output_bytes) == (4 * 6 * inner, 4 * 6 * outer)


def test_a_packed_embedding_reads_the_rows_it_gives(tmp_path):
    stored = {"table": np.zeros((100, 16), np.uint8), "scales": np.ones((100, 1), np.float32)}
    made = microsoft("GatherBlockQuantized", "table ids scales", bits=4, block_size=32)
    path = write(tmp_path / "a.onnx", [made], {"ids": [2, 3]}, stored=stored, types={"ids": 7})
    graph = read_onnx(path)
    assert operators(graph) == ["embedding"]
    assert graph.output_shapes.tolist() == [[2, 3, 32, 1]]
    assert graph.weight_bytes[0] == pytest.approx(6 * 16, abs=400)


def test_dynamic_quantisation_as_exporters_write_it(tmp_path):
    nodes = [
        node("DynamicQuantizeLinear", "x", "q s0 z0"),
        node("MatMulInteger", "q w z0 z", "i"),
        node("Cast", "i", "f", to=1),
        node("Mul", "s0 s", "both"),
        node("Mul", "f both", "y"),
    ]
    path = write(tmp_path / "a.onnx", nodes, {"x": ["n", 16]}, stored={"w": MATRIX, **SCALES})
    graph = read_onnx(path, batch_size=4)
    assert graph.total_flops == 2 * 4 * 16 * 8
    assert operators(graph) == ["elementwise", "linear", "copy", "elementwise", "mul"]
    assert (graph.unknown, graph.other_flops_share) == ({}, 0)
    assert graph.output_bytes[:2].tolist() == [4 * 16 + 4 + 1, 4 * 4 * 8]


POINTWISE = {
    "QLinearAdd": ("x s z x s z s z", {}, "add", [2, 4, 6, 6]),
    "QLinearMul": ("x s z x s z s z", {}, "mul", [2, 4, 6, 6]),
    "QLinearSigmoid": ("x s z s z", {}, "activation", [2, 4, 6, 6]),
    "QLinearLeakyRelu": ("x s z s z", {"alpha": 0.1}, "activation", [2, 4, 6, 6]),
    "QLinearSoftmax": ("x s z s z", {"axis": 1}, "softmax", [2, 4, 6, 6]),
    "QLinearConcat": ("s z x s z x s z", {"axis": 1}, "concat", [2, 8, 6, 6]),
    "QLinearAveragePool": (
        "x s z s z",
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        "avg_pool",
        [2, 4, 3, 3],
    ),
    "QLinearGlobalAveragePool": ("x s z s z", {}, "global_avg_pool", [2, 4, 1, 1]),
}


@pytest.mark.parametrize("op", POINTWISE)
def test_what_has_no_products(tmp_path, op):
    inputs, attributes, name, shape = POINTWISE[op]
    path = write(
        tmp_path / "a.onnx",
        [microsoft(op, inputs, **attributes)],
        {"x": [2, 4, 6, 6]},
        stored=SCALES,
        types={"x": UINT8},
    )
    graph = read_onnx(path)
    assert operators(graph) == [name]
    assert graph.output_shapes.tolist() == [shape]
    assert (graph.total_flops, graph.output_bytes.tolist()) == (0, [int(np.prod(shape))])


def test_a_quantised_network_is_counted_in_bytes(tmp_path):
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("QLinearMatMul", "q s z w s z s z", "p"),
        node("DequantizeLinear", "p s z", "y"),
    ]
    stored = {"s": number(0.1), "z": np.array(0, dtype=np.int8), "w": np.zeros((6, 30), dtype=np.int8)}
    graph = read_onnx(write(tmp_path / "a.onnx", nodes, {"x": ["n", 4, 6]}, stored=stored), batch_size=2)
    assert operators(graph) == ["elementwise", "linear", "elementwise"]
    assert graph.output_bytes.tolist() == [2 * 4 * 6, 2 * 4 * 30, 4 * 2 * 4 * 30]
    assert graph.output_shapes[1].tolist() == [2, 4, 30, 1]
    assert (graph.n_parameters, graph.buffer_bytes) == (0, 180)


def test_attention_with_a_projection_in_integers(tmp_path):
    stored = {"w": np.ones((16, 48), np.int8), "b": (48,), **SCALES}
    made = microsoft("QAttention", "x w b s s . z z", num_heads=4)
    path = write(tmp_path / "a.onnx", [made], {"x": [2, 5, 16]}, stored=stored, types={"x": UINT8})
    graph = read_onnx(path)
    assert graph.total_flops == 2 * (2 * 5 * 48) * 16 + 2 * 2 * (2 * 5 * 5 * 16)
    assert operators(graph) == ["linear", "attention"]


@pytest.mark.parametrize(
    ("weight", "kinds", "quantised"),
    [
        (np.ones((16, 8), np.float32), (), False),
        (np.ones((16, 8), np.float16), ("float16",), False),
        (MATRIX, ("int8",), True),
    ],
)
def test_types_of_weights_are_told(tmp_path, weight, kinds, quantised):
    made = node("MatMulInteger", "x w", "y") if quantised else node("MatMul", "x w", "y")
    kind = {"float16": 10, "int8": UINT8}.get(weight.dtype.name, 1)
    path = write(tmp_path / "a.onnx", [made], {"x": [4, 16]}, stored={"w": weight}, types={"x": kind})
    found = open_onnx(path).captured(Given())
    assert (found.weight_types, found.quantised) == (kinds, quantised)
    assert found.graph.weight_bytes.tolist() == [weight.nbytes]


def test_weights_of_four_bits_have_half_a_byte_each(tmp_path):
    weight = onnx.TensorProto(name="w", data_type=22, dims=(32, 16), raw_data=bytes(32 * 16 // 2))
    stored = [weight, *(tensor(name, value) for name, value in {"s": np.ones(16, np.float32)}.items())]
    graph = helper.make_graph(
        [node("DequantizeLinear", "w s", "v", axis=1), node("MatMul", "x v", "y")],
        "g",
        [helper.make_tensor_value_info("x", 1, [4, 32])],
        [helper.make_tensor_value_info("y", 1, None)],
        stored,
    )
    path = tmp_path / "a.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]).SerializeToString()
    )
    found = read_onnx(path)
    assert (found.total_flops, found.buffer_bytes) == (2 * 4 * 32 * 16, 32 * 16 // 2 + 4 * 16)
    assert found.weight_bytes[0] == 256 + 64
    assert found.output_shapes.tolist() == [[32, 16, 1, 1], [4, 16, 1, 1]]
