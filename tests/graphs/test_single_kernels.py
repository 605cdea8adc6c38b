"""What a device runs as one kernel moves what one kernel moves, in elements of its input by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from perfseer.graphs.capture import capture
from tests.helpers.model_graphs import Lambda, operators

N, C = 40, 8
TENSOR = N * C * 4

# module, operator, bytes of the forward pass, of the backward pass
SINGLE = {
    "silu": (nn.SiLU(), "activation", 2 * TENSOR, 3 * TENSOR),
    "mish": (nn.Mish(), "activation", 2 * TENSOR, 3 * TENSOR),
    # one number of each row is kept besides; backwards the weight is read and its gradient written
    "rms norm": (
        nn.RMSNorm(C),
        "layer_norm",
        2 * TENSOR + C * 4 + N * 4,
        3 * TENSOR + N * 4 + 2 * C * 4,
    ),
    "rms norm without weights": (
        nn.RMSNorm(C, elementwise_affine=False),
        "layer_norm",
        2 * TENSOR + N * 4,
        3 * TENSOR + N * 4,
    ),
}


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_single_kernel_reads_and_writes_each_tensor_once(name, dtype):
    module, operator, forward, backward = SINGLE[name]
    model = nn.Sequential(nn.Linear(C, C), module).to(dtype)
    graph = capture(model, (torch.empty(N, C, dtype=dtype),))
    model.float()
    assert operators(graph) == ["linear", operator]
    wide = torch.finfo(dtype).bits // 32
    assert graph.bytes[1] == forward * wide
    assert graph.backward_bytes[1] == backward * wide
    alone = capture(model, (torch.empty(N, C),), backward=False)
    assert alone.bytes[1] == forward
    with torch.inference_mode():
        assert capture(model, (torch.empty(N, C),), backward=False).bytes[1] == forward


def test_dropout_draws_and_applies_its_mask_in_one_kernel():
    with_dropout, without = (
        capture(nn.Sequential(nn.Linear(C, C), last), (torch.empty(1, N, C),))
        for last in (nn.Dropout(), nn.Identity())
    )
    mask = N * C  # a byte per element
    extra = (2 * TENSOR + mask) + (2 * TENSOR + mask)
    # the sum's gradient is one number, which only a first operator may read instead of a tensor
    assert with_dropout.train_only_bytes - without.train_only_bytes == extra - TENSOR + 4
    assert operators(with_dropout) == ["linear"]


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_dropout_of_nothing_or_everything_has_no_mask(probability):
    graph = capture(nn.Sequential(nn.Linear(C, C), nn.Dropout(probability)), (torch.empty(1, N, C),))
    assert operators(graph)[0] == "linear"
    assert graph.unknown == {}


@pytest.mark.filterwarnings("ignore:Mismatch dtype")
def test_a_norm_of_mixed_types_is_composed_as_on_a_device():
    mixed = Lambda(lambda parts, x: F.rms_norm(x.half(), (C,), parts[0].weight), nn.RMSNorm(C))
    assert len(operators(capture(mixed, (torch.empty(N, C),), backward=False))) > 3


def test_gradients_of_gradients_are_captured():
    """Forces are gradients of an energy, and training differentiates them again."""

    def forces(parts, x):
        x = x * parts[1].weight[0, :1]
        energy = parts[0](x).sum()
        return torch.autograd.grad(energy, x, create_graph=True)[0]

    for activation in (nn.SiLU(), nn.Mish(), nn.RMSNorm(C)):
        model = Lambda(forces, nn.Sequential(nn.Linear(C, C), activation), nn.Linear(C, C, bias=False))
        graph = capture(model, (torch.empty(N, C),))
        assert graph.backward_flops.sum() > graph.total_flops > 0


def test_the_meta_device_is_as_before_after_a_capture():
    capture(nn.Sequential(nn.Linear(C, C), nn.Mish()), (torch.empty(N, C),))
    x = torch.empty(N, C, device="meta", requires_grad=True)
    with torch.profiler.profile() as profile:
        torch.autograd.grad(F.mish(x), x, torch.empty_like(x))
    assert "aten::softplus" in {event.name for event in profile.events()}
