"""Peak memory term by term: by hand, against exact captures, and against what torch does."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.predictors.memory import MemorySetup, memory_terms
from perfseer.predictors.memory.lifetimes import KINDS, Lifetimes, Tensors
from perfseer.predictors.memory.widths import compute_scales, traced_in_16_bits
from perfseer.predictors.memory.workspace import (
    convolution_columns,
    node_workspace,
    rounding_bytes,
    segment_bytes,
)

MIB = 2**20
CUDA = MemorySetup("cuda")
AMP = MemorySetup("cuda", "amp-fp16")
CUBLAS = 8_519_680

# An MLP 4 -> 8 -> 2 at batch 3: parameters (32 + 8 + 16 + 2) * 4 = 232 bytes, input 48, hidden activations 96
# each, output 24; the second layer's weights are 72 bytes.
PARAMETERS, INPUT, HIDDEN, SECOND = 232, 48, 96, 72


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


@pytest.fixture(scope="module")
def graph():
    return capture(mlp(), (torch.empty(3, 4),))


def test_inference_by_hand(graph):
    terms = memory_terms(graph, "infer", CUDA)
    assert (terms.parameters, terms.inputs, terms.buffers, terms.optimiser) == (PARAMETERS, INPUT, 0, 0)
    assert (terms.activations, terms.gradients, terms.casts) == (2 * HIDDEN, 0, 0)  # at the ReLU
    assert terms.workspace == CUBLAS
    assert terms.allocated_bytes == PARAMETERS + INPUT + 2 * HIDDEN + CUBLAS + terms.rounding
    assert terms.held_bytes == terms.allocated_bytes + terms.segments


def test_training_by_hand(graph):
    # At the ReLU's backward: its result, the gradients of its result and of its input; the second layer's.
    terms = memory_terms(graph, "train", CUDA)
    assert (terms.optimiser, terms.gradients, terms.activations) == (PARAMETERS, SECOND, 3 * HIDDEN)


@pytest.mark.parametrize(
    ("optimiser", "states", "gradients", "scratch"),
    [("sgd", 0, SECOND, 0), ("sgd-momentum", 1, SECOND, 0), ("adam", 2, PARAMETERS, PARAMETERS)],
)
def test_optimisers_by_hand(graph, optimiser, states, gradients, scratch):
    # Adam's peak is the step: all gradients, and as much again for the square roots.
    terms = memory_terms(graph, "train", MemorySetup("cuda", optimiser=optimiser))
    assert terms.optimiser == states * PARAMETERS
    assert (terms.gradients, terms.workspace) == (gradients, CUBLAS + scratch)


def test_gradients_that_are_kept_are_there_throughout(graph):
    terms = memory_terms(graph, "train", MemorySetup("cuda", gradients_kept=True))
    assert (terms.gradients, terms.activations) == (PARAMETERS, 3 * HIDDEN)


def test_autocast_by_hand(graph):
    # At the ReLU: two activations of 48 bytes and the first layer's weights in 16 bits (160 / 2). Before it
    # one activation, the input in 16 bits and those weights: 48 + 24 + 80; after it 48 + 12 + 80 + 36.
    terms = memory_terms(graph, "infer", AMP)
    assert (terms.parameters, terms.activations, terms.casts) == (PARAMETERS, HIDDEN, 80)


def test_pure_16_bits_halves_everything(graph):
    terms = memory_terms(graph, "train", MemorySetup("cuda", "bf16"))
    full = memory_terms(graph, "train", CUDA)
    for name in ("parameters", "inputs", "optimiser", "gradients", "activations"):
        assert 2 * getattr(terms, name) == getattr(full, name)


def test_training_without_the_backward_pass_is_refused():
    forward = capture(mlp(), (torch.empty(3, 4),), backward=False)
    assert memory_terms(forward, "infer", CUDA).activations == 2 * HIDDEN
    with pytest.raises(PerfseerError, match="backward=True"):
        memory_terms(forward, "train", CUDA)


class Block(nn.Module):
    """Attention and a perceptron, as in a vision transformer, with a layer scale in 32 bits."""

    def __init__(self, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.ones(width))
        self.heads = heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(*qkv.unbind(0)).transpose(1, 2).reshape(n, length, width)
        x = x + self.gamma * self.proj(y)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


def transformer() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 32), *(Block() for _ in range(3)), nn.LayerNorm(32))


def convnet() -> nn.Module:
    layers: list[nn.Module] = []
    for c_in, c_out in ((3, 16), (16, 32), (32, 32)):
        layers += [
            nn.Conv2d(c_in, c_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        ]
    layers += [nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, groups=4), nn.SiLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


NETWORKS = {"transformer": (transformer, (16, 49, 8)), "convnet": (convnet, (16, 3, 32, 32))}


@pytest.mark.parametrize("phase", ["infer", "train"])
@pytest.mark.parametrize("name", NETWORKS)
def test_autocast_inferred_from_fp32_agrees_with_a_capture_under_autocast(name, phase):
    make, shape = NETWORKS[name]
    inputs = (torch.empty(shape),)
    single, mixed = capture(make(), inputs), capture(make(), inputs, autocast=torch.float16)
    assert traced_in_16_bits(mixed)
    assert not traced_in_16_bits(single)
    inferred, exact = (memory_terms(graph, phase, AMP) for graph in (single, mixed))
    assert inferred.allocated_bytes == pytest.approx(exact.allocated_bytes, rel=0.01)
    assert sum((inferred.activations, inferred.casts)) == pytest.approx(
        exact.activations + exact.casts, rel=0.03
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_in_fp32_the_terms_add_up_to_the_peak_of_the_capture(name):
    make, shape = NETWORKS[name]
    graph = capture(make(), (torch.empty(shape),))
    for phase, exact in (("infer", graph.peak_infer_bytes), ("train", graph.peak_train_bytes)):
        terms = memory_terms(graph, phase, CUDA)
        assert terms.allocated_bytes - terms.rounding - terms.workspace == pytest.approx(exact, rel=1e-6)


def saved_bytes(model: nn.Module, inputs: torch.Tensor) -> int:
    """What autograd keeps of a real forward pass, parameters, buffers and the input left out."""
    known = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers(), inputs)}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(inputs).sum()
    return sum(kept.values())


def test_saved_tensors_are_those_of_a_real_backward_pass():
    model, inputs = convnet(), torch.rand(16, 3, 32, 32)
    graph = capture(model, (inputs,))
    tensors = Tensors.of(graph, CUDA, training=True, in_place=True)
    indices = graph.output_bytes - 4 * graph.output_shapes.prod(axis=1)
    pools = graph.operators == OPERATORS.index("max_pool")
    inferred = tensors.sizes[tensors.saved >= 0].sum() + indices[pools].sum()
    with torch.backends.mkldnn.flags(enabled=False):
        assert inferred == pytest.approx(saved_bytes(model, inputs), rel=0.01)


def allocated_peak(step) -> int:
    """Peak of the bytes the cpu allocator handed out while ``step`` ran."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return int(np.cumsum(changes).max())


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
def test_inference_is_what_the_allocator_sees():
    model, inputs = convnet().eval(), torch.rand(16, 3, 32, 32)
    terms = memory_terms(capture(model, (inputs,), backward=False), "infer", CUDA)
    with torch.backends.mkldnn.flags(enabled=False), torch.inference_mode():
        model(inputs)
        seen = allocated_peak(lambda: model(inputs))
    # Its own convolution unfolds the input; what follows the convolutions is the peak of both.
    assert terms.activations <= seen * 1.001


def test_scales_of_autocast():
    graph = capture(transformer(), (torch.empty(2, 49, 8),))
    scales = dict(zip([OPERATORS[i] for i in graph.operators], compute_scales(graph, AMP), strict=True))
    assert scales["linear"] == scales["attention"] == 0.5
    assert scales["layer_norm"] == scales["add"] == 1.0  # the sum of 16 bits and 32 is in 32
    assert scales["mul"] == 1.0  # by a weight in 32 bits
    assert scales["activation"] == 0.5  # GELU takes what the product before it gives
    assert set(compute_scales(graph, MemorySetup("cuda", "bf16"))) == {0.5}


def test_attention_before_torch_2_keeps_its_scores():
    graph = capture(Block(), (torch.empty(2, 16, 32),))
    scores = 2 * 4 * 16 * 16  # batch, heads, 16 queries of 16 keys
    old = memory_terms(graph, "train", MemorySetup("cuda", fused_attention=False))
    new = memory_terms(graph, "train", CUDA)
    assert old.activations - new.activations == pytest.approx(4 * scores, rel=0.1)


def test_compiling_takes_away_what_lies_between_pointwise_operators():
    class Chain(nn.Module):
        def forward(self, x):
            return (torch.sigmoid(x) * x + x).mul(2).tanh()

    graph = capture(Chain(), (torch.empty(64, 64),), backward=False)
    eager = memory_terms(graph, "infer", CUDA)
    compiled = memory_terms(graph, "infer", MemorySetup("cuda", compiled=True))
    assert compiled.activations == 64 * 64 * 4 < eager.activations


def test_platforms_say_what_memory_depends_on():
    old = Platform("rtx3090", "cuda", "amp-fp16", "nchw", "eager", "torch 1.12 cu113")
    new = Platform("rtx4090", "cuda", "fp32", "nchw", "compiled", "torch 2.4.0 cu124")
    assert MemorySetup.of(old) == MemorySetup("cuda", "amp-fp16", fused_attention=False, gradients_kept=True)
    assert MemorySetup.of(new, "adam") == MemorySetup("cuda", "fp32", compiled=True, optimiser="adam")
    unknown = Platform("rtx4090", "cuda", "fp32", "nchw", "eager", "unknown")
    assert not MemorySetup.of(unknown).gradients_kept


@pytest.mark.parametrize("change", [{"device_kind": "tpu"}, {"precision": "int8"}, {"optimiser": "lion"}])
def test_unknown_setups_are_refused(change):
    with pytest.raises(PerfseerError, match=next(iter(change))):
        MemorySetup(**{"device_kind": "cuda", **change})


def test_lifetimes_by_hand():
    arrays = (np.array([0, 1, 2]), np.array([1, 1, 3]), np.array([10.0, 5.0, 7.0]))
    lifetimes = Lifetimes.join([("activations", *arrays), ("gradients", *(a[:1] for a in arrays))])
    alive = lifetimes.alive()
    assert alive[KINDS.index("activations")].tolist() == [10, 15, 7, 7, 0]
    assert alive[KINDS.index("gradients")].tolist() == [10, 10, 0, 0, 0]
    assert sorted(lifetimes.at(1)) == [5, 10, 10]


def test_nothing_is_alive_where_there_are_no_blocks():
    none = np.zeros(0, dtype=np.int64)
    assert Lifetimes.join([("casts", none, none, np.zeros(0))]).alive().sum() == 0


def test_onednn_copies_dense_convolutions_and_buffers_odd_groups():
    model = nn.Sequential(
        nn.Conv2d(8, 16, 1), nn.Conv2d(16, 12, 3, groups=2), nn.Conv2d(12, 12, 3, groups=12)
    )
    graph = capture(model, (torch.empty(2, 8, 16, 16),))
    forward, backward = node_workspace(graph, MemorySetup("cpu"))
    assert forward.tolist() == [
        graph.bytes[0],
        5 * MIB,
        graph.bytes[2],
    ]  # 12 / 2 = 6 channels: no multiple of 4
    assert backward.tolist() == [2 * graph.bytes[0], 5 * MIB, 2 * graph.bytes[2]]
    assert not node_workspace(graph, CUDA).forward.any()
    largest = (graph.input_bytes.max(), graph.weight_bytes.max(), graph.output_bytes.max())
    assert convolution_columns(graph) == [3, 1, *(size / MIB for size in largest)]


def test_the_caching_allocator_rounds_and_holds():
    blocks = np.array([1.0, 512.0, 513.0, 3 * MIB, 11 * MIB])
    assert rounding_bytes(blocks, CUDA) == 511 + 0 + 511
    small = 2 * MIB - (1 + 512 + 513)  # one segment of 2 MiB
    middle = 20 * MIB - 3 * MIB  # one of 20 MiB
    assert segment_bytes(blocks, CUDA) == small + middle + 1 * MIB  # 11 MiB take 12
    assert segment_bytes(blocks, MemorySetup("cpu")) == 0


def test_memory_grows_with_the_batch():
    graphs = [capture(convnet(), (torch.empty(n, 3, 32, 32),)) for n in (2, 4, 8)]
    for phase in ("infer", "train"):
        first, second, third = (memory_terms(graph, phase, AMP).held_bytes for graph in graphs)
        assert first <= second <= third
