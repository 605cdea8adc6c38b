"""FLOPs equal a count by hand, those of the forward pass torch's counter too; bytes what a pencil gives."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from perfseer.graphs.capture import capture
from perfseer.graphs.costs import nchw, tensor_bytes
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.vocabulary import HYPERPARAMETERS
from perfseer.zoo import reference
from perfseer.zoo.builder import build
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import SearchSpace
from tests.helpers.hand_count import count_by_hand
from tests.helpers.model_graphs import Lambda, operators


def arguments(graph: PerfGraph, node: int) -> dict[str, int]:
    values = dict(zip(HYPERPARAMETERS, graph.hyperparameters[node].tolist(), strict=True))
    return {name: value for name, value in values.items() if value}


# module, input, operator, arguments, FLOPs, input bytes, weight bytes, output bytes
BY_HAND = {
    "grouped convolution": (
        nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=4),
        (2, 8, 10, 10),
        "conv",
        {"conv_kernel": 3, "conv_stride": 2, "conv_padding": 1, "conv_dilation": 1, "conv_groups": 4}
        | {"conv_bias": 1},
        2 * (2 * 5 * 5) * 16 * (8 // 4) * 9,
        2 * 8 * 100 * 4,
        (16 * 2 * 9 + 16) * 4,
        2 * 16 * 25 * 4,
    ),
    "depth-wise convolution": (
        nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=6, bias=False),
        (1, 6, 4, 4),
        "conv",
        {"conv_kernel": 3, "conv_stride": 1, "conv_padding": 2, "conv_dilation": 2, "conv_groups": 6},
        2 * 16 * 6 * 9,
        6 * 16 * 4,
        6 * 9 * 4,
        6 * 16 * 4,
    ),
    "rectangular convolution": (
        nn.Conv2d(3, 2, (1, 7), padding=(0, 3)),
        (1, 3, 5, 5),
        "conv",
        {"conv_kernel": 7, "conv_stride": 1, "conv_padding": 3, "conv_dilation": 1, "conv_groups": 1}
        | {"conv_bias": 1},
        2 * 25 * 2 * 3 * 7,
        3 * 25 * 4,
        (2 * 3 * 7 + 2) * 4,
        2 * 25 * 4,
    ),
    "batch norm": (nn.BatchNorm2d(5), (3, 5, 4, 4), "batch_norm", {}, 0, 960, 4 * 5 * 4, 960),
    "batch norm without parameters": (
        nn.BatchNorm2d(5, affine=False),
        (3, 5, 4, 4),
        "batch_norm",
        {},
        0,
        960,
        2 * 5 * 4,
        960,
    ),
    "linear": (
        nn.Linear(7, 11),
        (5, 7),
        "linear",
        {"linear_in": 7, "linear_out": 11, "linear_bias": 1},
        2 * 5 * 7 * 11,
        5 * 7 * 4,
        (7 * 11 + 11) * 4,
        5 * 11 * 4,
    ),
    "linear without bias": (
        nn.Linear(7, 11, bias=False),
        (5, 7),
        "linear",
        {"linear_in": 7, "linear_out": 11},
        2 * 5 * 7 * 11,
        5 * 7 * 4,
        7 * 11 * 4,
        5 * 11 * 4,
    ),
    "max pool": (  # the indices are written too, eight bytes each
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        (1, 2, 4, 4),
        "max_pool",
        {"pool_kernel": 3, "pool_stride": 2, "pool_padding": 1, "pool_ceil": 1},
        0,
        128,
        0,
        2 * 9 * (4 + 8),
    ),
    "average pool": (
        nn.AvgPool2d(2),
        (1, 2, 4, 4),
        "avg_pool",
        {"pool_kernel": 2, "pool_stride": 2},
        0,
        128,
        0,
        32,
    ),
    "global average pool": (
        nn.AdaptiveAvgPool2d(1),
        (2, 3, 4, 4),
        "global_avg_pool",
        {"pool_kernel": 4, "pool_stride": 4},
        0,
        384,
        0,
        24,
    ),
    "layer norm": (  # mean and inverse deviation of each of the 20 rows are written too
        nn.LayerNorm(8),
        (2, 10, 8),
        "layer_norm",
        {},
        0,
        640,
        64,
        640 + 2 * 20 * 4,
    ),
    "concat": (Lambda(lambda _, x: torch.cat([x, x[:, :1]], 1)), (2, 3, 4, 4), "concat", {}, 0, 512, 0, 512),
    "the same tensor twice": (Lambda(lambda _, x: x + x), (2, 3), "add", {}, 0, 24, 0, 24),
    "broadcast operand": (
        Lambda(lambda _, x: x * x[:, :1].expand(2, 3)),
        (2, 3),
        "mul",
        {},
        0,
        24 + 8,
        0,
        24,
    ),
    "number": (Lambda(lambda _, x: x + 1.0), (2, 3), "elementwise", {}, 0, 24, 0, 24),
    "attention": (  # operands once, no score matrix: 2 products of [6, 10, 8] by [6, 8, 10]
        Lambda(lambda _, x: F.scaled_dot_product_attention(x, x + 0, x * 1)),
        (2, 3, 10, 8),
        "attention",
        {},
        2 * (2 * 6 * 10 * 10 * 8),
        3 * 1920,
        0,
        1920,
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_forward_costs_by_hand(name):
    module, shape, operator, values, flops, input_bytes, weight_bytes, output_bytes = BY_HAND[name]
    graph = capture(module, (torch.empty(shape),), backward=False)
    last = graph.n_nodes - 1
    assert operators(graph)[last] == operator
    assert arguments(graph, last) == values
    assert graph.flops[last] == flops
    assert (graph.input_bytes[last], graph.weight_bytes[last], graph.output_bytes[last]) == (
        input_bytes,
        weight_bytes,
        output_bytes,
    )
    assert graph.bytes[last] == input_bytes + weight_bytes + output_bytes


def test_an_embedding_reads_the_rows_it_returns():
    graph = capture(nn.Embedding(1000, 6), (torch.zeros(2, 5, dtype=torch.int64),), backward=False)
    assert operators(graph)[0] == "embedding"
    assert (graph.input_bytes[0], graph.weight_bytes[0], graph.output_bytes[0]) == (80, 240, 240)
    assert graph.parameter_bytes == 24_000


def test_half_precision_halves_the_bytes():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    full = capture(model, (torch.empty(1, 3, 8, 8),))
    half = capture(model.bfloat16(), (torch.empty(1, 3, 8, 8, dtype=torch.bfloat16),))
    assert half.total_bytes * 2 == full.total_bytes
    assert half.total_flops == full.total_flops
    assert half.backward_bytes.sum() * 2 == full.backward_bytes.sum()


def test_backward_costs_by_hand():
    graph = capture(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (torch.empty(3, 4),))
    # activations: x 48, hidden 96, output 24 bytes; weights 128 and 64, biases 32 and 8
    first = (96 + 48 + 128) + (96 + 32)  # weight: reads g and x; bias: reads g. x needs no gradient
    relu = 96 + 96 + 96
    second = (24 + 64 + 96) + (24 + 96 + 64) + (24 + 8)  # input, weight, bias
    assert graph.backward_bytes.tolist() == [first, relu, second]
    assert graph.backward_flops.tolist() == [2 * 3 * 4 * 8, 0, 2 * (2 * 3 * 8 * 2)]


# layer, its input, FLOPs of one pass: 2 per position, weight of the position and image
PRODUCTS = {
    "depth-wise": (nn.Conv2d(6, 6, 3, padding=1, groups=6), (2, 6, 8, 8), 2 * 2 * 64 * 6 * 9),
    "groups": (nn.Conv2d(6, 9, 3, groups=3), (2, 6, 8, 8), 2 * 2 * 36 * 9 * 2 * 9),
    "dilated groups": (
        nn.Conv2d(6, 4, 3, stride=2, dilation=2, groups=2, bias=False),
        (2, 6, 9, 9),
        2 * 2 * 9 * 4 * 3 * 9,
    ),
    "one dimension": (nn.Conv1d(6, 12, 5, stride=2, groups=6), (2, 6, 9), 2 * 2 * 3 * 12 * 5),
    "three dimensions": (nn.Conv3d(4, 8, 2, groups=4), (2, 4, 4, 4, 4), 2 * 2 * 27 * 8 * 8),
    "without a batch": (nn.Conv2d(6, 6, 3, groups=6), (6, 8, 8), 2 * 36 * 6 * 9),
    "transposed": (nn.ConvTranspose2d(6, 4, 2, stride=2), (2, 6, 8, 8), 2 * 2 * 64 * 6 * 4 * 4),
    "transposed groups": (
        nn.ConvTranspose2d(6, 9, 3, stride=2, padding=1, output_padding=1, groups=3),
        (2, 6, 8, 8),
        2 * 2 * 64 * 6 * 3 * 9,
    ),
    "transposed depth-wise, one dimension": (
        nn.ConvTranspose1d(6, 6, 4, stride=2, groups=6),
        (2, 6, 8),
        2 * 2 * 8 * 6 * 4,
    ),
    "a batch of one": (nn.Linear(6, 5), (1, 6), 2 * 6 * 5),
}


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("wanted", ["weight", "input", "both"])
def test_each_gradient_of_a_product_costs_as_much_as_the_product(name, wanted):
    layer, shape, flops = PRODUCTS[name]
    before = nn.Identity() if wanted == "weight" else Lambda(lambda parts, x: x * parts[0].weight, Scale())
    layer.requires_grad_(wanted != "input")
    graph = capture(nn.Sequential(before, layer), (torch.empty(shape),))
    layer.requires_grad_(True)
    assert graph.flops[-1] == flops
    assert graph.backward_flops[-1] == flops * (2 if wanted == "both" else 1)
    assert graph.backward_flops.sum() == graph.backward_flops[-1]


class Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))


# function, shapes of operands, FLOPs forward and backward, where all operands want gradients
OTHER_PRODUCTS = {
    "matrix by vector": (torch.mv, ((5, 7), (7,)), 70, 70),  # the matrix's gradient is no sum
    "vector by vector": (torch.dot, ((7,), (7,)), 14, 0),
    "added": (torch.addmv, ((5,), (5, 7), (7,)), 70, 70),
    "batches summed": (torch.addbmm, ((5, 3), (4, 5, 7), (4, 7, 3)), 2 * 4 * 5 * 7 * 3, 4 * 4 * 5 * 7 * 3),
    "added to batches": (
        torch.baddbmm,
        ((4, 5, 3), (4, 5, 7), (4, 7, 3)),
        2 * 4 * 5 * 7 * 3,
        4 * 4 * 5 * 7 * 3,
    ),
    "bilinear": (  # [5, 3, 7] of the weights and the first, then the second; backwards one gradient each
        F.bilinear,
        ((5, 6), (5, 7), (3, 6, 7)),
        2 * 5 * 3 * 6 * 7 + 2 * 5 * 3 * 7,
        (2 * 5 * 3 * 6 * 7 + 2 * 5 * 6 * 7) + (2 * 5 * 3 * 6 * 7 + 2 * 5 * 3 * 7) + 2 * 5 * 3 * 6 * 7,
    ),
    "broadcast matrices": (torch.matmul, ((2, 4, 5, 7), (7, 3)), 2 * 8 * 5 * 7 * 3, 4 * 8 * 5 * 7 * 3),
    "sum over two letters": (
        lambda a, b: torch.einsum("bijk,bjkl->bil", a, b),
        ((2, 3, 4, 5), (2, 4, 5, 6)),
        2 * 2 * 3 * 20 * 6,
        4 * 2 * 3 * 20 * 6,
    ),
}


@pytest.mark.parametrize("name", OTHER_PRODUCTS)
def test_other_products_by_hand(name):
    function, shapes, flops, backward_flops = OTHER_PRODUCTS[name]
    graph = capture(Operands(function, shapes), (torch.empty(1),))
    assert graph.total_flops == flops
    assert graph.backward_flops.sum() == backward_flops
    assert graph.unknown == {}


class Operands(nn.Module):
    """A function of parameters; the input is added, so that a batch there is."""

    def __init__(self, function, shapes):
        super().__init__()
        self.function = function
        self.operands = nn.ParameterList(torch.empty(shape) for shape in shapes)

    def forward(self, x):
        return self.function(*self.operands) + x


def test_attention_backward_by_hand():
    def attend(parts, x):
        return F.scaled_dot_product_attention(*(part(x) for part in parts)).tanh()

    graph = capture(Lambda(attend, *(nn.Linear(8, 8) for _ in range(3))), (torch.empty(2, 10, 8),))
    assert operators(graph) == [*["linear"] * 3, "attention", "activation"]
    one = 2 * 10 * 8 * 4
    assert graph.backward_bytes[3] == 5 * one + 3 * one  # reads g, q, k, v, result; writes three gradients
    assert graph.backward_flops[3] == 2 * graph.flops[3] == 8 * (2 * 10 * 10 * 8)


def test_loss_and_statistics_belong_to_no_node():
    graph = capture(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (torch.empty(3, 4),))
    output = 3 * 2 * 4
    # cross-entropy: log-softmax reads and writes; nll reads it and 3 targets, writes two scalars; backwards
    forward = 2 * output + (output + 3 * 8 + 4 + 4)
    backward = 4 + (4 + output + 3 * 8 + 4 + output) + (output + output + output)
    assert graph.train_only_bytes == forward + backward


def forward_by_torch(model: nn.Module, inputs: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        model(inputs)
    return counter.get_total_flops()


SPACE = SearchSpace(
    seed=0,
    styles=("vgg", "googlenet", "resnet", "densenet", "mobilenet"),
    resolution=64,
    in_channels=3,
    stem_channels=16,
    n_classes=10,
    depth=(1, 2),
    width=(16, 64),
    max_parameters=10_000_000,
)

NETWORKS = {
    "resnet50": (reference.resnet50, (2, 3, 64, 64)),
    "mobilenet_v1": (reference.mobilenet_v1, (2, 3, 64, 64)),
    "vit_tiny": (reference.vit_tiny, (2, 3, 224, 224)),
    "encoder_block": (lambda: reference.EncoderBlock(32, 4), (2, 10, 32)),
    "transformer_layer": (lambda: nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), (2, 10, 32)),
    "transposed": (
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 8, 4, 2, 1), nn.SiLU(inplace=True)),
        (2, 3, 8, 8),
    ),
    "lstm": (lambda: Lambda(lambda parts, x: parts[0](x)[0], nn.LSTM(32, 16)), (5, 2, 32)),
    "grouped queries": (
        lambda: Lambda(
            lambda parts, x: F.scaled_dot_product_attention(
                *[part(x).unflatten(2, (-1, 8)).transpose(1, 2) for part in parts],
                is_causal=True,
                enable_gqa=True,
            ),
            *(nn.Linear(32, width) for width in (32, 16, 16)),
        ),
        (2, 10, 32),
    ),
    **{f"zoo {spec.id}": (lambda spec=spec: build(spec), (2, 3, 64, 64)) for spec in sample(SPACE, 6)},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_flops_equal_the_count_by_hand_and_both_modes_agree(name):
    factory, shape = NETWORKS[name]
    with torch.device("meta"):
        model, inputs = factory(), torch.empty(shape)
    graph = capture(model, (inputs,))
    forward_only = capture(model, (inputs,), backward=False)
    model.train()
    assert graph.total_flops == forward_by_torch(model, inputs)
    assert (graph.total_flops, graph.backward_flops.sum()) == count_by_hand(model, (inputs,))
    for field in ("operators", "hyperparameters", "output_shapes", "flops", "input_bytes", "weight_bytes"):
        assert (getattr(graph, field) == getattr(forward_only, field)).all(), field
    for field in ("output_bytes", "edge_index", "edge_bytes", "edge_shapes"):
        assert (getattr(graph, field) == getattr(forward_only, field)).all(), field
    assert graph.peak_infer_bytes == forward_only.peak_infer_bytes
    assert graph.unknown == forward_only.unknown == {}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), (1, 1, 1, 1)),
        ((8, 10), (8, 10, 1, 1)),
        ((2, 3, 4), (2, 3, 4, 1)),
        ((2, 3, 4, 5, 6), (2, 3, 4, 30)),
    ],
)
def test_nchw(shape, expected):
    assert nchw(shape) == expected


def test_tensor_bytes_counts_repeated_elements_once():
    assert tensor_bytes(torch.empty(3, 4, dtype=torch.float16)) == 24
    assert tensor_bytes(torch.empty(3, 1).expand(3, 100)) == 12
    assert tensor_bytes(torch.empty(4, 6)[:, ::2]) == 48
