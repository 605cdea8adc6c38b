"""Operators of ONNX Runtime and attention: FLOPs on paper, against PyTorch's for the same network."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from perfseer.graphs.capture import capture
from tests.helpers.model_graphs import assert_same_work, operators, read_onnx
from tests.helpers.onnx_files import microsoft, node, write

N, L, E, HEADS, PAST = 2, 5, 16, 4, 7
TOKENS = {"x": [N, L, E]}
SCORES = 2 * 2 * N * L * L * E  # both products of attention, as many keys as queries


def graph_of(tmp_path, nodes, inputs, stored=None, outputs=("y",), *, backward=False, types=None, opset=17):
    path = write(tmp_path / "a.onnx", nodes, inputs, outputs, stored=stored, types=types, opset=opset)
    graph = read_onnx(path, backward=backward)
    assert graph.unknown == {}
    return graph


# -- products -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "attributes", "flops"),
    [
        (([2, 3, 16], [8, 16]), {"transB": 1}, 2 * 2 * 3 * 16 * 8),
        (([16, 3], [16, 8]), {"transA": 1}, 2 * 3 * 16 * 8),
        (([2, 16, 3], [2, 8, 16]), {"transA": 1, "transB": 1, "alpha": 0.5}, 2 * 2 * 3 * 16 * 8),
        (([3, 2, 16], [2, 16, 8]), {"transBatchA": 1}, 2 * 2 * 3 * 16 * 8),
    ],
)
def test_fused_matmul(tmp_path, shapes, attributes, flops):
    made = microsoft("FusedMatMul", "a b", **attributes)
    graph = graph_of(tmp_path, [made], dict(zip("ab", shapes, strict=True)))
    assert (graph.total_flops, operators(graph)[-1]) == (flops, "matmul")


def test_fused_matmul_with_a_weight_is_a_linear_layer(tmp_path):
    made = microsoft("FusedMatMul", "x w", transB=1, alpha=0.5)
    graph = graph_of(tmp_path, [made], TOKENS, {"w": (24, E)}, backward=True)
    assert_same_work(graph, capture(nn.Linear(E, 24, bias=False), (torch.empty(N, L, E),)))


@pytest.mark.parametrize(
    ("op", "image", "weight"),
    [
        ("FusedConv", [2, 4, 6, 6], (8, 4, 3, 3)),
        ("NhwcFusedConv", [2, 6, 6, 4], (8, 4, 3, 3)),
        ("NhwcConv", [2, 6, 6, 4], (8, 3, 3, 4)),
    ],
)
def test_fused_convolutions(tmp_path, op, image, weight):
    made = microsoft(op, "x w b", activation="Relu", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    graph = graph_of(tmp_path, [made], {"x": image}, {"w": weight, "b": (8,)})
    assert graph.total_flops == 2 * (2 * 8 * 36) * 4 * 9
    assert operators(graph) == ["conv", "relu"]
    assert graph.n_parameters == 8 * 36 + 8
    assert graph.output_shapes[-1].tolist() == ([2, 8, 6, 6] if op == "FusedConv" else [2, 6, 6, 8])


def test_the_layout_in_blocks_of_channels(tmp_path):
    nodes = [
        microsoft("ReorderInput", "x", "a"),
        microsoft("Conv", "a w b", "c", activation="Relu", kernel_shape=[1, 1]),
        microsoft("MaxPool", "c", "d", kernel_shape=[2, 2], strides=[2, 2]),
        microsoft("ReorderOutput", "d", "y", channels=8),
    ]
    for made in nodes:
        made.domain = "com.microsoft.nchwc"
    graph = graph_of(tmp_path, nodes, {"x": [2, 4, 6, 6]}, {"w": (8, 4, 1, 1), "b": (8,)})
    assert operators(graph) == ["copy", "conv", "relu", "max_pool", "copy"]
    assert graph.total_flops == 2 * (2 * 8 * 36) * 4


def test_a_fused_convolution_adds_before_its_activation(tmp_path):
    made = microsoft("FusedConv", "x w . z", activation="LeakyRelu", activation_params=[0.1])
    graph = graph_of(tmp_path, [made], {"x": [2, 4, 6, 6], "z": [2, 8, 6, 6]}, {"w": (8, 4, 1, 1)})
    assert operators(graph) == ["conv", "add", "activation"]


def test_fused_gemm(tmp_path):
    made = microsoft("FusedGemm", "x w b", transB=1, activation="Relu")
    graph = graph_of(tmp_path, [made], {"x": [4, E]}, {"w": (24, E), "b": (24,)})
    assert (operators(graph), graph.total_flops) == (["linear", "relu"], 2 * 4 * E * 24)


# -- attention ------------------------------------------------------------------------------------------


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(E, 3 * E)

    def forward(self, x):
        parts = self.project(x).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts)
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


def test_attention_with_its_projection(tmp_path):
    made = microsoft("Attention", "x w b", num_heads=HEADS)
    graph = graph_of(tmp_path, [made], TOKENS, {"w": (E, 3 * E), "b": (3 * E,)}, backward=True)
    assert graph.total_flops == 2 * N * L * E * 3 * E + SCORES
    assert_same_work(graph, capture(SelfAttention(), (torch.empty(N, L, E),)))


def test_attention_over_what_came_before(tmp_path):
    inputs = {"x": [N, L, E], "past": [2, N, HEADS, PAST, E // HEADS]}
    made = microsoft("Attention", "x w b . past", "y present", num_heads=HEADS, unidirectional=1)
    graph = graph_of(tmp_path, [made], inputs, {"w": (E, 3 * E), "b": (3 * E,)}, ("y", "present"))
    assert graph.total_flops == 2 * N * L * E * 3 * E + 2 * 2 * N * L * (PAST + L) * E


APART = {name: [N, L, E] for name in ("q", "k", "v")}
PACKED = {"qkv": [N, L, HEADS, 3, E // HEADS]}
CACHE = {name: [N, HEADS, PAST, E // HEADS] for name in ("pk", "pv")}


@pytest.mark.parametrize(
    ("arguments", "inputs", "keys"),
    [
        ("q k v", APART, L),
        ("q k v b", APART, L),
        ("qkv . .", PACKED, L),
        ("q kv", {"q": [N, L, E], "kv": [N, 9, HEADS, 2, E // HEADS]}, 9),
        ("q k v", {"q": [N, L, E], **{name: [N, HEADS, 9, E // HEADS] for name in "kv"}}, 9),
        ("q k v b . . pk pv", {**APART, **CACHE}, L + PAST),
    ],
    ids=["apart", "bias", "packed", "packed keys", "by heads", "cache"],
)
def test_multi_head_attention(tmp_path, arguments, inputs, keys):
    made = microsoft("MultiHeadAttention", arguments, "y present_k present_v", num_heads=HEADS)
    graph = graph_of(tmp_path, [made], inputs, {"b": (3 * E,)} if " b" in arguments else {})
    assert graph.total_flops == 2 * 2 * N * L * keys * E
    assert operators(graph)[-1] == "attention"
    assert graph.output_shapes[-1].tolist() == [N, HEADS, L, E // HEADS]


@pytest.mark.parametrize("packed", [False, True])
def test_grouped_query_attention(tmp_path, packed):
    """8 heads of queries, 2 of keys; every head of queries multiplies."""
    heads, groups, width = 8, 2, 4
    shapes = {"q": [N, L, heads * width], "k": [N, L, groups * width], "v": [N, L, groups * width]}
    if packed:
        shapes = {"q": [N, L, (heads + 2 * groups) * width]}
    cache = {name: [N, groups, PAST, width] for name in ("pk", "pv")}
    made = microsoft(
        "GroupQueryAttention",
        f"{'q . .' if packed else 'q k v'} pk pv",
        "y present_k present_v",
        num_heads=heads,
        kv_num_heads=groups,
    )
    nodes = [made, node("Relu", "present_k", "z")]
    graph = graph_of(tmp_path, nodes, {**shapes, **cache}, outputs=("y", "z"))
    assert graph.total_flops == 2 * 2 * N * heads * L * (L + PAST) * width
    assert graph.output_shapes[-1].tolist() == [N, groups, L + PAST, width]


@pytest.mark.parametrize("flat", [True, False])
def test_attention_of_onnx_itself(tmp_path, flat):
    shape = [N, L, E] if flat else [N, HEADS, L, E // HEADS]
    attributes = {"q_num_heads": HEADS, "kv_num_heads": HEADS} if flat else {}
    made = node("Attention", "q k v . pk pv", "y present_k present_v", **attributes)
    graph = graph_of(tmp_path, [made], {**dict.fromkeys("qkv", shape), **CACHE}, opset=23)
    assert graph.total_flops == 2 * 2 * N * L * (L + PAST) * E


# -- norms, embeddings, activations ---------------------------------------------------------------------

VECTORS = dict.fromkeys(("g", "b", "c"), (E,))


@pytest.mark.parametrize(
    ("made", "names", "parameters"),
    [
        (microsoft("SkipLayerNormalization", "x x g b c"), ["add", "add", "layer_norm"], 3 * E),
        (microsoft("BiasGelu", "x b"), ["add", "activation"], E),
        (microsoft("FastGelu", "x"), ["activation"], 0),
        (microsoft("Gelu", "x"), ["activation"], 0),
        (microsoft("QuickGelu", "x", alpha=1.7), ["activation"], 0),
        (microsoft("BiasAdd", "x b x"), ["add", "add"], E),
        (microsoft("LayerNormalization", "x g b"), ["layer_norm"], 2 * E),
    ],
    ids=lambda made: getattr(made, "op_type", None),
)
def test_what_has_no_products(tmp_path, made, names, parameters):
    graph = graph_of(tmp_path, [made], TOKENS, {k: v for k, v in VECTORS.items() if k in made.input})
    assert (operators(graph), graph.total_flops, graph.n_parameters) == (names, 0, parameters)
    assert graph.output_shapes[-1].tolist() == [N, L, E, 1]


class SkipRmsNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(E))

    def forward(self, x, y):
        return F.rms_norm(x + y, (E,), self.weight)


def test_a_norm_by_squares_of_a_sum(tmp_path):
    made = microsoft("SkipSimplifiedLayerNormalization", "x z g")
    graph = graph_of(tmp_path, [made], {"x": [N, L, E], "z": [N, L, E]}, {"g": (E,)})
    empty = torch.empty(N, L, E)
    assert_same_work(graph, capture(SkipRmsNorm(), (empty, empty.clone()), backward=False))


def test_embeddings_of_words_positions_and_segments(tmp_path):
    made = microsoft("EmbedLayerNormalization", "ids segments words places kinds g b", "y mask")
    tables = {"words": (50, E), "places": (9, E), "kinds": (2, E)}
    graph = graph_of(
        tmp_path,
        [made],
        {"ids": [N, L], "segments": [N, L]},
        {**tables, **{k: VECTORS[k] for k in "gb"}},
        types={"ids": 6, "segments": 6},
    )
    assert operators(graph) == ["embedding", "add", "embedding", "add", "layer_norm"]
    assert graph.n_parameters == (50 + 9 + 2 + 2) * E
    assert graph.output_shapes[-1].tolist() == [N, L, E, 1]


@pytest.mark.parametrize("own", [True, False])
def test_rotations_are_one_operator(tmp_path, own):
    arguments = "x cos sin ids" if own else "x ids cos sin"
    made = node("RotaryEmbedding", arguments, "y") if own else microsoft("RotaryEmbedding", arguments)
    shapes = {"x": [N, HEADS, L, 4], "ids": [N, L]}
    graph = graph_of(tmp_path, [made], shapes, {"cos": (50, 2), "sin": (50, 2)}, types={"ids": 7}, opset=23)
    assert (operators(graph), graph.n_parameters, graph.buffer_bytes) == (["elementwise"], 0, 2 * 400)


@pytest.mark.parametrize("last", [0, 1])
def test_group_norm_of_either_layout(tmp_path, last):
    made = microsoft("GroupNorm", "x g b", channels_last=last, groups=4, activation=1)
    image = [2, 3, 3, E] if last else [2, E, 3, 3]
    graph = graph_of(tmp_path, [made], {"x": image}, {k: VECTORS[k] for k in "gb"})
    assert operators(graph)[-2:] == ["group_norm", "activation"]
    assert graph.total_flops == 0
    assert graph.n_parameters == 2 * E


# -- what stays unknown ---------------------------------------------------------------------------------


def test_a_deformable_convolution_multiplies_like_another(tmp_path):
    made = node("DeformConv", "x w o b m", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=2)
    inputs = {"x": [2, 8, 6, 6], "o": [2, 18, 6, 6], "m": [2, 9, 6, 6]}
    path = write(tmp_path / "a.onnx", [made], inputs, stored={"w": (4, 4, 3, 3), "b": (4,)}, opset=19)
    graph = read_onnx(path, backward=True)
    assert graph.unknown == {"DeformConv": 1}
    assert graph.total_flops == 2 * (2 * 4 * 36) * 4 * 9
    assert (graph.other_flops_share, graph.n_parameters) == (1, 4 * 36 + 4)
    assert graph.output_shapes.tolist() == [[2, 4, 6, 6]]


@pytest.mark.parametrize(
    ("made", "share"),
    [
        (microsoft("Mystery", "x"), None),
        (node("Det", "x", "y"), None),
        (node("Hardmax", "x", "y"), 0),
        (microsoft("BiasSoftmax", "x x", axis=1), 0),
    ],
    ids=["runtime's", "ONNX's", "without products", "runtime's without products"],
)
def test_the_share_of_what_is_outside_the_vocabulary(tmp_path, made, share):
    path = write(tmp_path / "a.onnx", [node("MatMul", "h h", "x"), made], {"h": [4, 4]})
    graph = read_onnx(path)
    assert graph.other_flops_share == share
    assert sum(graph.unknown.values()) == 1
