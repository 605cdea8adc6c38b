"""The meta device runs what a device runs: as many kernels, which move as many bytes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from perfseer.graphs.capture import capture
from perfseer.graphs.costs import tensor_bytes
from perfseer.graphs.single_kernels import single_kernels
from perfseer.graphs.tracer import Tracer
from tests.helpers.model_graphs import Lambda, operators
from tests.helpers.operator_table import OPERATORS

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


# -- against the real kernels of the cpu -----------------------------------------------------------------

MOVE_NOTHING = {"empty", "empty_like", "new_empty", "new_empty_strided", "empty_strided", "_unsafe_view"}
MOVE_NOTHING |= {"detach", "detach_", "_reshape_alias", "alias"}
ONLY_WRITE = {"ones_like", "zeros_like", "full_like", "new_zeros", "new_ones", "new_full"}
OVERWRITE = {"copy_", "fill_", "zero_"}


class Kernels(TorchDispatchMode):
    """Names of the kernels that run, and the bytes of what each reads and writes."""

    def __init__(self):
        super().__init__()
        self.names, self.moved = [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        if func.is_view or torch.Tag.inplace_view in func.tags or name in MOVE_NOTHING:
            return out
        read = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        if name in OVERWRITE:
            read = read[1:]
        distinct = {(t.data_ptr(), t.shape, t.stride()): t for t in read if name not in ONLY_WRITE}
        written = [t for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
        self.names.append(name)
        self.moved.append(sum(map(tensor_bytes, (*distinct.values(), *written))))
        return out


def operands(shapes, device):
    return [torch.full(shape, 0.5, device=device, requires_grad=True) for shape in shapes]


def on_the_cpu(function, shapes):
    given = operands(shapes, "cpu")
    with Kernels() as forward:
        out = function(*given)
    with Kernels() as backward:
        out.sum().backward()
    return forward.names, sum(backward.moved)


def on_the_meta_device(function, shapes):
    given = operands(shapes, "meta")
    tracer = Tracer({}, [t.untyped_storage() for t in given], training=True)
    with single_kernels(tracer), tracer:
        out = function(*given)
        tracer.end_forward([out])
        out.sum().backward()
    return [node.name for node in tracer.trace.nodes], sum(moved for _, moved, _ in tracer.trace.backward)


# What a CPU's kernel saves for its gradient and a GPU's does not: one tensor.
SAVED_ON_A_CPU = ("logsigmoid",)


@pytest.mark.parametrize("name", OPERATORS)
def test_a_capture_runs_what_a_device_runs(name):
    function, shapes = OPERATORS[name]
    names, moved = on_the_cpu(function, shapes)
    saved = operands(shapes, "meta")[0].nbytes if name in SAVED_ON_A_CPU else 0
    assert on_the_meta_device(function, shapes) == (names, moved - saved)
