"""Mixed precision on the meta device: the policy of torch's documentation, and what a capture sees of it."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from perfseer.graphs.autocast import Autocast
from perfseer.graphs.capture import capture
from perfseer.graphs.vocabulary import OPERATOR_INDEX

HALF, SINGLE = torch.float16, torch.float32


def meta(*shape, dtype=SINGLE):
    return torch.empty(shape, dtype=dtype, device="meta")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: F.linear(meta(4, 8), meta(6, 8)), HALF),
        (lambda: F.conv2d(meta(1, 3, 8, 8), meta(4, 3, 3, 3)), HALF),
        (lambda: meta(4, 8) @ meta(8, 2), HALF),
        (lambda: torch.einsum("ij,jk->ik", meta(4, 8), meta(8, 2)), HALF),
        (lambda: F.scaled_dot_product_attention(*(meta(1, 2, 4, 8) for _ in range(3))), HALF),
        (lambda: F.layer_norm(meta(4, 8, dtype=HALF), (8,)), SINGLE),
        (lambda: meta(4, 8, dtype=HALF).softmax(dim=-1), SINGLE),
        (lambda: meta(4, 8, dtype=HALF).exp(), SINGLE),
        (lambda: meta(4, 8, dtype=HALF).sum(), SINGLE),
        (lambda: meta(4, 8, dtype=HALF) ** 2, SINGLE),
        (lambda: F.gelu(meta(4, 8, dtype=HALF)), HALF),
        (lambda: meta(4, 8, dtype=HALF) + meta(4, 8, dtype=HALF), HALF),
        (lambda: meta(4, 8, dtype=HALF) * meta(8), SINGLE),
        (lambda: torch.cat([meta(4, dtype=HALF), meta(4)]), SINGLE),
        (lambda: meta(4, dtype=torch.int64) + 1, torch.int64),
    ],
)
def test_what_runs_in_which_precision(call, expected):
    with Autocast(HALF):
        assert call().dtype == expected


def test_a_parameter_is_cast_once_in_a_forward_pass():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 8, bias=False)

        def forward(self, x):
            return self.layer(self.layer(x))

    graph = capture(Twice(), (meta(2, 8),), backward=False, autocast=HALF)
    copies = graph.operators == OPERATOR_INDEX["copy"]
    # one of the weight, one of the input; the first product's result is in half precision already
    assert sorted((graph.weight_bytes + graph.input_bytes)[copies].tolist()) == [2 * 8 * 4, 8 * 8 * 4]
    assert (graph.operators == OPERATOR_INDEX["linear"]).sum() == 2


def test_bytes_halve_where_precision_does_and_flops_stay():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    single = capture(model, (meta(2, 3, 10, 10),), backward=True)
    mixed = capture(model, (meta(2, 3, 10, 10),), backward=True, autocast=HALF)
    kept = mixed.operators != OPERATOR_INDEX["copy"]
    assert mixed.operators[kept].tolist() == single.operators.tolist()
    assert mixed.flops[kept].tolist() == single.flops.tolist()
    assert mixed.output_bytes[kept].tolist() == (single.output_bytes // 2).tolist()
    assert mixed.backward_flops.sum() == single.backward_flops.sum()
    # parameters, gradients and the optimiser stay in single precision
    assert mixed.parameter_bytes == single.parameter_bytes


def test_a_type_that_a_model_asks_for_itself_is_the_one_at_run_time():
    class Follows(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 8, bias=False)
            self.scale = nn.Parameter(torch.ones(8))

        def forward(self, x):
            y = self.layer(x)
            return y * self.scale.to(y.dtype)

    graph = capture(Follows(), (meta(2, 8),), backward=False, autocast=HALF)
    assert graph.output_bytes[graph.operators == OPERATOR_INDEX["mul"]].tolist() == [2 * 8 * 2]
