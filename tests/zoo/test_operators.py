"""Single operators by name: what is captured of a call is what can be counted by hand."""

import pytest
import torch

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.graphs.vocabulary import OPERATORS as VOCABULARY
from perfseer.zoo.operators import OPERATORS, parse
from perfseer.zoo.references import build

# Of each call: operator of the vocabulary, FLOPs, bytes of inputs, of weights, of the output.
COUNTED = {
    "conv(2x16x10x10->32,kernel=3,stride=1,padding=1)": (
        *("conv", 2 * 2 * 32 * 16 * 9 * 100),
        *(4 * 2 * 16 * 100, 4 * 32 * 16 * 9, 4 * 2 * 32 * 100),
    ),
    "conv(1x4x9x9->8,kernel=3,stride=2,padding=0)": (
        *("conv", 2 * 8 * 4 * 9 * 16),
        *(4 * 4 * 81, 4 * 8 * 4 * 9, 4 * 8 * 16),
    ),
    "linear(1x58x141->13)": ("linear", 2 * 58 * 141 * 13, 4 * 58 * 141, 4 * 142 * 13, 4 * 58 * 13),
    "linear_no_bias(58x141->13)@fp16": ("linear", 2 * 58 * 141 * 13, 2 * 58 * 141, 2 * 141 * 13, 2 * 58 * 13),
    "bmm(3x5x7,3x7x11)": ("matmul", 2 * 3 * 5 * 7 * 11, 4 * 3 * (35 + 77), 0, 4 * 3 * 55),
    "add(5x8,5x8)": ("add", 0, 320, 0, 160),
    "mul(5x8,5x8)": ("mul", 0, 320, 0, 160),
    "div(5x8,5x8)": ("elementwise", 0, 320, 0, 160),
    "pow(5x8,5x8)": ("elementwise", 0, 320, 0, 160),
    "add_number(5x8)": ("elementwise", 0, 160, 0, 160),
    "mul_number(5x8)": ("elementwise", 0, 160, 0, 160),
    "div_number(5x8)": ("elementwise", 0, 160, 0, 160),
    "pow_number(5x8)": ("elementwise", 0, 160, 0, 160),
    "tanh(5x8)": ("activation", 0, 160, 0, 160),
    "relu(5x8)": ("relu", 0, 160, 0, 160),
    "gelu(5x8)@fp16": ("activation", 0, 80, 0, 80),
    "silu_and_mul(5x8)@fp16": ("activation", 0, 80, 0, 40),
    "softmax(5x8)": ("softmax", 0, 160, 0, 160),
    "layer_norm(5x8)": ("layer_norm", 0, 160, 64, 160 + 2 * 20),  # with mean and deviation of each row
    "rms_norm(5x8)@fp16": ("layer_norm", 0, 80, 16, 80 + 20),
    "embedding(58->140,rows=1000)@fp16": ("embedding", 0, 8 * 58, 2 * 58 * 140, 2 * 58 * 140),
    "rotary(58x40x128)@fp16": ("elementwise", 0, 2 * 58 * (40 + 1) * 128, 0, 2 * 58 * 40 * 128),
}


@pytest.mark.parametrize("text", COUNTED)
@pytest.mark.skipif(
    "not hasattr(torch.ops.aten, '_fused_rms_norm')", reason="this torch composes some of them"
)
def test_a_call_is_one_node_with_its_costs(text):
    call = parse(text)
    graph = capture(build(f"operator:{text}"), call.inputs(), backward=False)
    found = [VOCABULARY[graph.operators[0]]]
    found += [
        int(getattr(graph, name)[0]) for name in ("flops", "input_bytes", "weight_bytes", "output_bytes")
    ]
    assert (graph.n_nodes, *found) == (1, *COUNTED[text])
    assert call.flops == graph.total_flops
    assert call.read_bytes <= graph.input_bytes[0]
    assert graph.batch_size == call.shapes[0][0]


def test_every_operator_is_counted_above():
    assert {text.partition("(")[0] for text in COUNTED} == set(OPERATORS)


def test_three_tensors_are_added_in_two_kernels():
    graph = capture(
        build("operator:add(5x8,5x8,5x8)@fp16"), parse("add(5x8,5x8,5x8)@fp16").inputs(), backward=False
    )
    assert [VOCABULARY[operator] for operator in graph.operators] == ["add", "add"]
    assert graph.input_bytes.tolist() == [160, 160]


def test_results_are_those_of_torch():
    values = torch.randn(3, 8)
    assert torch.equal(build("operator:relu(3x8)", device="cpu")(values), values.relu())
    assert torch.equal(build("operator:add(3x8,3x8,3x8)", device="cpu")(values, values, values), values * 3)
    half = build("operator:silu_and_mul(3x8)", device="cpu")(values)
    assert half.shape == (3, 4)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("linear", "'linear' is no call"),
        ("linear(3x4->5", "no call"),
        ("linear(3x4->5)@bf16", "no call"),
        ("fft(3x4)", "'fft'.*linear"),
        ("linear(3x4)", "width"),
        ("relu(3x4->5)", "width"),
        ("relu(3x4,3x4)", "2 inputs"),
        ("add(3x4)", "1 inputs"),
        ("add(3x4,3x5)", "one shape"),
        ("bmm(3x4x5,3x6x7)", "BxMxN"),
        ("bmm(4x5,5x7)", "dimensions"),
        ("conv(2x3->4,kernel=3,stride=1,padding=1)", "2 dimensions"),
        ("conv(2x3x8x8->4,kernel=3)", "stride"),
        ("conv(2x3x8x8->4,kernel=0,stride=1,padding=0)", "zero"),
        ("relu(0x4)", "zero"),
        ("silu_and_mul(3x5)", "odd"),
        ("linear(3x" + "9" * 5000 + "->5)", "no call"),
    ],
)
def test_what_is_no_call_is_refused(text, told):
    with pytest.raises(PerfseerError, match=told):
        build(f"operator:{text}")
