"""Regions in which a model turns autocast on or off by itself, and code that torch runs out of its sight."""

import warnings

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from perfseer.graphs.autocast import Autocast
from perfseer.graphs.capture import capture
from tests.helpers.model_graphs import Lambda, operators

HALF, BF16, SINGLE = torch.float16, torch.bfloat16, torch.float32
INPUT = torch.empty(4, 8, device="meta")


def captured(forward, *parts, autocast=HALF, **how):
    return capture(Lambda(forward, *parts), (INPUT,), autocast=autocast, **how)


def bits(graph):
    """Of the result of each product [4, 8]."""
    return [
        8 * int(size) // 32
        for size, operator in zip(graph.output_bytes, operators(graph), strict=True)
        if operator in ("linear", "matmul")
    ]


@torch.autocast("cuda", enabled=False)
def _decorated(layer, x):
    return layer(x)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecated, and used everywhere

    @torch.cuda.amp.autocast(enabled=False)
    def _decorated_as_before(layer, x):
        return layer(x)


def _disabled(device):
    def forward(layer, x):
        with torch.autocast(device_type=device or x.device.type, enabled=False):
            return layer(x)

    return forward


@pytest.mark.parametrize(
    "region", [_disabled("cuda"), _disabled(None), _decorated, _decorated_as_before], ids=range(4)
)
@pytest.mark.parametrize("backward", [False, True])
def test_a_region_without_autocast_runs_in_what_it_is_given(region, backward):
    def forward(parts, x):
        return parts[2](region(parts[1], parts[0](x).float()))

    graph = captured(forward, *(nn.Linear(8, 8) for _ in range(3)), backward=backward)
    assert bits(graph) == [16, 32, 16]


def test_a_region_for_the_cpu_has_no_effect_on_a_gpu():
    graph = captured(lambda parts, x: _disabled("cpu")(parts[0], x), nn.Linear(8, 8))
    assert bits(graph) == [16]


@pytest.mark.parametrize("outer", [None, HALF])
def test_a_region_of_another_type_inside(outer):
    types = []

    def forward(parts, x):
        with torch.autocast("cuda", dtype=BF16):
            first = parts[0](x)
            types.append((first.dtype, torch.get_autocast_dtype("cuda")))
        second = parts[0](first if outer else first.float())
        types.append((second.dtype, torch.is_autocast_enabled("cuda")))
        return second

    captured(forward, nn.Linear(8, 8), autocast=outer)
    assert types == [(BF16, BF16), (outer or SINGLE, outer is not None)]


@pytest.mark.parametrize("low", [None, HALF, BF16])
def test_a_model_can_ask(low):
    asked = []

    def forward(parts, x):
        asked.append((torch.is_autocast_enabled(), torch.is_autocast_enabled(x.device.type)))
        asked.append(torch.get_autocast_dtype(x.device.type))
        return parts[0](x)

    captured(forward, nn.Linear(8, 8), autocast=low)
    assert asked == [(low is not None,) * 2, low or HALF]


def test_nothing_is_left_switched_on():
    switches = [getattr(torch, name) for name in ("is_autocast_enabled", "set_autocast_enabled")]
    layer = nn.Linear(8, 8, device="meta")
    with pytest.raises(RuntimeError, match="reduction dim"), Autocast(HALF):
        layer(layer(INPUT).t())
    assert [getattr(torch, name) for name in ("is_autocast_enabled", "set_autocast_enabled")] == switches
    assert not torch.is_autocast_enabled("cuda")
    assert layer(INPUT).dtype == SINGLE


class _Product(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda", cast_inputs=torch.float32)
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight

    @staticmethod
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient @ weight.t(), x.t() @ gradient


def test_an_autograd_function_that_casts_its_inputs():
    graph = captured(lambda parts, x: _Product.apply(parts[0](x), parts[0].weight), nn.Linear(8, 8))
    assert bits(graph) == [16, 32]
    assert graph.backward_flops.sum() == 3 * 2 * 4 * 8 * 8


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("low", [None, HALF, BF16])
def test_a_checkpoint_runs_again_in_the_precision_of_its_forward_pass(reentrant, low):
    block = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8))
    seen = []
    block.register_forward_pre_hook(lambda *_: seen.append(torch.is_autocast_enabled("cuda")))

    def forward(parts, x):
        return checkpoint(parts[1], parts[0](x), use_reentrant=reentrant)

    graph = captured(forward, nn.Linear(8, 8), block, autocast=low)
    product = 2 * 4 * 8 * 8
    assert seen == [low is not None] * 2
    # gradients of one weight, of two weights and inputs; again: both layers, or until nothing is missing
    assert graph.backward_flops.sum() == product * (1 + 2 + 2 + (2 if reentrant else 1))


def test_the_backward_pass_itself_is_not_cast():
    graph = captured(lambda parts, x: parts[0](x).float().square().sum(), nn.Linear(8, 8, bias=False))
    single = captured(lambda parts, x: parts[0](x).square().sum(), nn.Linear(8, 8, bias=False), autocast=None)
    assert graph.backward_flops.sum() == single.backward_flops.sum()


def _small():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TorchScript is deprecated
    WRAPPED = {
        "script": torch.jit.script(_small()),
        "trace": torch.jit.trace(_small(), torch.zeros(2, 3, 8, 8)),
        "fx": torch.fx.symbolic_trace(_small()),
        "parallel": nn.DataParallel(_small()),
    }


@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.parametrize("backward", [False, True])
def test_what_a_function_mode_does_not_see_into(kind, backward):
    inputs = (torch.empty(2, 3, 8, 8, device="meta"),)
    plain, wrapped = (
        capture(model, inputs, autocast=HALF, backward=backward) for model in (_small(), WRAPPED[kind])
    )
    for name in ("operators", "flops", "output_bytes", "backward_bytes", "backward_flops"):
        assert getattr(wrapped, name).tolist() == getattr(plain, name).tolist(), name


@pytest.mark.parametrize("kind", ["script", "trace"])
def test_what_ran_before_changes_no_capture_of_torchscript(kind):
    inputs = (torch.empty(2, 3, 8, 8, device="meta"),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = (
            torch.jit.script(_small())
            if kind == "script"
            else torch.jit.trace(_small(), torch.zeros(2, 3, 8, 8))
        )
    flops = [capture(model, inputs, backward=backward).total_flops for backward in (True, False, True, False)]
    assert flops == [2 * 2 * (36 * 8 * 27 + 288 * 10)] * 4


def test_inference_mode_inside_a_model_is_like_no_gradients():
    def forward(parts, x):
        with torch.inference_mode():
            return parts[0](x.t().reshape(4, 8))

    inside = captured(forward, nn.Linear(8, 8), backward=False)
    outside = captured(lambda parts, x: parts[0](x.t().reshape(4, 8)), nn.Linear(8, 8), backward=False)
    # the rearranged input, casts of it, of the weight and of the bias
    assert operators(inside) == operators(outside) == [*["copy"] * 4, "linear"]
    assert inside.output_bytes.tolist() == outside.output_bytes.tolist()
